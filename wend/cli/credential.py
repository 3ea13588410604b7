"""Git's credential helper (gitcredentials(7)): the token for a platform we are logged in to, and nothing else."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from wend.cli import show, site


@click.command("git-credential", hidden=True)
@click.option("--home", type=click.Path(path_type=Path), help="The home of a platform on this machine.")
@click.argument("action")
def git_credential(home: Path | None, action: str) -> None:
    """Answer git: `get` prints the token, `store` and `erase` do nothing."""
    if action != "get":
        return
    pairs = (line.partition("=") for line in sys.stdin.read().splitlines())
    asked = {name: value for name, _, value in pairs}
    url = site.tidy(f"{asked.get('protocol', '')}://{asked.get('host', '')}")
    found = site.token_for(url, home)
    if found is None:
        show.note(f"wend: no token for {url}\n  try: wend up, or wend login {url}")
        print("quit=1")  # else git would ask for a password that nobody has
        return
    print(f"username={'wend-terminal' if watched() else 'wend'}\npassword={found.token}")


def watched() -> bool:
    """Whether a person reads what git prints: its messages go to our stderr, too. Then it may be asked something."""
    return sys.stderr.isatty() and not os.environ.get("CI")
