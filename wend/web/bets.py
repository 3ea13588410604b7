"""Where bets and procedures by hand are seen and made: pages, API, and the one question to whom a bet was for."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Any

from markupsafe import Markup
from starlette.responses import RedirectResponse, Response

from wend import access, privacy, signals, toil, units
from wend.bets import SETTLED, deciding, ending, loop, opening, scoring
from wend.bets.opening import Asked
from wend.context import Context
from wend.errors import Invalid, NotFound
from wend.signals import Scope, Window, look
from wend.signals.definitions import DEFINITIONS
from wend.state.delivery import DAY
from wend.web import bands, body
from wend.web.body import Field
from wend.web.door import Address, Visit
from wend.web.pages import twin
from wend.web.show import Page

LEAD = "research.lead"
WORDS = {
    "improved": ("Improved", "well"), "worse": ("Worse", "down"), "no change": ("No change to speak of", "plain"),
    "cannot tell": ("Cannot tell", "plain"),
}  # fmt: skip
Item = dict[str, Any]


def number(visit: Visit) -> int:
    """The bet in the path. Raises NotFound for what is no number."""
    if not (visit.id.isascii() and visit.id.isdigit() and len(visit.id) < 10):
        raise NotFound(f"there is no bet {visit.id[:40]!r}", "`wend bet list` shows them")
    return int(visit.id)


# ---------------------------------------------------------------------------------------------- the API

BET = (
    Field("signal", "text"), Field("by", "text"), Field("kill", "text"), Field("appetite", "whole"),
    Field("who", "text", ""), Field("can", "text", ""), Field("to", "text", ""), Field("sentence", "text", ""),
    Field("scope", "text", "all"), Field("pain", "whole", None), Field("sure", "whole", None),
    Field("low", "text", None), Field("high", "text", None), Field("weeks", "whole", opening.WEEKS),
)  # fmt: skip


def listed(visit: Visit) -> Item:
    """Every bet, and how good our predictions were."""
    visit.query.done()
    every = ending.looked(visit.ctx)
    return {"bets": every, "predictions": asdict(scoring.of(one for one in every if one["state"] == "judged"))}


def shown(visit: Visit) -> Item:
    visit.query.done()
    return one(visit.ctx, number(visit))


def one(ctx: Context, id: int) -> Item:
    """A bet with its verdict; who looks at what is about people is written down."""
    found = ending.seen(ctx, id)
    if found["signal"] in privacy.ABOUT_PEOPLE:
        access.seen(ctx, found["signal"], found["scope"])
    if found["pain"] and found["judged_at"]:
        with ctx.ledger.query() as db:
            found["answers"] = loop.shown(loop.tally(db, found))
    return found


def opened(visit: Visit) -> Item:
    return opening.open(visit.ctx, Asked(**visit.read(*BET)))


def link(visit: Visit) -> Item:
    return ending.link(visit.ctx, number(visit), visit.read(Field("what", "text"))["what"])


def reargue(visit: Visit) -> Item:
    given = visit.read(Field("kill", "text"), Field("why", "text"))
    return ending.reargue(visit.ctx, number(visit), given["kill"], given["why"])


def close(visit: Visit) -> Item:
    return ending.close(visit.ctx, number(visit), visit.read(Field("why", "text"))["why"])


def question(visit: Visit) -> Item:
    """The one question for who asks, if there is one now: it counts as shown."""
    visit.query.done()
    return {"question": loop.ask(visit.ctx)}


def said(text: str) -> bool:
    if text not in ("yes", "no"):
        raise Invalid(f"{text[:20]!r} is no answer", "yes or no")
    return text == "yes"


def answer(visit: Visit) -> Item:
    return loop.answer(visit.ctx, number(visit), said(visit.read(Field("fixed", "text"))["fixed"]))


# ---------------------------------------------------------------------------------------------- procedures by hand


def procedures(visit: Visit) -> list[Item]:
    visit.query.done()
    return toil.listed(visit.ctx)


def define(visit: Visit) -> Item:
    given = visit.read(Field("name", "text"), Field("text", "text"), Field("automate_hours", "number", None))
    return toil.define(visit.ctx, toil.read(given["name"], given["text"], given["automate_hours"]))


def ran(visit: Visit) -> Item:
    """A run: `steps` has the seconds of each; given up, those at the step it was left at are the last."""
    given = visit.read(Field("steps", "rows"), Field("ended", "text"))
    steps: list[Item] = given["steps"]
    seconds: list[Any] = [step.get("seconds") for step in steps]
    if given["ended"] not in ("done", "given up") or any(set(step) != {"seconds"} for step in steps):
        raise Invalid("a run has steps of seconds, and ended done or given up", "see docs/api.md")
    if any(isinstance(took, bool) or not isinstance(took, int | float) for took in seconds):
        raise Invalid("seconds is a number", "see docs/api.md")
    return toil.record(visit.ctx, visit.name, seconds, given["ended"] == "done")


# ---------------------------------------------------------------------------------------------- pages


def page(visit: Visit) -> Page:
    return Page("bets.html", listed(visit), {"words": WORDS, "units": signal_units(), "nominal": scoring.NOMINAL})


def signal_units() -> dict[str, str]:
    return {id: about.unit for id, about in DEFINITIONS.items()}


def detail(visit: Visit) -> Page:
    """A bet: its sentence, where it began, the signal's weeks with its days marked, and what came of it."""
    found = shown(visit)
    about = signals.definition(found["signal"])
    extra: Item = {"about": about, "words": WORDS, "settled": SETTLED, "difference": deciding.difference}
    extra |= {"plot": chart(visit.ctx, found), "wait": found["ended_day"] or found["kill_day"]}
    return Page("bet.html", found, extra)


