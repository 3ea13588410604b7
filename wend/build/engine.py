"""Build a commit: lay out its files, find its golden path, get toolchain and dependencies, run the path's steps.

All of it reads golden paths as data; nothing here knows a language. The artifact's id is the digest of everything
that went in, so the same input is never built twice.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from wend import spec as words_of
from wend.build import Artifact, Cancel, Room, Say, Source, golden
from wend.build.deps import Deps, ensure
from wend.build.golden import GoldenPath
from wend.build.rules import Table, Tree, Words, fill, fill_all, first, holds, on_disk
from wend.build.store import discard, load, save
from wend.build.toolchain import Toolchain, resolve
from wend.build.tree import Entry, lay_out
from wend.build.work import SYSTEM_PATH, Job, Work, disk_size, make_home, need_room, perform
from wend.errors import Down, Invalid, Refused
from wend.run import Mount
from wend.spec import Spec

FORMAT = 1  # part of every id: raise it when this file makes something else of the same input


def build(source: Source, spec: Spec, room: Room, say: Say, cancel: Cancel) -> Artifact:
    """The artifact of this commit; made now, or found. Raises Refused or Invalid with the cause first, Down when the
    disk is full or the registry is out of reach."""
    for folder in (room.artifacts, room.deps, room.toolchains):
        folder.mkdir(parents=True, exist_ok=True)
    need_room(room)
    with staged(room) as staging, clear_when_full():
        root = staging / "app"
        entries = lay_out(source.git_dir, source.tree, root, cancel)
        tree = on_disk(root, [entry.path for entry in entries])
        path = choose(spec, tree, say)
        work = Work(source.app, room, say, cancel, time.monotonic() + room.seconds, staging / "home", env=spec.env)
        tools = tuple(tool for rule in path.toolchains if (tool := toolchain(rule, tree, work)))
        work = replace(work, tools=tools)
        make_home(work.home)
        deps = install(work, path, tree, root)
        id = identity(source, spec, path, tools, deps)
        return load(room, id) or finish(work, spec, path, tree, root, entries, deps, id)


@contextmanager
def staged(room: Room) -> Iterator[Path]:
    staging = room.artifacts / f".new-{os.getpid()}-{time.monotonic_ns()}"
    staging.mkdir()
    try:
        yield staging
    finally:
        discard(staging)


@contextmanager
def clear_when_full() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise Down("the disk became full during the build; nothing was changed", "free some space") from error
        raise


def choose(spec: Spec, tree: Tree, say: Say) -> GoldenPath:
    """The path that wend.toml names or that fits; raises what the path refuses by rule."""
    path, why = (golden.get(spec.path), "wend.toml says so") if spec.path else golden.detect(tree.files, tree.read)
    say(f"path: {path.name} ({why})")
    if path.state in ("deprecated", "retired"):
        say(f"path: {path.name} is {path.state}" + (f"; move to {path.replacement}" if path.replacement else ""))
    for rule in path.refusals:
        if holds(tree, rule["when"]) is not None:
            raise Refused(rule["message"], rule["hint"])
    return path


def toolchain(rule: Table, tree: Tree, work: Work) -> Toolchain | None:
    if holds(tree, rule.get("when", {})) is None:
        return None
    tool = resolve(rule, tree, work.room.toolchains, work.say, work.cancel)
    work.say(f"{tool.label} {tool.version}")
    return tool


def install(work: Work, path: GoldenPath, tree: Tree, root: Path) -> tuple[Deps, ...]:
    """Every layer of dependencies, the first recipe that fits each."""
    done: dict[str, Deps] = {}
    for rule in path.deps:
        layer = rule.get("layer", "")
        words = holds(tree, rule.get("when", {})) if layer not in done else None
        if words is not None:
            done[layer] = ensure(work, rule, words, tree, root)
    return tuple(done.values())


def identity(source: Source, spec: Spec, path: GoldenPath, tools: tuple[Toolchain, ...], deps: tuple[Deps, ...]) -> str:
    """The content key of what will be built."""
    recipe = [(path.folder / "path.toml").read_text(encoding="utf-8")]
    recipe += [(path.folder / rule["from"]).read_text(encoding="utf-8") for rule in path.files]
    commands = {name: process.command for name, process in spec.processes.items()}
    hatch = spec.hatches.get("build")
    parts = [FORMAT, source.tree, path.name, recipe, sorted((tool.kind, tool.version, tool.bin) for tool in tools)]
    parts += [sorted(one.key for one in deps), commands, spec.release, hatch.command if hatch else None, dict(spec.env)]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]


# ---------------------------------------------------------------------------------------------- the second half


def finish(
    work: Work, spec: Spec, path: GoldenPath, tree: Tree, root: Path, entries: list[Entry], deps: tuple[Deps, ...], id: str
) -> Artifact:
    """Run the steps, decide the processes, and move the folder into place."""
    for one in deps:
        for _, target in one.shows:  # a mount needs something to stand on
            (root / Path(target).relative_to("/app")).mkdir(parents=True, exist_ok=True)
    put_files(path, tree, root)
    stepped = run_steps(work, spec, path, replace(tree, deps=deps[0].folder if deps else None), root, deps)
    after = on_disk(root, scan(root) if stepped else tree.files)
    after = replace(after, deps=deps[0].folder if deps else None)
    processes, release, env, notes = decide(spec, path, after)
    final = work.room.artifacts / id
    artifact = Artifact(
        id=id,
        root=str(final),
        path=path.name,
        processes=processes,
        release=release,
        health=path.health,
        env=run_env(work, path, deps) | env,
        mounts=run_mounts(work, deps),
        size=disk_size(root) if stepped else sum(entry.size for entry in entries),
        notes=notes,
    )
    for note in notes:
        work.say(f"note: {note}")
    settle(root, final)
    save(work.room, artifact)
    return artifact


def settle(root: Path, final: Path) -> None:
    """Move into place. What is already there has the same content key, and got there by the same rename: keep it."""
    try:
        root.rename(final)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise


def put_files(path: GoldenPath, tree: Tree, root: Path) -> None:
    """The files that the path adds to the app's own; never over one of them."""
    for rule in path.files:
        target = root / rule["to"]
        if holds(tree, rule.get("when", {})) is None or rule["to"] in tree.files:
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text((path.folder / rule["from"]).read_text(encoding="utf-8"), encoding="utf-8")


