"""What an app is made of, what is known of its parts, and what files for other platforms say; with the fixes."""

from __future__ import annotations

import json
import subprocess
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.cli_world import alone, terminal, wend
from tests.house import House
from tests.test_guardrails import tree
from tests.web_world import World, world
from wend import spec
from wend.cli.advisories import records
from wend.errors import Invalid
from wend.guardrails import advisories, infra, licences, osv, parts
from wend.guardrails.decide import decide
from wend.guardrails.facts import Facts, of_tree
from wend.guardrails.hits import NotSeen
from wend.guardrails.mending import patch
from wend.guardrails.parts import Part, Unread
from wend.guardrails.rules import RULES

__all__ = ["alone", "terminal", "wend"]
DAY = 86_400
LOCKS: dict[str, tuple[str, list[str]]] = {
    "uv.lock": (
        '[[package]]\nname = "Shop"\nversion = "1"\nsource = { editable = "." }\n[[package]]\nname = "Flask_Thing"\n'
        'version = "2.0"\nsource = { registry = "https://x" }\n',
        ["pypi/flask-thing@2.0"],
    ),
    "poetry.lock": ('[[package]]\nname = "a.b"\nversion = "1.0"\n', ["pypi/a-b@1.0"]),
    "requirements.txt": ("A_b[x]==1.2 ; python_version > '3'\nflask>=2\n-r y.txt\nc===1!2+local\n",
                         ["pypi/a-b@1.2", "pypi/c@1!2+local"]),
    "package-lock.json": (
        json.dumps({"packages": {"": {"version": "1"}, "node_modules/a": {"version": "1.0", "license": "MIT"},
                                 "node_modules/a/node_modules/@s/b": {"version": "2.0"},
                                 "node_modules/d": {"version": "3.0", "dev": True},
                                 "node_modules/l": {"link": True}}}),
        ["npm/@s/b@2.0", "npm/a@1.0"],
    ),
    "yarn.lock": ('# yarn lockfile v1\n\n"@s/b@^1.0", "@s/b@^1.1":\n  version "1.1.0"\n\na@~2:\n  version "2.0.1"\n',
                  ["npm/@s/b@1.1.0", "npm/a@2.0.1"]),
    "pnpm-lock.yaml": ("packages:\n\n  '@s/b@1.1.0':\n    resolution: {}\n\n  a@2.0.1(react@18.0.0):\n    x: y\n",
                       ["npm/@s/b@1.1.0", "npm/a@2.0.1"]),
    "go.mod": ("module shop\n\ngo 1.22\n\nrequire (\n\texample.org/x/net v0.1.0 // indirect\n\tgopkg.in/y v1.0.0\n)\n",
               ["go/example.org/x/net@v0.1.0", "go/gopkg.in/y@v1.0.0"]),
}  # fmt: skip


@pytest.mark.parametrize("file", LOCKS)
def test_a_lock_file_names_its_parts(file: str) -> None:
    text, named = LOCKS[file]
    assert [str(one) for one in parts.of_tree(tree({file: text}))] == named
    assert [str(parts.read_back(one)) for one in named] == named


@pytest.mark.parametrize("text", ["{", "[]", '{"packages": 3}', '{"packages": {"node_modules/a": 7}}', "[" * 9999])
def test_a_lock_file_that_cannot_be_read_is_unknown_and_no_pass(text: str) -> None:
    with pytest.raises(Unread, match=r"package-lock\.json"):
        parts.of_tree(tree({"package-lock.json": text}))
    facts = of_tree("shop", tree({"package-lock.json": text}), spec.parse(None)).facts
    with pytest.raises(NotSeen, match="nobody here reads package-lock"):
        facts.need("parts")


