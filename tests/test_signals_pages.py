"""Signals in the portal, the API and monitoring: who may see what, hostile names, empty states, and that no number
comes without its interval and n."""

from __future__ import annotations

import html
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.house import until
from tests.signal_world import seed
from tests.test_portal import HOSTILE, RAW, Seen, without_clock
from tests.web_world import World, live_app, world
from wend import privacy, units
from wend.events import KINDS, Fact
from wend.signals import FAMILIES, NOTHING, Point, Scope, Signal, Window, quick_check
from wend.signals.definitions import DEFINITIONS
from wend.web import bands, measured, wording

PAGES = ("/signals", "/signals?scope=team:payments&weeks=26", "/signals?scope=service:images&weeks=4",
         "/signals/change_fail_rate", "/signals/change_lead_time?weeks=104", "/signals/nps", "/signals/access",
         "/ingest", "/ledger/7")  # fmt: skip
API = ("/api/signals", "/api/signals/nps", "/api/signals/change_fail_rate/evidence")
INTERVAL = re.compile(r"\d.*–.*\d|^(from|up to) |interval open|[+-]?\d+ to [+-]?\d+")


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("signals") / "home") as made:
        seed(made.ctx.ledger)
        live_app(made)
        yield made


@pytest.fixture(scope="module")
def cookie(there: World) -> str:
    return there.sign_in()


# ---------------------------------------------------------------------------------------------- who


def test_everybody_who_sees_apps_sees_signals_and_nobody_else(there: World) -> None:
    human, narrow, other = there.token("app.*"), there.token("app.*:hello"), there.token("ledger.read")
    for path in (*API, *PAGES[:6], "/ingest"):
        assert there.ask("GET", path, token=human).status == (403 if "nps/evidence" in path else 200), path
        assert there.ask("GET", path, token=narrow).status == there.ask("GET", path, token=other).status == 403, path
    assert there.ask("GET", "/api/signals/access", token=narrow).status == 200
    assert there.page("/signals/access", there.sign_in(narrow)).status == 200


def test_what_caused_an_incident_is_said_by_who_may_change_apps(there: World) -> None:
    rows = there.ask("GET", "/api/signals/change_fail_rate/evidence").json
    times, settled = [row["id"] for row in rows], (time.time() - 8 * 86_400) * 1e6
    alone = [row for row in rows if row["rank"] == "assumed" and times.count(row["id"]) == 1]
    name = next(row["by"] for row in alone if row["at"] < settled)
    where = f"/api/incidents/{quote(name)}/attribution"
    body = {"deployment": None, "why": "the data centre was down"}
    assert there.ask("POST", where, body, token=there.token("app.read")).status == 403
    assert there.ask("POST", where, {"deployment": None}).status == 422
    assert there.ask("POST", where, {**body, "deployment": "nope"}).status == 404
    assert there.ask("POST", "/api/incidents/a/b/attribution", body).status == 404
    before = there.ask("GET", "/api/signals/change_fail_rate").json["assumed"]
    assert there.ask("POST", where, body, token=there.token("app.*")).json == {"incident": name, "deployment": None}
    after = there.ask("GET", "/api/signals/change_fail_rate").json
    assert after["assumed"] < before
    told = there.ctx.ledger.read(kinds=["incident_attributed"])[-1]
    assert told.actor == "ann" and told.data["why"] == body["why"]


def test_one_event_is_shown_to_who_may_read_it(there: World, cookie: str) -> None:
    own = next(one for one in there.ctx.ledger.read(limit=10**6) if one.app == "hello")
    for path in (f"/ledger/{own.seq}", f"/ledger/{own.seq}.json"):
        assert there.ask("GET", path, token=there.token("ledger.read:hello")).status == 200
        assert there.ask("GET", path, token=there.token("ledger.read:other")).status == 403
    assert there.ask("GET", "/ledger/7", token=there.token("ledger.read:hello")).status == 403
    assert there.page(f"/ledger/{own.seq}.json", cookie).json["hash"] == own.hash
    assert own.hash in there.page(f"/ledger/{own.seq}", cookie).text
    for odd in ("0", "-1", "x", "9" * 30, "٣", "1000000", "1e3"):
        assert there.page(f"/ledger/{quote(odd)}", cookie).status == 404, odd


# ---------------------------------------------------------------------------------------------- numbers


