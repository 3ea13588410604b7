"""Where people are heard: feedback, friction logs, tickets and answers, from programs, pages and their forms."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from starlette.responses import RedirectResponse, Response

from wend import feedback, tickets
from wend.surveys import answering, counts
from wend.web import body, session
from wend.web.body import Field
from wend.web.door import Address, Visit
from wend.web.pages import twin
from wend.web.show import Page

SPEAK = "voice.give"
Item = dict[str, Any]
SAID = {
    "feedback": feedback.NEXT,
    "answer": "It counts, without your name.",
    "later": "You are asked nothing for 90 days.",
}


# ---------------------------------------------------------------------------------------------- the API


def give(visit: Visit) -> Item:
    given = visit.read(Field("text", "text"), Field("app", "text", None), Field("minutes", "number", None))
    return feedback.give(visit.ctx, given["text"], given["app"], given["minutes"])


def friction(visit: Visit) -> Item:
    return feedback.log(visit.ctx, visit.read(Field("text", "text"))["text"])


def begin_ticket(visit: Visit) -> Item:
    given = visit.read(Field("title", "text"), Field("reason", "text", None), Field("app", "text", None))
    return tickets.begin(visit.ctx, given["title"], given["reason"], given["app"])


def end_ticket(visit: Visit) -> Item:
    visit.read()
    return tickets.end(visit.ctx, visit.id)


def waiting(visit: Visit) -> Item:
    """The question that waits for an answer; {} when none does."""
    found = answering.waiting(visit.ctx)
    return vars(found) if found else {}


def answer(visit: Visit) -> Item:
    given = visit.read(Field("answer", "text"), Field("text", "text", ""), Field("invite", "text", None))
    return answering.answer(visit.ctx, given["answer"], given["text"], given["invite"])


def dismiss(visit: Visit) -> Item:
    return answering.dismiss(visit.ctx, visit.read(Field("invite", "text", None))["invite"])


# ---------------------------------------------------------------------------------------------- pages


def thanks(said: str, back: str) -> Response:
    return RedirectResponse("/feedback?" + urlencode({"said": said, "back": back}), 303)


def box(visit: Visit) -> Page:
    """The box with room for more than a line; after something was said, thanks and what happens next."""
    query = visit.query
    said, back = query.text("said"), session.local(query.text("back"))
    query.done()
    return Page("feedback.html", {"said": said, "next": SAID.get(said or "")}, {"back": back})


def sent(visit: Visit) -> Response:
    """The box of a page, sent."""
    given = body.form(visit.body)
    back = session.local(given.get("page"))
    parts = back.split("/")
    app = parts[2] if back.startswith("/apps/") and len(parts) > 2 else None
    feedback.give(visit.ctx, given.get("text", ""), app, None, back)
    return thanks("feedback", back)


def answered(visit: Visit) -> Response:
    """The card of a page, sent: an answer, or not now."""
    given = body.form(visit.body)
    back, invite = session.local(given.get("page")), given.get("invite", "")[:40]
    if "later" in given:
        answering.dismiss(visit.ctx, invite)
        return thanks("later", back)
    answering.answer(visit.ctx, given.get("answer", ""), given.get("text", ""), invite)
    return thanks("answer", back)


def surveys(visit: Visit) -> Page:
    return Page("surveys.html", counts.listed(visit.ctx))


def friction_logs(visit: Visit) -> list[Item]:
    visit.query.done()
    return feedback.logs(visit.ctx)


def friction_page(visit: Visit) -> Page:
    return Page("friction.html", friction_logs(visit))


ADDRESSES: tuple[Address, ...] = (
    Address("POST", "/api/feedback", SPEAK, give),
    Address("POST", "/api/friction", SPEAK, friction),
    Address("GET", "/api/friction", "research.lead", friction_logs),
    Address("GET", "/api/tickets", "signals.read", lambda visit: tickets.listed(visit.ctx)),
    Address("POST", "/api/tickets", SPEAK, begin_ticket),
    Address("POST", "/api/tickets/{id}/close", "research.lead", end_ticket),
    Address("GET", "/api/surveys", "signals.read", lambda visit: counts.listed(visit.ctx)),
    Address("GET", "/api/surveys/waiting", SPEAK, waiting),
    Address("POST", "/api/surveys/answer", SPEAK, answer),
    Address("POST", "/api/surveys/dismiss", SPEAK, dismiss),
    Address("GET", "/feedback", SPEAK, box, page=True),
    Address("POST", "/feedback", SPEAK, sent, page=True),
    Address("POST", "/surveys/answer", SPEAK, answered, page=True),
    *twin("/surveys", "signals.read", surveys),
    *twin("/friction", "research.lead", friction_page),
)
