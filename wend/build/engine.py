"""Build a commit: lay out its files, find its golden path, get toolchain and dependencies, run the path's steps.

All of it reads golden paths as data; nothing here knows a language. The artifact's id is the digest of everything
that went in, so the same input is never built twice.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from wend import spec as words_of
from wend.build import Artifact, Cancel, Room, Say, Source, golden
from wend.build.deps import Deps, ensure
from wend.build.golden import GoldenPath
from wend.build.rules import Table, Tree, Words, fill, fill_all, first, holds, on_disk
from wend.build.store import discard, load, save
from wend.build.toolchain import Toolchain, resolve
from wend.build.tree import lay_out
from wend.build.work import SYSTEM_PATH, Job, Work, disk_size, perform
from wend.errors import Down, Invalid, Refused
from wend.run import Mount
from wend.spec import Spec

FORMAT = 1  # part of every id: raise it when this file makes something else of the same input


def build(source: Source, spec: Spec, room: Room, say: Say, cancel: Cancel) -> Artifact:
    """The artifact of this commit; made now, or found. Raises Refused or Invalid with the cause first, Down when the
    disk is full or the registry is out of reach."""
    for folder in (room.artifacts, room.deps, room.toolchains):
        folder.mkdir(parents=True, exist_ok=True)
    with staged(room) as staging, clear_when_full():
        root = staging / "app"
        entries = lay_out(source.git_dir, source.tree, root, cancel)
        tree = on_disk(root, [entry.path for entry in entries])
        path = choose(spec, tree, say, room.paths)
        work = Work(source.app, room, say, cancel, time.monotonic() + room.seconds, staging / "home", env=spec.env)
        tools = tuple(tool for rule in path.toolchains if (tool := toolchain(rule, tree, work)))
        work = replace(work, tools=tools)
        deps = install(work, path, tree, root)
        draft = Draft(work, spec, path, replace(tree, deps=deps[0].folder if deps else None), root, deps)
        id = identity(source, draft)
        return load(room, id) or finish(draft, id, sum(entry.size for entry in entries))


@dataclass(frozen=True)
class Draft:
    """A build with everything in hand but its steps: files below `root`, toolchains in `work`, dependencies."""

    work: Work
    spec: Spec
    path: GoldenPath
    tree: Tree
    root: Path
    deps: tuple[Deps, ...]


@dataclass(frozen=True)
class Decision:
    """What will run, and what people are told about it."""

    processes: dict[str, str]
    release: str | None
    env: dict[str, str]
    notes: tuple[str, ...]


@contextmanager
def staged(room: Room) -> Generator[Path]:
    staging = room.artifacts / f".new-{os.getpid()}-{time.monotonic_ns()}"
    staging.mkdir()
    try:
        yield staging
    finally:
        discard(staging)


@contextmanager
def clear_when_full() -> Generator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise Down("the disk became full during the build; nothing was changed", "free some space") from error
        raise


def choose(spec: Spec, tree: Tree, say: Say, own: Path | None = None) -> GoldenPath:
    """The path that wend.toml names or that fits, of those that ship with Wend and the organisation's own; raises what
    the path refuses by rule."""
    named = (golden.get(spec.path, own), "wend.toml says so") if spec.path else None
    path, why = named or golden.detect(tree.files, tree.read, own)
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


def identity(source: Source, draft: Draft) -> str:
    """The content key of what will be built."""
    path, spec = draft.path, draft.spec
    recipe = [
        (path.folder / name).read_text(encoding="utf-8") for name in ("path.toml", *(r["from"] for r in path.files))
    ]
    tools = sorted((tool.kind, tool.version, tool.bin) for tool in draft.work.tools)
    commands = {name: process.command for name, process in spec.processes.items()}
    hatch = spec.hatches.get("build")
    parts = [FORMAT, source.tree, path.name, recipe, tools, sorted(one.key for one in draft.deps)]
    parts += [commands, spec.release, hatch.command if hatch else None, dict(spec.env)]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]


# ---------------------------------------------------------------------------------------------- the second half


def finish(draft: Draft, id: str, size: int) -> Artifact:
    """Run the steps, decide the processes, and move the folder into place."""
    work, path, root = draft.work, draft.path, draft.root
    put_files(draft)
    stepped = run_steps(draft)
    after = on_disk(root, scan(root) if stepped else draft.tree.files, draft.tree.deps)
    decision = decide(draft.spec, path, after)
    for note in decision.notes:
        work.say(f"note: {note}")
    artifact = Artifact(
        id=id,
        root=str(work.room.artifacts / id),
        path=path.name,
        processes=decision.processes,
        release=decision.release,
        health=path.health,
        env=run_env(draft) | decision.env,
        mounts=run_mounts(draft),
        size=disk_size(root) if stepped else size,
        notes=decision.notes,
        tools=tuple(f"{tool.kind}@{tool.version}" for tool in work.tools),
    )
    settle(root, Path(artifact.root))
    save(work.room, artifact)
    return artifact


def settle(root: Path, final: Path) -> None:
    """Move into place. What is already there has the same content key, and got there by the same rename: keep it."""
    try:
        root.rename(final)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise


def put_files(draft: Draft) -> None:
    """The files that the path adds to the app's own, never over one of them; and a place for each mount to stand on."""
    for rule in draft.path.files:
        target = draft.root / rule["to"]
        if holds(draft.tree, rule.get("when", {})) is None or rule["to"] in draft.tree.files:
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text((draft.path.folder / rule["from"]).read_text(encoding="utf-8"), encoding="utf-8")
    for target in (target for one in draft.deps for _, target in one.shows):
        (draft.root / Path(target).relative_to("/app")).mkdir(parents=True, exist_ok=True)


