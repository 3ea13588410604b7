"""The words that outcome statements are read by: units, what teams do to features, and what is no deed of a user."""

from __future__ import annotations

import re

# What a number may be counted in: word → (kind, how much one of it is).
UNITS: dict[str, tuple[str, float]] = {
    **dict.fromkeys(("ms", "millisecond", "milliseconds"), ("time", 0.001)),
    **dict.fromkeys(("s", "sec", "second", "seconds"), ("time", 1.0)),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), ("time", 60.0)),
    **dict.fromkeys(("h", "hr", "hour", "hours"), ("time", 3600.0)),
    **dict.fromkeys(("d", "day", "days"), ("time", 86400.0)),
    **dict.fromkeys(("w", "week", "weeks"), ("time", 7 * 86400.0)),
    **dict.fromkeys(("working day", "working days"), ("days", 1.0)),
    **dict.fromkeys(("%", "percent", "per cent"), ("share", 0.01)),
    **dict.fromkeys(("per day", "/day", "a day"), ("pace", 1.0)),
    **dict.fromkeys(("per week", "/week", "a week"), ("pace", 1 / 7)),
    **dict.fromkeys(("per month", "/month", "a month"), ("pace", 1 / 30)),
    **dict.fromkeys(("per 100 developers and week", "tickets per 100 developers and week"), ("tickets", 1.0)),
    **dict.fromkeys(("point", "points"), ("score", 1.0)),
    "": ("plain", 1.0),
}
KINDS: dict[str, str] = {
    "s": "time",
    "share": "share",
    "per_day": "pace",
    "per_100_weeks": "tickets",
    "score": "score",
    "days": "days",
    "count": "plain",
}
FITS: dict[str, str] = {
    "time": "3 min, 2 h or 4 days",
    "share": "12 %",
    "pace": "2 per day",
    "tickets": "4",
    "score": "+20",
    "days": "3 days",
    "plain": "5",
}
# fmt: off
# What developers do as well, such as creating a database or rolling back, is not here.
FEATURES = (
    "add", "automate", "bring", "build", "containerise", "containerize", "convert", "deliver", "deprecate", "design",
    "develop", "enable", "enforce", "establish", "expose", "implement", "improve", "integrate", "introduce", "launch",
    "migrate", "modernise", "modernize", "offer", "onboard", "optimise", "optimize", "port", "productise", "prototype",
    "provide", "redesign", "refactor", "rewrite", "rollout", "ship", "standardise", "standardize", "support", "switch",
    "unify",
)
HAVING = (
    "access", "adopt", "be", "benefit", "consume", "embrace", "enjoy", "experience", "has", "have", "leverage", "own",
    "use", "utilise", "utilize", "want",
)
GETTING = ("gain", "get", "receive", "see", "take")  # a deed, unless what they get is a feature
IRREGULAR: dict[str, str] = {
    "be": "is are been being", "bring": "brought", "build": "built", "get": "got gotten", "have": "had",
    "rewrite": "rewrote rewritten", "see": "saw seen", "take": "took taken",
}
FILLERS = frozenset((
    "able", "actually", "all", "already", "also", "always", "better", "easier", "easily", "fast", "faster",
    "finally", "freely", "fully", "help", "just", "more", "need", "now", "only", "quick", "quickly", "really",
    "safely", "seamlessly", "self", "simply", "soon", "then", "to", "will",
))
DONE = frozenset(("approved", "done", "finished", "merged", "reviewed"))  # "get a build done"
TEAM = frozenset((
    "i", "me", "my", "our", "ours", "ourselves", "us", "we",
))
THINGS = frozenset((
    "api", "app", "backlog", "cd", "ci", "cluster", "code", "dashboard", "infrastructure", "it", "kubernetes",
    "pipeline", "pipelines", "platform", "portal", "release", "roadmap", "server", "service", "software",
    "system", "systems", "tool", "tooling", "tools", "wend",
))
# fmt: on


def forms(verb: str) -> set[str]:
    """The verb as it may stand in a sentence."""
    stem = verb[:-1] if verb.endswith("e") else verb
    doubled = verb + verb[-1] if re.search(r"[^aeiou][aeiou][ptg]$", verb) and len(verb) < 6 else stem
    found = {verb, stem + "ing", doubled + "ing", stem + "ed", doubled + "ed", verb + "s", verb + "es"}
    if verb.endswith("y"):
        found |= {verb[:-1] + "ied", verb[:-1] + "ies"}
    return found | set(IRREGULAR.get(verb, "").split())


FEATURE_FORMS = {form: verb for verb in FEATURES for form in forms(verb)}
HAVING_FORMS = {form: verb for verb in HAVING for form in forms(verb)}
GETTING_FORMS = {form: verb for verb in GETTING for form in forms(verb)}