def test_what_was_installed_has_its_licences(tmp_path: Path) -> None:
    site = tmp_path / "venv/lib/python3.12/site-packages"
    said = {"a": "License-Expression: MIT OR GPL-3.0", "c": "License: BSD\n  long text", "d": ""}
    for name, text in {**said, "b": "Classifier: License :: OSI Approved :: MIT License"}.items():
        (site / f"{name}-1.dist-info").mkdir(parents=True)
        (site / f"{name}-1.dist-info/METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n{text}\n")
    old = {"name": "x", "version": "2", "license": {"type": "ISC"}}
    for where, one in {"x": old, "@s/y": {"name": "@s/y", "version": "3"}, "odd": []}.items():
        (tmp_path / "node_modules" / where).mkdir(parents=True)
        (tmp_path / "node_modules" / where / "package.json").write_text(json.dumps(one))
    found = {str(one): one.licence for one in parts.installed([tmp_path, tmp_path / "nothing"])}
    assert found == {"pypi/a@1": "MIT OR GPL-3.0", "pypi/b@1": "MIT License", "pypi/c@1": "BSD", "pypi/d@1": "",
                     "npm/x@2": "ISC", "npm/@s/y@3": ""}  # fmt: skip


@pytest.mark.parametrize(
    ("licence", "binds"),
    [("MIT", False), ("AGPL-3.0-only", True), ("MIT OR AGPL-3.0", False), ("GNU Affero General Public", True),
     ("SSPL-1.0", True), ("BUSL-1.1", True), ("CC-BY-NC-4.0", True), ("UNLICENSED", True), ("Unlicense", False),
     ("LGPL-3.0", False), ("Apache-2.0/SSPL-1.0", False)],
)  # fmt: skip
def test_a_licence_binds_when_none_of_the_choices_is_free(licence: str, binds: bool) -> None:
    assert bool(licences.looked([Part("npm", "a", "1", licence)])) is binds


def test_licences_that_nobody_looked_at_or_that_are_not_there() -> None:
    assert licences.looked([Part("npm", "a", "1", "MIT"), Part("go", "b", "1")]) is None
    (hit,) = licences.looked([Part("npm", name, "1", "") for name in "abcdefg"]) or ()
    assert "a, b, c, d, e and 2 more" in hit.seen
    assert licences.looked([]) == ()


# ---------------------------------------------------------------------------------------------- advisories


def record(id: str, name: str, *events: dict[str, str], ecosystem: str = "PyPI", **more: Any) -> dict[str, Any]:
    ranges = [{"type": "ECOSYSTEM", "events": list(events)}] if events else []
    affected = {"package": {"ecosystem": ecosystem, "name": name}, "ranges": ranges, **more.pop("affected", {})}
    return {"id": id, "modified": "2026-11-20T00:00:00Z", "aliases": ["CVE-2026-1"], "affected": [affected], **more}


def affected(version: str, *events: dict[str, str], ecosystem: str = "PyPI", **more: Any) -> str | None:
    (row,) = osv.rows(record("X", "a", *events, ecosystem=ecosystem, affected=more))
    return osv.affects(row["about"], row["ecosystem"], version)


FROM, TO = {"introduced": "1.0"}, {"fixed": "1.5"}


@pytest.mark.parametrize(
    ("version", "events", "ecosystem", "mended"),
    [
        ("0.9", (FROM, TO), "PyPI", None), ("1.0", (FROM, TO), "PyPI", "1.5"), ("1.5", (FROM, TO), "PyPI", None),
        ("1.5rc1", (FROM, TO), "PyPI", "1.5"), ("1.4.post1", (TO, FROM), "PyPI", "1.5"),
        ("1.10", (FROM, TO), "PyPI", None),
        ("0.0.1", ({"introduced": "0"},), "PyPI", ""), ("2", ({"introduced": "0"}, {"last_affected": "2"}), "PyPI", ""),
        ("2.1", ({"introduced": "0"}, {"last_affected": "2"}), "PyPI", None),
        ("3.1", (FROM, TO, {"introduced": "3"}, {"fixed": "3.2"}), "PyPI", "3.2"),
        ("2.0", (FROM, TO, {"introduced": "3"}, {"fixed": "3.2"}), "PyPI", None),
        ("1.5.0-rc.2", ({"introduced": "1.5.0-rc.1"}, {"fixed": "1.5.0"}), "npm", "1.5.0"),
        ("1.5.0-rc.10", ({"introduced": "0"}, {"fixed": "1.5.0-rc.9"}), "npm", None),
        ("v0.17.0", ({"introduced": "0"}, {"fixed": "0.23.0"}), "Go", "0.23.0"),
    ],
)  # fmt: skip
def test_a_version_is_in_a_range_as_osv_says(
    version: str, events: tuple[dict[str, str], ...], ecosystem: str, mended: str | None
) -> None:
    assert affected(version, *events, ecosystem=ecosystem) == mended


