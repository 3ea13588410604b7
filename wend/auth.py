"""Who is asking, and may they: tokens, and the one `authorize` of every door.

Facts: token_created, token_revoked, access_denied.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import time
import zlib
from dataclasses import replace
from pathlib import Path

import sqlalchemy as sa

from wend import spec
from wend.context import Actor, Context
from wend.errors import Invalid, NotFound, Refused
from wend.events import Fact
from wend.ledger.chain import private_file
from wend.state.tables import TOKENS

VERBS: dict[str, str] = {
    "app.read": "see an app, its releases, deploys, logs and plain configuration",
    "app.push": "push to an app, and create it with the first push",
    "app.change": "configure, scale, roll back and set secrets",
    "app.run": "run one-off commands in an app's environment",
    "app.destroy": "remove an app and everything it has",
    "ledger.read": "read and verify the ledger",
    "ledger.rebuild": "rebuild the tables from the ledger",
    "token.manage": "issue and revoke tokens",
    "platform.read": "see the platform's own state",
    "ingest.write": "deliver what happened elsewhere, as a source",
    "ingest.manage": "set up sources and subscriptions, and read what was kept aside",
    "signals.read": "see what is measured, of everything, of teams and of services",
    "signals.confirm": "say which deployment caused an incident",
    "voice.give": "give feedback and answer surveys",
    "guardrails.manage": "set what each guardrail does at each gate",
    "paths.manage": "take golden paths of the organisation's own, and put what is offered on its way out",
    "waivers.approve": "approve, deny and revoke waivers of others, as a human",
    "research.lead": "lead interviews, name pains and open bets, as the platform's team",
}
# Signals are for everybody: who sees every app sees them, and who changes every app may say what a change has caused.
IMPLIED = {"signals.read": "app.read", "signals.confirm": "app.change"}
# A voice has everybody who does anything here, for one app alone too.
VOICE = "voice.give"
ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
SHAPE = re.compile(r"wend_(admin|human|agent|ci)_([0-9A-Za-z]{32})([0-9A-Za-z]{6})")
PERSON = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._@+-]{0,63}")


# ---------------------------------------------------------------------------------------------- pure


def permits(scopes: tuple[str, ...], verb: str, target: str | None) -> bool:
    """Whether one of the scopes covers the verb on the target. A scope is `*`, `verb`, or `verb:app`; `*` may stand
    for a verb's last part (`app.*`). An app's scope covers its previews; a preview's covers only itself. One that is
    not narrowed covers what its verbs imply, too, and any of `app.*` the voice."""
    mine = () if target is None else (target, spec.parent(target))
    for scope in scopes:
        name, colon, app = scope.partition(":")
        if fits(name, verb) and (not colon or (app and app in mine)):
            return True
        if verb == VOICE and name.startswith("app."):
            return True
        if not colon and verb in IMPLIED and fits(name, IMPLIED[verb]):
            return True
    return False


def fits(name: str, verb: str) -> bool:
    """Whether a scope's verb stands for this one."""
    return name in ("*", verb) or (name.endswith(".*") and verb.startswith(name[:-1]))


def encode(number: int, width: int) -> str:
    digits = ""
    while len(digits) < width:
        number, digit = divmod(number, 62)
        digits = ALPHABET[digit] + digits
    return digits


def make_token(kind: str) -> str:
    """A new secret token: 32 base-62 digits (190 bits) and a checksum, so that scanners find it and typos fail."""
    body = "".join(secrets.choice(ALPHABET) for _ in range(32))
    return f"wend_{kind}_{body}{checksum(body)}"


def checksum(body: str) -> str:
    return encode(zlib.crc32(body.encode()), 6)


def well_formed(token: str) -> bool:
    match = SHAPE.fullmatch(token)
    return bool(match) and match[3] == checksum(match[2])


