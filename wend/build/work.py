"""Run one build command in the sandbox, with what it needs and nothing else.

It sees the folders it is given, the toolchains, its app's own caches, and the operator's registry configuration; never
the platform's environment or a secret.
"""

from __future__ import annotations

import configparser
import fnmatch
import os
import re
import shutil
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread

from wend.build import Room, Say
from wend.build.toolchain import Toolchain, uv_at
from wend.errors import Down, Refused
from wend.run import Box, Finished, Limits, Mount

# How package managers are told of a registry and its certificates. PUBLISH: credentials for the other direction.
PASSED = ("PIP_*", "UV_*", "NPM_CONFIG_*", "npm_config_*", "GOPROXY", "GOFLAGS", "GONOPROXY", "GONOSUMDB", "GOSUMDB")
PASSED += ("GOINSECURE", "GOPRIVATE", "GONOSUMCHECK", "*_CA_BUNDLE", "*_CA_CERTS", "SSL_CERT_*", "CARGO_HTTP_CAINFO")
PASSED += ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")
KEPT_BACK = ("*PUBLISH*", "UV_PYTHON*", "UV_PROJECT*", "UV_CACHE_DIR", "PIP_CACHE_DIR", "PIP_TARGET", "PIP_PREFIX", "PIP_USER")
CONFIGS = (".npmrc", ".config/pip/pip.conf", ".pip/pip.conf", ".config/uv/uv.toml", ".config/go/env", ".yarnrc.yml")
SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin"
PLAIN = {"LANG": "C.UTF-8", "CI": "1", "NO_COLOR": "1", "UV_PYTHON_DOWNLOADS": "never", "UV_NO_PROGRESS": "1"}
SLOW = 8.0  # seconds of silence before a command's own output is shown
SHOWN = 2000  # lines of it at most
RESERVE = 256 * 2**20  # bytes that a build leaves free on the disk
ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|.)|[\x00-\x08\x0b-\x1f\x7f]")


@dataclass(frozen=True)
class Work:
    """One build under way. `end` is on the monotonic clock; `env` is the app's plain configuration."""

    app: str
    room: Room
    say: Say
    cancel: Event
    end: float
    home: Path
    tools: tuple[Toolchain, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True)
class Job:
    """One command. `what` names it to people, `fix` says what to do when it fails; `bins` come first in PATH.
    `grows` are the folders whose size is watched."""

    what: str
    command: str
    fix: str
    mounts: tuple[Mount, ...]
    grows: tuple[Path, ...]
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    bins: Sequence[str] = ()


def perform(work: Work, job: Job) -> float:
    """Run it to the end; the seconds it took. Raises Refused with the tool's last words when it fails, is cancelled,
    takes too long or writes too much."""
    from wend.run.oneoff import run  # late: a build that finds everything in place needs no sandbox

    left = work.end - time.monotonic()
    if work.cancel.is_set() or left <= 0:
        raise ended(work, job, "")
    began = time.monotonic()
    limits = Limits(memory=work.room.memory, pids=2048, seconds=left, file=min(work.room.disk, 8 * 2**30))
    mounts = unique((*job.mounts, *tool_mounts(work)))
    box = Box(job.command, cwd="/app", user=f"build-{work.app}", mounts=mounts, limits=limits)
    voice = Voice(work.say, job.what)
    with Watch(work, job.grows) as watch:
        finished = run(box, environment(work, job), voice.hear, watch.stop)
    took = time.monotonic() - began
    if watch.problem:
        raise Refused(f"{job.what} was stopped: {watch.problem}", "have the build write less, or ask for more room")
    if work.cancel.is_set() or time.monotonic() >= work.end:
        raise ended(work, job, voice.last_words())
    if finished.exit.code != 0:
        raise failure(work, job, finished, voice)
    return took


def failure(work: Work, job: Job, finished: Finished, voice: Voice) -> Refused:
    words = voice.last_words() or clean_lines(finished.tail)
    hint = job.fix
    if finished.exit.oom:
        hint = f"builds may use {work.room.memory // 2**20} MiB of memory; have it use less"
    return Refused(f"{job.what} failed ({finished.exit})" + (f":\n{words}" if words else ""), hint)


def ended(work: Work, job: Job, words: str) -> Refused:
    said = f"; its last words were:\n{words}" if words else ""
    if work.cancel.is_set():
        return Refused(f"{job.what} was cancelled", "a newer push, or someone, stopped it; push again")
    limit = f"the whole build may take {work.room.seconds:g} s"
    return Refused(f"{job.what} did not finish in time ({limit}){said}", "make the build faster, or ask for more time")


# ---------------------------------------------------------------------------------------------- what it sees


def environment(work: Work, job: Job) -> dict[str, str]:
    """Everything the command finds in its environment."""
    env = operator(os.environ) | dict(work.env) | PLAIN
    bins = [*job.bins, *(tool.bin for tool in work.tools), str(uv_at(work.room.toolchains)), SYSTEM_PATH]
    for tool in work.tools:
        env |= tool.env | {name: str(cache(work, sub)) for name, sub in tool.cache.items()}
    return env | dict(job.env) | {"HOME": str(work.home), "PATH": ":".join(bins)}


