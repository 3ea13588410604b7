"""The command line: a client of the HTTP API, and the few commands that act on this machine.

Only what a command needs is imported, when it is called: starting `wend` must cost nothing that can be felt.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module

import click

from wend import __version__
from wend.errors import Bug, Invalid, WendError

# Section → command → (module, what it does). `wend --help` prints this and imports none of them.
SECTIONS: dict[str, dict[str, tuple[str, str]]] = {
    "Start": {
        "up": ("platform", "Start the platform here."),
        "down": ("platform", "Stop the platform here, with its apps or without."),
        "status": ("platform", "How the platform, or one app, is doing."),
        "doctor": ("doctor", "What this machine has and lacks for running it."),
        "login": ("start", "Keep a token for a platform elsewhere."),
        "new": ("start", "Make a new app from a golden path."),
        "init": ("start", "Prepare this repository: wend.toml and remote."),
        "remote": ("start", "Point the git remote `wend` at an app."),
        "check": ("checks", "What a push of this folder would say."),
        "open": ("start", "Open an app, or the portal, in the browser."),
    },
    "Apps": {
        "apps": ("apps", "Every app, and whether it is well."),
        "ps": ("apps", "An app's processes."),
        "logs": ("apps", "What an app's processes print."),
        "releases": ("apps", "An app's releases, newest first."),
        "canary": ("canary", "Try a release on a share of the traffic."),
        "promote": ("canary", "Send every request to the canary."),
        "abort": ("canary", "Take the canary back."),
        "run": ("change", "Run a command in an app's environment."),
        "scale": ("change", "Show or set how many of each process run."),
        "config": ("settings", "An app's configuration: show, set, unset."),
        "secret": ("settings", "An app's secrets: show, set, unset."),
        "jobs": ("jobs", "What runs by the clock: show, run now."),
        "previews": ("previews", "An app's previews: show, remove."),
        "resources": ("resources", "Databases, caches, folders: rotate, restore."),
        "rollback": ("change", "Go back to an earlier release."),
        "destroy": ("change", "Remove an app and everything it has."),
        "update": ("paths", "Propose the path's newest template to an app."),
    },
    "Voice": {
        "feedback": ("voice", "Say what is in your way."),
        "answer": ("voice", "Answer the one question now and then."),
        "answer-bet": ("bets", "Say whether a bet fixed what you told."),
        "survey": ("voice", "How many were asked, and what they said."),
        "ticket": ("voice", "Tickets by hand: show, open, close."),
    },
    "Platform": {
        "hatches": ("hatches", "Who left the path, why, and what is missing."),
        "scan": ("scan", "Find hatches that nobody declared."),
        "deprecate": ("deprecations", "Put what is offered on its way out."),
        "deprecations": ("deprecations", "What goes: who uses it, until when, how to move."),
        "guardrails": ("guardrails", "What is checked, and where it warns or stops."),
        "waive": ("guardrails", "Ask to pass a guardrail for a while."),
        "waivers": ("guardrails", "Who passes, until when: show, approve, revoke."),
        "break-glass": ("guardrails", "Pass every guardrail for four hours, seen by all."),
        "paths": ("paths", "The golden paths: show, add your own, who is behind."),
        "digest": ("digest", "The week in one screen."),
        "one-thing": ("one_thing", "What costs most, and how sure that is."),
        "interview": ("research", "Listen to developers: whom to ask, what they said."),
        "bet": ("bets", "Outcomes that are bet on: open, show, close."),
        "toil": ("toil", "Work by hand: checklists, run and timed."),
        "signals": ("signals", "What is measured: show, confirm, access."),
        "pains": ("pains", "What hurts: show, inbox, name, link, merge."),
        "ingest": ("ingest", "What happened elsewhere: sources, files, git."),
        "ledger": ("ledger", "What happened here: events, verify, rebuild."),
        "rightsize": ("rightsize", "How small it may be, and what to retire."),
        "tokens": ("tokens", "Who may do what: show, add, revoke."),
    },
}
MODULES = {name: module for section in SECTIONS.values() for name, (module, _) in section.items()}
HIDDEN = {"git-credential": "credential"}
INTERRUPTED, PIPE_CLOSED = 130, 141  # what a shell reports for a program ended by SIGINT and SIGPIPE


class Commands(click.Group):
    """Every command by name; its module is imported when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(MODULES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        found = (MODULES | HIDDEN).get(cmd_name)
        if found is None:
            return None
        module = import_module(f"wend.cli.{found}")
        return next(one for one in vars(module).values() if isinstance(one, click.Command) and one.name == cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in MODULES | HIDDEN:
            from difflib import get_close_matches

            close = get_close_matches(args[0], MODULES, n=1)
            raise Invalid(f"there is no command {args[0]!r}", f"wend {close[0]}" if close else "wend --help")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for title, rows in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(name.ljust(9), what) for name, (_, what) in rows.items()])


@click.group(cls=Commands, epilog="`wend COMMAND --help` has an example of each.")
@click.version_option(__version__, message="wend %(version)s")
@click.option("--url", envvar="WEND_URL", metavar="URL", help="The platform to talk to (with WEND_TOKEN).")
def wend(url: str | None) -> None:
    """Push code; it runs, it scales, it is secure."""


def main(arguments: list[str] | None = None) -> int:
    """Run one command; its exit code. Errors become two lines on stderr, never a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # pyright: ignore  # a terminal that knows only ASCII
    try:
        if "_WEND_COMPLETE" in os.environ:  # the shell asks for completions
            return wend.main(arguments, prog_name="wend", standalone_mode=False) or 0
        # Not wend.main(): it would turn a closed pipe into exit code 1, which is that of a bug.
        with wend.make_context("wend", sys.argv[1:] if arguments is None else arguments) as context:
            code = wend.invoke(context)
            if "wend.cli.client" in sys.modules:  # the platform was spoken to
                import_module("wend.cli.question").perhaps(sys.argv[1:] if arguments is None else arguments)
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except click.exceptions.Exit as ended:
        return ended.exit_code
    except (KeyboardInterrupt, click.Abort):
        return INTERRUPTED
    except BrokenPipeError:
        # Python flushes stdout once more at its end, and would complain there.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_CLOSED
    except click.exceptions.NoArgsIsHelpError as error:
        print(error.format_message())
        return Invalid.exit
    except Exception as error:
        if os.environ.get("WEND_DEBUG"):
            raise
        from wend.cli import show

        return show.complain(as_wend_error(error))


def as_wend_error(error: Exception) -> WendError:
    """The error as people are told it. One that nobody foresaw is ours."""
    if isinstance(error, WendError):
        return error
    if isinstance(error, click.UsageError):
        where = error.ctx.command_path if error.ctx else "wend"
        return Invalid(error.format_message().rstrip(".").replace("\n", " "), f"{where} --help")
    if isinstance(error, click.ClickException):
        return Invalid(error.format_message())
    return Bug(f"this is our fault: {type(error).__name__}: {error}", "WEND_DEBUG=1 shows where; please report it")
