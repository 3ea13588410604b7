"""How small it may be, as a page and for programs."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from wend import rightsize
from wend.web.door import Address, Visit
from wend.web.pages import twin
from wend.web.show import Page


def told(visit: Visit) -> dict[str, Any]:
    visit.query.done()
    return rightsize.look(visit.ctx)


def page(visit: Visit) -> Page:
    return Page("rightsize.html", told(visit), {"percent": rightsize.percent, "day": day, "few": rightsize.FEW})


def day(number: int) -> str:
    """A day since 1970 as its date."""
    return datetime.fromtimestamp(number * 86_400, UTC).date().isoformat()


ADDRESSES: tuple[Address, ...] = (
    Address("GET", "/api/rightsize", "platform.read", told),
    *twin("/rightsize", "platform.read", page),
)
