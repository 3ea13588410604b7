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
from threading import Event

from wend.build import Room, Say
from wend.build.toolchain import SEED, Toolchain, uv_at
from wend.errors import Refused
from wend.run import Box, Finished, Limits, Mount

# How package managers are told of a registry and its certificates. PUBLISH: credentials for the other direction.
PASSED = (
    "PIP_*", "UV_*", "NPM_CONFIG_*", "npm_config_*", "GOPROXY", "GOFLAGS", "GONOPROXY", "GONOSUMDB", "GOSUMDB",
    "GOINSECURE", "GOPRIVATE", "*_CA_BUNDLE", "*_CA_CERTS", "SSL_CERT_*", "PIP_CERT",
    "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy",
)  # fmt: skip
KEPT_BACK = (
    "*PUBLISH*", "UV_PYTHON*", "UV_PROJECT*", "UV_CACHE_DIR", "PIP_CACHE_DIR", "PIP_TARGET", "PIP_PREFIX", "PIP_USER",
)  # fmt: skip
CONFIGS = (".npmrc", ".config/pip/pip.conf", ".pip/pip.conf", ".config/uv/uv.toml", ".config/go/env", ".yarnrc.yml")
SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin"
PLAIN = {"LANG": "C.UTF-8", "CI": "1", "NO_COLOR": "1", "UV_PYTHON_DOWNLOADS": "never", "UV_NO_PROGRESS": "1"}
VERDICT = "[wend] "  # how the sandbox marks its own words
FIRST, LAST = 8, 14  # lines of output that a failure shows: compilers name the cause first, scripts last
SLOW = 8.0  # seconds of silence before a command's own output is shown
SHARE = 10  # of the processor, when running apps (100 each) want it
SHOWN = 2000  # lines of it at most
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
    """One command. `what` names it to people, `fix` says what to do when it fails; `bins` come first in PATH."""

    what: str
    command: str
    fix: str
    mounts: tuple[Mount, ...]
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    bins: Sequence[str] = ()


def perform(work: Work, job: Job) -> float:
    """Run it to the end; the seconds it took. Raises Refused with the tool's last words when it fails, is cancelled,
    takes too long or writes too much."""
    from wend.run.oneoff import run  # late: a build that finds everything in place needs no sandbox

    left = work.end - time.monotonic()
    if work.cancel.is_set() or left <= 0:
        raise ended(work, job, Voice(work.say))
    began = time.monotonic()
    if not work.home.is_dir():
        make_home(work.home)
    voice = Voice(work.say)
    home = work.room.artifacts.parent
    finished = run(box(work, job, left), environment(work, job), voice.hear, work.cancel, home=home)
    if work.cancel.is_set() or time.monotonic() >= work.end:
        raise ended(work, job, voice)
    if finished.exit.code != 0:
        raise failure(work, job, finished, voice)
    return time.monotonic() - began


def box(work: Work, job: Job, left: float) -> Box:
    """The walls around a build command. The disk limit counts what the folders hold, so what was there is added, and
    a folder that is shown at two places is counted at both."""
    mounts = unique((*job.mounts, *tool_mounts(work)))
    written = [mount.source for mount in mounts if mount.mode == "rw"]
    twice = max(map(written.count, written), default=1)
    limits = Limits(
        memory=work.room.memory,
        pids=2048,
        share=SHARE,
        seconds=left,
        file=work.room.disk,
        disk=sum(disk_size(Path(source)) for source in written) + twice * work.room.disk,
    )
    return Box(job.command, cwd="/app", user=f"build-{work.app}", mounts=mounts, limits=limits, grace=2.0)