def digest(token: str) -> str:
    """What is kept of a token. It has 190 random bits, so one round of SHA-256 is enough."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


# ---------------------------------------------------------------------------------------------- acts


def authorize(ctx: Context, verb: str, target: str | None = None) -> None:
    """Refused unless the actor may do `verb` (one of VERBS) to `target` (an app's name). Every door calls this before
    every act; a denial is recorded."""
    if verb not in VERBS:
        raise Refused(f"unknown verb {verb!r}")
    actor = ctx.actor
    if permits(actor.scopes, verb, target):
        return
    where = f" {target}" if target else ""
    fact = Fact("access_denied", f"person/{actor.name}", {"verb": verb, "target": target}, actor=actor.name)
    ctx.ledger.append([fact])
    raise Refused(
        f"{actor.name} may not {verb}{where}",
        "ask for a token with that scope: `wend tokens add NAME --scope " + f"{verb}`",
    )


def who(ctx: Context, token: str) -> Actor:
    """The actor behind a token. Refused when it is malformed, unknown, expired or revoked (one message for all four,
    so that it tells a thief nothing)."""
    refusal = Refused(
        "this token is not valid here", "`wend login` with a fresh one, or ask for one: `wend tokens add NAME`"
    )
    if not well_formed(token):
        raise refusal
    actor = holder(ctx, TOKENS.c.hash == digest(token))
    if actor is None:
        raise refusal
    return actor


def session_actor(ctx: Context, id: str) -> Actor | None:
    """The actor of a browser that signed in with the token of this id; None once that is expired or revoked."""
    return holder(ctx, TOKENS.c.id == id)


def holder(ctx: Context, which: sa.ColumnElement[bool]) -> Actor | None:
    """The actor behind a row of the tokens, while the token holds."""
    with ctx.ledger.query() as db:
        row = db.execute(sa.select(TOKENS).where(which)).mappings().first()
    if row is None or row["revoked_at"] is not None:
        return None
    if row["expires_at"] is not None and row["expires_at"] <= time.time() * 1e6:
        return None
    return Actor(row["owner"], row["kind"], tuple(json.loads(row["scopes_json"])), token=row["id"])


def issue(
    ctx: Context, owner: str, kind: str, scopes: list[str], days: float | None, note: str = ""
) -> tuple[str, str]:
    """(id, token). The token is shown once and kept only as its hash; an agent's lives at most an hour. Raises
    Invalid."""
    if not PERSON.fullmatch(owner):
        raise Invalid(f"{owner[:60]!r} cannot be a person's name", "use letters, digits and . _ @ + -")
    if kind not in ("admin", "human", "agent", "ci"):
        raise Invalid(f"{kind!r} is not a kind of token", "use human, agent or ci")
    for scope in scopes:
        if scope.partition(":")[0] not in {*VERBS, "*", *(verb.partition(".")[0] + ".*" for verb in VERBS)}:
            raise Invalid(f"unknown scope {scope!r}", f"verbs: {', '.join(VERBS)}; add :APP to narrow one")
    excess = [scope for scope in scopes if not covered(ctx.actor.scopes, scope)]
    if excess:
        raise Refused(f"{ctx.actor.name} cannot give away what they do not have: {', '.join(excess)}")
    if days is not None and not 0 < days <= 3650:
        raise Invalid(f"{days} is not a lifetime in days", "use more than 0 and at most 3650")
    lifetime = min(days or 1, 1 / 24) if kind == "agent" else days
    token, id = make_token(kind), secrets.token_hex(4)
    expires = None if lifetime is None else int((time.time() + lifetime * 86400) * 1e6)
    data = {"token": id, "hash": digest(token), "owner": owner, "kind": "human" if kind == "admin" else kind}
    data |= {"scopes": scopes, "note": note, "expires_at": expires}
    ctx.ledger.append([Fact("token_created", f"token/{id}", data, actor=ctx.actor.name)])
    return id, token


def covered(mine: tuple[str, ...], scope: str) -> bool:
    """Whether a holder of `mine` has everything `scope` would give."""
    name, _, app = scope.partition(":")
    verbs = [verb for verb in VERBS if fits(name, verb)]
    return all(permits(mine, verb, app or None) for verb in verbs)


def revoke(ctx: Context, id: str) -> None:
    """Make a token useless from now on. Raises NotFound."""
    with ctx.ledger.query() as db:
        if db.execute(sa.select(TOKENS.c.id).where(TOKENS.c.id == id)).scalar() is None:
            raise NotFound(f"there is no token {id!r}", "`wend tokens` lists them")
    ctx.ledger.append([Fact("token_revoked", f"token/{id}", {"token": id}, actor=ctx.actor.name)])


def tokens(ctx: Context) -> list[dict[str, object]]:
    """Every token but its secret: id, owner, kind, scopes_json, note, created_at, expires_at, revoked_at."""
    shown = [column for column in TOKENS.c if column.name != "hash"]
    with ctx.ledger.query() as db:
        return [dict(row) for row in db.execute(sa.select(*shown).order_by(TOKENS.c.created_at)).mappings()]


def admin_token(ctx: Context) -> str:
    """The token in `home/admin.token` (0600), issued on the first start and again if it is gone or revoked."""
    file: Path = ctx.config.home / "admin.token"
    if file.exists():
        token = file.read_text("utf-8").strip()
        try:
            who(ctx, token)
            return token
        except Refused:
            pass
    owner = re.sub(r"[^a-zA-Z0-9._-]", "", login_name()) or "admin"
    _, token = issue(
        replace(ctx, actor=Actor("platform", "platform", ("*",))), owner, "admin", ["*"], None, "first start"
    )
    private_file(file, token.encode() + b"\n")
    return token


def login_name() -> str:
    """The name of whoever started the platform."""
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "admin"
