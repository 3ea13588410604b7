"""The shape of the source: small files, small functions, rooms named for what they hold, and nobody else's code."""

from __future__ import annotations

import ast
import re
import statistics
import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent
SOURCE = frozenset({".py", ".sh", ".css", ".js", ".html"})
MOST_LINES, MOST_IN_FUNCTION, MEDIAN_IN_FUNCTION = 400, 60, 10
LONGEST_LINE = 1000  # nobody writes one; a packed file is nothing but
NAMED_FOR_NOTHING = frozenset({"utils", "util", "helpers", "helper", "common", "core", "services", "models", "misc"})
OTHERS = frozenset({"vendor", "vendored", "third_party", "node_modules", "site-packages"})
PACKED = frozenset({".whl", ".gz", ".zip", ".jar", ".so", ".exe", ".map", ".wasm", ".pyc"})


def spelled(*parts: str) -> str:
    """A word this file must not hold in one piece, since the same test reads this file."""
    return "".join(parts)


REGISTRIES = (
    spelled("pypi", ".org"),
    spelled("python", "hosted.org"),
    spelled("npm", "js.org"),
    spelled("npm", "js.com"),
    spelled("yarn", "pkg.com"),
    spelled("golang", ".org/"),
    spelled("crates", ".io"),
    spelled("rubygems", ".org"),
    spelled("docker", ".io"),
    spelled("ghcr", ".io"),
    spelled("quay", ".io"),
    spelled("jsdelivr", ".net"),
    spelled("unpkg", ".com"),
    spelled("cdn", "js."),
    spelled("deb.", "debian"),
)
MACHINE = (
    r"(?<![\w./}])" + spelled("/wo", "rk/"),
    spelled("/root/.", "pyenv"),
    spelled("/ho", "me/") + r"[a-z]\w*/",
    spelled(".libr", "ary/"),
    spelled("farm-", "bench"),
    spelled("/tmp/", "brief"),
)
FOREIGN = (
    spelled("Copyright", " (c)"),
    spelled("All rights", " reserved"),
    spelled("@lic", "ense"),
    spelled("SPDX-", "License-Identifier"),
    spelled("sourceMapping", "URL"),
)


@cache
def files() -> tuple[Path, ...]:
    """Every file that is, or would be, tracked."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    return tuple(file for name in sorted(set(found)) if name and (file := ROOT / name).is_file())


def name_of(file: Path) -> str:
    return str(file.relative_to(ROOT))


def text_of(file: Path) -> str:
    return file.read_text(encoding="utf-8", errors="replace")


def source() -> list[Path]:
    return [file for file in files() if file.suffix in SOURCE or text_of(file).startswith("#!")]


def python() -> list[Path]:
    """Ours, and not the templates that become other people's programs."""
    return [
        file for file in files() if file.suffix == ".py" and "golden" not in file.parts and "examples" not in file.parts
    ]


def functions(text: str) -> list[tuple[str, int]]:
    """(name, lines from `def` to its end) of every function, inner ones included."""
    nodes = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    return [(node.name, (node.end_lineno or node.lineno) - node.lineno + 1) for node in nodes]


def either(words: tuple[str, ...]) -> str:
    return "|".join(re.escape(word) for word in words)


def found_in(pattern: str) -> list[str]:
    """ "file:line: what" for every match in every tracked file, one a line."""
    search = re.compile(pattern)
    return [
        f"{name_of(file)}:{number}: {match[0]}"
        for file in files()
        for number, line in enumerate(text_of(file).splitlines(), 1)
        if (match := search.search(line))
    ]


def test_there_is_something_to_look_at() -> None:
    assert len(python()) > 50 and len(source()) >= len(python())


def test_no_file_is_too_long() -> None:
    counted = {name_of(file): len(text_of(file).splitlines()) for file in source()}
    assert {name: count for name, count in counted.items() if count > MOST_LINES} == {}


def test_no_function_is_too_long() -> None:
    long = [
        f"{name_of(file)} {name}: {count}"
        for file in python()
        for name, count in functions(text_of(file))
        if count > MOST_IN_FUNCTION
    ]
    assert long == []


def test_most_functions_are_short() -> None:
    counts = [count for file in python() for _, count in functions(text_of(file))]
    assert statistics.median(counts) <= MEDIAN_IN_FUNCTION


def test_every_room_is_named_for_what_it_holds() -> None:
    parts = {(part.removesuffix(".py"), name_of(file)) for file in python() for part in file.relative_to(ROOT).parts}
    assert [name for part, name in parts if part in NAMED_FOR_NOTHING] == []


def test_nobody_elses_code_is_in_here() -> None:
    assert [name_of(file) for file in files() if OTHERS.intersection(file.relative_to(ROOT).parts)] == []
    assert [name_of(file) for file in files() if file.suffix in PACKED] == []
    wide = [name_of(file) for file in source() if any(len(line) > LONGEST_LINE for line in text_of(file).splitlines())]
    assert wide == []
    assert found_in(either(FOREIGN)) == []


def test_no_registry_is_named() -> None:
    assert found_in(either(REGISTRIES)) == []


def test_no_machine_is_named() -> None:
    assert found_in("|".join(MACHINE)) == []


def test_the_patterns_bite() -> None:
    registry, machine = spelled("https://registry.npm", "js.org/x"), spelled("see /wo", "rk/main")
    assert re.search(either(REGISTRIES), registry) and not re.search("|".join(MACHINE), registry)
    assert re.search("|".join(MACHINE), machine) and not re.search("|".join(MACHINE), spelled("net", "/wo", "rk/x"))


def test_functions_are_measured_right() -> None:
    assert functions("def a():\n    def b():\n        pass\n    return b\n") == [("a", 4), ("b", 2)]
