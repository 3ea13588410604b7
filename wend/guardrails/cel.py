"""CEL, evaluated in a process of its own that is ended when it takes too long: the language has no limit of its own.

Run as a program this is that process: a line of facts, then lines with one expression each; an answer to each of those.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from types import ModuleType
from typing import Any, BinaryIO, Literal, cast

SECONDS = 0.25  # for one expression
STARTING = 10.0  # seconds that the process may take to come up
MEMORY = 2**30  # bytes of addresses that it may use
LONGEST = 2**16  # bytes of an answer
Said = Literal["true", "false", "unknown", "error"]


@dataclass(frozen=True)
class Answer:
    """`why`: of "unknown" what is missing, of "error" what broke."""

    said: Said
    why: str = ""


@dataclass
class Evaluator:
    """Starts the process when it is asked first, and again after it had to be ended. One question at a time."""

    process: subprocess.Popen[bytes] | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def ask(self, expressions: Mapping[str, str], facts: Mapping[str, Any]) -> dict[str, Answer]:
        """The answer to each expression, by its name, on these facts."""
        with self.lock:
            return {name: self.one(text, facts) for name, text in expressions.items()}

    def one(self, text: str, facts: Mapping[str, Any]) -> Answer:
        try:
            fresh = self.process is None or self.process.poll() is not None
            if fresh:
                self.start()
            said = self.exchange({"facts": facts, "expression": text}, SECONDS)
        except TimeoutError:
            self.end()
            return Answer("error", f"it did not end within {SECONDS:g} s")
        except (OSError, ValueError) as error:
            self.end()
            return Answer("error", f"the evaluation broke off: {error}"[:200])
        return Answer(cast("Said", said["said"]), str(said["why"])[:200])

    def start(self) -> None:
        words = [sys.executable, "-I", __file__]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(words, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL)
        self.exchange({"facts": {}, "expression": "true"}, STARTING)

    def exchange(self, question: Mapping[str, Any], seconds: float) -> dict[str, Any]:
        """Raises TimeoutError, OSError when the process is gone, ValueError for what is no answer."""
        assert self.process and self.process.stdin and self.process.stdout
        self.process.stdin.write(json.dumps(question).encode() + b"\n")
        self.process.stdin.flush()
        return json.loads(line_of(self.process.stdout, time.monotonic() + seconds))

    def end(self) -> None:
        if self.process:
            self.process.kill()
            self.process.communicate()
            self.process = None


def line_of(stream: Any, until: float) -> bytes:
    """A line, as soon as it is whole. Raises TimeoutError and OSError."""
    found = b""
    while not found.endswith(b"\n"):
        left = until - time.monotonic()
        if left <= 0 or not select.select([stream], [], [], left)[0]:
            raise TimeoutError
        chunk = os.read(stream.fileno(), 4096)
        if not chunk or len(found) > LONGEST:
            raise OSError("it ended, or said too much")
        found += chunk
    return found


# ---------------------------------------------------------------------------------------------- the process


def answered(cel: Any, expression: str, facts: Mapping[str, Any]) -> tuple[Said, str]:
    """A name or a field that is not there is not known; whatever else is not true or false broke."""
    try:
        value = cel.evaluate(expression, cel.Context(facts))
    except KeyError as error:
        return "unknown", f"there is no {error}"
    except (ArithmeticError, LookupError, MemoryError, RuntimeError, TypeError, ValueError) as error:
        words = str(error).partition("\n")[0][:160]
        missing = isinstance(error, RuntimeError) and "Undefined variable" in words
        return ("unknown" if missing else "error"), words
    if not isinstance(value, bool):
        return "error", f"it says {value!r}, which is neither true nor false"[:160]
    return ("true" if value else "false"), ""


def serve(asked: BinaryIO, told: BinaryIO) -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    sys.modules["cel.cli"] = ModuleType("cel.cli")  # its own command line takes half a second to import
    cel = import_module("cel")
    for line in asked:
        question = json.loads(line)
        said, why = answered(cel, question["expression"], question["facts"])
        told.write(json.dumps({"said": said, "why": why}).encode() + b"\n")
        told.flush()


if __name__ == "__main__":
    serve(sys.stdin.buffer, sys.stdout.buffer)