def failure(work: Work, job: Job, finished: Finished, voice: Voice) -> Refused:
    """What the sandbox stopped it for comes first; otherwise how it ended."""
    if finished.exit.oom:
        limit = f"builds may use {work.room.memory // 2**20} MiB of memory; have it use less"
        return Refused(f"{job.what} ran out of memory{voice.quoted()}", limit)
    if voice.verdict:
        return Refused(f"{job.what} was {voice.verdict}{voice.quoted()}", "have the build use less, or ask for more")
    return Refused(f"{job.what} failed ({finished.exit}){voice.quoted()}", job.fix)


def ended(work: Work, job: Job, voice: Voice) -> Refused:
    if work.cancel.is_set():
        return Refused(f"{job.what} was cancelled", "a newer push, or a person, stopped it; push again")
    limit = f"the whole build may take {work.room.seconds:g} s"
    hint = "make the build faster, or ask for more time"
    return Refused(f"{job.what} did not finish in time ({limit}){voice.quoted()}", hint)


# ---------------------------------------------------------------------------------------------- what it sees


def environment(work: Work, job: Job) -> dict[str, str]:
    """Everything the command finds in its environment."""
    env = operator(os.environ) | dict(work.env) | PLAIN
    bins = [*job.bins, *(tool.bin for tool in work.tools), str(uv_at(work.room.toolchains)), SYSTEM_PATH]
    for tool in work.tools:
        env |= tool.env | {name: str(cache(work, tool, sub)) for name, sub in tool.cache.items()}
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


def cache(work: Work, tool: Toolchain, name: str) -> Path:
    """A folder kept from build to build. One per app: a shared one would let one app's build poison another's. It
    begins as a copy of what the toolchain has compiled of itself."""
    folder = work.room.deps / ".cache" / work.app / name
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        seed = Path(tool.folder) / SEED / name if tool.folder else None
        if seed and seed.is_dir():
            shutil.copytree(seed, folder, dirs_exist_ok=True)
        folder.mkdir(exist_ok=True)
    return folder


def tool_mounts(work: Work) -> tuple[Mount, ...]:
    folders = [tool.folder for tool in work.tools if tool.folder]
    shown = [Mount(folder, folder) for folder in (*folders, str(uv_at(work.room.toolchains)))]
    caches = [str(cache(work, tool, sub)) for tool in work.tools for sub in tool.cache.values()]
    return (*shown, *(Mount(path, path, "rw") for path in (*caches, str(work.home))))


def unique(mounts: Sequence[Mount]) -> tuple[Mount, ...]:
    return tuple({mount.target: mount for mount in mounts}.values())


# ---------------------------------------------------------------------------------------------- what it says


class Voice:
    """Keeps a command's first and last lines, and says them aloud once it has been running for a while. `verdict` is
    the sandbox's own word on why it ended the command."""

    def __init__(self, say: Say) -> None:
        self.say = say
        self.first: list[str] = []
        self.last: deque[str] = deque(maxlen=LAST)
        self.dropped = False
        self.began = time.monotonic()
        self.shown = 0
        self.verdict = ""

    def hear(self, line: str) -> None:
        text = clean(line)
        if text.startswith(VERDICT):
            self.verdict = text.removeprefix(VERDICT)
        elif text:
            self.keep(text)
            self.aloud(text)

    def keep(self, text: str) -> None:
        if len(self.first) < FIRST:
            self.first.append(text)
            return
        self.dropped |= len(self.last) == LAST
        self.last.append(text)

    def aloud(self, text: str) -> None:
        if time.monotonic() - self.began < SLOW or self.shown > SHOWN:
            return
        self.say(f"  {text}" if self.shown < SHOWN else "  … more output than is shown")
        self.shown += 1

    def quoted(self) -> str:
        """The lines that were kept, as the rest of a message."""
        lines = [*self.first, *(["…"] if self.dropped else []), *self.last]
        return ":\n" + "\n".join(lines) if lines else ""


def clean(line: str) -> str:
    """Plain text on one line: no escape sequences, no control characters; a progress bar's last state."""
    return ANSI.sub("", line.rstrip("\r\n").rsplit("\r", 1)[-1])[:400].rstrip()


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
