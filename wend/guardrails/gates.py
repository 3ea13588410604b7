"""The gates: what was found is said in words that tell what to do, and what is enforced stops the way.

Facts: guardrails_judged, guardrail_set; a token of ours that was found is revoked (token_revoked).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from wend import auth, outgoing
from wend.build import Artifact
from wend.context import PLATFORM, Context
from wend.errors import Invalid, NotFound, Refused
from wend.events import Fact
from wend.guardrails import advisories, keys, own, parts, uses, waivers
from wend.guardrails.blobs import history, tree
from wend.guardrails.decide import GATES, MODES, Decision, Gate, Mode, Result, Rule, decide
from wend.guardrails.facts import FINDINGS, Facts, Looked, made_of, of_tree, recalled
from wend.guardrails.hits import Hit, NotSeen
from wend.guardrails.reconsider import standing
from wend.guardrails.rules import RULES
from wend.outgoing import Met, Outgoing
from wend.receive import Push
from wend.spec import Spec, parent
from wend.state import deprecations, questions
from wend.state import guardrails as table
from wend.state.questions import Release
from wend.state.tables import TOKENS

ADVISED = "vulnerable-dependency"
Say = Callable[[str], None]
SHOWN = 3  # findings of a rule that are told one by one
BACK = 500  # commits that a new mode is tried on
Item = dict[str, Any]


# ---------------------------------------------------------------------------------------------- pure


def lines(decision: Decision, app: str) -> Iterator[str]:
    """What is not a plain pass. Of what stops: what was seen where, why it matters, how to mend it and how to pass; of
    what only warns, the finding and how to mend it; of what is waived, by which waiver."""
    for one in decision.shown:
        rule = one.rule
        said = [f"{found.hit.where}  {found.hit.seen}{note(found.waived)}" for found in one.findings[:SHOWN]]
        said += [f"and {len(one.findings) - SHOWN} more"] if len(one.findings) > SHOWN else []
        said += [f"cannot tell: {one.why}"] if one.why else []
        yield f"{one.verdict if one.blocks or one.verdict != 'FAIL' else 'warning'} {rule.id}: {said[0]}"
        yield from (f"  {line}" for line in said[1:])
        if one.blocks:
            yield f"  why: {rule.because}"
        if one.verdict in ("FAIL", "UNKNOWN"):
            yield f"  fix: {rule.fix.format(app=app)}"
    if decision.blocked:
        yield f'  waive: wend waive {decision.blocked[0].rule.id} -a {app} --reason "…"'


def note(waived: int | None) -> str:
    return "" if waived is None else f"  (waiver {waived})"


def as_dict(one: Result, app: str) -> Item:
    """One schema for people and agents."""
    found = [
        {"where": each.hit.where, "seen": each.hit.seen, "print": each.print, "waived": each.waived}
        for each in one.findings
    ]
    rule = one.rule
    return {
        "rule": rule.id, "version": rule.version, "title": rule.title, "verdict": one.verdict, "mode": one.mode,
        "blocks": one.blocks, "findings": found, "cannot_tell": one.why, "why": rule.because,
        "fix": rule.fix.format(app=app), "waive": f'wend waive {rule.id} -a {app} --reason "…"',
        "docs": f"docs/guardrails.md#{rule.id}", "retry_safe": True,
    }  # fmt: skip


def refuse(decision: Decision) -> None:
    """Raises Refused when something that is enforced is not a pass."""
    if blocked := decision.blocked:
        what = ", ".join(f"{one.rule.id} ({one.verdict})" for one in blocked)
        fix = blocked[0].rule.fix.format(app=decision.app)
        raise Refused(f"{decision.gate} is stopped by {what}", fix)


# ---------------------------------------------------------------------------------------------- acts


def judge(ctx: Context, gate: Gate, facts: Facts) -> Decision:
    """The decision of this gate, by the modes, waivers and time of now."""
    with ctx.ledger.query() as db:
        texts, held, now = table.own(db), waivers.of(db, facts.app), waivers.now(db)
        modes, going = modes_of(table.modes(db)), deprecations.outgoing(db)
        had = live_uses(db, facts.app) if going else None
    facts = on_its_way_out(facts, going, had, now)
    return decide([*RULES, *own.rules(texts, facts)], facts, held, now, gate, modes)


def live_uses(db: Connection, app: str) -> list[str] | None:
    """What the app's live release uses; None when it has none."""
    known = questions.find_app(db, app)
    if known is None or known.live is None:
        return None
    facts = table.facts(db, app, questions.release(db, app, known.live).commit) or {}
    return uses.everything(facts.get("uses"), facts.get("parts"))


def on_its_way_out(facts: Facts, every: list[Outgoing], had: list[str] | None, now: int) -> Facts:
    """The facts with what of theirs is on its way out, by the dates of now."""
    if facts.uses is None:
        harmless = not any(outgoing.stage(one, now) in ("brown-out", "retired") for one in every)
        return replace(facts, deprecated=None if every else (), retired=() if harmless else None)
    found = outgoing.met(every, uses.everything(facts.uses, facts.parts), had, now)
    hits = [(one.stops, Hit(f"deprecation {one.one.id}:{outgoing.day(one.next)}", words(one))) for one in found]
    stopped, warned = (tuple(hit for stops, hit in hits if stops is which) for which in (True, False))
    return replace(facts, deprecated=warned, retired=stopped)


