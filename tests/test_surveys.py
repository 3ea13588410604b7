"""The gate of the one question: its rules one by one, and a year of pushes through all of them."""

from __future__ import annotations

import math
import random
import statistics
from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import date
from itertools import pairwise

import pytest

from wend.errors import NotFound
from wend.ingest.people import Pseudonyms
from wend.privacy import EPOCH
from wend.surveys import asking, counts, gate, question, questions, wording
from wend.surveys.counts import Drawn
from wend.surveys.gate import DAY, Ask, Past, Reason, Situation

NOW = 20_458 * DAY
EASE, NPS = question("ease"), question("nps")
DUE = Situation(drawn=0.1, probability=0.2, trigger="push")


def days(count: float) -> int:
    return NOW - round(count * DAY)


def seen(topic: str, ago: float) -> Past:
    return Past(topic, days(ago), shown_at=days(ago))


# ---------------------------------------------------------------------------------------------- the rules


def test_whose_turn_it_is_is_asked_with_the_chance_that_was_fixed() -> None:
    assert gate.may_ask([], EASE, NOW, DUE) == Ask(0.2)


@pytest.mark.parametrize(
    ("situation", "code"),
    [
        ({"drawn": 0.2}, "not drawn"),
        ({"person": False}, "not a person"),
        ({"watched": False}, "nobody reads along"),
        ({"own": True}, "the platform's own team"),
        ({"trigger": "rollback"}, "another task"),
        ({"answered": EASE.target}, "enough answers"),
    ],
)
def test_who_was_never_in_question_is_not_written_down(situation: dict[str, object], code: str) -> None:
    assert gate.may_ask([], EASE, NOW, replace(DUE, **situation)) == Reason(code)


@pytest.mark.parametrize(
    ("situation", "code"),
    [
        ({"incident": True}, "an incident is open"),
        ({"failed": True}, "a deploy failed"),
        ({"under_way": True}, "a deploy is under way"),
    ],
)
def test_in_trouble_nothing_is_asked_and_that_is_written_down(situation: dict[str, bool], code: str) -> None:
    assert gate.may_ask([], EASE, NOW, replace(DUE, **situation)) == Reason(code, held=True)


@pytest.mark.parametrize(
    ("past", "code"),
    [
        ([seen("slowed", 13.9)], "asked lately"),
        ([seen("slowed", 14)], ""),
        ([seen("ease", 83.9)], "asked about this lately"),
        ([seen("ease", 84)], ""),
        ([seen("slowed", 83)], ""),
        ([Past("ease", days(83))], ""),
        ([Past("slowed", days(0.02))], "asked lately"),
        ([Past("slowed", days(1), held=True)], ""),
        ([Past("slowed", days(80), days(80), dismissed_at=days(80))], "not now"),
        ([Past("slowed", days(90), days(90), dismissed_at=days(90))], ""),
    ],
)
def test_the_clocks_run_from_what_was_shown_each_for_itself(past: list[Past], code: str) -> None:
    found = gate.may_ask(past, EASE, NOW, DUE)
    assert found == (Reason(code, held=True) if code else Ask(0.2))


def test_satisfaction_with_one_thing_does_not_keep_another_from_being_asked_about() -> None:
    one, due = question("satisfaction"), replace(DUE, trigger="config")
    assert isinstance(gate.may_ask([seen("satisfaction:rollback", 20)], one, NOW, due), Ask)
    assert gate.may_ask([seen("satisfaction:config", 20)], one, NOW, due) == Reason("asked about this lately", True)
    assert "configuration" in one.text(one.topic("config"))


def test_nps_is_asked_in_its_seasons_and_a_person_is_drawn_once_in_each() -> None:
    april, june = ((date(2026, month, 3) - EPOCH).days for month in (4, 6))
    assert isinstance(gate.may_ask([], NPS, april * DAY, DUE), Ask)
    assert gate.may_ask([], NPS, (april + 14) * DAY, DUE) == Reason("out of season")
    assert gate.may_ask([], NPS, june * DAY, DUE) == Reason("out of season")
    assert gate.unit(NPS, "ab", "one push", april) == gate.unit(NPS, "ab", "another", april + 5)
    assert gate.unit(EASE, "ab", "one push", april) != gate.unit(EASE, "ab", "another", april)
    assert gate.wave(NPS, april) == "2026-04" and gate.wave(EASE, april) == "2026-Q2"
    assert len(NPS.season) == 2


def test_nobody_draws_again_and_nobody_knows_without_the_key() -> None:
    one, other = Pseudonyms(b"1" * 32), Pseudonyms(b"2" * 32)
    numbers = [asking.lot(one, f"ease ab push {event}") for event in range(4000)]
    assert numbers == [asking.lot(one, f"ease ab push {event}") for event in range(4000)]
    assert numbers[0] != asking.lot(other, "ease ab push 0")
    assert all(0 <= number < 1 for number in numbers)
    assert abs(statistics.mean(numbers) - 0.5) < 4 / math.sqrt(12 * 4000)


def test_the_chance_meets_the_target_and_stays_between_its_bounds() -> None:
    assert gate.chance(EASE, 0, 0, 0) == EASE.most
    assert gate.chance(EASE, 1e6, 0, 0) == EASE.least
    chance = gate.chance(EASE, 100, 100, 60)
    assert EASE.least < chance < EASE.most
    assert 100 * chance * gate.WEEKS * (60 + 3) / 110 == pytest.approx(EASE.target)


