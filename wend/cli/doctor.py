"""What this machine has and lacks for running the platform, and what to do about each."""

from __future__ import annotations

import os
import platform as machine
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import click

from wend import config
from wend.cli import show, site
from wend.cli.options import home_option, json_option
from wend.config import Config
from wend.errors import Down, WendError

ENOUGH = (3, 11)


@dataclass(frozen=True)
class Finding:
    """One thing looked at. Without an `essential` one the platform does not start or no push can work."""

    name: str
    ok: bool
    said: str
    hint: str = ""
    essential: bool = True


@click.command()
@home_option
@json_option
def doctor(home: Path, json: bool) -> int:
    """Look at everything the platform needs of this machine. Exits 0 when nothing essential is missing.

    Example: wend doctor
    """
    found: list[Finding] = []
    for one in examine(home):
        found.append(one)
        if not json:
            tell(one)
    if json:
        show.as_json([asdict(one) for one in found])
    return Down.exit if any(one.essential and not one.ok for one in found) else 0


def tell(one: Finding) -> None:
    word, colour = ("ok", "green") if one.ok else ("missing", "red" if one.essential else "yellow")
    print(f"{show.paint(word.ljust(7), colour)}  {one.name:<10}  {show.clean(one.said)}", flush=True)
    if one.hint and not one.ok:
        print(f"{'':21}try: {show.clean(one.hint)}", flush=True)


def examine(home: Path) -> Iterator[Finding]:
    """Everything, cheap things first."""
    settings = config.load(home)
    yield guarded("git", git)
    yield python()
    yield guarded("home", lambda: writable(home))
    yield disk(home, settings)
    yield port(home, settings, "listen")
    yield port(home, settings, "edge")
    yield guarded("proxy", proxy)
    yield guarded("uv", builder)
    yield toolchains(home)
    yield cgroups()
    yield from walls(home)


def guarded(name: str, look: Callable[[], str]) -> Finding:
    """What `look` says; or what it raises, as a finding."""
    try:
        return Finding(name, True, look())
    except WendError as error:
        return Finding(name, False, error.message, error.hint)


# ---------------------------------------------------------------------------------------------- one by one


def git() -> str:
    from wend.repos import check_version

    check_version()
    return words("git", "version").removeprefix("git version ")


def python() -> Finding:
    fits = sys.version_info >= ENOUGH
    return Finding("python", fits, machine.python_version(), "install Python 3.11 or newer, and Wend with it")


def writable(home: Path) -> str:
    place = existing(home)
    if not os.access(place, os.W_OK | os.X_OK):
        raise Down(f"{place} cannot be written", "choose another home: wend up --home DIR")
    return f"{home}" + ("" if place == home else " (made by the first `wend up`)")


def existing(folder: Path) -> Path:
    return next(place for place in (folder, *folder.parents) if place.exists())


def disk(home: Path, settings: Config) -> Finding:
    free, floor = shutil.disk_usage(existing(home)).free, int(settings.disk_floor)
    hint = "make room, or lower disk_floor in config.toml: pushes are refused below it"
    return Finding("disk", free >= floor, f"{show.size(free)} free, a push needs {show.size(floor)}", hint)


def port(home: Path, settings: Config, name: str) -> Finding:
    """Whether the address can be listened on; that our own platform has it is well too."""
    running = site.served(home)
    if running and running.get(name):
        return Finding(name, True, f"{running[name]}, in use by this platform")
    host, number = settings.address(name)
    try:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, number))
    except OSError as error:
        hint = f"choose another: wend up --{name} 127.0.0.1:{number + 1}; `ss -ltnp` shows who has it"
        return Finding(name, False, f"{settings.values[name]}: {error.strerror}", hint)
    return Finding(name, True, f"{settings.values[name]} is free")


def proxy() -> str:
    from wend.route.daemon import binary

    return "Envoy " + words(str(binary()), "--version").rpartition("version: ")[2].split("/")[1]


def builder() -> str:
    from wend.build.toolchain import uv

    return words(str(uv()), "--version")


def words(*command: str) -> str:
    """What a program prints. Raises Down when it cannot be run."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=20).stdout.strip()
    except (OSError, subprocess.SubprocessError) as error:
        raise Down(f"{Path(command[0]).name} does not run: {error}", f"install it again: {command[0]}") from error


def toolchains(home: Path) -> Finding:
    """Those that are here; the others are fetched by the first build that wants them."""
    from wend.build.toolchain import interpreters, known

    pythons = f"Python {', '.join(sorted(interpreters()))}"
    here = sorted(folder.name for folder in (home / "toolchains").glob("*-*") if folder.is_dir())
    packaged = [kind for kind, about in known().items() if "package" in about]
    later = [kind for kind in packaged if not any(one.startswith(kind) for one in here)]
    told = [pythons, *(one for one in here if not one.startswith("uv-"))]
    told += [f"fetched when wanted: {', '.join(later)}"] if later else []
    return Finding("toolchains", True, "; ".join(told), essential=False)


def cgroups() -> Finding:
    mount = Path("/sys/fs/cgroup")
    if not mount.exists():
        said, hint = "none: limits are those of each process", "use a Linux with control groups"
        return Finding("cgroups", False, said, hint, essential=False)
    version = 2 if (mount / "cgroup.controllers").exists() else 1
    return Finding("cgroups", True, f"version {version}; whether limits hold is tried below", essential=False)


def walls(home: Path) -> Iterator[Finding]:
    """The sandbox, attacked from inside: one line for all that hold, one for each that does not."""
    if not sys.platform.startswith("linux"):
        hint = "run it on Linux to keep apps apart"
        yield Finding("sandbox", False, f"no kernel walls on {sys.platform}", hint, essential=False)
        return
    from wend.run.walls import probe

    found = probe(home)
    held = sum(wall.holds for wall in found)
    yield Finding("sandbox", held == len(found), f"{held}/{len(found)} walls hold", essential=False)
    for wall in found:
        if not wall.holds:
            yield Finding("wall", False, f"{wall.name}: {wall.detail}", wall.fix, essential=False)
