"""What is on its way out: who still uses it, when nobody will, and how to move."""

from __future__ import annotations

import time
from typing import Any

from starlette.responses import RedirectResponse, Response

from wend import outgoing, proposals
from wend.deprecations import announcing, burndown, moving, users
from wend.deprecations.announcing import Wish
from wend.errors import NotFound
from wend.guardrails.decide import printed
from wend.guardrails.gates import words
from wend.guardrails.hits import Hit
from wend.outgoing import DAY, Met
from wend.state import deprecations as table
from wend.state import guardrails as judged
from wend.web import body
from wend.web.body import Field
from wend.web.door import Address, Visit
from wend.web.pages import twin
from wend.web.show import Page
from wend.web.stream import Flow, told

Item = dict[str, Any]
SEE, MANAGE = "platform.read", "paths.manage"
RULE = "retired-option"


def number(visit: Visit) -> int:
    """The deprecation in the path. Raises NotFound for what is no number."""
    if not (visit.id.isascii() and visit.id.isdigit() and len(visit.id) < 10):
        raise NotFound(f"there is no deprecation {visit.id[:40]!r}", "`wend deprecations` lists them")
    return int(visit.id)


# ---------------------------------------------------------------------------------------------- readings


def row(one: Item, days: list[tuple[int, frozenset[str], int]], now: int) -> Item:
    """A deprecation with how far it is, and when nobody will use it."""
    going = outgoing.of_row(one)
    said = burndown.forecast([(day, apps) for day, apps, _ in days], now // DAY)
    late = said.late is not None and said.late * DAY > going.retired
    stage = outgoing.stage(going, now) if one["state"] == "open" else one["state"]
    using = len(days[-1][1]) if days else None
    unknown = days[-1][2] if days else 0
    counted = {"using": using, "unknown": unknown, "forecast": vars(said), "late": late}
    return one | {"stage": stage, "next": outgoing.after(going, now)} | counted


def listed(visit: Visit) -> list[Item]:
    visit.query.done()
    now = time.time_ns() // 1000
    with visit.ctx.ledger.query() as db:
        return [row(one, table.days(db, one["id"]), now) for one in table.every(db)]


def shown(visit: Visit) -> Item:
    """One of them: who uses it, with their waiver, proposal and reason; its days; who calls it, of an address."""
    id, now = number(visit), time.time_ns() // 1000
    with visit.ctx.ledger.query() as db:
        one = table.one(db, id)
        if one is None:
            raise NotFound(f"there is no deprecation {id}", "`wend deprecations` lists them")
        days, seen, stays = table.days(db, id), users.of(db, one["what"]), table.stays(db, id)
        waivers = judged.waivers(db)
        calls = table.calls(db, one["what"], now // DAY - 30)
    what = f"deprecation:{id}"
    if one["what"].startswith("template:"):
        what = one["replacement"]
    made = {each["app"]: each for each in proposals.listed(visit.ctx, what)}
    mark = printed(RULE, Hit(f"deprecation {id}:", words(Met(outgoing.of_row(one), "warned", False, 0))))
    exempt = {each["app"]: each["ends"] for each in waivers
              if each["rule"] == RULE and each["print"] in (None, mark) and each["state"] == "approved"
              and each["begins"] <= now < each["ends"]}  # fmt: skip
    using = [{"app": app, "team": team, "exempt": exempt.get(app), "stays": app in stays, "proposal": made.get(app)}
             for app, team in sorted(seen.using.items())]  # fmt: skip
    history = [{"day": day, "using": len(apps), "unknown": unknown} for day, apps, unknown in days]
    return row(one, days, now) | {"users": using, "not_known": sorted(seen.unknown), "days": history,
                                  "calls": calls, "print": mark}  # fmt: skip


# ---------------------------------------------------------------------------------------------- the API


ANNOUNCED = (
    Field("what", "text"), Field("replacement", "text"), Field("because", "text"), Field("minutes", "whole"),
    Field("script", "text", None), Field("guide", "text", None), Field("warned", "text", None),
    Field("blocked", "text", None), Field("retired", "text", None), Field("unused", "whole", 14),
)  # fmt: skip


def announce(visit: Visit) -> Item:
    dry, given = visit.dry(), visit.read(*ANNOUNCED)
    verbs: dict[tuple[str, str], str] = visit.request.app.state.verbs
    offered = {f"api:{method} {path}" for method, path in verbs if path.startswith("/api/")}
    return announcing.announce(visit.ctx, Wish(**given), offered, dry)


def move(visit: Visit) -> Flow:
    """Propose the migration to an app."""
    visit.read()
    return told(lambda say, gone: moving.move(visit.ctx, number(visit), visit.app, say))


def stay(visit: Visit) -> Item:
    return announcing.stay(visit.ctx, number(visit), visit.app, visit.read(Field("why", "text"))["why"])


def postpone(visit: Visit) -> Item:
    given = visit.read(Field("retired", "text"), Field("why", "text"))
    return announcing.postpone(visit.ctx, number(visit), given["retired"], given["why"])


def withdraw(visit: Visit) -> Item:
    announcing.withdraw(visit.ctx, number(visit), visit.read(Field("why", "text"))["why"])
    return {"deprecation": number(visit), "state": "withdrawn"}


# ---------------------------------------------------------------------------------------------- pages


def page(visit: Visit) -> Page:
    return Page("deprecations.html", listed(visit), {"day": outgoing.day})


def one_page(visit: Visit) -> Page:
    found = shown(visit)
    now = time.time_ns() // 1000
    times = [("announced", found["announced"]), ("warned", found["warned"]), ("blocked for new", found["blocked"])]
    times += [(f"brown-out of {(end - begin) // 60_000_000} min", begin) for begin, end in found["brownouts"]]
    times += [("retired", found["retired"])]
    most = max([one["using"] for one in found["days"]], default=0)
    return Page("deprecation.html", found, {"date": outgoing.day, "times": times, "now": now, "most": most})


def move_form(visit: Visit) -> Response:
    moving.move(visit.ctx, number(visit), visit.app, lambda line: None)
    return RedirectResponse(f"/deprecations/{number(visit)}", 303)


def stay_form(visit: Visit) -> Response:
    announcing.stay(visit.ctx, number(visit), visit.app, body.form(visit.body).get("why", ""))
    return RedirectResponse(f"/deprecations/{number(visit)}", 303)


ADDRESSES: tuple[Address, ...] = (
    Address("GET", "/api/deprecations", SEE, listed),
    Address("POST", "/api/deprecations", MANAGE, announce),
    Address("GET", "/api/deprecations/{id}", SEE, shown),
    Address("POST", "/api/deprecations/{id}/postpone", MANAGE, postpone),
    Address("POST", "/api/deprecations/{id}/withdraw", MANAGE, withdraw),
    Address("POST", "/api/apps/{app}/deprecations/{id}/move", "app.push", move),
    Address("POST", "/api/apps/{app}/deprecations/{id}/stay", "app.push", stay),
    *twin("/deprecations", SEE, page),
    *twin("/deprecations/{id}", SEE, one_page),
    Address("POST", "/apps/{app}/deprecations/{id}/move", "app.push", move_form, page=True),
    Address("POST", "/apps/{app}/deprecations/{id}/stay", "app.push", stay_form, page=True),
)
