"""CEL, evaluated in a process of its own that is ended when it takes too long: the language has no limit of its own.

Run as a program this is that process: each line of a question has facts and expressions, and each of those gets a line.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
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
            left: list[str] = list(expressions)
            found: dict[str, Answer] = {}
            while left:
                for name, answer in zip(left, self.some([expressions[name] for name in left], facts), strict=False):
                    found[name] = answer
                left = [name for name in left if name not in found]
            return found

    def some(self, texts: list[str], facts: Mapping[str, Any]) -> Iterator[Answer]:
        """Their answers, up to the first that ends the process; that one has an answer, too."""
        try:
            if self.process is None or self.process.poll() is not None:
                self.start()
            for said in self.exchange({"facts": facts, "expressions": texts}, SECONDS):
                yield Answer(cast("Said", said["said"]), str(said["why"])[:200])
        except TimeoutError:
            self.end()
            yield Answer("error", f"it did not end within {SECONDS:g} s")
        except (OSError, ValueError) as error:
            self.end()
            yield Answer("error", f"the evaluation broke off: {error}"[:200])

    def start(self) -> None:
        words = [sys.executable, "-I", __file__]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(words, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, bufsize=0)
        list(self.exchange({"facts": {}, "expressions": ["true"]}, STARTING))

    def exchange(self, question: Mapping[str, Any], seconds: float) -> Iterator[dict[str, Any]]:
        """The answers, one by one, each within so many seconds. Raises TimeoutError, OSError when the process is gone,
        ValueError for what is no answer."""
        assert self.process and self.process.stdin and self.process.stdout
        self.process.stdin.write(json.dumps(question).encode() + b"\n")
        reader = Lines(self.process.stdout.fileno())
        for _ in question["expressions"]:
            yield json.loads(reader.next(time.monotonic() + seconds))

    def end(self) -> None:
        if self.process:
            self.process.kill()
            self.process.communicate()
            self.process = None


@dataclass
class Lines:
    """Whole lines of a pipe, as they come."""

    pipe: int
    held: bytes = b""

    def next(self, until: float) -> bytes:
        """Raises TimeoutError and OSError."""
        while b"\n" not in self.held:
            left = until - time.monotonic()
            if left <= 0 or not select.select([self.pipe], [], [], left)[0]:
                raise TimeoutError
            chunk = os.read(self.pipe, 2**16)
            if not chunk or len(self.held) > LONGEST:
                raise OSError("it ended, or said too much")
            self.held += chunk
        line, _, self.held = self.held.partition(b"\n")
        return line


# ---------------------------------------------------------------------------------------------- the process


def answered(compiled: Callable[[str], Any], expression: str, context: Any) -> tuple[Said, str]:
    """A name or a field that is not there is not known; whatever else is not true or false broke."""
    try:
        value = compiled(expression).execute(context)
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
    compiled = lru_cache(1000)(cel.compile)
    for line in asked:
        question = json.loads(line)
        context = cel.Context(question["facts"])
        for expression in question["expressions"]:
            said, why = answered(compiled, expression, context)
            told.write(json.dumps({"said": said, "why": why}).encode() + b"\n")
            told.flush()


if __name__ == "__main__":
    serve(sys.stdin.buffer, sys.stdout.buffer)
