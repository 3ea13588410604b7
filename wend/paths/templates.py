"""Every version of a path's template that was ever here: a newer one is merged into an app by what changed since.

They lie in `templates/NAME.git` of the home, one tag for each version (`v3`); a newer Wend brings newer templates, and
the older ones stay.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from wend.build.golden import GoldenPath
from wend.context import Context
from wend.paths import all
from wend.repos import NONE, make

AUTHOR = ("-c", "user.name=Wend", "-c", "user.email=wend@localhost", "-c", "core.symlinks=true")


def where(ctx: Context, name: str) -> Path:
    return ctx.config.home / "templates" / f"{name}.git"


def versions(ctx: Context, name: str) -> list[int]:
    """Those that are here, oldest first."""
    repo = where(ctx, name)
    if not repo.is_dir():
        return []
    tags = ctx.repos.run(repo, "tag", "--list", "v*").decode().split()
    return sorted(int(tag[1:]) for tag in tags if tag[1:].isdigit())


def keep(ctx: Context, path: GoldenPath) -> Path:
    """The repository, with the template as it is now under its version's tag. What is tagged is never tagged anew."""
    repo, tag = where(ctx, path.name), f"refs/tags/v{path.version}"
    if not repo.is_dir():
        repo.parent.mkdir(parents=True, exist_ok=True)
        make(repo)
    if ctx.repos.ref(repo, tag) == NONE and path.template.is_dir():
        with tempfile.TemporaryDirectory(dir=repo.parent, prefix=".work-") as folder:
            work = Path(folder) / "template"
            shutil.copytree(path.template, work)
            words = (*AUTHOR, f"--work-tree={work}")
            (repo / "index").unlink(missing_ok=True)
            ctx.repos.run(repo, *words, "add", "--all", "--force", "--", str(work))
            tree = ctx.repos.run(repo, *words, "write-tree").decode().strip()
            commit = ctx.repos.run(repo, *words, "commit-tree", "-m", f"{path.name} {path.version}", tree)
            ctx.repos.run(repo, "update-ref", tag, commit.decode().strip())
            ctx.repos.run(repo, "update-ref", "refs/heads/main", commit.decode().strip())
    return repo


def keep_all(ctx: Context) -> None:
    for path in all(ctx.config.home / "paths"):
        if path.template.is_dir() and path.version not in versions(ctx, path.name):
            keep(ctx, path)
