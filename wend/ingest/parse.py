"""Reading what strangers wrote: JSON, times, commits and names, each with suspicion. Pure."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from typing import Any, Literal, NoReturn, cast

from wend.errors import Invalid
from wend.ledger.chain import canonical

DEEPEST = 64  # levels of arrays and objects
LARGEST = 2**63 - 1
LONGEST_NUMBER = 400  # digits; what is longer was not meant as a number
LONGEST_NAME = 200  # characters
LONGEST_LINK = 500

Tier = Literal["production", "staging", "testing", "development", "other"]
Purpose = Literal["planned", "revert", "hotfix"]

# ---------------------------------------------------------------------------------------------- JSON


def json_of(body: bytes) -> Any:
    """The JSON value in these bytes: UTF-8, at most 64 levels deep, numbers that fit 64 bits, no name twice in one
    object (two readers would take two meanings from it). Raises Invalid."""
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Invalid(f"the body is not UTF-8 at byte {error.start}") from None
    try:
        value = json.loads(
            text, object_pairs_hook=once, parse_int=integer, parse_float=number, parse_constant=not_a_number
        )
    except json.JSONDecodeError as error:
        raise Invalid(f"the body is not JSON: {error.msg} in line {error.lineno}, column {error.colno}") from None
    except RecursionError:
        raise too_deep() from None
    if deeper(value, DEEPEST):
        raise too_deep()
    return value


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise Invalid(f"the name {twice[:60]!r} stands twice in one JSON object")
    return found


def integer(digits: str) -> int:
    if len(digits) > 20 or not -LARGEST <= int(digits) <= LARGEST:
        raise Invalid(f"the number {digits[:20]}… is larger than 64 bits hold")
    return int(digits)


def number(digits: str) -> float:
    value = float(digits) if len(digits) <= LONGEST_NUMBER else math.inf
    if not math.isfinite(value):
        raise Invalid(f"the number {digits[:20]}… is too large")
    return value


def not_a_number(name: str) -> NoReturn:
    raise Invalid(f"{name} is no number in JSON")


def too_deep() -> Invalid:
    return Invalid(f"the JSON is more than {DEEPEST} levels deep")


def deeper(value: Any, levels: int) -> bool:
    """Whether there are arrays or objects below that many levels of them."""
    here = [value]
    for _ in range(levels):
        here = [inner for one in here for inner in inside(one)]
        if not here:
            return False
    return any(isinstance(one, dict | list) for one in here)


def inside(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return cast(dict[str, Any], value).values()
    return cast(list[Any], value) if isinstance(value, list) else ()


def digest(value: Any) -> str:
    """The name of what this value says: 32 hex digits, the same however it was written."""
    return hashlib.sha256(b"\x03" + canonical(value)).hexdigest()[:32]


# ---------------------------------------------------------------------------------------------- times

FIRST, LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2101, 1, 1, tzinfo=UTC)
WRITTEN = re.compile(
    r"(\d{4})[-/](\d\d)[-/](\d\d)"
    r"(?:(?:[Tt]|\s+)(\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?)?"
    r"\s*(?P<zone>[Zz]|UTC|GMT|[+-]\d\d(?::?\d\d)?)?",
    re.ASCII,
)
GERMAN = re.compile(r"(\d\d?)\.(\d\d?)\.(\d{4})(.*)", re.ASCII | re.DOTALL)
COMPACT = re.compile(r"(\d{4})(\d\d)(\d\d)", re.ASCII)
COUNTED = re.compile(r"\d{9,19}(?:\.\d{1,9})?", re.ASCII)
UNITS = ((10**11, 10**6), (10**14, 10**3), (10**17, 1))  # below this, a count of Unix time is in s, ms, µs; else in ns


def moment(value: object) -> int:
    """A time as Unix microseconds, from every way of writing one that was seen: RFC 3339, with a space, with "UTC" or
    "+0200", a day alone, 28.4.2021, 20210428, and seconds to nanoseconds since 1970 as a number or text. Without a zone
    it is UTC. Raises Invalid for anything else, and outside the years 1970 to 2100."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        found = counted(value)
    elif isinstance(value, str) and COUNTED.fullmatch(value.strip()):
        found = counted(float(value) if "." in value else int(value))
    else:
        found = written(value) if isinstance(value, str) else None
    if found is None or not 0 <= found < micros(LAST):
        why = "is not a time" if found is None else "is not between 1970 and 2100"
        raise Invalid(f"{str(value)[:60]!r} {why}", "write it like 2026-03-01T12:30:00Z")
    return found


