"""Tables as people save them: every kind, every spreadsheet's habits, and mistakes with their line and column."""

from __future__ import annotations

import codecs

import pytest

from tests.ingest_world import NOW, PEOPLE, SHA, at, data, delivery, hear, ids, texts
from wend.errors import Invalid
from wend.ingest import Heard, source


def told(text: str | bytes) -> Heard:
    return hear("csv", text if isinstance(text, bytes) else text.encode())


# ---------------------------------------------------------------------------------------------- the kinds


def test_people() -> None:
    heard = told("email,login,name,team,role,joined,left\nAda@example.org,ada,Ada L.,payments,dev,2026-01-05,\n")
    said = data(heard, "person_recorded")
    assert said["person"] == PEOPLE.of("ada@example.org") and said["aliases"] == [PEOPLE.of("ada")]
    assert (said["team"], said["role"], said["left_at"]) == ("payments", "dev", None)
    assert said["joined_at"] == at("2026-01-05T00:00:00Z") and texts(heard) == ["Ada L."]
    assert data(told("login,aliases\nada,ada@example.org a.lovelace\n"))["aliases"] == [
        PEOPLE.of("ada@example.org"),
        PEOPLE.of("a.lovelace"),
    ]
    with pytest.raises(Invalid, match="line 3: it names nobody"):
        told("email,team\nada@example.org,a\n,b\n")


def test_services() -> None:
    heard = told(
        "service,team,repo,since,exempt,why\nshop,payments,https://x.org/acme/shop.git,2026-01-05,yes,legacy\n"
    )
    said = data(heard, "service_recorded")
    assert [said[key] for key in ("service", "repo", "exempt", "why")] == ["shop", "acme/shop", True, "legacy"]
    assert data(told("service\nshop\n"))["exempt"] is False


def test_deployments() -> None:
    columns = "deployment,service,environment,outcome,started_at,finished_at,purpose,commits,undoes"
    heard = told(f"{columns}\n7,shop,prod-eu,failed,2026-02-20 11:50,2026-02-20 12:00,Rollback,{SHA[1]} {SHA[2]},6\n")
    said = data(heard, "deployment_recorded")
    assert (said["deployment"], said["undoes"], said["tier"]) == ("csv:7", "csv:6", "production")
    assert (said["outcome"], said["purpose"], said["commit"]) == ("failure", "rollback", SHA[2])
    assert said["commits"] == [SHA[1], SHA[2]] and said["finished_at"] == at("2026-02-20T12:00:00Z")
    plain = data(told("deployment,service,finished\n7,shop,2026-02-20\n"))
    assert (plain["environment"], plain["outcome"], plain["purpose"]) == ("production", "success", "planned")


def test_incidents_and_their_causes() -> None:
    rows = [f"1,2026-02-20T12:00:00Z,,{SHA[2]}", "2,2026-02-20T12:00:00Z,2026-02-20T13:00:00Z,pkg:oci/a@1"]
    rows += ["3,2026-02-20T12:00:00Z,,7", "4,2026-02-20T12:00:00Z,,github:acme/shop/run/7"]
    heard = told("\n".join(["incident,opened,resolved,cause", *rows]))
    causes = [fact.data["cause"] for fact in heard.facts]
    assert causes[:2] == [{"commit": SHA[2]}, {"artifact": "pkg:oci/a@1"}]
    assert causes[2:] == [{"deployment": "csv:7"}, {"deployment": "github:acme/shop/run/7"}]
    assert [fact.data["state"] for fact in heard.facts] == ["open", "resolved", "open", "open"]


def test_tickets() -> None:
    heard = told(
        "ticket,opened,resolved,reason,team,platform,automatic,title\n1,2026-02-20,,builds,payments,,no,Help\n"
    )
    said = data(heard, "ticket_recorded")
    assert [said[key] for key in ("ticket", "platform", "automatic", "reason")] == ["csv:1", True, False, "builds"]
    assert data(told("ticket,opened,platform\n1,2026-02-20,no\n"))["platform"] is False


def test_equal_answers_of_two_people_stay_two_and_a_file_that_grew_adds_only_the_new() -> None:
    head, row = "survey,wave,score,team,comment\n", "nps,2026-q1,9,payments,\n"
    two = told(head + row + row)
    assert len(set(ids(two))) == 2
    grown = told(head + row + row + "nps,2026-q1,3,payments,Slow\n" + row)
    assert ids(grown)[:2] == ids(two) and len(set(ids(grown))) == 4 and "Slow" in texts(grown)
    named = told("survey,wave,score,id\nces,w,7,a\nces,w,6,b\n")
    assert ids(told("survey,wave,score,id\nces,w,5,b\n"))[0] == ids(named)[1], "an id names it, whatever it says"
    with pytest.raises(Invalid, match="line 2, column score"):
        told("survey,wave,score\nnps,w,11\n")


