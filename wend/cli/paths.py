"""Golden paths: which there are, how they fare, paths of one's own, and newer templates for what was made from them."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from wend import units
from wend.cli import repo, show
from wend.cli.client import app_path, client
from wend.cli.options import Default, app_argument, json_option
from wend.errors import Invalid, WendError

Item = dict[str, Any]


@click.group(cls=Default)
def paths() -> None:
    """The golden paths: kinds of app that just run.

    Example: wend paths · wend paths show python-web · wend paths add https://git.example.com/paths.git
    """


@paths.command("show")
@click.argument("name", required=False)
@json_option
def paths_show(name: str | None, json: bool) -> None:
    """Every path; or one as a product: what it promises, what it gives for free, and how those on it fare.

    Example: wend paths show python-web
    """
    said = client().get("paths" if name is None else f"paths/{name}")
    if json:
        show.as_json(said)
    elif name:
        show.facts(product(said))
    else:
        rows = ((one["name"], one["state"], one["owner"], one["gives"]) for one in said)
        show.table(("PATH", "STATE", "OWNER", "GIVES"), rows)
        if show.terminal():
            show.note(f"next: wend new {said[0]['name'] if said else 'PATH'} NAME")


def product(said: Item) -> list[tuple[str, object]]:
    """A path as lines of name and value."""
    hatches, cage = said["hatches"], said["cage"]
    kinds = ", ".join(hatches["kinds"]) or "nothing"
    met = f"{cage['refused']} pushes refused, {cage['denied']} waivers denied, {cage['left']} left"
    return [
        ("path", f"{said['name']}, version {said['version']}, {said['state']}, kept by {said['owner']}"),
        ("outcome", said["outcome"]),
        ("because", said["because"]),
        ("on it", f"apps: {said['apps']}, teams: {said['teams']}, of what is live: {share(said['adoption'])}"),
        ("push was easy", share(said["ease"]) if said["ease"]["n"] else "cannot tell: too few have said"),
        ("first deploy", seconds(said["first_deploy"])),
        ("left for", f"{kinds} (hatches: {hatches['open']}, teams: {hatches['teams']})"),
        ("walls", f"{walls(cage)}: {met}"),
        ("reconsider", said["reconsidered"]["says"] if said["reconsidered"] else None),
        *((f"free: {key}", words) for key, words in said["free"].items()),
    ]


def share(found: Item) -> str:
    if found["value"] is None:
        return "no data"
    return f"{found['value']:.0%} ({found['low']:.0%}–{found['high']:.0%}, n {found['n']})"


def seconds(found: Item) -> str:
    if found["value"] is None:
        return f"{found['says']} (n {found['n']})"
    values = (units.text(found[key], "s") for key in ("value", "low", "high"))
    return "median {} ({}–{}, n {})".format(*values, found["n"])


def walls(cage: Item) -> str:
    found = cage["index"]
    if found["value"] is None:
        return "no data"
    value, low, high = (units.text(found[key], "count") for key in ("value", "low", "high"))
    return f"{value} per 100 pushes ({low}–{high}, n {cage['pushes']})"


@paths.command("add")
@click.argument("url")
@click.option("--ref", metavar="REF", help="The branch, tag or commit; default: the repository's own branch.")
@json_option
def paths_add(url: str, ref: str | None, json: bool) -> None:
    """Take golden paths from a git repository: each folder with a path.toml is one. It is cloned here, with your
    credentials; each is proven by the platform and pinned to its commit.

    Example: wend paths add https://git.example.com/paths.git --ref v3
    """
    with tempfile.TemporaryDirectory() as place:
        where, commit = cloned(url, ref, Path(place) / "paths")
        said = [
            client().ask("POST", "paths", {"path": folder.name, "url": url, "commit": commit, "files": files(folder)})
            for folder in folders(where, url)
        ]
    if json:
        show.as_json(said)
        return
    for one in said:
        show.say(f"{one['path']} is version {one['version']} now, pinned to {one['commit'][:9]}")


def cloned(url: str, ref: str | None, place: Path) -> tuple[Path, str]:
    """The checkout and its commit. Raises Invalid with git's words."""
    try:
        subprocess.run(["git", "clone", "--quiet", "--", url, str(place)], check=True, capture_output=True)
        if ref:
            subprocess.run(["git", "-C", str(place), "checkout", "--quiet", ref, "--"], check=True, capture_output=True)
    except subprocess.CalledProcessError as error:
        last = (error.stderr.decode("utf-8", "replace").strip().splitlines() or ["git said nothing"])[-1]
        raise Invalid(f"{url} cannot be read: {last}", "try it: git clone URL") from error
    return place, repo.git("rev-parse", "HEAD", where=place).strip()


