"""Volumes: a folder that outlives releases, at /data/NAME in every process of the app."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress

from wend.config import Config
from wend.resources.type import About, Granted, variable
from wend.run import Mount

MANY = 20_000  # files and folders that are counted


class Volume:
    """A folder of its own in the home. The sandbox hands it to the app's user when a process starts."""

    secret = False
    usual = ""

    def __init__(self, config: Config) -> None:
        self.root = config.home / "resources" / "volumes"

    def alive(self, about: About | None) -> None:
        """The disk is always there."""

    def host(self, about: About) -> str | None:
        return None

    def create(self, id: str, password: str) -> About:
        (self.root / id).mkdir(parents=True, mode=0o700)
        return {"folder": id}

    def grant(self, name: str, about: About, password: str) -> Granted:
        place = f"/data/{name}"
        return Granted({variable(name, "PATH"): place}, (Mount(str(self.root / about["folder"]), place, "rw"),))

    def admit(self, about: About, password: str) -> About:
        return about

    def settle(self, about: About, password: str) -> None:
        """Nothing to do: who sees the folder is decided when a process starts."""

    def shut(self, about: About) -> None:
        """Nothing to do: the app's processes are gone."""

    def purge(self, about: About) -> None:
        shutil.rmtree(self.root / about["folder"], ignore_errors=True)

    def size(self, about: About) -> int | None:
        """On the disk; None when there are more files than can be counted in a moment."""
        total, left = 0, MANY
        for folder, _, files in os.walk(self.root / about["folder"]):
            left -= 1 + len(files)
            if left < 0:
                return None
            for name in files:
                with suppress(FileNotFoundError):
                    total += os.lstat(f"{folder}/{name}").st_blocks * 512
        return total
