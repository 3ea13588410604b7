"""Starting, stopping and looking at the platform."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import click

from wend import config, errors
from wend.cli import repo, show, site, traffic
from wend.cli.client import app_path, client
from wend.cli.options import app_argument, home_option, json_option
from wend.config import remembered
from wend.errors import Conflict, Down, Refused

READY = 120.0  # seconds a start may take: the first one of a home fetches nothing, but adopts and recovers

STOPPED = 90.0  # seconds a stop may take: apps get their grace, requests in flight their time


# ---------------------------------------------------------------------------------------------- up


@click.command()
@home_option
@click.option("--listen", metavar="HOST:PORT", help="Where portal, API and git answer (127.0.0.1:7000).")
@click.option("--edge", metavar="HOST:PORT", help="Where the apps answer (127.0.0.1:7080).")
@click.option("--database", metavar="URL", help="The PostgreSQL database of the ledger (wend.db in the home).")
@click.option("--detach", is_flag=True, help="Return once it is up; the log goes to HOME/logs/wend.log.")
def up(home: Path, listen: str | None, edge: str | None, database: str | None, detach: bool) -> None:
    """Start the platform here.

    Ctrl-C stops it with all apps; a SIGTERM leaves the apps serving.

    Example: wend up --detach
    """
    if not config.load(home, {"database": database or ""}).database:
        check_free(home)
    words = ["--home", str(home), *(("--listen", listen) if listen else ()), *(("--edge", edge) if edge else ())]
    with log_of(home, detach) as log:
        start = log.tell() if log else 0
        command = server(*words)
        env = os.environ | ({"WEND_DATABASE": database} if database else {})  # other users can read a process's words
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=detach, env=env
        )
    if not detach:
        raise SystemExit(attend(child, home))
    if not became_ready(child, home):
        raise died(child, home / "logs" / "wend.log", start)
    tell_addresses(home, child.pid)


def server(*words: str) -> list[str]:
    """The control plane as a command. -P: whatever folder we stand in must not be searched for its modules."""
    return [sys.executable, "-P", "-m", "wend.serve", *words]


def check_free(home: Path) -> None:
    """Raises Conflict when a platform runs on this home already."""
    pid = site.running(home)
    if pid:
        hint = "`wend status` shows it; `wend down` stops it"
        raise Conflict(f"a platform already runs on {home} (process {pid})", hint)


@contextmanager
def log_of(home: Path, detach: bool) -> Generator[IO[bytes] | None]:
    """The log of a detached platform, open at its end. In the foreground the terminal is the log."""
    if not detach:
        yield None
        return
    try:
        (home / "logs").mkdir(parents=True, exist_ok=True)
        log = (home / "logs" / "wend.log").open("ab")
    except OSError as error:
        hint = "choose another: wend up --home DIR"
        raise Down(f"the home {home} cannot be written: {error.strerror}", hint) from error
    with log:
        yield log


def until(done: Callable[[], bool], seconds: float) -> bool:
    """Whether `done` came true in time."""
    end = time.monotonic() + seconds
    while not done():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def became_ready(child: subprocess.Popen[bytes], home: Path) -> bool:
    """Whether this process, and no other, came to serve the home before it died or the deadline passed."""

    def ready() -> bool:
        return site.served(home, child.pid) is not None

    until(lambda: ready() or child.poll() is not None, READY)
    return child.poll() is None and ready()


def attend(child: subprocess.Popen[bytes], home: Path) -> int:
    """Stay with a platform in the foreground until it ends; its exit code. Signals are its business, not ours."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal sends it to both
    signal.signal(signal.SIGTERM, lambda _number, _frame: child.terminate())
    if became_ready(child, home):
        tell_addresses(home, child.pid)
        show.note("Ctrl-C stops it and the apps")
    return child.wait()


def died(child: subprocess.Popen[bytes], log: Path, start: int) -> errors.WendError:
    """Why a detached platform did not come up: its own last words."""
    if child.poll() is None:
        return Down(f"the platform is not up after {READY:g} s (process {child.pid})", f"look into {log}")
    with log.open("rb") as file:
        file.seek(start)
        said = file.read()[-4000:].decode("utf-8", "replace").strip().splitlines()
    place = next((at for at, line in enumerate(said) if line.startswith("error: ")), None)
    kinds = {kind.exit: kind for kind in errors.BY_NAME.values()}
    if place is not None:
        hint = "".join(said[place + 1 : place + 2]).strip().removeprefix("try: ")
        return kinds.get(child.returncode, Down)(said[place].removeprefix("error: "), hint)
    for line in said[-10:]:
        show.note(f"  log | {line}")
    return Down(f"the platform ended with code {child.returncode} before it was up", f"look into {log}")


def tell_addresses(home: Path, pid: int) -> None:
    """The three addresses of a platform that runs here."""
    said = site.served(home, pid) or {}
    url = site.reachable(str(said.get("listen", "127.0.0.1:7000")))
    port = str(said.get("edge", "")).rpartition(":")[2]
    show.facts([
        ("portal", url),
        ("git", f"{url}/git/APP.git"),
        ("edge", f"http://APP.localhost:{port}"),
        ("home", home),
    ])  # fmt: skip
    if show.terminal():
        show.note("next: `wend new python-web hello` makes an app, `wend doctor` looks at this machine")


# ---------------------------------------------------------------------------------------------- down