def folders(where: Path, url: str) -> Iterator[Path]:
    """Those with a path.toml; a repository that is one itself is named after its address."""
    found = sorted(file.parent for file in where.glob("*/path.toml"))
    if (where / "path.toml").is_file():
        name = url.rstrip("/").rpartition("/")[2].removesuffix(".git")
        yield where.rename(where.with_name(name)) if where.name != name else where
    elif not found:
        raise Invalid(f"there is no path in {url}", "a path is a folder with a path.toml: docs/paths.md")
    yield from found


def files(folder: Path) -> dict[str, str]:
    """Every file by its name. Raises Invalid for one that is no text."""
    found: dict[str, str] = {}
    for file in sorted(folder.rglob("*")):
        name = file.relative_to(folder).as_posix()
        if not file.is_file() or file.is_symlink() or name.split("/")[0] == ".git":
            continue
        try:
            found[name] = file.read_bytes().decode("utf-8")
        except UnicodeDecodeError as error:
            raise Invalid(f"{folder.name}/{name} is no text, and a path has texts alone", "leave it out") from error
    return found


@paths.command("remove")
@click.argument("name")
@json_option
def paths_remove(name: str, json: bool) -> None:
    """Offer a path of your own no more. Nothing may run on it.

    Example: wend paths remove our-worker
    """
    said = client().ask("DELETE", f"paths/{name}")
    show.as_json(said) if json else show.say(f"{name} is offered no more")


@paths.command("defaults")
@json_option
def paths_defaults(json: bool) -> None:
    """The defaults, why they are as they are, and whether so many say otherwise that they should be others.

    Example: wend paths defaults
    """
    said = client().get("defaults")
    if json:
        show.as_json(said)
    else:
        rows = ((one["name"], one["value"], one["reconsidered"]["says"]) for one in said)
        show.table(("SETTING", "IS", "OTHERWISE"), rows)


@paths.command("drift")
@json_option
def paths_drift(json: bool) -> None:
    """Every app that was made from a path, by how far its template is behind.

    Example: wend paths drift
    """
    said = client().get("paths/drift")
    if json:
        show.as_json(said)
    elif not said:
        show.note("nothing that is live was made from a template: wend new PATH NAME")
    else:
        show.table(("APP", "TEAM", "PATH", "HAS", "NEWEST", "PROPOSAL"), map(behind, said))


def behind(one: Item) -> tuple[object, ...]:
    proposal = one["proposal"]
    told = f"{proposal['standing']}: {proposal['branch']}" if proposal else "" if not one["behind"] else "wend update"
    return one["app"], one["team"], one["path"], one["has"], one["newest"] or "gone", told


@click.command()
@app_argument
@json_option
def update(app: str | None, json: bool) -> None:
    """Propose the newest template of its path to an app: merged on a branch, tried in a preview, never over what a
    person has committed.

    Example: wend update hello
    """
    name = repo.app(app)
    said = client().act("POST", app_path(name, "update"), {})
    if json:
        show.as_json(said)
        return
    report = said["report"]
    kinds = {
        "conflicts": "not merged, yours is kept",
        "diverged": "differs from the template",
        "gone": "not here any more",
    }
    for kind, title in kinds.items():
        if report[kind]:
            show.say(f"{title}: {', '.join(report[kind])}")
    where = f" at {said['preview']}" if said["preview"] else ""
    show.say(f"{said['path']} {said['from']} → {said['to']} on {said['branch']}: {said['state']}{where}")
    show.note(f"next: git fetch wend {said['branch']} && git merge FETCH_HEAD")


def own_path(name: str) -> Path | None:
    """The folder of an organisation's own path, fetched from the platform; None when it has none of that name."""
    from wend.paths import catalogue

    try:
        said = client().get(f"paths/{name}/files")
    except WendError:
        return None
    folder = Path(tempfile.mkdtemp(prefix="wend-path-"))
    catalogue.check_files(name, said["files"])
    catalogue.write(folder / name, said["files"])
    return folder
