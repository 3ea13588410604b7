"""Toolchains: the interpreters and compilers that builds and apps use, fetched once and kept.

Which there are is data (`golden/toolchains.toml`). One folder per version; it is renamed into place when it is
complete, so what is there is whole.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from threading import Event
from typing import Any

from wend.build import Say, golden
from wend.build.rules import Table, Tree, fill_all, value_at
from wend.build.versions import choose, fits
from wend.errors import Down, Invalid, Refused

SEARCH = ("{PYENV_ROOT}/versions/*/bin", "{HOME}/.pyenv/versions/*/bin", "{HOME}/.local/share/uv/python/*/bin")
SEED = "seed"
SYSTEM = ("/usr/local/bin", "/usr/bin")


@dataclass(frozen=True)
class Toolchain:
    """One that is ready. `folder` must be visible to the process ("": it lies in the system's own folders)."""

    kind: str
    label: str
    version: str
    folder: str
    bin: str
    env: dict[str, str] = field(default_factory=dict[str, str])
    cache: dict[str, str] = field(default_factory=dict[str, str])
    at: str = "run"
    words: dict[str, str] = field(default_factory=dict[str, str])


@cache
def known() -> dict[str, Any]:
    """The table of toolchains."""
    return tomllib.loads((golden.HOME / "toolchains.toml").read_text(encoding="utf-8"))


def resolve(rule: Table, tree: Tree, room: Path, say: Say, cancel: Event) -> Toolchain:
    """The toolchain that a path's rule and the app's own files ask for. Raises Refused with the versions there are."""
    kind, at = str(rule["use"]), rule.get("at", "run")
    about, asked = known()[kind], asking(rule, tree)
    if "package" not in about:
        here = interpreters() if asked else {own_python(): own_interpreter()}
        version = wanted(asked, about["label"], list(here), own_python())
        return python(version, here[version], about["cache"], at)
    version = wanted(asked, about["label"], about["versions"], about["versions"][0])
    folder = room / f"{kind}-{version}"
    if not folder.is_dir():
        fetch(about, version, folder, say, cancel)
    exact = (folder / "version").read_text(encoding="utf-8")
    if asked and not fits(exact, asked.text, asked.dialect):
        say(f"{about['label']}: {asked.file} asks for {asked.text[:40]}; this is the {version} that is here, {exact}")
    env = fill_all(about.get("env", {}), {"toolchain": str(folder)})
    return Toolchain(kind, about["label"], exact, str(folder), str(folder / "bin"), env, about.get("cache", {}), at)


@dataclass(frozen=True)
class Asked:
    """What an app's own file says of the version it wants."""

    text: str
    dialect: str
    file: str


def asking(rule: Table, tree: Tree) -> Asked | None:
    """The first of the rule's places that asks for a version."""
    for ask in rule.get("ask", ()):
        text = request(ask, tree)
        if text is not None:
            return Asked(text.strip(), ask["dialect"], ask["file"])
    return None


def wanted(asked: Asked | None, label: str, offered: list[str], default: str) -> str:
    """The version to use. Raises Refused naming those that are there when what was asked for is not."""
    if asked is None:
        return default
    version = choose(asked.text, asked.dialect, offered, default)
    if version is None:
        there = ", ".join(sorted(offered, key=lambda v: [int(n) for n in re.findall(r"\d+", v)]))
        kin = [one for one in offered if one.split(".")[:2] == asked.text.split(".")[:2]]
        nearest = f"{kin[-1]} is the nearest; " if kin else ""
        hint = f"{nearest}ask for one of these in {asked.file}, or have the platform team add it"
        raise Refused(f"{label} {asked.text[:80]!a} ({asked.file}) is not here; there are: {there}", hint)
    return version


def request(ask: Table, tree: Tree) -> str | None:
    """What a file asks for. Raises Invalid when the file is there and says something else."""
    if "key" in ask:
        value = value_at(tree, f"{ask['file']}:{ask['key']}")
        return value if isinstance(value, str) and value.strip() else None
    text = tree.read(ask["file"]) if ask["file"] in tree.files else None
    if text is None:
        return None
    match = re.search(ask["pattern"], text, re.MULTILINE)
    if match is None:
        if not ask.get("must", True):
            return None
        shown = ascii(text.strip().splitlines()[0][:60]) if text.strip() else "nothing"
        raise Invalid(f"{ask['file']} says {shown}, which names no version", f"write it like {ask['like']}")
    return match[1]


# ---------------------------------------------------------------------------------------------- Python


def own_python() -> str:
    return ".".join(map(str, sys.version_info[:3]))


def own_interpreter() -> Path:
    return Path(sys.base_prefix) / "bin" / f"python3.{sys.version_info[1]}"


def interpreters() -> dict[str, Path]:
    """Version → the real interpreter, for every Python of this machine that uv can build for (3.8 or later)."""
    found: dict[str, Path] = {}
    words = {"HOME": str(Path.home()), "PYENV_ROOT": os.environ.get("PYENV_ROOT", "/nowhere")}
    folders = [*SYSTEM, f"{sys.base_prefix}/bin"]
    for pattern in SEARCH:
        root, _, rest = pattern.format(**words).partition("*")
        folders += [str(one) for one in listed(root, "*" + rest)]
    for folder in folders:
        for file in listed(folder, "python3.*"):
            if re.fullmatch(r"python3\.\d+", file.name):
                version = version_of(file.resolve(), file.stat().st_mtime_ns)
                if tuple(map(int, version.split(".")[:2])) >= (3, 8):
                    found[version] = file.resolve()
    found[own_python()] = own_interpreter()
    return dict(sorted(found.items(), key=lambda item: [int(n) for n in item[0].split(".")]))


def listed(folder: str, pattern: str) -> list[Path]:
    """What is there; nothing in a folder that is missing or belongs to somebody else."""
    try:
        return list(Path(folder).glob(pattern))
    except OSError:
        return []


@cache
def version_of(binary: Path, _changed: int) -> str:
    """The interpreter's own word; "0.0" when it has none. A folder named by version is believed: it saves a start."""
    named = re.search(r"(?:^|[-/])(3\.\d+\.\d+)(?=[-/])", str(binary))
    if named:
        return named[1]
    code = "import sys; print('.'.join(map(str, sys.version_info[:3])))"
    try:
        done = subprocess.run([binary, "-I", "-c", code], capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return "0.0"
    return done.stdout.strip()


def python(version: str, binary: Path, cache: dict[str, str], at: str) -> Toolchain:
    prefix = binary.parent.parent
    shown = "" if prefix == Path("/usr") else str(prefix)
    return Toolchain("python", "Python", version, shown, str(binary.parent), {}, cache, at, {"python": str(binary)})


# ---------------------------------------------------------------------------------------------- wheels


def fetch(about: dict[str, Any], version: str, folder: Path, say: Say, cancel: Event) -> None:
    """Install the wheel beside its place and rename it there. Only one process fetches; others wait for it."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with locked(folder.parent / f".{folder.name}.lock", cancel):
        if folder.is_dir():
            return
        say(f"{about['label']} {version}: fetching (once per machine)")
        staging = folder.parent / f".{folder.name}.new"
        shutil.rmtree(staging, ignore_errors=True)
        install(about, version, staging)
        (staging / "bin").mkdir(exist_ok=True)
        for name, where in about["links"].items():
            if f"bin/{name}" != where:
                (staging / "bin" / name).unlink(missing_ok=True)
                (staging / "bin" / name).symlink_to(f"../{where}")
            (staging / where).chmod(0o755)
        (staging / "version").write_text(exact_version(staging, about["package"]), encoding="utf-8")
        staging.rename(folder)
        warm(about, folder)


def warm(about: dict[str, Any], folder: Path) -> None:
    """Have the toolchain compile its own library once for the machine, so that not every app's first build does.
    Only its own code runs here. Without it builds are slower and just as good, so a failure is no matter."""
    if "warm" not in about:
        return
    staging = folder / f".{SEED}"
    env = {k: v for k, v in os.environ.items() if k in ("GOFLAGS", "HOME")} | fill_all(
        about["env"], {"toolchain": str(folder)}
    )
    env |= {"PATH": f"{folder / 'bin'}:/usr/local/bin:/usr/bin:/bin"}
    env |= {variable: str(staging / name) for variable, name in about["cache"].items()}
    done = subprocess.run(["/bin/sh", "-c", about["warm"]], env=env, cwd=folder, capture_output=True, check=False)
    if done.returncode == 0:
        staging.rename(folder / SEED)
    else:
        shutil.rmtree(staging, ignore_errors=True)


def install(about: dict[str, Any], version: str, staging: Path) -> None:
    want = f"{about['package']}=={version}.*"
    command = [str(uv()), "pip", "install", "--quiet", "--no-deps", "--only-binary", ":all:", "--link-mode", "copy"]
    command += ["--python", sys.executable, "--target", str(staging), want]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
    if done.returncode:
        words = done.stderr.strip()[-600:] or f"uv exited with {done.returncode}"
        hint = "check that this machine reaches the package registry"
        raise Down(f"{about['label']} {version} cannot be fetched: {words}", hint)


def exact_version(staging: Path, package: str) -> str:
    name = package.replace("-", "_")
    return next(staging.glob(f"{name}-*.dist-info")).name.removesuffix(".dist-info").removeprefix(f"{name}-")


def uv() -> Path:
    """The uv that came with Wend."""
    from uv import find_uv_bin  # late: only builds need it

    return Path(find_uv_bin())


def uv_at(room: Path) -> Path:
    """A folder that holds uv alone, so that builds can be shown it without the rest of Wend's own environment."""
    from importlib.metadata import version

    folder = room / f"uv-{version('uv')}"
    if not folder.is_dir():
        staging = room / f".uv-{os.getpid()}-{time.monotonic_ns()}"
        staging.mkdir(parents=True)
        shutil.copy2(uv(), staging / "uv")
        try:
            staging.rename(folder)
        except OSError:  # another process was first, and its copy is as good
            shutil.rmtree(staging, ignore_errors=True)
    return folder


@contextmanager
def locked(file: Path, cancel: Event) -> Generator[None]:
    """Hold the lock on `file`, waiting for it while not cancelled. The kernel frees it when the holder dies."""
    handle = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if cancel.wait(0.05):
                    raise Refused("the build was cancelled while it waited for another build") from None
        yield
    finally:
        os.close(handle)
