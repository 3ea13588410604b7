"""A shim's account of its replica: a table on disk, always whole."""

from __future__ import annotations

import os

Plain = str | int | float | None
Value = Plain | list[int] | list[str] | dict[str, str] | dict[str, Plain]


class State:
    """`shim` and `keeper` are [pid, start time in ticks]; the rest reads as in `wend.run.Status`."""

    def __init__(self, path: str, name: str, port: int | None) -> None:
        self.path = path
        self.id = name
        self.phase = "starting"
        self.shim: list[int] = []
        self.keeper: list[int] = []
        self.pid: int | None = None
        self.port = port
        self.listens: list[int] = []
        self.restarts = 0
        self.exit: dict[str, Plain] = {}
        self.started = 0.0
        self.missing: list[str] = []
        self.groups: dict[str, str] = {}
        self.unified = False

    def save(self) -> None:
        """Replace the file, wholly or not at all. A full disk leaves the old account: the app matters more."""
        try:
            with open(self.path + ".new", "w", encoding="utf-8") as file:
                file.write(text_of({name: value for name, value in vars(self).items() if name != "path"}) + "\n")
            os.rename(self.path + ".new", self.path)
        except OSError as error:
            os.write(2, f"{self.path}: {error}\n".encode())


def text_of(value: Value) -> str:
    """JSON, for the few kinds of value a state holds: importing `json` would cost as much as the rest together."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{text_of(key)}: {text_of(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(text_of(item) for item in value) + "]"
    if isinstance(value, str):
        plain = value.replace("\\", "\\\\").replace('"', '\\"')
        return '"' + "".join(mark if mark >= " " else f"\\u{ord(mark):04x}" for mark in plain) + '"'
    return "null" if value is None else repr(value).lower()