def every_number(found: Any) -> Iterator[dict[str, Any]]:
    """Whatever has a value, wherever it is in an answer."""
    if isinstance(found, dict):
        if "value" in found:
            yield found
        for one in found.values():
            yield from every_number(one)
    elif isinstance(found, list):
        for one in found:
            yield from every_number(one)


def test_no_json_has_a_value_without_its_interval_and_n(there: World) -> None:
    for scope in ("all", "team:payments", "team:identity", "service:checkout", "service:hello"):
        answer = there.ask("GET", f"/api/signals?scope={scope}")
        numbers = list(every_number(answer.json))
        assert "NaN" not in answer.text and "Infinity" not in answer.text and len(numbers) > len(FAMILIES)
        for one in numbers:
            assert one["value"] is None or isinstance(one["n"], int), (scope, one)
            assert {"low", "high", "n"} <= set(one), one
            if one["value"] is not None and None not in (one["low"], one["high"]):
                assert one["low"] - 1e-9 <= one["value"] <= one["high"] + 1e-9, (scope, one)
            if one["value"] is None and "says" in one and "family" in one:
                assert one["says"], one


@pytest.mark.parametrize("path", [path for path in PAGES if path.startswith("/signals")][:6])
def test_no_page_shows_a_value_without_its_interval_and_n(there: World, cookie: str, path: str) -> None:
    html = there.page(path, cookie).text
    ranges = re.findall(r'<span class="sub range"><span>(.*?)</span> <span>(.*?)</span></span>', html, re.DOTALL)
    shown = html.count('class="amount"') + len(re.findall(r"<b>[+-]?\d", html))
    assert shown and len(ranges) == shown, path
    for ends, n in ranges:
        assert INTERVAL.search(ends.rstrip(",")), ends
        assert re.search(r"n [\d\u202f]+|of \d signals", n), n
    assert "nan" not in re.sub(r"<[^>]*>", " ", html).lower().split() and "None" not in Seen(html).words


def test_a_number_that_is_none_says_why(there: World, cookie: str) -> None:
    html = there.page("/signals?scope=service:audit-trail&weeks=4", cookie).text
    words = " ".join(Seen(html).words)
    assert "Cannot tell, needs about" in words and "No data" in words
    assert "elite" not in html.lower()


def test_people_are_shown_as_groups_only_and_who_looked_is_written_down(there: World) -> None:
    bea = there.sign_in(there.token("app.*", owner="bea"))
    there.page("/signals", bea)
    hidden = there.ask("GET", "/api/signals/nps?scope=team:identity").json
    assert hidden["value"] is None and hidden["says"].startswith("hidden: fewer than 5 people")
    assert not hidden["series"] and not any(part["value"] for part in hidden["parts"].values())
    words = " ".join(Seen(there.page("/signals/nps?scope=team:identity", bea).text).words)
    assert "Hidden" in words and "groups alone are shown, and no rows" in words
    assert there.ask("GET", "/api/signals/nps/evidence").status == 403
    looked = {(one["actor"], one["signal"], one["scope"]) for one in there.ask("GET", "/api/signals/access").json}
    assert ("bea", "nps", "all") in looked and ("bea", "nps", "team:identity") not in looked
    there.page("/signals/change_fail_rate", bea)
    assert "bea" in there.page("/signals/access", bea).text
    newest = there.ask("GET", "/api/signals/access?limit=1").json
    assert [(one["actor"], one["signal"]) for one in newest] == [("bea", "change_fail_rate")]


def test_how_many_people_is_not_told_exactly(there: World, cookie: str) -> None:
    one = there.ask("GET", "/api/signals/nps").json
    assert one["n_at_least"] and one["n"] in (0, *privacy.BANDS)
    assert f"n {one['n']}+" in there.page("/signals/nps", cookie).text


# ---------------------------------------------------------------------------------------------- pages


@pytest.mark.parametrize("path", PAGES)
def test_pages_are_well_made_and_have_a_twin(there: World, cookie: str, path: str) -> None:
    answer = there.page(path, cookie)
    seen = Seen(answer.text)
    assert answer.status == 200 and len(seen.all("h1")) == 1 and not seen.all("style")
    assert not [name for _, given in seen.tags for name in given if name == "style" or name.startswith("on")]
    ids = [given["id"] for _, given in seen.tags if "id" in given]
    assert len(ids) == len(set(ids))
    named = [given["aria-labelledby"] for _, given in seen.tags if "aria-labelledby" in given]
    assert {id for names in named for id in (names or "").split()} <= set(ids)
    assert all(svg.get("role") == "img" and svg.get("aria-labelledby") for svg in seen.all("svg"))
    assert all(select.get("id") in {label["for"] for label in seen.all("label")} for select in seen.all("select"))
    assert len(seen.all("table")) == answer.text.count("<thead>")
    where, _, query = path.partition("?")
    twin = there.page(f"{where}.json" + (f"?{query}" if query else ""), cookie)
    asked = there.ask("GET", path, Accept="application/json")
    assert without_now(twin.json) == without_now(asked.json)