def operator(env: Mapping[str, str]) -> dict[str, str]:
    """The part of the platform's environment that tells tools where packages are. pip's index is told to uv as well,
    which does not read pip's settings."""
    kept = {k: v for k, v in env.items() if matches(k, PASSED) and not matches(k, KEPT_BACK)}
    index = kept.get("PIP_INDEX_URL") or pip_setting("index-url")
    if index and not any(name in kept for name in ("UV_INDEX_URL", "UV_DEFAULT_INDEX")):
        kept["UV_DEFAULT_INDEX"] = index
    return kept


def matches(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def pip_setting(name: str) -> str:
    """What pip's configuration files say, the user's before the machine's; "" when they say nothing."""
    for file in (Path.home() / ".config/pip/pip.conf", Path.home() / ".pip/pip.conf", Path("/etc/pip.conf")):
        parser = configparser.ConfigParser(interpolation=None)
        try:
            parser.read(file, encoding="utf-8")
        except (OSError, configparser.Error):
            continue
        if parser.has_option("global", name):
            return parser.get("global", name).strip()
    return ""


def make_home(home: Path) -> None:
    """A fresh HOME with copies of the operator's registry settings: the build user could not read the originals."""
    home.mkdir(parents=True)
    for name in CONFIGS:
        original = Path.home() / name
        if original.is_file() and os.access(original, os.R_OK):
            (home / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(original, home / name)


def cache(work: Work, name: str) -> Path:
    """A folder kept from build to build. One per app: a shared one would let one app's build poison another's."""
    folder = work.room.deps / ".cache" / work.app / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def tool_mounts(work: Work) -> tuple[Mount, ...]:
    folders = [tool.folder for tool in work.tools if tool.folder]
    shown = [Mount(folder, folder) for folder in (*folders, str(uv_at(work.room.toolchains)))]
    caches = [str(cache(work, sub)) for tool in work.tools for sub in tool.cache.values()]
    return (*shown, *(Mount(path, path, "rw") for path in (*caches, str(work.home))))


def unique(mounts: Sequence[Mount]) -> tuple[Mount, ...]:
    return tuple({mount.target: mount for mount in mounts}.values())


# ---------------------------------------------------------------------------------------------- what it says


class Voice:
    """Keeps a command's last lines, and says them aloud once it has been running for a while."""

    def __init__(self, say: Say, what: str) -> None:
        self.say, self.what = say, what
        self.kept: deque[str] = deque(maxlen=40)
        self.began = time.monotonic()
        self.shown = 0

    def hear(self, line: str) -> None:
        text = clean(line)
        if not text.strip():
            return
        self.kept.append(text)
        if time.monotonic() - self.began < SLOW or self.shown > SHOWN:
            return
        if self.shown == SHOWN:
            text = "… more output than is shown"
        self.shown += 1
        self.say(f"  {text}")

    def last_words(self, lines: int = 14) -> str:
        return "\n".join(list(self.kept)[-lines:])


def clean(line: str) -> str:
    """Plain text on one line: no escape sequences, no control characters; a progress bar's last state."""
    return ANSI.sub("", line.rstrip("\r\n").rsplit("\r", 1)[-1])[:400].rstrip()


def clean_lines(lines: Sequence[str]) -> str:
    return "\n".join(text for text in map(clean, lines) if text.strip())


# ---------------------------------------------------------------------------------------------- how much it writes


class Watch:
    """Stops the command (by `stop`) when the build is cancelled or its folders outgrow the room. Limits on single
    files do not see a million small ones, so the folders are measured."""

    def __init__(self, work: Work, grows: tuple[Path, ...]) -> None:
        self.work, self.grows = work, grows
        self.stop, self.over = Event(), Event()
        self.problem = ""
        self.thread = Thread(target=self.loop, daemon=True)

    def __enter__(self) -> Watch:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.thread.join()

    def loop(self) -> None:
        next_look = time.monotonic() + 0.5
        while not self.over.wait(0.05):
            if self.work.cancel.is_set():
                self.stop.set()
                return
            if time.monotonic() >= next_look:
                began = time.monotonic()
                self.problem = self.too_much()
                next_look = time.monotonic() + max(0.5, 10 * (time.monotonic() - began))
            if self.problem:
                self.stop.set()
                return

    def too_much(self) -> str:
        if any(shutil.disk_usage(folder).free < RESERVE for folder in self.grows[:1]):
            return "the disk is full"
        size = sum(disk_size(folder) for folder in self.grows)
        if size > self.work.room.disk:
            return f"it wrote {size // 2**20} MiB, and a build may write {self.work.room.disk // 2**20} MiB"
        return ""


def disk_size(folder: Path) -> int:
    """Bytes that the files below the folder take on the disk. Files that vanish meanwhile count nothing."""
    total = 0
    stack = [str(folder)]
    while stack:
        try:
            with os.scandir(stack.pop()) as entries:
                for entry in entries:
                    total += entry.stat(follow_symlinks=False).st_blocks * 512
                    if entry.is_dir(follow_symlinks=False):
                        stack.append(entry.path)
        except OSError:
            continue
    return total


def need_room(room: Room) -> None:
    """Refuse to start when the disk is nearly full: a build that dies half-way helps nobody."""
    free = shutil.disk_usage(room.artifacts).free
    if free < 2 * RESERVE:
        raise Down(f"the disk has only {free // 2**20} MiB free; a build needs {2 * RESERVE // 2**20} MiB", "free some space")
