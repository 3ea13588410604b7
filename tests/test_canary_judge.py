"""The judge alone, on histories made up: every fault that a canary can meet, and what may never happen."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wend.canary import AUTO_STEPS, Evidence, Sample, Side, Verdict, begin, decide, enough, fold, stepped
from wend.canary.errors import bet, raised
from wend.declared import Canary

POLICY = Canary(steps=AUTO_STEPS, seconds=10.0)
EDGES = (
    5.0,
    10.0,
    13.0,
    16.0,
    20.0,
    25.0,
    32.0,
    40.0,
    50.0,
    63.0,
    79.0,
    100.0,
    126.0,
    158.0,
    200.0,
    251.0,
    3_600_000.0,
)
HARDER = {"promote": 0, "step": 0, "wait": 0, "cannot tell": 1, "rollback": 2}


def side(requests: int, errors: int = 0, exits: int = 0, took: float = 30.0) -> Side:
    """Answers that took about so many milliseconds: a third of them half of it, a third twice."""
    slots = [took / 2] * (requests // 3) + [took * 2] * (requests // 3)
    times = [*slots, *[took] * (requests - len(slots))]
    latency = tuple((edge, sum(one <= edge for one in times)) for edge in EDGES)
    return Side(requests, errors, exits, latency if requests else ())


def judge(
    samples: Iterable[Sample], evidence: Evidence | None = None, policy: Canary = POLICY
) -> tuple[Verdict, float]:
    """The first verdict that ends it (or the last one), and after how many seconds seen."""
    evidence, step, verdict = evidence or begin(), 0, Verdict("wait", "")
    for sample in samples:
        evidence = fold(evidence, sample)
        verdict = decide(evidence, policy, step, AUTO_STEPS)
        if verdict.action == "step":
            evidence, step = stepped(evidence), step + 1
        elif verdict.action != "wait":
            break
    return verdict, evidence.seconds


def every(canary: Side, stable: Side, times: int = 100, seconds: float = 0.5) -> list[Sample]:
    return [Sample(seconds, canary, stable)] * times


# ---------------------------------------------------------------------------------------------- it goes out


def test_a_good_release_goes_through_every_step_and_is_promoted() -> None:
    verdict, seconds = judge(every(side(10), side(40)))
    assert verdict.action == "promote" and seconds == 30.0
    assert "0 % of 600 requests" in verdict.why


def test_a_step_lasts_its_time() -> None:
    evidence = begin()
    for sample in every(side(10), side(40), 19):
        evidence = fold(evidence, sample)
        assert decide(evidence, POLICY, 0, AUTO_STEPS).action == "wait"
    evidence = fold(evidence, Sample(0.5, side(10), side(40)))
    assert decide(evidence, POLICY, 0, AUTO_STEPS).action == "step"
    assert decide(stepped(evidence), POLICY, 1, AUTO_STEPS).action == "wait"


@pytest.mark.parametrize("rate, suffices", [(0.0, False), (1.0, False), (10.0, False), (17.0, True), (100.0, True)])
def test_steps_are_worth_it_from_about_seventeen_requests_a_second(rate: float, suffices: bool) -> None:
    assert enough(rate, Canary()) is suffices


# ---------------------------------------------------------------------------------------------- it goes back


def test_a_canary_of_one_request_a_second_that_answers_only_errors_goes_back_at_its_third_or_fourth() -> None:
    samples = [Sample(0.5, side(at % 2, at % 2), side(9 + at % 2)) for at in range(40)]
    verdict, seconds = judge(samples)
    assert verdict.action == "rollback" and seconds <= 4.0
    assert verdict.numbers["canary"]["requests"] <= 4
    assert "answers errors in 100 % of" in verdict.why and "the release beside it in 0 %" in verdict.why


def test_with_traffic_two_seconds_are_enough_and_one_burst_is_not() -> None:
    bad = every(side(50, 50), side(50), 6)
    assert judge(bad)[0].action == "rollback" and judge(bad)[1] <= 3.0
    one = [bad[0], *every(side(50), side(50), 99)]
    assert judge(one)[0].action != "rollback"


def test_a_regression_in_one_percent_of_requests_is_found() -> None:
    samples = [Sample(0.5, side(50, int(at % 2 == 0)), side(50)) for at in range(240)]
    verdict, seconds = judge(samples, policy=Canary(steps=AUTO_STEPS, seconds=60.0))
    assert verdict.action == "rollback" and seconds < 60.0
    assert "answers errors in 1 % of" in verdict.why


@pytest.mark.parametrize("times", [2.0, 5.0])
def test_a_release_that_is_only_slower_goes_back(times: float) -> None:
    verdict, seconds = judge(every(side(10, took=30 * times), side(40), 200), policy=Canary(seconds=60.0))
    assert verdict.action == "rollback" and 5.0 < seconds < 40.0
    assert "is slower" in verdict.why and "ms" in verdict.why


def test_a_bucket_more_is_no_difference_and_nobody_notices_a_few_milliseconds() -> None:
    assert judge(every(side(10, took=30 * 1.2), side(40), 200))[0].action == "promote"
    assert judge(every(side(10, took=4), side(40, took=1), 200))[0].action == "promote"


def test_a_process_that_takes_its_time_at_first_is_forgiven() -> None:
    samples = every(side(10, took=90), side(40), 10) + every(side(10), side(40), 90)
    assert judge(samples)[0].action == "promote"


def test_a_canary_whose_processes_end_goes_back_unless_the_others_end_as_well() -> None:
    crash = Sample(0.5, side(0, exits=1), side(10))
    verdict, seconds = judge([crash, crash])
    assert verdict.action == "rollback" and seconds == 1.0 and "ended 2 times" in verdict.why
    assert judge([crash])[0].action == "wait"
    both = every(side(1, exits=1), side(10, exits=1), 5)
    assert judge(both)[0].action == "wait"


# ---------------------------------------------------------------------------------------------- nobody can tell


def test_without_traffic_nobody_can_tell_when_the_steps_are_over() -> None:
    verdict, seconds = judge(every(side(0), side(0)))
    assert verdict.action == "cannot tell" and seconds == 30.0
    assert verdict.why == "no requests came to it, so nobody can tell"


def test_at_one_request_a_second_it_says_how_many_more_and_how_long() -> None:
    samples = [Sample(0.5, side(int(at % 20 == 0)), side(int(at % 20 != 0 and at % 2))) for at in range(60)]
    verdict, seconds = judge(samples)
    assert verdict.action == "cannot tell" and seconds == 30.0
    assert "needs about 350 more requests, 58 minutes at the pace so far" in verdict.why
    assert 300 < verdict.numbers["needs"] < 400


def test_traffic_that_stops_in_the_middle_leaves_it_open() -> None:
    verdict, seconds = judge([*every(side(2), side(40), 20), *every(side(0), side(0), 80)])
    assert verdict.action == "cannot tell" and seconds == 30.0 and "more requests" in verdict.why


def test_both_failing_is_said_plainly() -> None:
    verdict, seconds = judge(every(side(10, 5), side(40, 20)))
    assert verdict.action == "cannot tell" and seconds == 10.0
    assert verdict.why.startswith("both releases answer errors, this one in 50 %")


def test_a_better_canary_of_an_app_that_fails_is_promoted_even_if_errors_are_quicker() -> None:
    verdict, _ = judge(every(side(10, took=80), side(40, 20, took=5)))
    assert verdict.action == "promote"


def test_a_trouble_that_both_share_is_nobodys_fault() -> None:
    calm, storm = Sample(0.5, side(10), side(40)), Sample(0.5, side(10, 8, took=150), side(40, 32, took=150))
    verdict, _ = judge([storm if at % 20 < 4 else calm for at in range(100)])
    assert verdict.action != "rollback"


# ---------------------------------------------------------------------------------------------- clocks


@pytest.mark.parametrize("seconds", [0.0, -3.0, 600.0])
def test_a_clock_that_jumps_ends_no_step_and_rolls_nothing_back(seconds: float) -> None:
    evidence = fold(begin(), Sample(seconds, side(10), side(40)))
    assert 0 <= evidence.seconds <= 5.0
    assert decide(evidence, POLICY, 0, AUTO_STEPS).action == "wait"
    after = judge(every(side(10), side(40)), evidence)
    assert after[0].action == "promote" and after[1] >= 30.0


def test_ten_minutes_in_one_sample_are_one_sample() -> None:
    evidence = fold(begin(), Sample(600.0, side(600, 300), side(9000)))
    assert decide(evidence, POLICY, 0, AUTO_STEPS).action == "wait"


# ---------------------------------------------------------------------------------------------- a watch


def test_a_live_release_that_answers_only_errors_goes_back_in_two_seconds() -> None:
    verdict, seconds = judge(every(side(10, 10), side(0)), begin(Side(6000, 3)))
    assert verdict.action == "rollback" and seconds <= 2.5
    assert "the release before it in 0.05 % of 6,000 requests" in verdict.why


def test_when_nothing_is_known_only_a_release_that_mostly_fails_goes_back() -> None:
    assert judge(every(side(10, 10), side(0)), begin(Side()))[0].action == "rollback"
    assert judge(every(side(10, 3), side(0), 600), begin(Side()))[0].action == "wait"
    assert judge(every(side(1, 0), side(0), 600), begin(Side(20, 1)))[0].action == "wait"


def test_a_watch_looks_at_errors_only_and_never_promotes() -> None:
    verdict, seconds = judge(every(side(10, took=200), side(0), 600), begin(Side(6000, 3)))
    assert verdict.action == "wait" and seconds == 300.0 and verdict.why.startswith("errors in 0 % of 6,000")


def test_a_release_as_bad_as_the_one_before_stays() -> None:
    assert judge(every(side(10, 9), side(0), 200), begin(Side(6000, 5400)))[0].action == "wait"


# ---------------------------------------------------------------------------------------------- what always holds

sides = st.builds(
    lambda n, share, exits, took: side(n, round(n * share), exits, took),
    st.integers(0, 60), st.floats(0, 1), st.sampled_from([0, 0, 0, 0, 1]), st.sampled_from([3.0, 30.0, 100.0]),
)  # fmt: skip
histories = st.lists(st.builds(Sample, st.sampled_from([0.0, 0.5, 600.0]), sides, sides), max_size=30)


@given(histories, st.sampled_from([None, Side(), Side(500, 3)]))
@settings(max_examples=60, deadline=None)
def test_evidence_survives_json_and_goes_on_from_there_as_if_nothing_had_been(
    history: list[Sample], baseline: Side | None
) -> None:
    straight, kept = begin(baseline), begin(baseline)
    for sample in history:
        straight = fold(straight, sample)
        kept = fold(Evidence.from_json(json.loads(json.dumps(kept.to_json(), allow_nan=False))), sample)
    assert kept == straight
    assert json.dumps(dict(decide(kept, POLICY, 0, AUTO_STEPS).numbers), allow_nan=False)


@given(histories, st.integers(0, 29), st.integers(0, 2))
@settings(max_examples=100, deadline=None)
def test_more_errors_never_make_the_verdict_milder(history: list[Sample], at: int, step: int) -> None:
    def verdict(samples: list[Sample]) -> str:
        evidence = begin()
        for sample in samples:
            evidence = fold(evidence, sample)
        return decide(evidence, POLICY, step, AUTO_STEPS).action

    def worse(sample: Sample) -> Sample:
        seen = sample.canary
        return Sample(
            sample.seconds, Side(seen.requests, seen.requests, seen.exits, seen.latency), sample.stable
        )  # fmt: skip

    changed = [worse(sample) if place >= at else sample for place, sample in enumerate(history)]
    assert HARDER[verdict(changed)] >= HARDER[verdict(history)]


@given(st.integers(1, 12), st.integers(8, 40), st.floats(0, 0.8), st.sampled_from([1.5, 3.0, 20.0, 100.0]))
@settings(max_examples=100, deadline=None)
def test_a_bet_on_worse_is_never_better_than_fair_while_it_is_not(nc: int, ns: int, rate: float, ratio: float) -> None:
    """Exactly, over every outcome: the mean factor at the edge of what is tolerated."""

    def chance(k: int, n: int, p: float) -> float:
        return math.comb(n, k) * p**k * (1 - p) ** (n - k)

    canary, a = min(1.0, 1.2 * rate + 0.001), raised(ratio, nc, ns)
    mean = sum(
        chance(ec, nc, canary) * chance(es, ns, rate) * math.exp(bet(nc, ec, ns, es, a, 1.2, 0.001))
        for ec in range(nc + 1)
        for es in range(ns + 1)
    )
    assert mean <= 1 + 1e-9


def test_nothing_differs_and_nearly_nothing_is_rolled_back() -> None:
    """The sweep is bench/canary.py; this is its shadow, with dice that always fall alike."""
    dice, back = random.Random(3), 0
    for _ in range(60):
        samples = [Sample(0.5, dealt(dice, 10, 0.02), dealt(dice, 40, 0.02)) for _ in range(60)]
        back += judge(samples)[0].action == "rollback"
    assert back <= 2


def dealt(dice: random.Random, n: int, errors: float) -> Side:
    return side(n, sum(dice.random() < errors for _ in range(n)), took=dice.choice([20, 30, 40]))