def chart(ctx: Context, bet: Item) -> bands.Plot | None:
    """The signal from the baseline's first week until now, or until a while after the end."""
    now = int(time.time() * 1e6)
    last = min(now // DAY, (bet["ended_day"] or bet["by_day"]) + 28)
    first = bet["baseline"]["first"]
    weeks = max(1, min(signals.MOST_WEEKS, (last - first) // 7 + 1))
    window = Window(first, min(last, first + 7 * weeks - 1), now, ctx.config.timezone)
    look.bring_up_to_date(ctx, look.PATIENCE)
    with ctx.ledger.query() as db:
        signal = signals.measure(db, bet["signal"], Scope.parse(bet["scope"]), window)
    plot = bands.draw(signal, bands.BIG)
    if plot is None:
        return None
    dates: dict[str, int | None] = {"opened": bet["opened_day"], "work began": bet["verdict"]["began"]}
    dates |= {"kill date": bet["kill_day"], "promised for": bet["by_day"], "ended": bet["ended_day"]}
    marks = [
        mark(name, day, window, weeks) for name, day in dates.items() if day is not None and first <= day <= window.last
    ]
    svg = Markup(str(plot.svg).removesuffix("</svg>")) + Markup("").join(marks) + Markup("</svg>")
    return bands.Plot(svg, plot.ticks, plot.first, plot.last)


def mark(name: str, day: int, window: Window, weeks: int) -> Markup:
    x = bands.BIG[0] * (day - window.first + 0.5) / (7 * weeks)
    line = '<line class="mark" x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{h}"><title>{name}</title></line>'
    return Markup(line).format(x=x, h=bands.BIG[1], name=name)


def answer_form(visit: Visit) -> Response:
    """The card's two buttons."""
    loop.answer(visit.ctx, number(visit), said(body.form(visit.body).get("fixed", "")))
    return RedirectResponse("/", 303)


def toil_page(visit: Visit) -> Page:
    return Page("toil.html", procedures(visit), {"span": span, "within": toil.WITHIN})


def span(seconds: float | None) -> str:
    return units.text(seconds, "s")


ADDRESSES: tuple[Address, ...] = (
    Address("GET", "/api/bets", "signals.read", listed),
    Address("POST", "/api/bets", LEAD, opened),
    Address("GET", "/api/bets/{id}", "signals.read", shown),
    Address("POST", "/api/bets/{id}/work", LEAD, link),
    Address("POST", "/api/bets/{id}/kill", LEAD, reargue),
    Address("POST", "/api/bets/{id}/end", LEAD, close),
    Address("POST", "/api/bets/{id}/answer", "voice.give", answer),
    Address("POST", "/api/loop", "voice.give", question),
    Address("GET", "/api/toil", "signals.read", procedures),
    Address("POST", "/api/toil", LEAD, define),
    Address("POST", "/api/toil/{name}/runs", LEAD, ran),
    *twin("/bets", "signals.read", page),
    *twin("/bets/{id}", "signals.read", detail),
    Address("POST", "/bets/{id}/answer", "voice.give", answer_form, page=True),
    *twin("/toil", "signals.read", toil_page),
)
