"""An organisation's own guardrails: only what its tests prove is taken, what never ends is ended, what breaks stops."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.house import House
from tests.test_guardrails import key
from tests.web_world import World, live_app, world
from wend.errors import Invalid, Refused
from wend.events import Fact
from wend.guardrails import gates, logged, own
from wend.guardrails.cel import Evaluator
from wend.guardrails.facts import Facts
from wend.run import Line

TWICE = """
id = "payments-run-twice"
title = "Payments run twice"
because = "one replica is down during each deploy"
expression = "team != 'payments' || processes.web.replicas >= 2"
message = "web of payments has fewer than two replicas"
fix = "replicas = 2 in [process.web] of wend.toml of {app}"

[[test]]
says = "pass"
facts = { team = "payments", processes = { web = { replicas = 2 } } }

[[test]]
says = "fail"
facts = { team = "payments", processes = { web = { replicas = 1 } } }

[[test]]
says = "unknown"
facts = { team = "payments", processes = { web = { } } }
"""


@pytest.fixture
def there(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path / "home") as made:
        made.ctx.ledger.append([Fact("app_created", "app/shop", {"branch": "main"}, app="shop", team="payments")])
        yield made


@pytest.fixture(scope="module")
def cel() -> Iterator[Evaluator]:
    made = Evaluator()
    yield made
    made.end()


def write(there: World, text: str = TWICE, **more: Any) -> Any:
    return there.ask("POST", "/api/guardrails", {"text": text}, **more)


def facts(replicas: int | None) -> Facts:
    web = {} if replicas is None else {"replicas": replicas}
    return Facts("shop", settings={"team": "payments", "processes": {"web": web}})


def verdicts(there: World, replicas: int | None) -> str:
    decision = gates.judge(there.ctx, "push", facts(replicas))
    return next(one.verdict for one in decision.results if one.rule.id == "payments-run-twice")


def test_one_is_taken_and_asked_at_every_gate(there: World) -> None:
    assert write(there).json == {"rule": "payments-run-twice", "version": 1, "tests": 3}
    assert [verdicts(there, replicas) for replicas in (2, 1, None)] == ["PASS", "FAIL", "UNKNOWN"]
    shown = next(one for one in there.ask("GET", "/api/guardrails").json if one["own"])
    assert shown["rule"] == "payments-run-twice" and shown["modes"]["deploy"] == "warn"
    mode = {"gate": "push", "mode": "enforce"}
    assert there.ask("POST", "/api/guardrails/payments-run-twice/mode", mode).status == 200
    assert gates.judge(there.ctx, "push", facts(None)).blocked, "what is not known is no pass"
    waiver = {"rule": "payments-run-twice", "reason": "the second one comes on Monday"}
    assert there.ask("POST", "/api/apps/shop/waivers", waiver).status == 200
    assert "your own, version 1" in there.page("/guardrails").text
    laptop = there.ask("GET", "/api/apps/shop/guardrails").json["own"]
    assert laptop == [[TWICE, 1]]
    assert there.ask("DELETE", "/api/guardrails/payments-run-twice").json["removed"]
    assert there.ask("DELETE", "/api/guardrails/payments-run-twice").status == 404
    assert not [one for one in there.ask("GET", "/api/guardrails").json if one["own"]]


def test_what_is_broken_changes_nothing_and_what_was_taken_last_stays(there: World) -> None:
    """[Attack 40: a corrupt policy file.]"""
    assert write(there).status == 200
    for broken in (TWICE[:200], TWICE.replace(">= 2", ">= 3"), TWICE.replace("replicas >=", "replica >="), "\0" * 99):
        assert write(there, broken).status in (403, 422), broken
    assert [verdicts(there, replicas) for replicas in (2, 1)] == ["PASS", "FAIL"]
    again = TWICE.replace("fewer than two", "fewer than the two")
    assert write(there, again).json["version"] == 2
    assert write(there, token=there.token("app.*")).status == 403


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('says = "unknown"', 'says = "pass"', "a missing field"), ('says = "fail"', 'says = "maybe"', "a test has"),
        ('because = "one', 'becuase = "one', "nothing reads becuase"), ("payments-run-twice", "secret-in-tree", "id ="),
        ('fix = "replicas', 'fix = ""\nx = "replicas', "nothing reads x"), ("[[test]]", "[test]", "TOML"),
        ('title = "Payments run twice"', "", "title is missing"), ("payments-run-twice", "../../x", "id ="),
        ('message = "web', 'modes = { moon = "warn" }\nmessage = "web', "modes ="),
        ('message = "web', 'reconsider = "when it rains"\nmessage = "web', "rains"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_with_the_word(old: str, new: str, says: str) -> None:
    with pytest.raises(Invalid, match=says):
        own.read(TWICE.replace(old, new))


@pytest.mark.parametrize("hostile", ["x" * 70_000, "a = " + "[" * 5000, "a = 1e999999", "a = " + "9" * 10**4, "\udcff"])
def test_a_hostile_file_is_refused(hostile: str) -> None:
    """[Attack 25.]"""
    with pytest.raises(Invalid):
        own.read(hostile)


NESTED = "[" + ",".join(map(str, range(90))) + "]"


@pytest.mark.parametrize(
    ("expression", "said", "why"),
    [
        ("team == 'x'", "false", ""), ("nope", "unknown", "nope"), ("env.GONE == '1'", "unknown", "GONE"),
        ("1", "error", "neither true nor false"), ("1/0 == 1", "error", "zero"), ("team +", "error", "arse"),
        ("team + 1 == 'x'", "error", ""), ("(" * 9000 + "1" + ")" * 9000, "error", ""),
        (f"{NESTED}.all(a, {NESTED}.all(b, {NESTED}.all(c, {NESTED}.all(d, a+b+c+d >= 0))))", "error", "did not end"),
        ("'a'.matches('(a+)+$') || ('" + "a" * 9999 + "!').matches('(a+)+$')", "true", ""),
    ],
)  # fmt: skip
def test_an_expression_never_hangs_and_never_passes_by_accident(
    cel: Evaluator, expression: str, said: str, why: str
) -> None:
    """[Attacks 26, 27 and 28: a policy that never ends is ended, and that is an error.]"""
    began = time.monotonic()
    answer = cel.ask({"x": expression}, {"team": "payments", "env": {}})["x"]
    assert answer.said == said and why in answer.why, answer
    assert time.monotonic() - began < 5
    assert cel.ask({"y": "team == 'payments'"}, {"team": "payments"})["y"].said == "true", "the next is answered"


def test_the_example_in_the_docs_is_one(cel: Evaluator) -> None:
    lines = (Path(__file__).parent.parent / "docs/guardrails.md").read_text().splitlines()
    start = next(at for at, line in enumerate(lines) if line.startswith('    id = "'))
    end = next(at for at, line in enumerate(lines) if at > start and line and not line.startswith("    "))
    one = own.read("\n".join(line[4:] for line in lines[start:end]))
    own.prove(one, cel.ask)
    assert one.modes["deploy"] == "enforce"


def test_the_evaluating_process_may_die(cel: Evaluator) -> None:
    cel.ask({"x": "true"}, {})
    assert cel.process
    cel.process.kill()
    cel.process.wait()
    assert cel.ask({"x": "true"}, {})["x"].said == "true"


def test_a_mutant_of_ones_own_is_caught_by_its_tests(cel: Evaluator) -> None:
    one = own.read(TWICE)
    for mutant in ("true", "false", "team != 'payments'", "team != 'payments' || processes.web.replicas > 2",
                   "!has(processes.web.replicas) || processes.web.replicas >= 2"):  # fmt: skip
        with pytest.raises(Refused):
            own.prove(own.read(TWICE.replace(one.expression, mutant)), cel.ask)


def test_a_backtest_tries_it_on_what_was_pushed(there: World) -> None:
    write(there)
    for number in (1, 2, 3):
        about = {"gate": "push", "commit": f"c{number}", "facts": facts(number).kept(), "verdicts": {}, "of": "h"}
        there.ctx.ledger.append([Fact("guardrails_judged", "app/shop", about, app="shop")])
    found = there.ask("GET", "/api/guardrails/payments-run-twice/backtest").json
    assert (found["of"], found["stopped"], found["apps"]) == (3, 1, ["shop"])


# ---------------------------------------------------------------------------------------------- what is printed


def test_a_secret_in_the_log_is_told_once_and_our_token_is_useless(there: World) -> None:
    """[Attack 32, in a log.]"""
    live_app(there, "hello")
    token = there.token("app.read", owner="zoe")
    secret = key("an AWS access key")
    reader = logged.Reader()
    reader.tend(there.ctx, 0.0)
    there.driver.lines = [Line(1.0, "web.1", f"connecting with {secret}"), Line(2.0, "web.1", f"token {token}")]
    for now in (10.0, 3700.0, 7400.0):
        reader.tend(there.ctx, now)
    told = there.ctx.ledger.read(kinds=["log_examined"])
    assert [len(one.data["hits"]) for one in told] == [0, 2], "when it changes, and an hour apart"
    assert secret not in str(told) and token not in str(told)
    assert there.ask("GET", "/api/apps", token=token).status == 401
    shown = {one["rule"]: one["live"] for one in there.ask("GET", "/api/guardrails").json}
    assert shown["secret-in-log"]["FAIL"] == 1


def test_a_push_is_stopped_by_ones_own(house: House, tmp_path: Path) -> None:
    house.up()
    text = TWICE.replace("team != 'payments' ||", "").replace("payments-run-twice", "everything-twice")
    assert house.api("POST", "/api/guardrails", {"text": text})[0] == 200
    assert house.api("POST", "/api/guardrails/everything-twice/mode", {"gate": "push", "mode": "enforce"})[0] == 200
    repo = house.repo("rails", tmp_path / "rails")
    taken, said = repo.push()
    assert not taken and "UNKNOWN everything-twice" in said and "there is no 'web'" in said, said
    repo.change(**{"wend.toml": "[process.web]\nreplicas = 1\n"})
    taken, said = repo.push()
    assert not taken and "fix: replicas = 2 in [process.web] of wend.toml of rails" in said, said
    repo.change(**{"wend.toml": "[process.web]\nreplicas = 2\n"})
    taken, said = repo.push()
    assert taken, said
