"""The week in one screen: who was heard, the one thing, bets and verdicts, what moved beyond noise, what got simpler.

Facts: digest_sent.
"""

from __future__ import annotations

import json
import smtplib
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from email.message import EmailMessage
from typing import Any
from urllib.parse import unquote, urlsplit

import sqlalchemy as sa
from sqlalchemy import Connection

from wend import emit, hatches, one_thing, outgoing, secrets, signals, units, week
from wend.bets import ending
from wend.context import Context
from wend.errors import Conflict, Down, Invalid, WendError
from wend.events import Fact
from wend.guardrails import waivers
from wend.guardrails.decide import EVERY
from wend.ledger.rows import LEDGER
from wend.research.people import customers
from wend.signals import Scope, Signal, Window
from wend.signals.look import bring_up_to_date
from wend.state import deprecations
from wend.state.delivery import DAY
from wend.state.derived.rollups import monday
from wend.state.own import HATCHES
from wend.state.tables import APPS
from wend.state.voice import PAINS

WATCHED = (
    "deployment_frequency", "change_lead_time", "failed_deployment_recovery_time", "change_fail_rate",
    "deployment_rework_rate", "time_to_deploy", "push_only_rate", "support_tickets",
)  # fmt: skip
WEEKS = 4  # compared with as many before
SOON = 7  # days before its end that a waiver is spoken of
PATIENCE = 10.0
HOUR = 7  # of Monday, UTC, from which on it is sent
Found = dict[str, Any]


# ---------------------------------------------------------------------------------------------- pure


def moved(before: Signal, after: Signal) -> Found | None:
    """What changed beyond noise: the intervals of both do not meet, and both are firm. Where nothing changed that
    happens about once in 180 times, for it is stricter than a test of the difference."""
    old, new = before.value, after.value
    known = (old.low, old.high, new.low, new.high, old.value, new.value)
    if any(one is None for one in known) or old.says or new.says:
        return None
    assert old.low is not None and old.high is not None and new.low is not None and new.high is not None
    if old.low <= new.high and new.low <= old.high:
        return None
    about = after.definition
    rose = new.low > old.high
    better = None if not about.better else rose == (about.better == "higher")
    return {"id": about.id, "title": about.title, "unit": about.unit, "better": better,
            "before": ends(before), "after": ends(after)}  # fmt: skip


def ends(signal: Signal) -> Found:
    value = signal.value
    return {"value": value.value, "low": value.low, "high": value.high, "n": value.n}


def markdown(found: Found) -> str:
    """The digest as text; words of people are not in it, titles of pains and statements of bets are."""
    return "\n".join(written(found)) + "\n"


def written(found: Found) -> Iterator[str]:
    yield f"# The week of {found['monday']}"
    yield from ("", "## Heard", "")
    yield from (f"- {'done' if step['done'] else 'open'}: {step['title']}: {step['says']}" for step in found["steps"])
    yield from ("", "## The one thing", "", found["one_thing"]["says"])
    yield from ("", "## Bets", "")
    yield from listed((bet_line(one) for one in found["bets"]), "No bet is open, and none ended this week.")
    yield from ("", "## Moved beyond noise", "")
    yield from listed((moved_line(one) for one in found["moved"]), "Nothing, as far as can be told.")
    yield from ("", "## Got simpler", "")
    yield from listed(found["simpler"], "Nothing this week.")
    if found["exceptions"]:
        yield from ("", "## Exceptions", "")
        yield from listed(found["exceptions"], "")
    yield from ("", f"{WEEKS} weeks are compared with the {WEEKS} before them; intervals hold 19 times out of 20.")


def listed(lines: Iterable[str], none: str) -> Iterator[str]:
    there = [f"- {plain(line)}" for line in lines]
    yield from there or [none]


def plain(text: str) -> str:
    """On one line, and no Markdown or HTML of somebody else's."""
    return "".join(f"\\{one}" if one in "\\`*_[]<>#|" else one for one in " ".join(text.split()))


def bet_line(bet: Mapping[str, Any]) -> str:
    judged: Mapping[str, Any] = bet.get("verdict") or {}
    verdict: str | None = judged.get("verdict")
    return f"{bet['id']}: {bet['sentence']} ({verdict or bet['state']})"


def moved_line(one: Mapping[str, Any]) -> str:
    way = {True: "better", False: "worse", None: "changed"}[one["better"]]
    before, after = (told(one[side], one["unit"]) for side in ("before", "after"))
    return f"{one['title']}: {after} instead of {before}: {way}"