def test_versions_that_are_listed_withdrawn_records_and_strange_ones() -> None:
    assert affected("7", versions=["7"]) == "" and affected("8", versions=["7"]) is None
    assert list(osv.rows(record("X", "a", FROM, withdrawn="2026-01-01T00:00:00Z"))) == []
    assert list(osv.rows(record("X", "a", FROM, ecosystem="Maven"))) == []
    with pytest.raises(ValueError, match="latest"):
        affected("latest", FROM, TO, ecosystem="npm")
    assert osv.modified({"modified": "no date"}) == 0


@pytest.fixture
def there(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path / "home") as made:
        yield made


def bring(there: World, *some: dict[str, Any], newest: int = 1_790_000_000, state: str = "last") -> Any:
    rows = [row for one in some for row in osv.rows(one)]
    body = {"edition": "e" + state, "newest": newest * 10**6, "rows": rows, "state": state}
    return there.ask("POST", "/api/guardrails/advisories", body)


def test_without_advisories_with_old_ones_and_with_new_ones(there: World) -> None:
    """[pip-audit ends with 0 when it could not audit.]"""
    home, now = there.ctx.config.home, 1_790_000_000.0
    with pytest.raises(NotSeen, match="no advisories are here"):
        advisories.weak(home, [Part("pypi", "a", "1.2")])
    assert bring(there, record("GHSA-1", "A", FROM, TO)).json == {"edition": "elast", "records": 1}
    (hit,) = advisories.weak(home, [Part("pypi", "a", "1.2"), Part("pypi", "b", "1")], now + 99 * DAY)
    assert hit.seen == "1.2: GHSA-1 (CVE-2026-1), mended in 1.5"
    assert advisories.weak(home, [Part("pypi", "a", "1.5")], now + 14 * DAY) == ()
    with pytest.raises(NotSeen, match="15 days old"):
        advisories.weak(home, [Part("pypi", "a", "1.5")], now + 15 * DAY)
    with pytest.raises(NotSeen, match="cannot be compared"):
        advisories.weak(home, [Part("pypi", "a", "yesterday")], now)
    modes = {one["rule"]: one["modes"] for one in there.ask("GET", "/api/guardrails").json}["vulnerable-dependency"]
    assert (modes["build"], modes["run"], modes["push"]) == ("warn", "warn", "off"), "it begins to warn by itself"


def test_a_snapshot_takes_the_place_of_the_last_as_a_whole(there: World) -> None:
    bring(there, record("GHSA-1", "a", FROM))
    bring(there, record("GHSA-2", "b", FROM), state="more")
    a, b = Part("pypi", "a", "1"), Part("pypi", "b", "1")
    now = 1_790_000_000.0
    assert len(advisories.weak(there.ctx.config.home, [a, b], now)) == 1, "half a snapshot is none"
    body = {"edition": "emore", "newest": 1_790_000_000 * 10**6, "rows": [], "state": "last"}
    assert there.ask("POST", "/api/guardrails/advisories", body).json["records"] == 1
    assert [one.where for one in advisories.weak(there.ctx.config.home, [a, b], now)] == ["pypi/b"]
    assert there.ctx.ledger.read(kinds=["advisories_taken"])[-1].data["records"] == 1
    assert there.ask("POST", "/api/guardrails/advisories", body, token=there.token("app.*")).status == 403


