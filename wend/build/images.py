"""What a Dockerfile starts, for those who come with one: images are not built here. Pure.

Read as the Dockerfile reference says: the last CMD and ENTRYPOINT of the last stage count, in their exec form (a JSON
list) or their shell form.
"""

from __future__ import annotations

import json
import re
import shlex
from typing import cast

from wend.build.rules import Tree

FILES = ("Dockerfile", "Containerfile")
CONTINUED = re.compile(r"\\[ \t]*\r?\n")
LONGEST = 300


def hint(tree: Tree) -> str | None:
    """The next step of a repository with an image of its own; None where there is none."""
    file = next((name for name in FILES if name in tree.files), None)
    if file is None:
        return None
    line = starts(tree.read(file) or "")
    wanted = f"put what it starts into a Procfile: `web: {line}`" if line else "add a Procfile with `web: COMMAND`"
    return f"images are not built here, so {file} has no effect; {wanted}"


def starts(text: str) -> str | None:
    """The command line that the image starts; None where the base image decides, or it is of more than one line."""
    entry, command = list[str](), list[str]()
    for line in CONTINUED.sub(" ", text).splitlines():
        word, _, rest = line.strip().partition(" ")
        if word.upper() == "FROM":
            entry, command = [], []
        elif word.upper() == "ENTRYPOINT":
            entry, command = words(rest), []
        elif word.upper() == "CMD":
            command = words(rest)
    said = " ".join([*entry, *command])
    return said if said and len(said) <= LONGEST and said.isprintable() else None


def words(rest: str) -> list[str]:
    """As a shell reads them; the shell form is one already."""
    try:
        found = json.loads(rest) if rest.lstrip().startswith("[") else None
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, list):
        return [rest.strip()]
    return [shlex.quote(str(one)) for one in cast("list[object]", found)]