def told(one: Mapping[str, Any], unit: str) -> str:
    low, high = units.text(one["low"], unit), units.text(one["high"], unit)
    return f"{units.text(one['value'], unit)} ({low} to {high}, n {one['n']})"


def html(text: str) -> str:
    """The Markdown as HTML; HTML in it stays text."""
    from markdown_it import MarkdownIt  # late: only this needs it

    return MarkdownIt("commonmark", {"html": False}).render(text)


def exceptions(held: Iterable[Mapping[str, Any]], left: Iterable[Mapping[str, Any]], begun: int, at: int) -> list[str]:
    """What to look at: glass that was broken since the day `begun`, waivers that end within SOON days of `at`
    (microseconds), and hatches whose end is over. Nobody is named."""
    lines: list[str] = []
    for one in held:
        if one["rule"] == EVERY and one["asked_at"] >= begun * DAY:
            lines.append(f"the glass of {one['app']} was broken: {one['reason']}; look at what went out meanwhile")
        elif one["holds"] and one["ends"] - at <= SOON * DAY:
            lines.append(f"waiver {one['id']} of {one['app']} ({one['rule']}) ends on {day_name(one['ends'] // DAY)}")
    over = [one for one in left if one["left"] is not None and one["left"] < 0]
    return [*lines, *(f"{one['app']} meant to be back on the path by {one['until']} ({one['kind']})" for one in over)]


def ending_soon(going: Iterable[outgoing.Outgoing], at: int) -> list[str]:
    """What is on its way out and becomes harder within SOON days."""
    near = [(outgoing.after(one, at), one) for one in going if outgoing.after(one, at) - SOON * DAY <= at < one.retired]
    lines: list[str] = []
    for after, one in sorted(near, key=lambda each: each[0]):
        stage = outgoing.stage(one, after)
        lines.append(f"{one.what} goes: {stage} from {day_name(after // DAY)}; {one.replacement} takes its place")
    return lines


# ---------------------------------------------------------------------------------------------- asked of the tables


def moves(db: Connection, last: int, now: int, zone: str) -> list[Found]:
    """The watched signals that moved, of everything: the whole weeks up to the Sunday `last`, and those before them."""
    middle = last - 7 * WEEKS
    after = Window(middle + 1, last, now, zone)
    before = Window(middle + 1 - 7 * WEEKS, middle, now, zone)
    pairs = ((signals.measure(db, id, Scope(), before), signals.measure(db, id, Scope(), after)) for id in WATCHED)
    return [found for old, new in pairs if (found := moved(old, new))]


def simpler(db: Connection, since: int) -> list[str]:
    """Pains that were closed, and escape hatches that a newer release does without."""

    def hatches(release: Any) -> set[tuple[str, str]]:
        here = (HATCHES.c.app == APPS.c.name) & (HATCHES.c.release == release)
        query = sa.select(HATCHES.c.app, HATCHES.c.kind).join(APPS, here).where(APPS.c.live_at >= since)
        return {(row[0], row[1]) for row in db.execute(query)}

    c = PAINS.c
    closed = db.execute(sa.select(c.title).where(c.state == "closed", c.closed_at >= since).order_by(c.id)).scalars()
    gone = sorted(hatches(APPS.c.previous) - hatches(APPS.c.live))
    return [f"closed: {title}" for title in closed] + [f"{app} does without its hatch for {kind}" for app, kind in gone]


# ---------------------------------------------------------------------------------------------- acts


