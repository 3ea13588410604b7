"""Someone else's JSON object, read by names that may not be there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from wend.ingest import Unknown, parse


class Doc:
    """A JSON object and its place in the body. What must be there and is not raises Unknown, naming the place: then it
    is another shape than the one this was written for. What may be missing comes back as None or empty."""

    def __init__(self, value: object, at: str = "") -> None:
        if not isinstance(value, dict):
            raise Unknown(f"{at or 'the body'} is no JSON object")
        self.fields = cast(Mapping[str, Any], value)
        self.at = at

    def where(self, key: str) -> str:
        return f"{self.at}.{key}" if self.at else key

    def __contains__(self, key: str) -> bool:
        return self.fields.get(key) is not None

    def __getitem__(self, key: str) -> Doc:
        """The object of this name."""
        return Doc(self.fields.get(key), self.where(key))

    def inner(self, key: str) -> Doc:
        """The object of this name, or an empty one."""
        return self[key] if isinstance(self.fields.get(key), dict) else Doc({}, self.where(key))

    def list(self, key: str) -> list[Doc]:
        """The objects in the array of this name; empty when there is none."""
        return [Doc(one, f"{self.where(key)}[{number}]") for number, one in enumerate(self.array(key))]

    def words(self, key: str) -> list[str]:
        """The texts in the array of this name; what is no text is left out."""
        return [parse.clean(one) for one in self.array(key) if isinstance(one, str)]

    def array(self, key: str) -> list[Any]:
        value = self.fields.get(key)
        if value is None:
            return []
        if not isinstance(value, list):
            raise Unknown(f"{self.where(key)} is no JSON array")
        return cast(list[Any], value)

    def text(self, key: str) -> str:
        """The text or whole number of this name."""
        found = self.maybe(key)
        if found is None:
            raise Unknown(f"{self.where(key)} is missing, or no text")
        return found

    def maybe(self, key: str) -> str | None:
        """The text or whole number of this name; None when it is missing or empty."""
        value = self.fields.get(key)
        if isinstance(value, bool) or not isinstance(value, str | int):
            return None
        return parse.clean(str(value)).strip() or None

    def name(self, key: str) -> str:
        """The text of this name, on one line and not too long."""
        return parse.name(self.text(key))

    def named(self, key: str) -> str | None:
        """The same, or None."""
        found = self.maybe(key)
        return parse.name(found) if found else None

    def truth(self, key: str) -> bool:
        return self.fields.get(key) is True

    def time(self, key: str) -> int:
        """The time of this name, Unix microseconds."""
        if key not in self:
            raise Unknown(f"{self.where(key)} is missing")
        return parse.moment(self.fields[key])

    def maybe_time(self, key: str) -> int | None:
        """The same, or None when it is missing or empty."""
        return parse.moment(self.fields[key]) if self.fields.get(key) not in (None, "", 0) else None

    def commit(self, key: str) -> str:
        """The full commit id of this name."""
        return parse.commit(self.text(key))

    def sha(self, key: str) -> str | None:
        """The same, or None when there is none."""
        return parse.sha(self.fields.get(key))


def touched(commit: Doc) -> list[str] | None:
    """The folders of the files that a commit of a push added, changed and removed; None where it does not tell."""
    return parse.folders_of(file for key in ("added", "modified", "removed") for file in commit.words(key))