def without_now(data: Any) -> Any:
    return json.loads(re.sub(r'"now": \d+', '"now": 0', json.dumps(without_clock(data))))


def test_definition_in_one_click_and_raw_event_in_two(there: World, cookie: str) -> None:
    links = [link["href"] or "" for link in Seen(there.page("/signals", cookie).text).all("a")]
    assert {f"/signals/{id}?scope=all&weeks=13" for id in FAMILIES} <= set(links)
    detail = there.page("/signals/change_fail_rate?scope=all&weeks=13", cookie).text
    assert DEFINITIONS["change_fail_rate"].means in " ".join(Seen(detail).words) and "version 1" in detail
    assert "Wilson" in detail and "docs/signals.md" in detail
    event = next(href for link in Seen(detail).all("a") if (href := link["href"] or "").startswith("/ledger/"))
    assert "deployment_recorded" in there.page(event, cookie).text


def test_what_is_only_assumed_is_confirmed_beside_it(there: World, cookie: str) -> None:
    page = there.page("/signals/change_fail_rate?scope=all&weeks=52", cookie).text
    found = re.search(
        r'name="csrf" value="([^"]+)"><input type="hidden" name="incident" value="([^"]+)">'
        r'.*?name="back" value="([^"]+)">\s*<button[^>]* value="([^"]+)"',
        page,
    )
    assert found, "an assumed cause has its two buttons"
    csrf, incident, back, deployment = map(html.unescape, found.groups())
    sent = {"incident": incident, "deployment": deployment, "back": back}
    assert there.form("/signals/attribution", cookie, **sent).status == 422, "not without the page's mark"
    answer = there.form("/signals/attribution", cookie, csrf=csrf, **sent)
    assert answer.status == 303 and answer.headers["location"].startswith("/signals/change_fail_rate")
    told = there.ctx.ledger.read(0, ["incident_attributed"])[-1]
    assert told.data == {"incident": incident, "deployment": deployment, "why": "confirmed in the portal"}
    assert f'value="{incident}"' not in there.page("/signals/change_fail_rate?scope=all&weeks=52", cookie).text


def test_the_running_week_is_drawn_apart_and_gaps_stay_gaps(there: World) -> None:
    signal = measured.lately(there.ctx, ["deployment_frequency"], "service:images", 26)[0]
    plot = bands.draw(signal)
    assert plot and plot.last == "this week" and 'class="week"' in plot.svg and "now" in plot.svg
    lead = measured.lately(there.ctx, ["time_to_deploy"], "service:images", 26)[0]
    drawn = bands.draw(lead)
    assert drawn and len(re.findall(r'class="stroke"', drawn.svg)) > 1, "two stretches around the holiday"
    assert "Nothing in" in drawn.svg and "whole weeks" in drawn.svg


@pytest.mark.parametrize("value", [-100.0, -11.0, 0.0, 40.0])
def test_a_score_is_drawn_where_it_is_also_below_nothing(value: float) -> None:
    window = Window(20_000, 20_006, 20_006 * 86_400_000_000)
    series = (Point(20_000, value, value, value, 5),)
    plot = bands.draw(Signal(DEFINITIONS["nps"], Scope(), window, NOTHING, series=series))
    assert plot and plot.ticks == ("+100", "0", "-100")


def test_bad_questions_get_the_way_out(there: World, cookie: str) -> None:
    for query, status, word in (
        ("scope=team:paymnts", 404, "did you mean team:payments?"),
        ("scope=person:ann", 422, "team:NAME"),
        ("weeks=0", 422, "1 to 260"),
        ("weeks=1000", 422, "weeks"),
        ("scop=all", 422, "scope"),
    ):
        for path in ("/signals", "/signals/nps", "/api/signals", "/api/signals/adoption/evidence"):
            answer = there.ask("GET", f"{path}?{query}", Accept="application/json")
            assert answer.status == status and word in answer.text, (path, query, answer.text)
    assert there.page("/signals/nope", cookie).status == there.ask("GET", "/api/signals/nope").status == 404


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("empty") / "home") as made:
        yield made