@click.command()
@home_option
@click.option("--keep-apps", is_flag=True, help="Stop the control plane only; apps and proxy keep serving.")
@click.option("--dry-run", is_flag=True, help="Say what would stop.")
def down(home: Path, keep_apps: bool, dry_run: bool) -> None:
    """Stop the platform on this machine: apps, proxy, control plane.

    Example: wend down --keep-apps
    """
    pids = site.planes(home)
    what = ("the control plane" if keep_apps else "apps, proxy and control plane") + ("s" if len(pids) > 1 else "")
    if dry_run:
        show.say(f"would stop {what} of {home}" + ("" if pids else ", whose control plane does not run"))
        return
    for pid in pids[:0:-1]:
        stop(pid, home, keep_apps=True)
    if pids:
        stop(pids[0], home, keep_apps)
    elif keep_apps:
        raise Down(f"no platform runs on {home}", "`wend down` also stops apps and a proxy that were left serving")
    else:
        halt(home)
    show.say(f"stopped: {what}" + ("; the apps keep being served" if keep_apps else ""))


def stop(pid: int, home: Path, keep_apps: bool) -> None:
    """Ask the control plane to end, and wait until it has. Raises Down when it does not."""
    try:
        os.kill(pid, signal.SIGTERM if keep_apps else signal.SIGINT)
    except PermissionError as error:
        raise Refused(f"process {pid} belongs to someone else", "ask them, or use their account") from error
    if not until(lambda: pid not in site.planes(home), STOPPED):
        hint = f"look into {home / 'logs' / 'wend.log'}"
        raise Down(f"the platform still runs after {STOPPED:g} s (process {pid})", hint)


def halt(home: Path) -> None:
    """Stop what a dead control plane left serving. Raises Down when there is no home."""
    if not (home / "wend.db").exists() and not remembered(home).exists():
        raise Down(f"no platform runs on {home}, and none ever did", "`wend up` starts one")
    words = [sys.executable, "-P", "-m", "wend.serve", "--halt", "--home", str(home)]
    done = subprocess.run(words, stdin=subprocess.DEVNULL, check=False)
    if done.returncode:
        raise SystemExit(done.returncode)


# ---------------------------------------------------------------------------------------------- status


@click.command()
@app_argument
@json_option
def status(app: str | None, json: bool) -> None:
    """How the platform, or one app, is doing.

    Example: wend status hello
    """
    api = client()
    said = api.get(app_path(repo.app(app))) if app else api.get("status")
    if json:
        show.as_json(said)
    elif app:
        about_app(said)
    else:
        about_platform(said)


def about_platform(said: dict[str, Any]) -> None:
    deploying = said.get("deploying", 0)
    show.facts([
        ("wend", said.get("version")),
        ("portal", said.get("portal")),
        ("git", said.get("git")),
        ("edge", said.get("edge")),
        ("proxy", "up" if said.get("proxy") else "down"),
        ("planes", ", ".join(one["plane"] + " (leads)" * one["leads"] for one in said.get("planes", ())) or None),
        ("apps", f"{said.get('apps', 0)}" + (f", {deploying} deploying" if deploying else "")),
        ("home", said.get("home")),
    ])  # fmt: skip
    if not said.get("apps"):
        show.note("no apps yet: `wend new python-web hello` makes one")


def about_app(said: dict[str, Any]) -> None:
    """An app's state, what its releases do, and of its last deploy what matters now."""
    live, trying = said["live"], said.get("canary")
    asleep = f", {said['asleep']} asleep" if said.get("asleep") else ""
    show.facts([
        ("app", said["name"]),
        ("preview", f"of {said['parent']}, ends {show.due(said['expires_at'])}" if said.get("parent") else None),
        ("state", said["state"]),
        ("url", said["url"] if live else None),
        ("release", f"v{live}, live {show.when(said['live_at'])}" if live else "none yet"),
        ("processes", f"{said['up']} of {said['wanted']} up{asleep}"),
        *about_counts(said.get("counts") or {}),
        ("branch", said["branch"]),
        ("team", said["team"]),
        *about_judgement(said),
        ("deploying", "yes" if said["deploying"] else None),
        *about_deploy(said["last"]),
    ])  # fmt: skip
    if live and said.get("traffic"):
        if show.terminal():
            show.say()
        traffic.releases(said["traffic"], live, trying["release"] if trying else None)


def about_counts(counts: dict[str, Any]) -> Iterator[tuple[str, object]]:
    """What decides on the number of replicas, where it is not wend.toml alone."""
    for process, one in counts.items():
        bounds = one["bounds"]
        if one["by"] == "load":
            yield f"scale {process}", f"{one['count']} by load, {bounds['min']} to {bounds['max']}"
        elif one["by"] == "hand":
            yield f"scale {process}", f"{one['count']} by hand" + ("; `auto` gives it back" if bounds else "")


def about_judgement(said: dict[str, Any]) -> Iterator[tuple[str, object]]:
    """The canary or watch under way, and the last release that the judge took back."""
    for kind in ("canary", "watch"):
        row = said.get(kind)
        if row:
            share = f" has {row['weight']} % of the requests" if kind == "canary" else ""
            yield kind, f"v{row['release']}{share}: {row['title']}" + (f" ({row['why']})" if row["why"] else "")
    undone = said.get("undone")
    if undone:
        yield "rolled back", f"v{undone['release']}, {show.when(undone['ended_at'])}: {undone['why']}"


def about_deploy(last: dict[str, Any] | None) -> Iterator[tuple[str, object]]:
    """What to know of the last deploy; when it failed, why, and what to do."""
    if last:
        yield "last deploy", f"{last['state']}: {last['cause']} by {last['actor']}, {show.when(last['started_at'])}"
    if last and last["state"] == "failed":
        yield from (("failed at", last["step"]), ("because", last["message"]), ("try", last["hint"]))