def counted(value: float) -> int | None:
    """Microseconds of a count since 1970, whose unit shows in its size."""
    if not math.isfinite(value):
        return None
    for below, factor in UNITS:
        if abs(value) < below:
            return round(value * factor)
    return int(value // 1000)


def written(text: str) -> int | None:
    text = GERMAN.sub(lambda found: f"{found[3]}-{found[2]:0>2}-{found[1]:0>2}{found[4]}", text.strip())
    if compact := COMPACT.fullmatch(text):
        text = "-".join(compact.groups())
    match = WRITTEN.fullmatch(text)
    if not match:
        return None
    year, month, day, hour, minute, second = (int(part or 0) for part in match.groups()[:6])
    fraction = int((match[7] or "0").ljust(6, "0")[:6])
    try:
        # a leap second is counted as the second before it, as Unix time does
        local = datetime(year, month, day, hour, minute, min(second, 59), fraction, zone(match["zone"]))
        return micros(local)
    except (ValueError, OverflowError):
        return None


def zone(text: str | None) -> timezone:
    if not text or text in ("Z", "z", "UTC", "GMT"):
        return UTC
    digits = text[1:].replace(":", "").ljust(4, "0")
    ahead = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return timezone(-ahead if text[0] == "-" else ahead)


def micros(time: datetime) -> int:
    return (time - FIRST) // timedelta(microseconds=1)


# ---------------------------------------------------------------------------------------------- names

ODD = re.compile("[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")
COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")


def clean(text: str) -> str:
    """The text without control characters and halves of surrogate pairs, which no database keeps."""
    return text if text.isprintable() else ODD.sub("\ufffd", text.replace("\r\n", "\n"))


def name(text: str) -> str:
    """A name on one line. Raises Invalid when it is empty, or longer than 200 characters."""
    found = " ".join(clean(text).split())
    if not found or len(found) > LONGEST_NAME:
        raise Invalid(f"{found[:60]!r} is no name", f"names have 1 to {LONGEST_NAME} characters")
    return found


def link(text: str | None) -> str | None:
    """An address a page may link to, else None: whatever is not http(s) would run in the reader's browser."""
    found = (text or "").strip()
    good = re.match(r"https?://[^\s<>\"']+$", found) and len(found) <= LONGEST_LINK and not ODD.search(found)
    return found if good else None


def commit(value: object) -> str:
    """A full commit id in lower case. Raises Invalid for anything shorter, and for zeros: that is "no commit"."""
    found = sha(value)
    if found is None:
        raise Invalid(f"{str(value)[:70]!r} is no commit id", "it has 40 or 64 hex digits")
    return found


def sha(value: object) -> str | None:
    """A full commit id in lower case, or None."""
    found = value.strip().lower() if isinstance(value, str) else ""
    return found if COMMIT.fullmatch(found) and found.strip("0") else None


def repository(address: str) -> str:
    """The name in a repository's address: "https://github.com/acme/shop.git" and "git@github.com:acme/shop" are
    "acme/shop"; a plain name stays."""
    path = re.sub(r"^(?:[a-z+]+://[^/]*/|[^@/\s]+@[^:/]+:)", "", clean(address.strip()))
    return name(path.strip("/").removesuffix(".git") or address)


MOST_FOLDERS = 50  # that a change may touch, or a service be made from
LONGEST_FOLDER = 300


def folder(text: str) -> str:
    """A folder of a repository, from its top: "services/shop". The top itself is ".". Raises Invalid."""
    parts = [part for part in clean(text).strip().split("/") if part not in ("", ".")]
    found = "/".join(parts) or "."
    if ".." in parts or len(found) > LONGEST_FOLDER:
        raise Invalid(f"{text[:60]!r} is no folder of a repository", "write it from its top, like services/shop")
    return found


def folders_of(files: Iterable[str]) -> list[str] | None:
    """The folders of these files; None when there are none, or too many to keep: it is not known then."""
    found: set[str] = set()
    for file in files:
        try:
            found.add(folder(file.rpartition("/")[0]))
        except Invalid:
            return None
        if len(found) > MOST_FOLDERS:
            return None
    return sorted(found) or None


# ---------------------------------------------------------------------------------------------- what words mean

TIERS: dict[Tier, str] = {
    "development": "development develop dev review preview local sandbox playground ephemeral",
    "testing": "testing test tst qa qc int integration ci e2e loadtest perf",
    "staging": "staging stage stg preprod pre preproduction uat acceptance acc demo rc",
    "production": "production prod prd live",
}
NOT_YET = re.compile(r"\b(pre|non|not)[-_ /]?(prod(?:uction)?|prd|live)\b")


@lru_cache(4096)
def tier(environment: str | None) -> Tier:
    """What an environment is for, by the words in its name: "prod-eu-1" is production, "pre-prod" staging, "non-prod"
    testing. The least serious word wins, so that a "prod-test" is not taken for production."""
    text = re.sub(r"(?<=[a-z])(?=[A-Z])", "-", environment or "").lower()
    words = {re.sub(r"\d+$", "", word) for word in re.split(r"[^a-z0-9]+", text)}
    if match := NOT_YET.search(text.replace("_", "-")):
        words = (words - {match[1], match[2]}) | {"preprod" if match[1] == "pre" else "test"}
    words |= {"test"} if words & {"nonprod", "nonproduction"} else set()
    found: list[Tier] = [tier for tier, known in TIERS.items() if words & set(known.split())]
    return found[0] if found else "other"


MERGE = re.compile(r"Merge (?:pull request #\d+ from |(?:remote-tracking )?branch(?:es)? '|commit '|tag ')")
REVERTS = re.compile(r"\bThis reverts commit ([0-9a-fA-F]{40}(?:[0-9a-fA-F]{24})?)\b")
REVERT = re.compile(r"^\s*Revert(?:s|ed)?\b[: ]\s*[\"“'`]|^\s*revert(?:\([^)]*\))?!?:", re.IGNORECASE)
HOTFIX = re.compile(r"\bhot-?fix\b", re.IGNORECASE)
CAUSED = re.compile(
    r"\b(?:root[ -]cause|caused[ -]by)[ :=-]+"
    r"(?:commit +)?(?P<commit>[0-9a-fA-F]{64}|[0-9a-fA-F]{40})(?![0-9a-zA-Z])"
    r"|\b(?:root[ -]cause|caused[ -]by)[ :=-]+(?P<artifact>pkg:[^\s\"'<>]{1,300})"
    r"|\b(?:root[ -]cause|caused[ -]by)[ :=-]+deployment[ :]+(?P<deployment>[^\s\"'<>,;]{1,300})",
    re.IGNORECASE,
)


def merges(message: str) -> bool:
    """Whether a commit joins others, as the message says that git, GitHub and GitLab give it."""
    return MERGE.match(message) is not None


def reverts(message: str) -> str | None:
    """The commit that a message says it takes back, as `git revert` writes it."""
    found = REVERTS.search(message[:20_000])
    return found[1].lower() if found else None


def purpose(text: str, branch: str = "", labels: Iterable[str] = ()) -> Purpose:
    """Why a change was made: it takes another back, or is a hotfix by its words, branch or labels, or was planned."""
    words = {label.strip().lower() for label in labels}
    first = text.lstrip()[:200].split("\n", 1)[0]
    branch = branch.removeprefix("refs/heads/")
    if "revert" in words or REVERT.match(first) or reverts(text):
        return "revert"
    if re.match(r"revert-\d+-", branch):
        return "revert"
    hot = HOTFIX.match(first.strip("[( ")) or re.match(r"(?:.*/)?hot-?fix(?:[/_-]|$)", branch, re.IGNORECASE)
    return "hotfix" if hot or words & {"hotfix", "hot-fix"} else "planned"


def cause(text: str) -> dict[str, str] | None:
    """What a report names as the cause: "root cause: SHA", "caused by: deployment ID", "caused by: pkg:…"."""
    found = CAUSED.search(clean(text)[:20_000])
    if not found:
        return None
    kind = next(kind for kind in ("commit", "artifact", "deployment") if found[kind])
    return {kind: found[kind].lower() if kind == "commit" else found[kind]}


GRADE = r"(?:sev|p)-?\d|critical|high|major|medium|minor|low"
SEVERITY = re.compile(rf"(?:severity|priority|prio)[:/ _-]*({GRADE}|\d)|({GRADE})")


def label(labels: Iterable[str], key: str) -> str | None:
    """The value of the first label "key:value", "key/value" or "key=value"; None when there is none."""
    for one in labels:
        head, mark, value = re.sub(r"[:/=]+", ":", one.strip(), count=1).partition(":")
        if mark and head.strip().lower() == key and value.strip():
            return short(value)
    return None


def labelled(labels: Iterable[str], word: str) -> bool:
    """Whether a label is this word, alone or as the value of a key: "incident", "type: Incident", "kind/incident"."""
    return any(re.split(r"[:/=]+", one)[-1].strip().lower() == word for one in labels)


def severity(labels: Iterable[str]) -> str | None:
    """The severity among labels, in lower case: "sev1", "p2", "critical"."""
    found = [match[1] or match[2] for one in labels if (match := SEVERITY.fullmatch(one.strip().lower()))]
    return found[0] if found else None


def short(text: str | None) -> str | None:
    """A text of no weight on one line, cut at 200 characters; None when nothing is left of it."""
    return " ".join(clean(text or "").split())[:LONGEST_NAME] or None


def purl(image: str | None) -> str | None:
    """A container image with its digest as a package URL, which is the same wherever it was pulled from; or None."""
    match = re.fullmatch(r"(?:[^\s@]*/)?([\w.-]+)(?::[\w.-]+)?@(sha256):([0-9a-f]{64})", image or "", re.ASCII)
    return f"pkg:oci/{match[1].lower()}@{match[2]}%3A{match[3]}" if match else None
