"""The rules that come with Wend. Each is a question to the facts, with its reason and what would end it.

A rule that comes anew begins as a warning. Only what cannot be taken back is enforced from the first day: a secret in a
repository is known for ever to whoever may read it.
"""

from __future__ import annotations

from collections.abc import Iterable

from wend.guardrails.decide import Gate, Mode, Rule
from wend.guardrails.facts import Facts
from wend.guardrails.hits import Hit

BIG = 500 * 2**20  # bytes of an artifact
WARNED: dict[Gate, Mode] = {"laptop": "warn", "push": "warn", "deploy": "warn", "run": "warn"}


def secrets(facts: Facts) -> Iterable[Hit]:
    return facts.need("secrets")


def plaintext(facts: Facts) -> Iterable[Hit]:
    return facts.need("plaintext")


def owner(facts: Facts) -> Iterable[Hit]:
    return [] if facts.need("team") else [Hit("wend.toml", "no team, and none is known of it")]


def debug(facts: Facts) -> Iterable[Hit]:
    return facts.need("debug")


def unpinned(facts: Facts) -> Iterable[Hit]:
    return facts.need("unpinned")


def oversized(facts: Facts) -> Iterable[Hit]:
    size = facts.need("size")
    return [Hit("artifact", f"{size / 2**20:,.0f} MB, more than {BIG / 2**20:,.0f}")] if size > BIG else []


def retired(facts: Facts) -> Iterable[Hit]:
    return facts.need("retired")


def vulnerable(facts: Facts) -> Iterable[Hit]:
    return facts.need("vulnerable")


def licence(facts: Facts) -> Iterable[Hit]:
    return facts.need("licences")


def root(facts: Facts) -> Iterable[Hit]:
    return facts.need("root")


def memory(facts: Facts) -> Iterable[Hit]:
    return facts.need("memory")


def health(facts: Facts) -> Iterable[Hit]:
    return facts.need("health")


def ports(facts: Facts) -> Iterable[Hit]:
    return facts.need("ports")


def logged(facts: Facts) -> Iterable[Hit]:
    return facts.need("logged")


def deprecated(facts: Facts) -> Iterable[Hit]:
    return facts.need("deprecated")


RULES: tuple[Rule, ...] = (
    Rule(
        "secret-in-tree", 1, "No secret in the repository",
        "whoever may read the repository has it, and its history keeps it for ever",
        "waivers > 10 % of deploys",
        "take it out, renew it where it was issued, and set it: wend secret set NAME -a {app}",
        {**WARNED, "push": "enforce"}, secrets,
    ),
    Rule(
        "plaintext-secret", 1, "No secret among the plain settings",
        "everybody who sees the app sees its wend.toml, and releases keep it",
        "waivers > 10 % of deploys",
        "remove it from [env] in wend.toml and set it: wend secret set NAME -a {app}",
        WARNED, plaintext,
    ),
    Rule(
        "missing-owner", 1, "Somebody owns it",
        "when it breaks at night, somebody has to be found",
        "waivers > 10 % of deploys",
        'add team = "…" to wend.toml',
        {"laptop": "warn", "run": "warn"}, owner,
    ),
    Rule(
        "debug-mode", 1, "No debugging in production",
        "debug pages show code, settings and a console to whoever makes an error",
        "waivers > 10 % of deploys",
        "switch it off in production, or set it for previews alone: wend config set -a PREVIEW",
        WARNED, debug,
    ),
    Rule(
        "unpinned-dependency", 1, "Every dependency has its version",
        "another day's build of the same commit is another program, and rolling back does not bring back what ran",
        "waivers > 10 % of deploys",
        "write name==1.2.3, or keep a lock file: uv pip compile requirements.in -o requirements.txt",
        WARNED, unpinned,
    ),
    Rule(
        "oversized-artifact", 1, "An artifact that starts quickly",
        "it is copied, kept for rollbacks and read at each start",
        "waivers > 10 % of deploys",
        "leave out what does not run: data, tests, build tools",
        {"build": "warn", "deploy": "warn"}, oversized,
    ),
    Rule(
        "vulnerable-dependency", 1, "No dependency with a known weakness",
        "who looks for apps with known weaknesses reads the same lists",
        "waivers > 10 % of deploys",
        "take the version in which it is mended, and push",
        {}, vulnerable,  # off until somebody has brought advisories
    ),
    Rule(
        "licence", 1, "No licence that binds us",
        "some licences bind who only offers an app over a network, and some forbid it",
        "waivers > 10 % of deploys",
        "take another package, or have somebody who may decide approve a waiver",
        {"build": "warn", "deploy": "warn", "run": "warn"}, licence,
    ),
    Rule(
        "runs-as-root", 1, "Nothing runs as root",
        "whoever breaks in is then root, too; here nothing runs as root, but where an image goes it does",
        "waivers > 10 % of deploys",
        "end the Dockerfile with a user of its own: USER 10001",
        WARNED, root,
    ),
    Rule(
        "unbounded-memory", 1, "A memory limit that limits something",
        "one app that leaks takes the memory of all others with it",
        "waivers > 10 % of deploys",
        "ask for what it needs: wend rightsize has measured it",
        {"push": "warn", "deploy": "warn", "run": "warn"}, memory,
    ),
    Rule(
        "no-health-check", 1, "Several replicas have a health path",
        "without one a replica that answers only errors looks as well as the others",
        "waivers > 10 % of deploys",
        'add health = "/healthz" to [process.web] in wend.toml, and answer there',
        WARNED, health,
    ),
    Rule(
        "public-port", 1, "No port is open to everybody without a reason",
        "what listens to everybody is found within minutes",
        "waivers > 10 % of deploys",
        "bind it to 127.0.0.1, or say in a comment on that line why it is open",
        WARNED, ports,
    ),
    Rule(
        "secret-in-log", 1, "No secret in the log",
        "logs are read by more people, kept longer and sent further than secrets are meant to",
        "waivers > 10 % of deploys",
        "do not print it, renew it where it was issued, and set it: wend secret set NAME -a {app}",
        {"run": "warn"}, logged,
    ),
    Rule(
        "deprecated-option", 1, "Nothing that is on its way out",
        "it will be gone, and moving takes longer the later it begins",
        "waivers > 10 % of deploys",
        "move to what takes its place: `wend deprecations` says how, and can propose it",
        {**WARNED, "build": "warn"}, deprecated,
    ),
    Rule(
        "retired-option", 1, "Nothing that is gone, or blocked for new",
        "who keeps it for one keeps it for all, and everybody had the time that was announced",
        "waivers > 10 % of deploys",
        "move to what takes its place: `wend deprecations` says how; or ask for more time with a waiver",
        {"laptop": "warn", "push": "enforce", "build": "enforce", "deploy": "enforce", "run": "warn"}, retired,
    ),
)  # fmt: skip