def run_steps(work: Work, spec: Spec, path: GoldenPath, tree: Tree, root: Path, deps: tuple[Deps, ...]) -> bool:
    """Run the path's steps, or the hatch's command in their place. Whether anything ran."""
    hatch = spec.hatches.get("build")
    steps: list[tuple[Table, Words]] = []
    if hatch and hatch.command:
        work.say(f"hatch: build by {hatch.command!r} ({hatch.reason})")
        steps = [({"title": "build", "command": hatch.command, "fix": "see [hatch.build] in wend.toml"}, {})]
    else:
        steps = [(rule, words) for rule in path.steps if (words := holds(tree, rule.get("when", {}))) is not None]
    for rule, words in steps:
        mounts = (Mount(str(root), "/app", "rw"), *(mount for one in deps for mount in one.mounts("overlay")))
        env = {**path.env, **{k: v for one in deps for k, v in one.env.items()}, **fill_all(rule.get("env", {}), words)}
        bins = [*(bin for one in deps for bin in one.bins)]
        job = Job(rule["title"], fill(rule["command"], words), rule["fix"], mounts, (root,), env, bins)
        work.say(f"{rule['title']}: {job.command if len(job.command) < 80 else 'running'}")
        work.say(f"{rule['title']}: done in {perform(work, job):.1f} s")
    return bool(steps)


def scan(root: Path) -> list[str]:
    """The files after the build, as a tree lists them. node_modules is not the app's own."""
    found: list[str] = []
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if name not in ("node_modules", ".git")]
        found += [os.path.relpath(os.path.join(folder, name), root) for name in files]
    return found


def decide(spec: Spec, path: GoldenPath, tree: Tree) -> tuple[dict[str, str], str | None, dict[str, str], tuple[str, ...]]:
    """Process types, release command, extra environment and notes. wend.toml wins over the Procfile, and that over the
    path's defaults. Pure. Raises Invalid when nothing would run."""
    written = tree.read("Procfile")
    processes: dict[str, str] = {}
    notes: list[str] = []
    env: dict[str, str] = {}
    if written is not None:
        processes = words_of.procfile(written)
    else:
        for name in dict.fromkeys(rule["name"] for rule in path.processes):
            found = first(tree, [rule for rule in path.processes if rule["name"] == name])
            if found:
                rule, words = found
                processes[name] = fill(rule["command"], words)
                env |= fill_all(rule.get("env", {}), words)
                notes += [fill(rule["note"], words)] if "note" in rule else []
    release = spec.release or processes.pop("release", None)
    processes.pop("release", None)
    processes |= {name: process.command for name, process in spec.processes.items() if process.command}
    for name in spec.processes:
        if name not in processes:
            hint = f'add command = "…" to [process.{name}], or a line `{name}: …` to the Procfile'
            raise Invalid(f"wend.toml has [process.{name}], but nothing says what to run for it", hint)
    if not processes:
        raise Invalid(nothing_runs(path, written), "add a Procfile with the line `web: COMMAND` and push again")
    return processes, release, env, tuple(notes)


def nothing_runs(path: GoldenPath, written: str | None) -> str:
    if written is not None:
        return "the Procfile names no process to run"
    tried = "; ".join(dict.fromkeys(rule["says"] for rule in path.processes if "says" in rule))
    return f"there is nothing to run: no Procfile, and {path.name} found none of: {tried or 'its defaults'}"


def run_env(work: Work, path: GoldenPath, deps: tuple[Deps, ...]) -> dict[str, str]:
    """What the path sets for the app's processes."""
    env: dict[str, str] = {"LANG": "C.UTF-8", **path.env}
    tools = [tool for tool in work.tools if tool.at == "run"]
    kept = [one for one in deps if one.at == "run"]
    for part in (*tools, *kept):
        env |= part.env
    bins = [*(bin for one in kept for bin in one.bins), *(tool.bin for tool in tools), SYSTEM_PATH]
    return {name: value for name, value in env.items() if not name.startswith("UV_")} | {"PATH": ":".join(bins)}


def run_mounts(work: Work, deps: tuple[Deps, ...]) -> tuple[Mount, ...]:
    tools = [Mount(tool.folder, tool.folder) for tool in work.tools if tool.at == "run" and tool.folder]
    kept: list[Any] = [mount for one in deps if one.at == "run" for mount in one.mounts()]
    return (*tools, *kept)