def run_steps(draft: Draft) -> bool:
    """Run the path's steps, or the hatch's command in their place. Whether anything ran."""
    steps = chosen_steps(draft)
    for rule, words in steps:
        job = step_job(draft, rule, words)
        draft.work.say(f"{job.what}: {job.command if len(job.command) < 80 else 'running'}")
        try:
            draft.work.say(f"{job.what}: done in {perform(draft.work, job):.1f} s")
        except Refused as error:
            if "forgive" not in rule or not re.search(rule["forgive"], error.message):
                raise
            draft.work.say(f"{job.what}: left out ({rule['forgiven']})")
    return bool(steps)


def chosen_steps(draft: Draft) -> list[tuple[Table, Words]]:
    hatch = draft.spec.hatches.get("build")
    if hatch and hatch.command:
        why = f" ({hatch.reason})" if hatch.reason else ""
        draft.work.say(f"hatch: build by {hatch.command!r}{why}")
        return [({"title": "build", "command": hatch.command, "fix": "see [hatch.build] in wend.toml"}, {})]
    found = ((rule, holds(draft.tree, rule.get("when", {}))) for rule in draft.path.steps)
    return [(rule, words) for rule, words in found if words is not None]


def step_job(draft: Draft, rule: Table, words: Words) -> Job:
    mounts = (Mount(str(draft.root), "/app", "rw"), *(mount for one in draft.deps for mount in one.mounts("overlay")))
    env = dict(draft.path.env)
    for one in draft.deps:
        env |= one.env
    env |= fill_all(rule.get("env", {}), words)
    bins = [bin for one in draft.deps for bin in one.bins]
    return Job(rule["title"], fill(rule["command"], words), rule["fix"], mounts, env, bins)


def scan(root: Path) -> list[str]:
    """The files after the build, as a tree lists them. node_modules is not the app's own."""
    found: list[str] = []
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if name not in ("node_modules", ".git")]
        found += [(Path(folder) / name).relative_to(root).as_posix() for name in files]
    return found


def decide(spec: Spec, path: GoldenPath, tree: Tree) -> Decision:
    """What runs: wend.toml wins over the Procfile, and that over the path's defaults. Pure. Raises Invalid when
    nothing would run."""
    written = tree.read("Procfile")
    found = defaults(path, tree) if written is None else Decision(words_of.procfile(written), None, {}, ())
    processes = dict(found.processes)
    release = processes.pop("release", None)
    processes |= {name: process.command for name, process in spec.processes.items() if process.command}
    for name in spec.processes:
        if name not in processes:
            hint = f'add command = "…" to [process.{name}], or a line `{name}: …` to the Procfile'
            raise Invalid(f"wend.toml has [process.{name}], but nothing says what to run for it", hint)
    if not processes:
        raise Invalid(nothing_runs(path, written), "add a Procfile with the line `web: COMMAND` and push again")
    return Decision(processes, spec.release or release, found.env, found.notes)


def defaults(path: GoldenPath, tree: Tree) -> Decision:
    """The path's own processes: for each name the first rule that fits."""
    processes: dict[str, str] = {}
    notes: list[str] = []
    env: dict[str, str] = {}
    for name in dict.fromkeys(rule["name"] for rule in path.processes):
        found = first(tree, [rule for rule in path.processes if rule["name"] == name])
        if found:
            rule, words = found
            processes[name] = fill(rule["command"], words)
            env |= fill_all(rule.get("env", {}), words)
            notes += [fill(rule["note"], words)] if "note" in rule else []
    return Decision(processes, None, env, tuple(notes))


def nothing_runs(path: GoldenPath, written: str | None) -> str:
    if written is not None:
        return "the Procfile names no process to run"
    tried = "; ".join(dict.fromkeys(rule["says"] for rule in path.processes if "says" in rule))
    return f"there is nothing to run: no Procfile, and {path.name} found none of: {tried or 'its defaults'}"


def run_env(draft: Draft) -> dict[str, str]:
    """What the path, its toolchains and its dependencies set for the app's processes."""
    env: dict[str, str] = {"LANG": "C.UTF-8", **draft.path.env}
    tools = [tool for tool in draft.work.tools if tool.at == "run"]
    deps = [one for one in draft.deps if one.at == "run"]
    for part in (*tools, *deps):
        env |= part.env
    bins = [*draft.path.bins, *(bin for one in deps for bin in one.bins), *(tool.bin for tool in tools), SYSTEM_PATH]
    return env | {"PATH": ":".join(dict.fromkeys(bins))}


def run_mounts(draft: Draft) -> tuple[Mount, ...]:
    tools = [Mount(tool.folder, tool.folder) for tool in draft.work.tools if tool.at == "run" and tool.folder]
    return (*tools, *(mount for one in draft.deps if one.at == "run" for mount in one.mounts()))