def test_every_wording_is_known_for_ever_and_its_labels_fit() -> None:
    ids = [version.id for one in questions() for version in one.wordings]
    assert len(ids) == len(set(ids)) and ids
    for one in questions():
        steps = one.highest - one.lowest + 1
        assert all(len(version.labels) in (0, 2, steps) for version in one.wordings)
        assert 0 < one.least <= one.most < 1 and one.rest >= 84
    assert wording("ease-1").labels[0] == "very hard" and len(wording("satisfaction-1").labels) == 7
    with pytest.raises(NotFound):
        wording("ease-0")


# ---------------------------------------------------------------------------------------------- what comes of it


def test_an_answer_speaks_for_the_tasks_of_its_person_that_were_drawn() -> None:
    drawn = [Drawn("a", 1, 0.5, 5.0), Drawn("a", 2, 0.25), Drawn("b", 1, 0.5, 1.0), Drawn("c", 1, 0.1)]
    assert counts.weigh(drawn) == [("a", 6.0, 5.0), ("b", 2.0, 1.0)]
    found = counts.mean(counts.weigh(drawn))
    assert found and found.value == 4.0 and found.n == 2 and found.low < 4 < found.high
    assert counts.mean([]) is None and counts.mean([("a", 1.0, 2.0)]) is None


def test_rates_of_few_are_hidden_and_a_low_one_is_an_alarm() -> None:
    assert counts.share(4, 4)["value"] is None and "hidden" in counts.share(4, 4)["says"]
    low, fine = counts.share(4, 10), counts.share(5, 10)
    assert low["alarm"] and low["value"] == 0.4 and not fine["alarm"] and fine["low"] < 0.5 < fine["high"]
    assert counts.told(EASE, [Drawn(str(one), 1, 0.5, 3.0) for one in range(4)])["value"] is None
    assert counts.told(EASE, [Drawn(str(one), 1, 0.5, 3.0) for one in range(5)])["value"] == 3.0


@dataclass
class Year:
    """What a year of pushes came to: when each was shown what, what was drawn, and pushes in all."""

    shown: dict[str, list[tuple[int, str]]]
    drawn: dict[str, list[Drawn]]
    pushes: int
    truth: float


def year(seed: int) -> Year:
    """Sixty people, some of whom push a hundred times as often as others, and find it easier the more they do."""
    rng, key = random.Random(seed), Pseudonyms(bytes([seed % 256]) * 32)
    made = Year(defaultdict(list), defaultdict(list), 0, 0.0)
    events: list[tuple[int, str, float]] = []
    for number in range(60):
        weekly = math.exp(rng.gauss(0.7, 1.2))
        mood = max(1.0, min(5.0, 2.4 + 0.8 * math.log(weekly + 0.5) + rng.gauss(0, 0.3)))
        pushes = max(1, round(52 * weekly))
        events += [(NOW + rng.randrange(365 * DAY), f"p{number}", mood) for _ in range(pushes)]
    history: dict[str, list[Past]] = defaultdict(list)
    for index, (at, person, mood) in enumerate(sorted(events)):
        asked = False
        for one in (EASE, question("slowed")):
            unit = gate.unit(one, person, f"push {index}", at // DAY)
            due = Situation(asking.lot(key, unit), 0.2, "push")
            found = gate.may_ask(history[person], one, at, due)
            if isinstance(found, Reason) and not found.held:
                continue
            ask = isinstance(found, Ask) and not asked
            asked = asked or ask
            history[person].append(Past(one.topic("push"), at, at if ask else None, held=not ask))
            made.drawn[one.id].append(Drawn(person, at, 0.2, mood if ask else None))
            if ask:
                made.shown[person].append((at, one.id))
    made.pushes, made.truth = len(events), statistics.mean(mood for _, _, mood in events)
    return made


def test_in_a_year_of_pushes_nobody_is_asked_too_often_and_the_chances_hold() -> None:
    made = year(1)
    assert sum(map(len, made.shown.values())) > 200, "else this shows nothing"
    for asked in made.shown.values():
        times = [at for at, _ in asked]
        assert all(after - before >= 14 * DAY for before, after in pairwise(times))
        for id in ("ease", "slowed"):
            same = [at for at, which in asked if which == id]
            assert all(after - before >= 84 * DAY for before, after in pairwise(same))
    spread = 4 * math.sqrt(made.pushes * 0.2 * 0.8)
    for id in ("ease", "slowed"):
        assert abs(len(made.drawn[id]) - 0.2 * made.pushes) < spread, "every push has the chance that is written down"


def test_the_weighted_mean_is_that_of_all_pushes_where_the_plain_one_is_not() -> None:
    weighted, plain, covered = list[float](), list[float](), 0
    for seed in range(2, 22):
        made = year(seed)
        answers = [one.score for one in made.drawn["ease"] if one.score is not None]
        found = counts.mean(counts.weigh(made.drawn["ease"]))
        assert found
        weighted.append(found.value - made.truth)
        plain.append(statistics.mean(answers) - made.truth)
        covered += found.low <= made.truth <= found.high
    assert abs(statistics.mean(plain)) > 0.3, "the pushing population must be biased for this to mean anything"
    error = statistics.stdev(weighted) / math.sqrt(len(weighted))
    assert abs(statistics.mean(weighted)) < 3 * error + 0.01
    assert covered >= 18, "nineteen times out of twenty, and these are twenty"