ODD = {"id": "x", "cve": [], "versions": [], "ranges": [7]}
ROWS = [{}, {"ecosystem": "pypi", "name": "a", "about": 3}, {"ecosystem": "pypi", "name": "a", "about": ODD}]


@pytest.mark.parametrize("row", ROWS)
def test_what_is_no_advisory_is_refused(there: World, row: dict[str, Any]) -> None:
    body = {"edition": "e", "newest": 1, "rows": [row], "state": "last"}
    assert there.ask("POST", "/api/guardrails/advisories", body).status == 422
    assert advisories.standing(there.ctx.config.home) is None


def test_a_snapshot_is_read_from_a_zip_a_file_and_lines(tmp_path: Path) -> None:
    one, two = record("GHSA-1", "a", FROM), record("GHSA-2", "b", FROM)
    packed, single, lines = tmp_path / "all.zip", tmp_path / "one.json", tmp_path / "some.jsonl"
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("GHSA-1.json", json.dumps(one))
        archive.writestr("readme.txt", "not this")
    single.write_text(json.dumps(one))
    lines.write_text(f"{json.dumps(one)}\n\n{json.dumps(two)}\n")
    assert [len(list(records(file))) for file in (packed, single, lines)] == [1, 1, 2]
    lines.write_text("[" * 10**5)
    with pytest.raises(Invalid, match="no record of OSV"):
        list(records(lines))


# ---------------------------------------------------------------------------------------------- other platforms' files


@pytest.mark.parametrize(
    ("files", "where"),
    [
        ({"Dockerfile": "FROM x\nRUN y\n"}, ["Dockerfile:1"]),
        ({"Dockerfile": "FROM x\nUSER app\nFROM z\nCMD y\n"}, ["Dockerfile:3"]),
        ({"Dockerfile": "FROM x\nUSER 0:0\n"}, ["Dockerfile:2"]),
        ({"Dockerfile": "FROM x\nUSER root\nRUN y\nUSER 1000\n"}, []),
        ({"a/Dockerfile": "from x\nuser root\n"}, ["a/Dockerfile:2"]),
        ({"README": "no"}, []),
    ],
)  # fmt: skip
def test_what_runs_as_root(files: dict[str, str], where: list[str]) -> None:
    assert [hit.where for hit in infra.root(tree(files))] == where


@pytest.mark.parametrize(
    ("file", "line", "open"),
    [
        ("compose.yml", '      - "5432:5432"', True), ("docker-compose.dev.yaml", "  - 0.0.0.0:80:8080/tcp", True),
        ("compose.yml", '      - "127.0.0.1:5432:5432"', False), ("compose.yml", "  - 80:80 # the shop's door", False),
        ("compose.yml", "  - redis:7", False), ("k/service.yaml", "kind: Service\n  type: LoadBalancer", True),
        ("k/pod.yaml", "kind: Pod\n  hostPort: 80", True), ("k/any.yaml", "  type: LoadBalancer", False),
        ("k/service.yaml", "kind: Service\n# partners call it from outside\n  type: NodePort", False),
        ("net.tf", '  cidr_blocks = ["0.0.0.0/0"]', True), ("net.tf", '  cidr_blocks = ["10.0.0.0/8"]', False),
    ],
)  # fmt: skip
def test_ports_that_are_open_to_everybody(file: str, line: str, open: bool) -> None:
    assert bool(list(infra.ports(tree({file: f"a:\n{line}\n"})))) is open


def test_limits_and_replicas() -> None:
    wanted = spec.parse('[process.web]\nmemory = "3G"\nreplicas = 2\n[process.worker]\nmemory = "1G"\n')
    facts = of_tree("shop", tree({}), wanted, memory=6 * 2**30).facts
    assert [hit.where for hit in facts.memory or ()] == ["process.web.memory"]
    assert [hit.where for hit in facts.health or ()] == ["process.web"]
    assert of_tree("shop", tree({}), wanted).facts.memory is None, "another machine's memory is not known here"


# ---------------------------------------------------------------------------------------------- patches


