"""Where interviews are led: whom to ask, what was said, what is due, and who was not heard."""

from __future__ import annotations

from typing import Any

from starlette.responses import RedirectResponse, Response

from wend import week
from wend.errors import Invalid, NotFound
from wend.ingest.parse import moment
from wend.research import heard, interviews, snapshots
from wend.research.interviews import CONSENT, MISSED, NEVER, OPENING, QUESTIONS
from wend.web import body, curves
from wend.web.body import Field
from wend.web.door import Address, Visit
from wend.web.pages import twin
from wend.web.show import Page

LEAD = "research.lead"
LISTED, MOST = 100, 1000
LONG = 3 * 2**20  # bytes of a snapshot, with the longest notes in any alphabet
LISTS = ("story", "opportunities", "insights")
Item = dict[str, Any]

ASK = {"opening": OPENING, "questions": list(QUESTIONS), "never": NEVER}


def number(raw: str) -> int:
    """The number of an interview in a path; 0, which is none, for what is no number."""
    return int(raw) if raw.isascii() and raw.isdigit() and len(raw) < 10 else 0


# ---------------------------------------------------------------------------------------------- the API


def overview(visit: Visit) -> Item:
    """All of it: the week, what is due, who was not heard."""
    past = interviews.past(visit.ctx, LISTED)
    due = [one for one in past if one["due_at"]]
    return {"week": week.checklist(visit.ctx), "due": due, "past": past, **heard.overview(visit.ctx)}


def draw(visit: Visit) -> Item:
    """The people of this week, drawn now or before."""
    visit.read()
    return {"next": interviews.upcoming(visit.ctx), "week": interviews.schedule(visit.ctx)}


def listed(visit: Visit) -> list[Item]:
    query = visit.query
    limit = query.number("limit", LISTED, MOST)
    query.done()
    return interviews.past(visit.ctx, limit)


def start(visit: Visit) -> Item:
    given = visit.read(Field("who", "text"), Field("consent", "text"), Field("at", "text", None))
    at = None if given["at"] is None else moment(given["at"])
    return interviews.hold(visit.ctx, given["who"], given["consent"], at) | {"ask": ASK}


def one(visit: Visit) -> Item:
    return snapshots.show(visit.ctx, number(visit.id))


def write(visit: Visit) -> Item:
    whole = (Field(name, "text", "") for name in snapshots.MOST)
    parts = (Field(name, "texts", []) for name in LISTS)
    return snapshots.write(visit.ctx, number(visit.id), snapshots.read(visit.read(*whole, *parts)))


def miss(visit: Visit) -> Item:
    return interviews.miss(visit.ctx, number(visit.id), visit.read(Field("why", "text"))["why"])


def withdraw(visit: Visit) -> Item:
    visit.read()
    return snapshots.withdraw(visit.ctx, number(visit.id))


# ---------------------------------------------------------------------------------------------- pages


def page(visit: Visit) -> Page:
    data = overview(visit)
    drawn = interviews.drawn(visit.ctx)
    data |= {"next": drawn["next"], "drawn": drawn["drawn"]}
    plots = {f"{one['way']} {one['name']}": curves.draw(one["points"]) for one in data["segments"]}
    return Page("research.html", data, {"plots": plots, "consent": CONSENT})


def interview_page(visit: Visit) -> Page:
    """One of them: what to ask before it is held, what to write down after it, what was said in the end."""
    extra = {"ask": ASK, "consent": CONSENT, "missed": MISSED, "most": snapshots.MOST}
    return Page("interview.html", one(visit), extra)


def draw_form(visit: Visit) -> Response:
    interviews.upcoming(visit.ctx)
    return RedirectResponse("/research", 303)


def start_form(visit: Visit) -> Response:
    form = body.form(visit.body)
    held = interviews.hold(visit.ctx, form.get("who", ""), form.get("consent", ""))
    return RedirectResponse(f"/research/{held['interview']}", 303)


def act_form(visit: Visit) -> Response:
    """What a page of one interview sends: held, missed, written down, or taken back."""
    id, form, act = number(visit.id), body.form(visit.body), visit.name
    if act == "held":
        interviews.hold(visit.ctx, str(id), form.get("consent", ""))
    elif act == "missed":
        interviews.miss(visit.ctx, id, form.get("why", ""))
        return RedirectResponse("/research", 303)
    elif act == "snapshot":
        snapshots.write(visit.ctx, id, snapshots.read(of_form(form)))
    elif act == "withdrawn":
        if form.get("sure") != "yes":
            raise Invalid("nothing was erased: it was not confirmed", "go back and tick the box")
        snapshots.withdraw(visit.ctx, id)
    else:
        raise NotFound(f"nothing of an interview is called {act[:40]!r}", "its page has the buttons")
    return RedirectResponse(f"/research/{id}", 303)


def of_form(form: dict[str, str]) -> dict[str, object]:
    """The snapshot in a form; a list has a line for each of its parts."""
    whole: dict[str, object] = {name: form.get(name, "").replace("\r\n", "\n") for name in snapshots.MOST}
    return whole | {name: [line for line in form.get(name, "").splitlines() if line.strip()] for name in LISTS}


ADDRESSES: tuple[Address, ...] = (
    Address("GET", "/api/research", LEAD, overview),
    Address("GET", "/api/research/week", LEAD, lambda visit: week.checklist(visit.ctx)),
    Address("POST", "/api/research/draw", LEAD, draw),
    Address("GET", "/api/research/interviews", LEAD, listed),
    Address("POST", "/api/research/interviews", LEAD, start),
    Address("GET", "/api/research/interviews/{id}", LEAD, one),
    Address("POST", "/api/research/interviews/{id}/snapshot", LEAD, write, most=LONG),
    Address("POST", "/api/research/interviews/{id}/missed", LEAD, miss),
    Address("POST", "/api/research/interviews/{id}/withdrawn", LEAD, withdraw),
    *twin("/research", LEAD, page),
    Address("POST", "/research/draw", LEAD, draw_form, page=True),
    Address("POST", "/research/start", LEAD, start_form, page=True),
    *twin("/research/{id}", LEAD, interview_page),
    Address("POST", "/research/{id}/{name}", LEAD, act_form, page=True, most=LONG),
)
