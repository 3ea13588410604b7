"""The pages are true: what they tell people to type works as shown, and what they name exists.

`python -m pytest -s tests/test_docs.py -k followed` prints how long each block took. Links and headings are looked at
by test_words.py.
"""

from __future__ import annotations

import json
import re
import shlex
import sqlite3
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from tests import reader
from tests.reader import FENCE, Reader
from wend import auth, config, events, gate, journal, spec
from wend.cli import wend
from wend.gate import Seen

ROOT = Path(__file__).parent.parent
SPAN = re.compile(r"`([^`]+)`")
TYPED = re.compile(r"^(?:\$ | {4})(.+)$", re.MULTILINE)
OURS = re.compile(r"(?:\./)?((?:wend|tests|docs|scripts|bench|examples|golden|\.ci)/[\w./-]+|try|check)")


def pages() -> list[Path]:
    return sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("wend/golden/*/guide.md")])


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def heads(page: str, level: str) -> list[str]:
    """The headings of one level, without code marks."""
    text = FENCE.sub("", (ROOT / page).read_text("utf-8"))
    return [match.replace("`", "") for match in re.findall(rf"^{level} (.+)$", text, re.MULTILINE)]


# ---------------------------------------------------------------------------------------------- followed


@pytest.mark.parametrize("page", ["README.md", "docs/tutorial.md"])
def test_followed_to_the_letter(page: str, tmp_path: Path) -> None:
    file = ROOT / page
    assert file.exists(), f"{page} is not written yet"
    text = file.read_text("utf-8")
    assert reader.blocks(text), f"{page} has no ```console block to follow"
    person = Reader(tmp_path / "ada")
    try:
        took = person.follow(page, text)
        check_fields(person.home / "wend.db")
    finally:
        person.close()
    for line, seconds in took:
        print(f"{page}:{line}: {seconds:.1f} s")
    print(f"{page}: {sum(seconds for _, seconds in took):.1f} s in all")
    assert not list((person.home / "run" / "replicas").glob("*")), "a process was left"


def check_fields(file: Path) -> None:
    """Every field of every event that was written has its word in docs/ledger.md."""
    told = {kind: set(SPAN.findall(text)) for kind, text in sections().items()}
    with sqlite3.connect(f"file:{file}?mode=ro", uri=True) as db:
        for kind, data in db.execute("SELECT kind, data FROM ledger"):
            untold = set(json.loads(data)) - told.get(kind, set())
            assert not untold, f"docs/ledger.md says nothing of {sorted(untold)} of {kind}"