def test_the_patch_mends_what_it_can_and_git_takes_it(tmp_path: Path) -> None:
    """Applied with git, the same look finds nothing more."""
    files = {
        "wend.toml": '[process.web]\nreplicas = 2\n\n[env]\nDEBUG = "1"\nDB_PASSWORD = "hunter2hunter2"\nLEVEL = "x"',
        "shop/settings.py": "import os\n\nDEBUG = True\nALLOWED = []\n",
        "Dockerfile": 'FROM python:3.12\nCOPY . .\nCMD ["python", "app.py"]\n',
        "a/Dockerfile": "FROM x\nUSER root",
    }

    def look(of: dict[str, str]) -> tuple[list[str], str]:
        facts = replace(of_tree("shop", tree(of), spec.parse(of["wend.toml"])).facts, app="shop")
        shown = decide(RULES, facts, [], 0, "push").shown
        mine = [one for one in shown if one.verdict == "FAIL" and one.rule.id != "missing-owner"]
        return [one.rule.id for one in mine], patch(mine, of.get)

    found, diff = look(files)
    assert set(found) == {"plaintext-secret", "debug-mode", "runs-as-root", "no-health-check"}
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    subprocess.run(["git", "apply", "-"], input=diff.encode(), cwd=tmp_path, check=True)
    mended = {name: (tmp_path / name).read_text() for name in files}
    assert look(mended) == ([], "")
    assert 'LEVEL = "x"' in mended["wend.toml"] and mended["Dockerfile"].index("USER") < mended["Dockerfile"].index(
        "CMD"
    )


def test_what_cannot_be_mended_for_certain_is_left_alone() -> None:
    wanted = spec.parse('env = { TOKEN = "abcdefghijk" }')
    files = {"wend.toml": 'env = { TOKEN = "abcdefghijk" }\n'}
    shown = decide(RULES, of_tree("shop", tree(files), wanted).facts, [], 0, "push").shown
    assert patch(shown, files.get) == ""
    unknown = decide(RULES, Facts("shop"), [], 0, "push").shown
    assert unknown and patch(unknown, files.get) == ""


# ---------------------------------------------------------------------------------------------- a push


def test_a_push_tells_of_a_weak_dependency_and_what_runs_is_held_against_newer_ones(
    house: House, tmp_path: Path
) -> None:
    """[Attack 18: unknown blocks where it is enforced.]"""
    house.up()
    api = house.api
    mode = {"gate": "build", "mode": "enforce"}
    assert api("POST", "/api/guardrails/vulnerable-dependency/mode", mode)[0] == 200
    repo = house.repo("rails", tmp_path / "rails")
    repo.change(**{"package-lock.json": LOCKS["package-lock.json"][0]})
    taken, said = repo.push()
    assert not taken and "UNKNOWN vulnerable-dependency" in said and "no advisories are here" in said
    rows = list(osv.rows(record("GHSA-9", "zzz", FROM, ecosystem="npm")))
    body = {"edition": "one", "newest": house_now(), "rows": rows, "state": "last"}
    assert api("POST", "/api/guardrails/advisories", body)[0] == 200
    repo.change(again="1")
    taken, said = repo.push()
    assert taken, said
    assert api("POST", "/api/guardrails/vulnerable-dependency/mode", {"gate": "run", "mode": "warn"})[0] == 200
    rows = list(osv.rows(record("GHSA-8", "a", {"introduced": "0"}, ecosystem="npm")))
    body |= {"edition": "two", "rows": rows}
    assert api("POST", "/api/guardrails/advisories", body)[0] == 200
    shown = {one["rule"]: one for one in api("GET", "/api/guardrails")[1]}["vulnerable-dependency"]
    assert shown["live"]["FAIL"] == 1, "it runs already, and the weakness became known since"
    assert house.get("rails")[0] == 200
    repo.change(again="2")
    taken, said = repo.push()
    assert not taken and "GHSA-8 (CVE-2026-1), not mended yet" in said


def house_now() -> int:
    import time

    return time.time_ns() // 1000
