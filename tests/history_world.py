"""A real git repository whose commits are an hour apart."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

START = 1_700_000_000
HOUR = 3600


class Repo:
    """A repository whose commits are an hour apart."""

    def __init__(self, path: Path, *flags: str) -> None:
        self.path, self.at = path, START
        path.mkdir()
        self.git("init", "-q", "-b", "main", *flags)

    def git(self, *words: str, feed: bytes | None = None, who: str = "ada") -> str:
        person = {f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER") for key, value in
                  (("NAME", who), ("EMAIL", f"{who}@example.org"), ("DATE", f"{self.at} +0200"))}  # fmt: skip
        env = {**os.environ, **person, "GIT_CONFIG_GLOBAL": "/dev/null"}
        done = subprocess.run(["git", *words], cwd=self.path, env=env, input=feed, capture_output=True, timeout=60)
        assert done.returncode == 0, done.stderr.decode("utf-8", "replace")
        return done.stdout.decode("utf-8", "replace").strip()

    def commit(self, message: str = "work", *flags: str, who: str = "ada") -> str:
        self.at += HOUR
        self.git("commit", "-q", "--allow-empty", *flags, "-m", message, who=who)
        return self.git("rev-parse", "HEAD")

    def merge(self, branch: str, *flags: str) -> str:
        self.at += HOUR
        self.git("merge", "-q", "--no-ff", "--no-edit", *flags, branch)
        return self.git("rev-parse", "HEAD")

    def tag(self, name: str, *flags: str) -> None:
        self.at += HOUR
        self.git("tag", name, *flags)