def words(one: Met) -> str:
    """Without a date, so that a waiver of it holds when the dates are moved."""
    return f"{one.one.what} is on its way out; {one.one.replacement} takes its place"


def modes_of(kept: dict[tuple[str, str], str]) -> dict[tuple[str, str], Mode]:
    """Those that can be: what else stands in the table changes nothing."""
    return {key: mode for key, mode in kept.items() if mode in MODES}


def pushed(ctx: Context, push: Push, wanted: Spec, say: Say) -> Facts:
    """The gate of a push: look at what arrived, say what is wrong, and raise Refused for what is enforced."""
    with ctx.ledger.query() as db:
        known = questions.find_app(db, push.app)
    team, new = known.team if known else None, not (known and known.live)
    looked = of_tree(push.app, tree(ctx.repos, push.repo, push.new), wanted, team, new, machine())
    earlier(ctx, push, looked)
    revoked(ctx, looked.tokens, say)
    looked.facts = advised(ctx, looked.facts)
    decision = judge(ctx, "push", looked.facts)
    for line in lines(decision, push.app):
        say(f"  guardrail | {line}")
    for line in waivers.reminders(ctx, push.app):
        say(f"  guardrail | {line}")
    keep(ctx, push.new, looked.facts, decision)
    refuse(decision)
    return looked.facts


def keep(ctx: Context, commit: str, facts: Facts, decision: Decision) -> None:
    """Write down what was known of the commit at this gate, and what was said."""
    verdicts = {one.rule.id: one.verdict for one in decision.results}
    about = {"gate": decision.gate, "commit": commit, "facts": facts.kept(), "verdicts": verdicts, "of": decision.of}
    fact = Fact("guardrails_judged", f"app/{facts.app}", about, actor=ctx.actor.name, app=facts.app)
    ctx.ledger.append([fact])


def built(ctx: Context, facts: Facts, commit: str, made: Artifact, say: Say) -> None:
    """The gate after a build: what was installed is known now. What a push warned of already is not said again."""
    some = parts.installed(Path(one.source) for one in made.mounts)
    known = made_of(facts, some) if some else facts
    names = tuple(sorted({*(facts.uses or ()), *uses.of_artifact(made)}))
    known = advised(ctx, replace(known, size=made.size, uses=names))
    decision = judge(ctx, "build", known)
    before = {(one.rule.id, one.findings) for one in judge(ctx, "push", facts).results}
    fresh = [one for one in decision.results if one.blocks or (one.rule.id, one.findings) not in before]
    for line in lines(replace(decision, results=tuple(fresh)), facts.app):
        say(f"  guardrail | {line}")
    keep(ctx, commit, known, decision)
    refuse(decision)


