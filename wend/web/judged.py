"""A canary, or a watch over a release that just went live, as people see it: where it stands, what the judge says and
why, what that rests on, and what comes next. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from wend.events import Event
from wend.state.canaries import Canary
from wend.web.show import duration

Found = dict[str, Any]
KINDS = ("canary_started", "canary_stepped", "canary_judged", "canary_ended")
ROWS = (("requests", "Requests"), ("error_rate", "Error rate"), ("p50", "p50"), ("p95", "p95"), ("p99", "p99"),
        ("exits", "Exits"))  # fmt: skip
SAYS = {
    "wait": "going on",
    "step": "good so far",
    "promote": "as good as the live one",
    "rollback": "worse than the live one",
    "cannot tell": "cannot tell",
}
OVER = {
    "promoted": ("good", "Promoted: release {release} gets every request"),
    "rolled back": ("bad", "Rolled back: release {stable} serves every request"),
    "aborted": ("bad", "Taken back by hand: release {stable} serves every request"),
    "superseded": ("none", "Over: something newer took its place"),
    "kept": ("good", "Kept: nothing spoke against release {release}"),
}
FOR = "as good"  # the one test whose evidence speaks for the release
WHEN_UNSURE = {
    "pause": "If nobody can tell by then, it is held and waits for you.",
    "promote": "If nobody can tell by then, it goes live, as wend.toml says.",
    "rollback": "If nobody can tell by then, it is rolled back, as wend.toml says.",
}


def view(row: Canary, events: Iterable[Event], now: float) -> Found:
    """All of one canary or watch; `now` in Unix seconds."""
    numbers: Mapping[str, Any] = row.evidence.get("numbers") or {}
    kept = ("deploy", "mode", "app", "release", "stable", "actor", "weight", "state", "verdict", "why")
    left = seconds_left(row, now)
    tone, title = headline(row, numbers.get("needs"), left)
    return {
        **{key: getattr(row, key) for key in kept},
        "under_way": row.under_way,
        "sticky": bool(row.policy.get("sticky")),
        "tone": tone,
        "title": title,
        "now": share_now(row),
        "steps": steps(row, left),
        "left": left,
        "next": coming(row, left),
        "needs": numbers.get("needs"),
        "seconds": numbers.get("seconds"),
        "rows": table(numbers),
        "tests": tests(numbers.get("tests") or {}),
        "history": history(row, events),
        "started_at": row.started_at,
        "ended_at": row.ended_at,
    }


def seconds_left(row: Canary, now: float) -> float | None:
    """Seconds that the step, or the watch, lasts at least; None when it is over or held."""
    if row.state != "running":
        return None
    begun, lasts = (row.started_at, "watch") if row.mode == "watch" else (row.stepped_at, "seconds")
    return max(0.0, float(row.policy.get(lasts, 0)) - (now - begun / 1e6))


def shares(row: Canary) -> list[int]:
    return [int(one) for one in row.policy.get("steps") or ()]


def share_now(row: Canary) -> int:
    """The percent of the requests that its release gets now."""
    return row.weight if row.under_way else 100 if row.state in ("promoted", "kept") else 0


def headline(row: Canary, needs: int | None, left: float | None) -> tuple[str, str]:
    """(good · wait · warn · bad · none, the verdict in plain words)."""
    if row.state in OVER:
        tone, words = OVER[row.state]
        return tone, words.format(release=row.release, stable=row.stable)
    missing = "" if "more requests" in row.why or not needs else f"{float(f'{needs:.2g}'):.0f}"
    more = missing and f", it needs about {missing} more requests"
    if row.state == "paused":
        return "warn", f"Cannot tell: held at {row.weight} %{more}"
    if row.verdict == "rollback":
        return "bad", "Worse than the live one: rolling back"
    if row.mode == "watch":
        return "wait", f"Live, and watched for {math.ceil((left or 0) / 60)} min more"
    if row.verdict == "promote":
        return "good", "As good as the live one: promoting"
    if row.verdict == "step":
        return "good", "Good so far: the next step begins"
    if row.verdict == "cannot tell" or needs:
        return "wait", f"Going on: cannot tell yet{more}"
    return "wait", "Going on: nothing speaks against it so far"


def steps(row: Canary, left: float | None) -> list[Found]:
    """Every share on its way to all, and whether it is done, now or to come."""
    found: list[Found] = []
    for index, share in enumerate([*shares(row), 100]) if row.mode == "canary" else ():
        before = row.state == "promoted" or index < row.step
        state = "done" if before else "now" if index == row.step else "next"
        if state == "now" and not row.under_way:
            state = "stopped"
        found.append({"share": share, "state": state, "left": left if state == "now" else None})
    return found


def coming(row: Canary, left: float | None) -> str:
    """What happens next by itself, in a sentence or two; empty when nothing does."""
    if row.state == "paused":
        return "It keeps its share and waits for you: promote it, or roll it back."
    if not row.under_way:
        return ""
    if row.mode == "watch":
        return f"If it turns out worse than release {row.stable}, it is rolled back by itself."
    when = f"In {duration(left * 1000)} at the earliest" if left else "As soon as there is enough to judge by"
    after = shares(row)[row.step + 1 :]
    goes = f"{after[0]} % of the requests" if after else "every request"
    unsure = WHEN_UNSURE.get(str(row.policy.get("cannot_tell")), "") if not after else ""
    return f"{when}: {goes}. Rolled back at once when it is worse. {unsure}".strip()


def table(numbers: Mapping[str, Any]) -> list[Found]:
    """The two releases side by side; nothing while nothing was seen."""
    stable: Mapping[str, Any] = numbers.get("stable") or {}
    canary: Mapping[str, Any] = numbers.get("canary") or {}
    if not stable and not canary:
        return []
    return [{"key": key, "name": name, "stable": stable.get(key), "canary": canary.get(key)} for key, name in ROWS]


def tests(given: Mapping[str, Any]) -> list[Found]:
    """Each test's evidence against the threshold at which it decides. `share` of the way there, 0 to 1: on a scale of
    factors, since evidence multiplies. `against`: whether it speaks against the release."""
    found: list[Found] = []
    for name, test in given.items():
        evidence, threshold = (float(test[key]) for key in ("evidence", "threshold"))
        about = {"name": name, "evidence": evidence, "threshold": threshold, "against": name != FOR}
        found.append(about | {"share": way(evidence, threshold)})
    return found


def way(evidence: float, threshold: float) -> float:
    if not threshold > 1 or not evidence > 1:
        return 1.0 if evidence >= threshold else 0.0
    return min(1.0, math.log(evidence) / math.log(threshold)) if math.isfinite(evidence) else 1.0


def history(row: Canary, events: Iterable[Event]) -> list[Found]:
    """What happened to it, newest first. Verdicts that say the same again are one line, the newest; one that was acted
    on is told by the act."""
    found: list[Found] = []
    last = ""
    for event in events:
        data = event.data
        if event.kind not in KINDS or (data.get("deploy"), data.get("mode")) != (row.deploy, row.mode):
            continue
        said = {"at": event.at, "actor": event.actor, "what": what(event), "why": str(data.get("why", ""))}
        again = event.kind == "canary_judged" and last == data.get("verdict")
        acted = event.kind != "canary_judged" and last and found[-1]["why"] == said["why"]
        if again or acted:
            found.pop()
        last = str(data.get("verdict", "")) if event.kind == "canary_judged" else ""
        found.append(said)
    return found[::-1]


def what(event: Event) -> str:
    """An event of a canary in a few words."""
    data = event.data
    if event.kind == "canary_started":
        return f"gets {data['weight']} % of the requests" if data["mode"] == "canary" else "live, and watched"
    if event.kind == "canary_stepped":
        return f"held at {data['weight']} %" if data.get("state") == "paused" else f"gets {data['weight']} %"
    return SAYS.get(str(data.get("verdict")), "judged") if event.kind == "canary_judged" else str(data["outcome"])


def undone(rows: Sequence[Canary], deploys: Iterable[Mapping[str, Any]]) -> Found | None:
    """The newest canary or watch when the judge ended it against its release, until something is deployed again."""
    newest = max((row for row in rows if row.ended_at), key=lambda row: row.ended_at or 0, default=None)
    if newest is None or newest.state != "rolled back":
        return None
    if any(deploy["started_at"] > (newest.ended_at or 0) for deploy in deploys):
        return None
    kept = asdict(newest)
    return {key: kept[key] for key in ("deploy", "mode", "release", "stable", "why", "ended_at")}