def test_a_team_may_become_what_it_was() -> None:
    body = b"email,team\nada@example.org,payments\n"
    today = delivery(body, source="csv")
    tomorrow = type(today)(today.source, today.headers, body, NOW + 86_400_000_000, PEOPLE)
    first, again, later = [source("csv").read(one).facts[0] for one in (today, today, tomorrow)]
    assert first.id == again.id != later.id and first.data == later.data


# ---------------------------------------------------------------------------------------------- habits of spreadsheets

PLAIN = "incident,opened,title\nI-1,2026-02-20T12:00:00Z,Down\nI-2,2026-02-21T12:00:00Z,\n"
HABITS = {
    "a mark at the beginning": codecs.BOM_UTF8 + PLAIN.encode(),
    "UTF-16": PLAIN.encode("utf-16"),
    "CRLF": PLAIN.replace("\n", "\r\n").encode(),
    "CR": PLAIN.replace("\n", "\r").encode(),
    "semicolons": PLAIN.replace(",", ";").encode(),
    "tabs": PLAIN.replace(",", "\t").encode(),
    "Excel's first line": b"sep=;\r\n" + PLAIN.replace(",", ";").encode(),
    "quotes": PLAIN.replace("Down", '"Down"').encode(),
    "blank lines": PLAIN.replace("\n", "\n\n,,\n").encode(),
    "other names": PLAIN.replace("opened", " Opened-At ").encode(),
    "no last newline": PLAIN.rstrip("\n").encode(),
    "German dates": PLAIN.replace("2026-02-20T12:00:00Z", "20.2.2026 12:00").encode(),
    "a column to skip": PLAIN.replace("title", "title,#notes").replace("Down", "Down,abc").encode(),
}


@pytest.mark.parametrize("habit", HABITS)
def test_habits_of_spreadsheets_change_nothing(habit: str) -> None:
    assert told(HABITS[habit]) == told(PLAIN)


def test_formulas_are_text() -> None:
    heard = told('incident,opened,title\nI-1,2026-02-20,"=HYPERLINK(""http://x"",""a"")"\nI-2,2026-02-20,@SUM(1+1)\n')
    assert texts(heard) == ['=HYPERLINK("http://x","a")', "@SUM(1+1)"]
    assert data(told("service,team\n=1+1,-2\n"))["team"] == "-2"


MISTAKES = {
    "line 3, column opened: 'soon' is not a time": "incident,opened\n1,2026-02-20\n2,soon\n",
    "line 4, column opened: '9999": 'incident,opened,title\n1,2026-02-20,"two\nlines"\n2,9999-12-31,x\n',
    "line 2, column opened: it is empty": "incident,opened\n1,\n",
    "line 2, column outcome: 'great' is none of": "deployment,service,finished,outcome\n1,shop,2026-02-20,great\n",
    "line 2, column exempt: 'perhaps'": "service,exempt\nshop,perhaps\n",
    "line 2, column commit: 'abc'": "deployment,service,finished,commit\n1,shop,2026-02-20,abc\n",
    "line 2, column score: '9.5'": "survey,wave,score\nnps,w,9.5\n",
    "line 2 has 3 cells": "service,team\nshop,a,b\n",
    "line 1: services have no column 'taem'": "service,taem\nshop,a\n",
    "line 1: the column 'team' is there twice": "service,team,Team\nshop,a,b\n",
    "line 1: these columns are of no table": "name,colour\nshop,red\n",
    "line 1: these columns": "",
    "line 2 is not CSV": 'service,team\n"shop"x,a\n',
}


@pytest.mark.parametrize("message", MISTAKES)
def test_a_mistake_has_its_line_and_column(message: str) -> None:
    with pytest.raises(Invalid) as caught:
        told(MISTAKES[message])
    assert message in caught.value.message


def test_what_is_no_text_has_its_line() -> None:
    with pytest.raises(Invalid, match="line 2 is not UTF-8"):
        told(b"service,team\nsh\xf6p,a\n")
    with pytest.raises(Invalid, match="line 2 has a zero byte"):
        told(b"service,team\nsh\0p,a\n")
    with pytest.raises(Invalid, match="not CSV"):
        told('service,team\nshop,"' + "a" * 200_000 + '"\n')


def test_a_table_of_ten_thousand_rows_is_read_whole() -> None:
    rows = "".join(f"{number},shop,2026-02-20,success\n" for number in range(10_000))
    heard = told("deployment,service,finished,outcome\n" + rows)
    assert len(set(ids(heard))) == 10_000
