"""An organisation's own golden paths: taken whole from a git repository, proven, pinned to the commit they came from.

Facts: path_added, path_removed. The files themselves are in the ledger, so that every control plane and every rebuilt
home has the same; each writes them to `paths/NAME` of its home, where the builder reads them.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from wend.build import golden
from wend.build.golden import NAME, STATES, GoldenPath
from wend.context import Context
from wend.errors import Bug, Conflict, Invalid, NotFound, Refused
from wend.events import Fact
from wend.paths import reconsider, templates
from wend.state import paths as table
from wend.state import questions

MOST, LARGEST = 200, 600_000  # files, and letters of all of them
SECONDS = 60.0  # a template may take to be written
COMMIT = re.compile(r"[0-9a-f]{40}")
STAMP = ".pinned"
ROOT = Path(__file__).parent.parent.parent
Files = Mapping[str, str]
Item = dict[str, Any]


# ---------------------------------------------------------------------------------------------- pure


def check_files(name: str, files: Files) -> None:
    """Raises Invalid for a path that nobody could keep as a folder."""
    if not NAME.fullmatch(name) or name in {one.name for one in golden.shipped()}:
        hint = "lower-case letters, digits and dashes, and not one of ours"
        raise Invalid(f"{name[:60]!r} cannot be the name of a path of your own", hint)
    if "path.toml" not in files:
        raise Invalid(f"{name} has no path.toml", "docs/paths.md says what is in one")
    if len(files) > MOST or sum(map(len, files.values())) > LARGEST:
        most = f"at most {MOST}, of {LARGEST:,} letters together, are taken"
        raise Invalid(f"{name} has {len(files)} files; {most}", "leave some out")
    for file in files:
        parts = PurePosixPath(file).parts
        odd = file.startswith("/") or "\\" in file or "\0" in file or "\n" in file
        if not parts or odd or {"..", ".git"} & set(parts) or parts[0] == STAMP:
            raise Invalid(f"{name}: {file[:80]!r} cannot be a file of a path", "relative names, without ..")


def digest(files: Files) -> str:
    return hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()


# ---------------------------------------------------------------------------------------------- acts


def add(ctx: Context, name: str, url: str, commit: str, files: Files) -> Item:
    """Take a path, or a newer version of it, when it holds together: it can be read, and what its template writes fits
    it. Raises Invalid and Refused, and then nothing has changed."""
    check_files(name, files)
    if not COMMIT.fullmatch(commit):
        raise Invalid(f"{commit[:60]!r} is no commit", "forty hexadecimal digits: a path is pinned")
    with ctx.ledger.query() as db:
        before = table.path(db, name)
    with tempfile.TemporaryDirectory(prefix="path-", dir=ctx.config.home / "run") as folder:
        write(Path(folder) / name, files)
        path = prove(Path(folder) / name)
        if before and not before["gone"]:
            check_version(path, before, files)
    about = {"path": name, "url": url[:500], "commit": commit, "version": path.version, "files": dict(files)}
    ctx.ledger.append([Fact("path_added", f"path/{name}", about, actor=ctx.actor.name)])
    lay_out(ctx)
    templates.keep(ctx, golden.get(name, ctx.config.home / "paths"))
    return {key: about[key] for key in ("path", "url", "commit", "version")}


def check_version(path: GoldenPath, before: Item, files: Files) -> None:
    """A template that changed has another number: apps are updated from one to the next. Raises Refused."""
    old, new = template_of(before["files"]), template_of(files)
    if path.version < before["version"] or (old != new and path.version == before["version"]):
        what = f"{path.name}: the template changed, and is still version {path.version}"
        raise Refused(what, f"write version = {before['version'] + 1} in path.toml")


def template_of(files: Files) -> Files:
    return {name: text for name, text in files.items() if name.startswith("template/")}


def prove(folder: Path) -> GoldenPath:
    """The path of this folder, once its template was written and was found to fit it. Raises Invalid."""
    try:
        path = golden.load(folder / "path.toml")
    except (Bug, ValueError, KeyError, TypeError, AttributeError) as error:
        what = f"{folder.name}/path.toml cannot be read: {error}"[:300]
        raise Invalid(what, "docs/paths.md says what is in one") from error
    if path.state not in STATES:
        raise Invalid(f"{path.name}: there is no state {path.state!r}", f"there are: {', '.join(STATES)}")
    for key in ("title", "gives", "owner", "outcome", "because"):
        if not str(getattr(path, key)).strip():
            raise Invalid(f"{path.name} has no {key}", "a path is a product: say what it is for, and who keeps it")
    reconsider.check(path.reconsider)
    if path.template.is_dir():
        rendered(path, folder)
    return path


def rendered(path: GoldenPath, folder: Path) -> None:
    """Write its template in a process of its own. Raises Invalid when that fails, or what comes out does not fit."""
    words = [sys.executable, "-m", "wend.paths.proof", str(folder)]
    try:
        done = subprocess.run(words, capture_output=True, timeout=SECONDS, check=False, cwd=ROOT)
    except subprocess.TimeoutExpired as error:
        raise Invalid(f"the template of {path.name} is not written within {SECONDS:g} s", "does it end?") from error
    if done.returncode:
        last = (done.stderr.decode("utf-8", "replace").strip().splitlines() or ["no word"])[-1]
        raise Invalid(f"the template of {path.name}: {last[:300]}", "try it: wend new PATH NAME from a folder")


def remove(ctx: Context, name: str) -> None:
    """Raises NotFound, and Conflict while an app runs on it."""
    with ctx.ledger.query() as db:
        found = table.path(db, name)
        users = sorted(app for app, one in questions.live_releases(db).items() if one.path == name)
    if not found or found["gone"]:
        raise NotFound(f"there is no path {name[:60]!r} of your own", "`wend paths` lists them")
    if users:
        raise Conflict(f"{', '.join(users[:5])} run on {name}", f"move them first: wend deprecate path:{name}")
    ctx.ledger.append([Fact("path_removed", f"path/{name}", {"path": name}, actor=ctx.actor.name)])
    lay_out(ctx)


def lay_out(ctx: Context) -> None:
    """Write the paths that the ledger holds to the home, and take away those it does not."""
    folder = ctx.config.home / "paths"
    with ctx.ledger.query() as db:
        here = {one["path"]: one["files"] for one in table.paths(db)}
    for old in folder.glob("[a-z]*"):
        if old.name not in here:
            shutil.rmtree(old, ignore_errors=True)
    for name, files in here.items():
        stamp = folder / name / STAMP
        if not stamp.is_file() or stamp.read_text(encoding="utf-8") != digest(files):
            write(folder / name, files)


def write(folder: Path, files: Files) -> None:
    """All of it, in place of what was there."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=".new-", dir=folder.parent))
    for name, text in files.items():
        (fresh / name).parent.mkdir(parents=True, exist_ok=True)
        (fresh / name).write_text(text, encoding="utf-8", newline="")
    (fresh / STAMP).write_text(digest(files), encoding="utf-8")
    shutil.rmtree(folder, ignore_errors=True)
    fresh.rename(folder)


def files_of(ctx: Context, name: str) -> Item:
    """A path of one's own as it was taken, for `wend new` elsewhere. Raises NotFound."""
    with ctx.ledger.query() as db:
        found = table.path(db, name)
    if not found or found["gone"]:
        raise NotFound(f"there is no path {name[:60]!r} of your own", "`wend paths` lists them")
    return {key: found[key] for key in ("path", "url", "commit", "version", "files")}
