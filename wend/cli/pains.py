"""`wend pains`: what hurts, what is said of it, and which evidence belongs to which pain."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import click

from wend.cli import show
from wend.cli.client import client
from wend.cli.options import Default, dry_run_option, json_option

EPOCH = date(1970, 1, 1)
ID = 12  # characters of the id of a piece of evidence that are shown on a terminal; as many as are needed will do
Item = dict[str, Any]

why_option = click.option("--why", required=True, metavar="TEXT", help="How you know.")


@click.group(cls=Default)
def pains() -> None:
    """Named problems that evidence points to. You decide what is about what; Wend only proposes.

    Example: wend pains inbox
    """


@pains.command("list")
@json_option
def pains_list(json: bool) -> None:
    """Every pain, and of how many people and teams: the most atoms first.

    Example: wend pains list
    """
    said = client().get("pains")
    show.as_json(said) if json else every(said)


def every(said: Item) -> None:
    heads = ("PAIN", "ATOMS", "PEOPLE", "TEAMS", "STATE", "TITLE")
    rows = [(one["id"], one["atoms"], one["people"], one["teams"], state(one), one["title"]) for one in said["pains"]]
    show.table(heads, rows) if rows else show.note('no pain has a name yet: wend pains name "slow builds" EVIDENCE')
    show.note(f"{said['inbox']} pieces of evidence are about none of them: wend pains inbox")
    accepted = said["proposals"]["accepted"]
    if accepted:
        ends = f"{accepted['low']:.0%}–{accepted['high']:.0%}, n {accepted['n']}"
        show.note(f"{accepted['value']:.0%} ({ends}) of what was linked went to a pain that was proposed")


def state(one: Item) -> str:
    return f"in {one['merged_into']}" if one["state"] == "merged" else one["state"]


@pains.command("show")
@click.argument("pain", type=int, required=False)
@json_option
def pains_show(pain: int | None, json: bool) -> None:
    """One pain: whom it is heard of, and what they said, and the look is written down. Without a number, all of them.

    Example: wend pains show 3
    """
    said = client().get("pains" if pain is None else f"pains/{pain}")
    if json:
        show.as_json(said)
    elif pain is None:
        every(said)
    else:
        card(said)


def card(said: Item) -> None:
    weeks = " ".join(str(one["atoms"]) for one in said["weeks"])
    pairs = [("pain", f"{said['id']}: {said['title']}"), ("state", state(said)), ("why", said["why"])]
    pairs += [("atoms", str(said["atoms"])), ("people", said["people"]), ("teams", str(said["teams"]))]
    show.facts([*pairs, ("weeks", weeks), ("nameless", said["unnamed"] or None)])
    if said["rows"]:
        show.say()
        show.table(("TEAM", "PEOPLE", "ATOMS"), [(one["team"], one["people"], one["atoms"]) for one in said["rows"]])
    if said["hidden"]:
        show.note(f"{said['hidden']} groups are hidden: fewer than 5 people spoke, or they could be worked out")
    listed(said["evidence"])
    if said["own"]:
        show.say("\nthe platform's own team, in no figure:")
        listed(said["own"])


def listed(rows: list[Item]) -> None:
    if rows:
        show.say()
        show.table(("EVIDENCE", "EVENT", "WEEK", "SOURCE", "WORDS"), [(*place(one), words(one)) for one in rows])


def place(one: Item) -> tuple[object, ...]:
    id = one["evidence"][:ID] if show.terminal() else one["evidence"]
    return id, one["seq"], str(EPOCH + timedelta(days=one["week"])), one["source"]


def words(one: Item) -> str:
    return " ".join((one["text"] or "(no words, or erased)").split())


@pains.command("inbox")
@click.option("-n", "--limit", type=click.IntRange(1, 200), default=20, show_default=True, help="How many.")
@click.option("--groups", is_flag=True, help="What may be one pain, together.")
@json_option
def pains_inbox(limit: int, groups: bool, json: bool) -> None:
    """Evidence that is about no pain yet, with the nearest pains. The look is written down.

    Example: wend pains inbox --groups
    """
    said = client().get("pains/groups") if groups else client().get("pains/inbox", limit=limit)
    if json:
        show.as_json(said)
    elif groups:
        for number, group in enumerate(said["groups"], 1):
            show.say(f"perhaps one pain ({number} of {len(said['groups'])}):")
            listed(group["evidence"])
        show.note(f"grouped by {said['method']}; name one with: wend pains name TITLE EVIDENCE…")
    elif said["evidence"]:
        rows = [(*place(one), nearest(one["near"]), words(one)) for one in said["evidence"]]
        show.table(("EVIDENCE", "EVENT", "WEEK", "SOURCE", "NEAREST", "WORDS"), rows)
        show.note(f"compared by {said['method']}; next: wend pains link EVIDENCE PAIN")
    else:
        show.note("everything that was said is about a pain with a name")


def nearest(near: list[Item]) -> str:
    return ", ".join(f"{one['pain']} ({one['similarity']:.0%})" for one in near)


@pains.command("propose")
@click.argument("text")
@json_option
def pains_propose(text: str, json: bool) -> None:
    """The pains that a text is nearest to. Nothing is kept.

    Example: wend pains propose "the cache is cold again"
    """
    said = client().ask("POST", "pains/propose", {"text": text})
    if json:
        show.as_json(said)
        return
    show.table(
        ("PAIN", "NEAR", "TITLE"), [(one["pain"], f"{one['similarity']:.0%}", one["title"]) for one in said["near"]]
    )
    show.note(f"compared by {said['method']}")


# ---------------------------------------------------------------------------------------------- changes


def told(path: str, given: Item, json: bool, words: str) -> None:
    said = client().ask("POST", path, given)
    show.as_json(said) if json else show.say(words.format(**said))


@pains.command("name")
@click.argument("title")
@click.argument("evidence", nargs=-1)
@json_option
def pains_name(title: str, evidence: tuple[str, ...], json: bool) -> None:
    """Give a problem a name, and say which evidence is about it.

    Example: wend pains name "slow builds" 3f2a9c 81bb02
    """
    told("pains", {"title": title, "evidence": list(evidence)}, json, "pain {pain}")


@pains.command("link")
@click.argument("evidence")
@click.argument("pain", type=int)
@json_option
def pains_link(evidence: str, pain: int, json: bool) -> None:
    """Say which pain a piece of evidence is about, by its id or the beginning of it.

    Example: wend pains link 3f2a9c 3
    """
    told(f"pains/{pain}/link", {"evidence": evidence}, json, "{evidence} is about pain {pain}")


@pains.command("unlink")
@click.argument("evidence")
@click.argument("pain", type=int)
@json_option
def pains_unlink(evidence: str, pain: int, json: bool) -> None:
    """Say that a piece of evidence is not about a pain: it is never proposed for it again.

    Example: wend pains unlink 3f2a9c 3
    """
    told(f"pains/{pain}/unlink", {"evidence": evidence}, json, "{evidence} is not about pain {pain}")


@pains.command("rename")
@click.argument("pain", type=int)
@click.argument("title")
@json_option
def pains_rename(pain: int, title: str, json: bool) -> None:
    """Give a pain another name. Its number stays.

    Example: wend pains rename 3 "builds that start cold"
    """
    told(f"pains/{pain}/rename", {"title": title}, json, "pain {pain}")


@pains.command("merge")
@click.argument("pain", type=int)
@click.argument("into", type=int)
@dry_run_option
@json_option
def pains_merge(pain: int, into: int, dry_run: bool, json: bool) -> None:
    """Two names of one problem: what is linked to the first is linked to the second.

    Example: wend pains merge 4 3
    """
    if dry_run:
        show.say(f"would link to pain {into} what is linked to pain {pain}")
        return
    told(f"pains/{pain}/merge", {"into": into}, json, "pain {pain} is a part of {into}")


@pains.command("split")
@click.argument("pain", type=int)
@click.argument("title")
@click.argument("evidence", nargs=-1, required=True)
@json_option
def pains_split(pain: int, title: str, evidence: tuple[str, ...], json: bool) -> None:
    """Take evidence out of a pain into one of its own. The rest stays.

    Example: wend pains split 3 "cold cache" 3f2a9c 81bb02
    """
    parts = [{"title": title, "evidence": list(evidence)}]
    told(f"pains/{pain}/split", {"parts": parts}, json, "pain {into[0]}")


@pains.command("dismiss")
@click.argument("evidence", nargs=-1, required=True)
@json_option
def pains_dismiss(evidence: tuple[str, ...], json: bool) -> None:
    """Say that a proposed group is no pain: it is not proposed again.

    Example: wend pains dismiss 3f2a9c 81bb02
    """
    told("pains/groups/dismiss", {"evidence": list(evidence)}, json, "not proposed again")


@pains.command("close")
@click.argument("pain", type=int)
@why_option
@json_option
def pains_close(pain: int, why: str, json: bool) -> None:
    """Say that it hurts no more. Its evidence stays.

    Example: wend pains close 3 --why "bet 7: builds take 40 s"
    """
    told(f"pains/{pain}/close", {"why": why}, json, "closed pain {pain}")


@pains.command("reopen")
@click.argument("pain", type=int)
@why_option
@json_option
def pains_reopen(pain: int, why: str, json: bool) -> None:
    """Say that a closed or merged pain is there again.

    Example: wend pains reopen 3 --why "two teams told it again"
    """
    told(f"pains/{pain}/reopen", {"why": why}, json, "pain {pain} is open")