def test_an_empty_platform_says_how_to_begin(empty: World) -> None:
    cookie = empty.sign_in()
    html = empty.page("/signals", cookie).text
    assert "wend ingest add github --kind github" in html and "Nothing was heard of yet" in html
    words = " ".join(Seen(html).words)
    assert all(f'href="/signals/{id}"' in html and about.means in words for id, about in DEFINITIONS.items())
    assert 'class="amount"' not in html and "<svg" not in html
    assert "wend ingest add github --kind github" in empty.page("/ingest", cookie).text
    assert "Nobody looked yet" in empty.page("/signals/access", cookie).text
    for id in FAMILIES:
        page = empty.page(f"/signals/{id}", cookie)
        assert page.status == 200 and ("No data" in page.text or "Cannot tell" in page.text), id
        assert empty.ask("GET", f"/api/signals/{id}").json["begin"], id


def test_sources_and_what_was_kept_aside(there: World, cookie: str) -> None:
    there.ask("POST", "/api/ingest/sources", {"source": "forge", "kind": "github", "secret": None})
    data = {"source": "forge", "why": HOSTILE, "shape": HOSTILE, "hash": "0" * 64, "bytes": 5}
    there.ctx.ledger.append([Fact("delivery_kept_aside", "source/forge", data, actor="forge")])
    html = there.page("/ingest", cookie).text
    assert "/ingest/forge" in html and not any(raw in html for raw in RAW)
    plain = there.page("/ingest", there.sign_in(there.token("app.*")))
    assert "forge" in plain.text and "Kept aside" not in plain.text


def test_hostile_names_are_text(tmp_path: Path) -> None:
    name = HOSTILE.replace("\x1b", "").replace("\x07", "")
    with world(tmp_path / "home") as there:
        now = int(time.time() * 1e6)
        about = {"source": "x", "repo": name, "since": now, "until": None, "why": name, "exempt": False}
        there.ctx.ledger.append([Fact("service_recorded", "service/x", {"service": name, "team": name, **about})])
        told = {"deployment": name, "service": name, "repo": name, "environment": "production", "tier": "production"}
        told |= {"outcome": "success", "purpose": "planned", "commit": None, "commits": [], "artifact": name}
        told |= {"started_at": now - 9, "finished_at": now, "undoes": None, "url": f"javascript:{name}", "source": "x"}
        there.ctx.ledger.append([Fact("deployment_recorded", "service/x", told, actor=name)])
        cookie = there.sign_in()
        for scope in ("all", f"team:{name}", f"service:{name}"):
            for path in ("/signals", "/signals/deployment_frequency", "/signals/adoption"):
                answer = there.page(f"{path}?{urlencode({'scope': scope})}", cookie)
                assert answer.status == 200, (path, scope)
                seen = Seen(answer.text)
                assert not any(raw in answer.text for raw in RAW), (path, scope)
                assert not [link for link in seen.all("a") if (link["href"] or "").startswith("javascript")]
                assert len(seen.all("script")) == 1
        assert not any(raw in there.page("/ledger/1", cookie).text for raw in RAW)
        assert there.page(f"/signals?{urlencode({'scope': 'team:' + HOSTILE})}", cookie).status == 422


# ---------------------------------------------------------------------------------------------- monitoring


def test_monitoring_gets_signals_with_their_intervals_and_never_of_people(there: World) -> None:
    def told() -> dict[str, Any]:
        text = there.ask("GET", "/metrics", token=there.token("platform.read")).text
        return {one.name: one for one in text_string_to_metric_families(text)}

    families = until(lambda: (found := told())["wend_signal"].samples and found, what="signals beside the scrape")
    values = {(one.labels["id"], one.labels["scope"]): one.value for one in families["wend_signal"].samples}
    assert values["deployment_frequency", "all"] > values["deployment_frequency", "team:payments"] > 0
    n = {(one.labels["id"], one.labels["scope"]) for one in families["wend_signal_n"].samples}
    low = {(one.labels["id"], one.labels["scope"]) for one in families["wend_signal_low"].samples}
    assert set(values) == n and ("change_fail_rate", "all") in low
    assert not {id for id, _ in values} & privacy.ABOUT_PEOPLE and not any("service:" in scope for _, scope in values)
    heard = {one.labels["source"]: one.value for one in families["wend_ingest_events"].samples}
    assert heard["seed"] > 1000


