"""The portal: pages over the same readings as the API. They work without JavaScript; a few lines of it make a
running deploy and the log move."""

from __future__ import annotations

from wend.web.door import Address

ADDRESSES: tuple[Address, ...] = ()
