"""What a push would say, said before it: the rules are those of a push, applied here."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from wend import outgoing, spec, tree
from wend.build import engine
from wend.build.rules import on_disk, read_text
from wend.cli import repo, show
from wend.cli.client import app_path, client
from wend.cli.options import json_option
from wend.errors import WendError
from wend.guardrails import gates, mending, own
from wend.guardrails.decide import Waiver, decide
from wend.guardrails.facts import of_tree
from wend.guardrails.rules import RULES
from wend.spec import Spec


@click.command()
@click.argument("folder", required=False, type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--patch", is_flag=True, help="Print only what guardrails would change, as a diff for `git apply`.")
@json_option
def check(folder: Path | None, patch: bool, json: bool) -> int:
    """Check wend.toml, Procfile and golden path as they lie here, and what is committed, by the rules of a push.
    Nothing is built or sent. The exit code is that of the first thing found.

    Example: wend check · wend check --patch | git apply
    """
    root = repo.top(folder) if folder is None else folder
    report, found = examine((root or Path.cwd()).absolute())
    if patch:
        click.echo(report.get("patch", ""), nl=False)
    elif json:
        show.as_json(report | {"problems": [error.as_dict() for error in found]})
    else:
        tell(report, found)
    return found[0].exit if found else 0


def tell(report: dict[str, Any], found: list[WendError]) -> None:
    processes = (("process " + name, command) for name, command in report.get("processes", {}).items())
    show.facts([
        ("app", report.get("app")), ("path", report.get("path")), ("because", report.get("because")), *processes,
        ("release", report.get("release")), *(("note", note) for note in report["notes"]),
    ])  # fmt: skip
    for error in found:
        show.complain(error)
    if report.get("patch"):
        show.note("some of it can be mended at once: wend check --patch | git apply")
    if not found:
        show.note("a push would take this")


def examine(root: Path) -> tuple[dict[str, Any], list[WendError]]:
    """What a push would make of the folder, and everything it would refuse."""
    report: dict[str, Any] = {"folder": str(root), "notes": []}
    found: list[WendError] = []

    def attempt(step: Callable[[], None]) -> None:
        try:
            step()
        except WendError as error:
            found.append(error)

    attempt(lambda: committed(root, report))
    attempt(lambda: plan(root, report))
    attempt(lambda: guard(root, report))
    return report, found


def guard(root: Path, report: dict[str, Any]) -> None:
    """The guardrails, by the modes and waivers of the platform when it can be asked. Raises what a push would."""
    wanted = spec.parse(read_text(root / "wend.toml"))
    address = repo.address()
    name = wanted.app or (address[1] if address else root.name)
    there: dict[str, Any] = {}
    with suppress(WendError):
        there = client().get(app_path(name, "guardrails"))
    if not there:
        report["notes"].append("the platform was not asked: guardrails by their own modes, without waivers")
    modes = {(rule, gate): mode for rule, gate, mode in there.get("modes", ())}
    held = [Waiver(**one) for one in there.get("waivers", ())]
    now = there.get("now", time.time_ns() // 1000)
    facts = of_tree(name, on_disk(root, listed(root)), wanted, there.get("team"), there.get("new", True)).facts
    going = [outgoing.of_row(one) for one in there.get("outgoing", ())]
    facts = gates.on_its_way_out(facts, going, there.get("had"), now)
    rules = [*RULES, *own.rules([(str(text), int(version)) for text, version in there.get("own", ())], facts)]
    decision = decide(rules, facts, held, now, "laptop", modes)
    report["guardrails"] = [gates.as_dict(one, name) for one in decision.shown]
    report["patch"] = mending.patch(decision.shown, lambda file: read_text(root / file))
    report["notes"] += gates.lines(decision, name)
    gates.refuse(decide(rules, facts, held, now, "push", modes))


def plan(root: Path, report: dict[str, Any]) -> None:
    """The path that fits and the processes it would run. Raises what a push would."""
    text = read_text(root / "wend.toml")
    wanted: Spec = spec.parse(text)
    report["app"] = wanted.app
    files = on_disk(root, listed(root))
    said: list[str] = []
    path = engine.choose(wanted, files, said.append)
    report |= {"path": path.name, "because": said[0].partition("(")[2].rstrip(")")}
    report["notes"] += said[1:]
    decision = engine.decide(wanted, path, files)
    report |= {"processes": decision.processes, "release": decision.release}
    report["notes"] += decision.notes


def listed(root: Path) -> list[str]:
    """The files a commit of everything here would hold; outside a repository, those there are."""
    if repo.top(root):
        said = repo.git("ls-files", "-z", "--cached", "--others", "--exclude-standard", where=root)
        return [name for name in said.split("\0") if name and (root / name).exists()]
    return list(walk(root))


def walk(root: Path) -> Iterator[str]:
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if name not in (".git", "node_modules", ".venv")]
        for name in files:
            yield (Path(folder) / name).relative_to(root).as_posix()


# ---------------------------------------------------------------------------------------------- what is committed


def committed(root: Path, report: dict[str, Any]) -> None:
    """Judge the names, links and sizes of the last commit, as the push's first check does. Raises Refused."""
    if not repo.top(root) or not repo.git("rev-parse", "--verify", "--quiet", "HEAD", ok=(0, 1), where=root):
        report["notes"].append("nothing is committed yet, and a push sends commits: git add -A && git commit")
        return
    changed = len([entry for entry in repo.git("status", "--porcelain", "-z", where=root).split("\0") if entry])
    if changed:
        what = "1 change is" if changed == 1 else f"{changed} changes are"
        report["notes"].append(f"{what} not committed, and a push sends commits only")
    budget = tree.Budget()
    lines = raw(root, "ls-tree", "-r", "-t", "-l", "-z", "--full-tree", "HEAD").split(b"\0")
    entries = [tree.entry(line) for line in lines if line]
    listing = tree.examine(entries, budget)
    targets = {link.path: raw(root, "cat-file", "blob", link.oid) for link in listing.links}
    heavy = [too_big(entry, budget) for entry in entries if entry.size > budget.blob]
    tree.refuse(listing.findings + tree.links(targets) + heavy, budget)


def too_big(entry: tree.Entry, budget: tree.Budget) -> tree.Finding:
    what = f"{entry.size / 2**20:,.0f} MB, at most {budget.blob / 2**20:,.0f} MB fit"
    return tree.Finding(tree.show(entry.path), what, "keep it in storage and fetch it in the build")


def raw(root: Path, *words: str) -> bytes:
    return subprocess.run(["git", "-C", str(root), *words], capture_output=True, check=True).stdout