def gather(ctx: Context, back: int = 0, now: int | None = None) -> Found:
    """The digest of this week, or of the one so many weeks `back`, as plain values."""
    today = int(time.time() * 1e6) if now is None else now
    bring_up_to_date(ctx, 2.0)
    at = today - 7 * back * DAY
    begun = monday(at // DAY)
    last = begun + 6 if back else begun - 1
    ranking = one_thing.now(ctx)
    first = ranking.rows[0] if ranking.rows else None
    with ctx.ledger.query() as db:
        found: Found = {"moved": moves(db, last, today, ctx.config.timezone), "simpler": simpler(db, begun * DAY)}
        people = week.facts(db, at)
        steps = week.steps(people, len(customers(ctx, db, today // DAY)))
        going = deprecations.outgoing(db)
    every = ending.looked(ctx)
    bets = [bet for bet in every if bet["state"] == "open" or (bet.get("ended_day") or 0) >= begun]
    thing = {"says": ranking.says, "separable": ranking.separable, "title": first.title if first else None,
             "p_worst": first.p_worst if first else None, "people": ranking.people, "heard": ranking.heard}  # fmt: skip
    return {"week": begun, "monday": day_name(begun), "steps": [asdict(step) for step in steps],
            "silent": people.silent, "one_thing": thing, "bets": bets, **found,
            "exceptions": [*exceptions(waivers.listed(ctx), hatches.listed(ctx, at / 1e6)["hatches"], begun, at),
                           *ending_soon(going, at)]}  # fmt: skip


def day_name(day: int) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(day * 86_400))


def tend(ctx: Context, now: int | None = None) -> None:
    """On Monday morning, once: send last week's to whoever is set up."""
    at = int(time.time() * 1e6) if now is None else now
    moment = time.gmtime(at / 1e6)
    if not addressed(ctx) or moment.tm_wday != 0 or moment.tm_hour < HOUR:
        return
    if not sent(ctx, monday(at // DAY) - 7):
        send(ctx, 1, at)


def addressed(ctx: Context) -> bool:
    return bool(ctx.config.digest_webhook or ctx.config.digest_mail)


def sent(ctx: Context, begun: int) -> bool:
    with ctx.ledger.query() as db:
        query = sa.select(LEDGER.c.seq).where(LEDGER.c.id.like(f"digest:{begun}:%"), LEDGER.c.kind == "digest_sent")
        return db.execute(query.limit(1)).first() is not None


def send(ctx: Context, back: int = 0, now: int | None = None) -> list[str]:
    """Send it to the webhook and by mail, as far as they are set; where it went. Raises Conflict when neither is, Down
    when one does not take it (the other has it then)."""
    if not addressed(ctx):
        raise Conflict("nobody is to get the digest", "set digest_webhook or digest_mail: docs/settings.md")
    found = gather(ctx, back, now)
    ways = {"webhook": (ctx.config.digest_webhook, to_webhook), "mail": (ctx.config.digest_mail, to_mail)}
    done: list[str] = []
    trouble: list[str] = []
    for name, (where, way) in ways.items():
        if where:
            try:
                way(ctx, found)
                done.append(name)
            except WendError as error:
                trouble.append(f"{name}: {error.message}")
    data = {"week": found["week"], "sent": done, "why": "; ".join(trouble)}
    id = f"digest:{found['week']}:{time.time_ns()}"
    ctx.ledger.append([Fact("digest_sent", "digest", data, actor=ctx.actor.name, id=id)])
    if trouble:
        raise Down(f"the digest was not taken by {'; '.join(trouble)}", "`wend digest --send` tries again")
    return done


def to_webhook(ctx: Context, found: Found) -> None:
    """As JSON with the text in `text`, which chats show, signed like what subscribers get. Raises Down."""
    url = emit.address(ctx.config.digest_webhook)
    body = json.dumps({"text": markdown(found), **found}, ensure_ascii=False).encode()
    moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    what = emit.Message(f"digest-{found['week']}", "dev.cdeventsx.wend-digest.published.0.1.0", ctx.config.portal,
                        found["monday"], moment, body)  # fmt: skip
    _, why = emit.send(url, what, secrets.derived(ctx.config.home, "digest"), time.time())
    if why:
        raise Down(why, "is the address right? docs/settings.md")


def to_mail(ctx: Context, found: Found) -> None:
    """As text and HTML, to every address of `digest_mail`, through `smtp`. Raises Down."""
    text = markdown(found)
    mail = EmailMessage()
    mail["Subject"] = f"Wend: the week of {found['monday']}"
    mail["From"], mail["To"] = ctx.config.digest_from, ctx.config.digest_mail
    mail.set_content(text)
    mail.add_alternative(html(text), subtype="html")
    where = server(ctx.config.smtp)
    try:
        sealed = where.scheme == "smtps"
        kind = smtplib.SMTP_SSL if sealed else smtplib.SMTP
        with kind(where.hostname or "", where.port or (465 if sealed else 25), timeout=PATIENCE) as post:
            if where.username:
                post.login(unquote(where.username), unquote(where.password or ""))
            post.send_message(mail)
    except (OSError, smtplib.SMTPException) as error:
        raise Down(f"{where.hostname}: {str(error)[:200]}", "is `smtp` right? docs/settings.md") from None


def server(text: str) -> Any:
    """The parts of `smtp://user:password@host:port` or `smtps://…`. Raises Invalid; the text is not repeated."""
    parts = urlsplit(text)
    if parts.scheme not in ("smtp", "smtps") or not parts.hostname:
        raise Invalid("the setting smtp is no address of a mail server", "like smtp://mail.example.org:25")
    return parts