def test_what_is_remembered_is_forgotten_when_something_is_heard_of(there: World) -> None:
    def asked() -> Any:
        return measured.lately(there.ctx, ["deployment_frequency"], "service:hello", 13)[0]

    first = asked()
    there.say("access_denied", None, verb="app.read", target=None)
    assert asked() is first, "nothing that it rests on was heard of"
    there.say("deploy_started", deploy="again", cause="push", summary="", commit=None, ref=None)
    assert asked() is not first
    assert set(KINDS) >= measured.QUIET


# ---------------------------------------------------------------------------------------------- words


@pytest.mark.parametrize(
    ("value", "low", "high", "unit", "text", "ends"),
    [
        (0.3, 0.2, 0.5, "s", "300 ms", "200–500 ms"),
        (2574, 1674, 4320, "s", "42.9 min", "27.9–72 min"),
        (51685, None, 60000, "s", "14.4 h", "up to 16.7 h"),
        (5.16, 4.7, 5.7, "per_day", "5.2 per day", "4.7–5.7 per day"),
        (0.3, 0.2, 0.4, "per_day", "2.1 per week", "1.4–2.8 per week"),
        (0.087, 0.05, 0.11, "share", "8.7 %", "5–11 %"),
        (32.4, -4, 60, "score", "+32", "-4 to +60"),
        (1.0, 1.0, 2.0, "days", "1 day", "1–2 days"),
        (4.1, None, None, "per_100_weeks", "4.1 per 100 developers and week", "interval open"),
        (float("nan"), float("nan"), float("inf"), "s", "–", "interval open"),
    ],
)
def test_values_are_written_by_their_unit(
    value: float, low: float | None, high: float | None, unit: str, text: str, ends: str
) -> None:
    assert units.text(value, unit) == text
    assert units.interval(low, high, unit, value=value if value == value else None) == ends


def test_every_signal_has_its_words() -> None:
    assert {about.unit for about in DEFINITIONS.values()} <= set(units.NAMES)
    assert {about.family for about in DEFINITIONS.values()} == set(wording.FAMILIES)
    assert all(wording.TO_BEGIN.get(id) or wording.TO_BEGIN.get(about.family) for id, about in DEFINITIONS.items())
    assert all(measured.how(id) for id in FAMILIES), "the function of each signal says how it works it out"


@pytest.mark.parametrize(
    ("id", "value", "points"),
    [
        ("change_lead_time", 3599, 10), ("change_lead_time", 3600, 8), ("change_lead_time", 86_400 * 3, 6),
        ("failed_deployment_recovery_time", 86_400 * 10, 4), ("failed_deployment_recovery_time", 86_400 * 60, 2),
        ("change_lead_time", 86_400 * 200, 0), ("deployment_frequency", 5, 10), ("deployment_frequency", 1.5, 8),
        ("deployment_frequency", 0.5, 6), ("deployment_frequency", 0.1, 4), ("deployment_frequency", 0.01, 2),
        ("deployment_frequency", 0.001, 0), ("change_fail_rate", 0.05, 9.5), ("deployment_rework_rate", 0.2, 8),
    ],
)  # fmt: skip
def test_doras_scale(id: str, value: float, points: float) -> None:
    assert quick_check.points(id, value) == pytest.approx(points)


def test_doras_scale_keeps_the_interval_and_leaves_out_what_it_does_not_ask() -> None:
    found = quick_check.score("change_lead_time", 7200, 1800, None, 40)
    assert found and (found.low, found.value, found.high, found.n, found.mean) == (0, 8, 10, 40, 5.5)
    assert quick_check.score("nps", 10, 0, 20, 40) is None and quick_check.overall({}) is None
    other = quick_check.score("change_fail_rate", 0.1, 0.05, 0.2, 40)
    assert other and quick_check.overall({"a": found, "b": other}) == (8.5, 4.0, 9.75, 2)


def test_pages_stay_quick(there: World, cookie: str) -> None:
    """The real figure is bench/'s; this only catches a page that became slow, even when nothing is remembered."""
    took: list[float] = []
    for number in range(9):
        there.say("branch_set", branch=f"b{number}")
        start = time.perf_counter()
        assert there.page("/signals", cookie).status == 200
        took.append(time.perf_counter() - start)
    assert sorted(took)[4] < 0.4, took
    assert Window.of(13, int(time.time() * 1e6)).days <= 91 and Scope.parse("all").key == "all"