def machine() -> int:
    """Bytes of memory here."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def advised(ctx: Context, facts: Facts) -> Facts:
    """The facts with what is known of the weaknesses of its parts, by the advisories of now."""
    if facts.parts is None:
        why = facts.unread.get("parts", "nobody looked at its dependencies")
        return replace(facts, unread={**facts.unread, "vulnerable": why})
    try:
        found = advisories.weak(ctx.config.home, map(parts.read_back, facts.parts))
        return replace(facts, vulnerable=found[:FINDINGS])
    except NotSeen as error:
        return replace(facts, vulnerable=None, unread={**facts.unread, "vulnerable": str(error)})


def take_advisories(ctx: Context, edition: str, rows: list[Any], newest: int, last: bool) -> Item:
    """Keep advisories; with the first snapshot the guardrail that reads them begins to warn. Raises Invalid."""
    first = advisories.standing(ctx.config.home) is None
    said = advisories.take(ctx, edition, rows, newest, last)
    with ctx.ledger.query() as db:
        chosen = {rule for rule, _ in table.modes(db)}
    if last and first and ADVISED not in chosen:
        for gate in ("build", "run"):
            set_mode(ctx, ADVISED, gate, "warn")
    return said


def deployed(ctx: Context, release: Release, say: Say, back: bool = False) -> None:
    """The gate before a release gets traffic, whatever made it, by what was known of its commit and the waivers of now.
    A commit of before there were guardrails was seen by nobody. Only what stops is said: the push said the rest. Going
    `back` to what served before is never stopped, only told: it is what makes things well again."""
    owner = parent(release.app)  # a preview is of its app's commits, under its app's waivers
    with ctx.ledger.query() as db:
        kept = table.facts(db, owner, release.commit)
    decision = judge(ctx, "deploy", recalled(kept) if kept else Facts(owner))
    if decision.blocked:
        for line in lines(decision, owner):
            say(f"  guardrail | {line}")
    if not back:
        refuse(decision)


def earlier(ctx: Context, push: Push, looked: Looked) -> None:
    """What earlier commits of the push brought and later ones took out again: the repository keeps it for ever."""
    found = [
        Hit(f"{name}:{number}", f"{kind} {keys.masked(secret)}, in an earlier commit of this push")
        for name, text in history(ctx.repos, push.repo, push.new)
        for number, kind, secret in keys.found(text)
        if kind != keys.OURS or not looked.tokens.add(secret)
    ]
    if found and looked.facts.secrets is not None:
        looked.facts = replace(looked.facts, secrets=(*looked.facts.secrets, *found)[:FINDINGS])


def revoked(ctx: Context, tokens: Iterable[str], say: Say) -> None:
    """Our own tokens that lie in the open are useless from now on."""
    for token in tokens:
        with ctx.ledger.query() as db:
            here = (TOKENS.c.hash == auth.digest(token)) & TOKENS.c.revoked_at.is_(None)
            id = db.execute(sa.select(TOKENS.c.id).where(here)).scalar()
        if id:
            auth.revoke(replace(ctx, actor=PLATFORM), str(id))
            say(f"  guardrail | token {id} of this platform lay in the repository; it is revoked")


def set_mode(ctx: Context, rule: str, gate: str, mode: str) -> None:
    """Raises NotFound and Invalid."""
    the_rule(ctx, rule)
    if gate not in GATES or mode not in MODES:
        there = f"gates: {', '.join(GATES)}; modes: {', '.join(MODES)}"
        raise Invalid(f"{gate[:20]!r}, {mode[:20]!r} is no gate and mode", there)
    about = {"rule": rule, "gate": gate, "mode": mode}
    ctx.ledger.append([Fact("guardrail_set", "guardrails", about, actor=ctx.actor.name)])


def every(ctx: Context) -> list[Rule]:
    """Those that come with Wend, and the organisation's own."""
    with ctx.ledger.query() as db:
        texts = table.own(db)
    return [*RULES, *own.rules(texts, Facts(""))]


def the_rule(ctx: Context, id: str) -> Rule:
    """Raises NotFound."""
    found = next((one for one in every(ctx) if one.id == id), None)
    if found is None:
        raise NotFound(f"there is no guardrail {id[:60]!r}", "`wend guardrails` lists them")
    return found


# ---------------------------------------------------------------------------------------------- looks


def listed(ctx: Context) -> list[Item]:
    """Every guardrail with its modes, in how many live apps it finds something now, and whether what would make us
    think it over has come true."""
    with ctx.ledger.query() as db:
        modes, live, lately = table.modes(db), questions.live_releases(db), table.judged(db, BACK)
        kept = {name: table.facts(db, name, one.commit) for name, one in live.items()}
        logs = {name: found for name, one in live.items() if (found := table.logged(db, name, one.number)) is not None}
    known = {name: advised(ctx, recalled(facts) if facts else Facts(name)) for name, facts in kept.items()}
    run = [replace(facts, logged=tuple(Hit(**one) for one in logs[name]) if name in logs else None)
           for name, facts in known.items()]  # fmt: skip
    verdicts = [judge(ctx, "run", facts) for facts in run]
    told: list[Item] = []
    shipped = {one.id for one in RULES}
    for rule in every(ctx):
        mine = [one.verdict for each in verdicts for one in each.results if one.rule.id == rule.id]
        said = {gate: modes.get((rule.id, gate), rule.modes.get(gate, "off")) for gate in GATES}
        weak = standing(rule.reconsider, (one["verdicts"] for one in lately), rule.id)
        counts = {word: mine.count(word) for word in ("PASS", "FAIL", "WAIVED", "UNKNOWN", "ERROR")}
        about = {"rule": rule.id, "version": rule.version, "title": rule.title, "because": rule.because}
        about["own"] = rule.id not in shipped
        about |= {"reconsider": rule.reconsider, "reconsidered": vars(weak), "modes": said}
        told.append(about | {"live": counts, "n": len(mine)})
    return told


def backtest(ctx: Context, rule: str) -> Item:
    """What the rule would have stopped of the newest commits that were judged, had it been enforced, with the waivers
    of now: how many of how many, and of which apps. Raises NotFound."""
    the_rule(ctx, rule)
    with ctx.ledger.query() as db:
        texts = table.own(db)
        rows, at = table.judged(db, BACK), waivers.now(db)
        held = {row["app"]: waivers.of(db, row["app"]) for row in rows}
    enforced: dict[tuple[str, str], Mode] = {(rule, "push"): "enforce"}
    decisions: list[Decision] = []
    for row in rows:
        facts = advised(ctx, recalled(row["facts"]))
        mine = [one for one in (*RULES, *own.rules(texts, facts)) if one.id == rule]
        decisions.append(decide(mine, facts, held[row["app"]], at, "push", enforced))
    stopped = [one for one in decisions if one.blocked]
    return {"rule": rule, "of": len(rows), "stopped": len(stopped), "apps": sorted({one.app for one in stopped})}