def sections() -> dict[str, str]:
    """What docs/ledger.md says of each kind of event."""
    parts = re.split(r"^### `(\w+)`$", (ROOT / "docs/ledger.md").read_text("utf-8"), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


# ---------------------------------------------------------------------------------------------- named


def typed(text: str) -> Iterator[str]:
    """Every command line that begins with wend, wherever a page has one."""
    for fence in FENCE.finditer(text):
        if not fence["info"].startswith(("toml", "python", "json", "text")):
            for line in fence["body"].splitlines():
                yield from parts_of(line.removeprefix("$ "))
    prose = FENCE.sub("", text)
    for code in [*SPAN.findall(prose), *TYPED.findall(prose)]:
        yield from parts_of(" ".join(code.split()))


def parts_of(line: str) -> Iterator[str]:
    for part in re.split(r"&&|[|;(]", line):
        if part.strip().startswith("wend "):
            yield part.strip()


def wrong(line: str) -> str | None:
    """What of this command line does not exist."""
    try:
        words = shlex.split(line, comments=True)[1:]
    except ValueError:
        words = line.split()[1:]
    if not words or not re.fullmatch(r"[a-z-]+", words[0]):
        return None
    context, command = click.Context(wend), wend
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        known = command.list_commands(context)
        found = command.get_command(context, words[0])
        if found is None and "show" in known:
            break
        if found is None:
            return f"no command {words[0]!r} (there are {', '.join(known)})"
        command, words = found, words[1:]
    if isinstance(command, click.Group) and words and (usual := command.get_command(context, "show")):
        command = usual  # what a group means when its command is not named
    flags = {flag for one in command.params for flag in (*one.opts, *one.secondary_opts)} | {"--help"}
    given = [word.partition("=")[0] for word in words[: words.index("--") if "--" in words else None]]
    bad = [word for word in given if re.fullmatch(r"--?[a-zA-Z][\w-]*", word) and word not in flags]
    return f"no option {bad[0]} (there are {', '.join(sorted(flags))})" if bad else None


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_every_command_named_exists(page: Path) -> None:
    found = {line: wrong(line) for line in typed(page.read_text("utf-8"))}
    assert {line: why for line, why in found.items() if why} == {}


def test_every_command_that_an_error_advises_exists() -> None:
    found: dict[str, str] = {}
    for file in ROOT.glob("wend/**/*.py"):
        for line in re.findall(r"`(wend [^`\n{]+)", file.read_text("utf-8")):
            if why := wrong(line.strip("` ")):
                found[f"{file.name}: {line}"] = why
    assert found == {}


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_every_file_named_exists(page: Path) -> None:
    prose = FENCE.sub("", page.read_text("utf-8"))
    named = {match[1] for code in SPAN.findall(prose) if (match := OURS.fullmatch(code))}
    real = {path for path in named if not re.search(r"[A-Z]{3}|\.\.", path)}
    assert [path for path in sorted(real) if not (ROOT / path).exists() and not (ROOT / "wend" / path).exists()] == []


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_every_example_of_toml_is_valid(page: Path, tmp_path: Path) -> None:
    for fence in FENCE.finditer(page.read_text("utf-8")):
        kind, *title = fence["info"].split() or [""]
        if kind != "toml":
            continue
        tomllib.loads(fence["body"])
        if title == ["config.toml"]:
            (tmp_path / "config.toml").write_text(fence["body"], encoding="utf-8")
            config.load(tmp_path)
        elif title in ([], ["wend.toml"]):
            spec.parse(fence["body"])


# ---------------------------------------------------------------------------------------------- complete


def test_every_step_of_a_deploy_has_its_place() -> None:
    assert [step for step in heads("docs/deploy.md", "###") if step in journal.STEPS] == list(journal.STEPS)


def test_every_verb_has_its_place() -> None:
    assert [verb for verb in heads("docs/tokens.md", "###") if verb in auth.VERBS] == list(auth.VERBS)


SICK = {
    "ended": Seen("web", "/", 60, 60.5, ended="exited with code 3"),
    "astray": Seen("web", "/", 60, 0, port=41863, listens=(8000,), astray=1.0),
    "answers badly": Seen("web", "/healthz", 60, 0, answer=500, answered=1.0),
    "answers badly at the end": Seen("web", "/", 60, 0, answer=503, answered=61.0),
    "silent": Seen("web", "/", 60, 0, port=41863),
    "speaks no HTTP": Seen("web", "/healthz", 60, 0, port=41863, answer="BadStatusLine: hello"),
    "not up": Seen("worker", None, 60, 0),
}


@pytest.mark.parametrize("why", SICK)
def test_every_reason_of_the_gate_has_its_place(why: str) -> None:
    verdict = gate.judge(SICK[why], 61.0, 1.5)
    assert verdict.state == "sick"
    reason = reader.blur(verdict.reason)
    assert [head for head in heads("docs/gate.md", "###") if reason.startswith(reader.blur(head))], verdict.reason


def test_every_event_says_its_fields() -> None:
    assert set(sections()) == set(events.KINDS)
    assert [kind for kind, text in sections().items() if "Data:" not in text and "No data" not in text] == []


def test_every_setting_shows_its_default() -> None:
    text = (ROOT / "docs/settings.md").read_text("utf-8")
    for setting in config.SETTINGS:
        part = text.partition(f"## `{setting.name}`")[2].partition("\n## ")[0]
        default = "empty" if setting.default == "" else f"`{setting.default}`"
        assert f"Default: {default}" in part, setting.name


def test_every_page_is_in_the_index() -> None:
    index = (ROOT / "docs/README.md").read_text("utf-8")
    here = {page.name for page in (ROOT / "docs").glob("*.md")} - {"README.md"}
    assert [name for name in sorted(here) if f"({name})" not in index] == []


# ---------------------------------------------------------------------------------------------- the reader itself


def test_a_page_is_read_as_it_is_written() -> None:
    text = "a\n```console fails\n$ cat <<X\n> hi\n> X\nhi\n\n$ false\n```\n```sh\n$ no\n```\n"
    [block] = reader.blocks(text)
    assert block.line == 2
    assert [(one.command, one.shown, one.fails) for one in block.commands] == [
        ("cat <<X\nhi\nX", ("hi",), False),
        ("false", (), True),
    ]


@pytest.mark.parametrize(
    ("shown", "output", "lacks"),
    [
        (["live in 12 ms  http://x:7080"], "live in 9 ms http://x:7080", None),
        (["release 1"], "release 2", "release 1"),
        (["web ×3"], "web ×2", "web ×3"),
        (["v4 live now"], "v4  live  3 seconds ago", None),
        (["one", "two"], "two\none", "two"),
        (["a … z"], "a b c z", None),
        (["a …"], "b", "a …"),
        (["3a4b5c6..a07ae67  main"], "1b2c3d4..c0ffee1  main", None),
    ],
)
def test_what_is_shown_must_come(shown: list[str], output: str, lacks: str | None) -> None:
    assert reader.missing(tuple(shown), output) == lacks


def test_a_wrong_command_line_is_found() -> None:
    assert wrong("wend up --detach") is None
    assert wrong("wend run hello -- python --version") is None
    assert wrong("wend config hello") is None
    assert wrong("wend fly") and wrong("wend up --fly") and wrong("wend ledger fly")
