"""Trying a release on a share of the traffic: begin a canary, watch it, promote it, take it back."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import click

from wend.cli import repo, show, traffic
from wend.cli.client import Client, app_path, client
from wend.cli.options import app_argument, dry_run_option, json_option
from wend.errors import Conflict, Refused

MEASURES = ("requests", "error_rate", "p50", "p95", "p99", "exits")
WORDS = ("requests", "errors", "p50", "p95", "p99", "exits")
GOOD = ("promoted", "kept")


@click.command()
@app_argument
@click.option("--release", type=click.IntRange(1), metavar="N", help="Try this release, also one that was taken back.")
@click.option("--steps", metavar="5,25,50", help="Percent of the requests, rising; default: as wend.toml says.")
@click.option("-w", "--watch", is_flag=True, help="Stay until it is over: exit code 0 promoted, 4 taken back.")
@json_option
@dry_run_option
def canary(app: str | None, release: int | None, steps: str | None, watch: bool, json: bool, dry_run: bool) -> None:
    """Show an app's canary, or begin one.

    While one is under way, this shows it. Otherwise it begins one of the newest release, if that is newer than the
    live one and had no traffic yet. What was taken back is tried again only with --release; --json and --watch alone
    never begin one.

    Example: wend canary hello --steps 5,25,50 --watch
    """
    api, name = client(), repo.app(app)
    said = api.get(app_path(name, "canary"))
    named = release is not None or steps is not None
    begins = named or (not json and not watch and not said["canary"] and said["untried"])
    if begins or dry_run:
        body = {"release": release or said["untried"], "steps": steps}
        api.act("POST", app_path(name, "canary"), body, show.note if json else show.say, dry_run=dry_run)
        if dry_run or not (watch or json):
            return
    if watch:
        follow(api, name, json)
    elif json:
        show.as_json(api.get(app_path(name, "canary")) if begins else said)
    else:
        tell(said)


# ---------------------------------------------------------------------------------------------- showing


def tell(said: dict[str, Any]) -> None:
    """The canary, else the watch, else how the last one ended and how to begin one."""
    row = said["canary"] or said["watch"]
    if row:
        card(row)
        return
    name = said["app"]
    if said["past"]:
        card(said["past"][0])
    else:
        show.note(f"{name} has no canary. The next push goes out in steps when there is traffic enough to judge by.")
    if said["untried"]:
        show.note(f"next: `wend canary {name} --release {said['untried']}` tries release {said['untried']} now")
    else:
        again = [one["release"] for one in said["past"][:1] if one["state"] in ("rolled back", "aborted")]
        hint = f"; `wend canary {name} --release {again[0]}` tries release {again[0]} again" if again else ""
        show.note(f"next: `git push -o canary` sends the next push out in steps{hint}")


def card(row: dict[str, Any]) -> None:
    """One canary or watch: where it is, what both releases did, what the judge says, what comes next."""
    show.facts(facts_of(row))
    numbers = row["numbers"]
    if numbers.get("canary"):
        heads = [
            f"v{row['stable']} before" if row["mode"] == "watch" else f"v{row['stable']} live",
            f"v{row['release']}",
        ]
        sides: list[dict[str, Any]] = [numbers.get("stable") or {}, numbers["canary"]]
        traffic.compare(heads, [[traffic.measure(key, side.get(key)) for key in MEASURES] for side in sides], WORDS)


def facts_of(row: dict[str, Any]) -> Iterator[tuple[str, object]]:
    yield "app", row["app"]
    yield (
        "release",
        f"v{row['release']} {'after' if row['mode'] == 'watch' else 'beside'} v{row['stable']}, by {row['actor']}",
    )
    yield "state", row["state"] + (", live and watched" if row["mode"] == "watch" and row["under_way"] else "")
    if row["mode"] == "canary":
        yield "share", share(row)
    yield "since", f"{traffic.span(row['seconds'])} in this step" if row["under_way"] else show.when(row["ended_at"])
    yield "verdict", row["title"]
    yield "why", row["why"]
    yield "next", what_next(row)


def share(row: dict[str, Any]) -> str:
    steps = [f"[{one['share']}]" if one["state"] in ("now", "stopped") else str(one["share"]) for one in row["steps"]]
    shares = row["policy"]["steps"]
    at = f"step {row['step'] + 1} of {len(shares)}"
    return (
        f"{row['weight']} % of the requests, {at} ({' → '.join(steps)})" if row["under_way"] else f"{at} was the last"
    )


def what_next(row: dict[str, Any]) -> str:
    name = row["app"]
    hands = f"`wend promote {name}` or `wend abort {name}`" if row["under_way"] and row["mode"] == "canary" else ""
    return " ".join(word for word in (row["next"], f"By hand: {hands}." if hands else "") if word)


# ---------------------------------------------------------------------------------------------- watching


def follow(api: Client, name: str, json: bool) -> None:
    """Show it again whenever it changes, until it is over; how it ended is the exit code."""
    begun: dict[str, Any] | None = None
    frame, last = show.Frame(), ""
    for said in api.lines("GET", app_path(name, "canary"), query={"follow": True}):
        if "error" in said:
            from wend import errors

            raise errors.from_dict(said)
        rows = [one for one in (said["canary"], said["watch"], *said["past"]) if one]
        begun = begun or said["canary"] or said["watch"]
        if begun is None:
            if json:
                show.as_json_line(said)
            else:
                tell(said)
            return
        row = next((one for one in rows if same(one, begun)), begun)
        begun = row
        if json:
            show.as_json_line(said)
        elif show.terminal():
            frame.draw(lambda row=row: card(row))
        elif brief(row) != last:
            last = brief(row)
            print(f"{show.stamp(time.time())}\t{last}", flush=True)
    if begun:
        end(begun)


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return (one["deploy"], one["mode"]) == (other["deploy"], other["mode"])


def brief(row: dict[str, Any]) -> str:
    """A line of a pipe: state, share, verdict and why."""
    return "\t".join(map(show.clean, (row["state"], f"{row['weight']}%", row["verdict"], row["why"] or "-")))


def end(row: dict[str, Any]) -> None:
    """Raises Refused when the release did not stay, Conflict when something took its place."""
    if row["state"] in GOOD or row["under_way"]:
        return
    name = row["app"]
    if row["state"] == "superseded":
        raise Conflict(f"release {row['release']} gave way: {row['why']}", f"wend status {name}")
    raise Refused(f"release {row['release']} was {row['state']}: {row['why']}", f"wend logs {name}")


# ---------------------------------------------------------------------------------------------- by hand


@click.command()
@app_argument
@dry_run_option
def promote(app: str | None, dry_run: bool) -> None:
    """Send every request to the app's canary, without waiting for the judge.

    Example: wend promote hello
    """
    client().act("POST", app_path(repo.app(app), "promote"), {}, dry_run=dry_run)


@click.command()
@app_argument
@dry_run_option
def abort(app: str | None, dry_run: bool) -> None:
    """Take the app's canary back: the live release serves every request again.

    Example: wend abort hello
    """
    client().act("POST", app_path(repo.app(app), "abort"), {}, dry_run=dry_run)
