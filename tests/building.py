"""What the tests of builds share: a git repository from a dict, one build of it, and its web process served."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from threading import Event

import pytest

from wend import spec
from wend.build import Artifact, Room, Source, engine
from wend.build.toolchain import uv
from wend.run import Box, Mount, Replica, Step
from wend.run.local import Local

WHO = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b.c", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b.c"}
KEPT = Path(tempfile.gettempdir()) / f"wend-test-builds-{os.getuid()}"  # toolchains are large: fetched once, then kept


class Repo:
    """A repository under test. `files`: path → text, bytes, or ("link", target); a path ending in ! is executable."""

    def __init__(self, folder: Path, files: Mapping[str, object] | None = None) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.git("init", "-q", "-b", "main")
        if files is not None:
            self.commit(files)

    def git(self, *args: str, stdin: bytes | None = None) -> str:
        command = ["git", "-c", "core.hooksPath=/dev/null", "-c", "core.autocrlf=false", *args]
        done = subprocess.run(
            command, cwd=self.folder, input=stdin, capture_output=True, env={**os.environ, **WHO}, check=False
        )
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode().strip()

    def commit(self, files: Mapping[str, object]) -> None:
        for name, content in files.items():
            path = self.folder / name.removesuffix("!")
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, tuple):
                path.symlink_to(content[1])
            else:
                path.write_bytes(content if isinstance(content, bytes) else str(content).encode())
            if name.endswith("!"):
                path.chmod(0o755)
        self.git("add", "--all", "--force")
        self.git("commit", "-q", "--allow-empty", "-m", "x")

    def source(self, app: str = "app") -> Source:
        return Source(app, self.folder / ".git", self.git("rev-parse", "HEAD"), self.git("rev-parse", "HEAD^{tree}"))


def room(tmp: Path, **limits: float) -> Room:
    """Fresh artifacts and dependencies; toolchains that are kept from run to run."""
    return Room(tmp / "artifacts", tmp / "deps", KEPT / "toolchains", **limits)  # type: ignore[arg-type]


def build(
    repo: Repo, place: Room, said: list[str] | None = None, cancel: Event | None = None, app: str = "app"
) -> Artifact:
    toml = repo.folder / "wend.toml"
    wanted = spec.parse(toml.read_text() if toml.exists() else None)
    say = (said if said is not None else []).append
    return engine.build(repo.source(app), wanted, place, say, cancel or Event())


def need_registry() -> None:
    """Skip, with the reason, where packages cannot be had."""
    if problem := registry_problem():
        pytest.skip(f"needs a package registry: configure one for uv ({problem})")


@cache
def registry_problem() -> str:
    probe = [str(uv()), "pip", "install", "--quiet", "--dry-run", "--target", str(KEPT / "probe"), "itsdangerous"]
    done = subprocess.run(probe, capture_output=True, text=True, timeout=60, check=False)
    return done.stderr.strip()[-160:] or "uv failed" if done.returncode else ""


@contextmanager
def served(artifact: Artifact, home: Path, env: Mapping[str, str] | None = None) -> Generator[str]:
    """The artifact's web process, run as the platform runs it; gives its base URL."""
    driver = Local(home)
    mounts = (Mount(artifact.root, "/app", "overlay"), *artifact.mounts)
    replica = Replica("app", 1, "web", 1, Box(artifact.processes["web"], mounts=mounts, port=True))
    driver.apply(Step("start", replica.id, replica), {**(artifact.env or {}), **(env or {})})
    try:
        yield base_url(driver)
    finally:
        driver.stop("app")


def base_url(driver: Local, seconds: float = 30.0) -> str:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        status = driver.status("app")[0]
        if status.port:
            try:
                get(f"http://127.0.0.1:{status.port}/")
                return f"http://127.0.0.1:{status.port}"
            except OSError:
                pass
        if status.phase in ("exited", "backoff"):
            break
        time.sleep(0.05)
    raise AssertionError("\n".join(line.text for line in driver.logs("app")))


def get(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
