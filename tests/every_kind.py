"""One event of every kind that has a reducer, so that none is forgotten."""

from __future__ import annotations

from typing import Any

from tests.told import broke, committed, deployed, owned, requested
from wend.events import Fact


def everything() -> list[Fact]:
    return [*(Fact(kind, "s", data, app="one") for kind, data in ours().items()), *told()]


def told() -> list[Fact]:
    """Those that sources tell of, and what people say of them."""
    ticket = {"source": "z", "ticket": "t", "state": "open", "at": 5, "opened_at": 5, "resolved_at": None}
    ticket |= {"reason": "build", "team": "red", "platform": True, "automatic": False, "title": None}
    person = {"source": "csv", "person": "ab", "aliases": ["cd"], "team": "red", "role": None, "joined_at": 7}
    person |= {"left_at": None, "name": None}
    answer = {"source": "s", "survey": "nps", "wave": "w", "wording": None, "answer": "h", "comment": None}
    restated = {"week": 4, "scope": "all", "signal": "x", "before": 1.0, "after": None, "because": [1]}
    evidence = {"evidence": "e1", "source": "ticket", "text": "h", "person": "cd", "team": "red", "own": False}
    evidence |= {"app": "one", "week": 20_458, "at": 5, "minutes": 2.5, "about": {"ticket": "t"}}
    return [
        committed("a", 1),
        committed("b", 2, "a"),
        requested("r1", "b", opened_at=5),
        deployed("one", 3, commit="b"),
        broke("i", 4),
        owned("shop", "red"),
        Fact("incident_attributed", "incident/i", {"incident": "i", "deployment": "one", "why": "w"}),
        Fact("ticket_recorded", "ticket/t", ticket),
        Fact("person_recorded", "person/ab", person),
        Fact("survey_answered", "survey/nps", answer),
        *asked(),
        Fact("figures_closed", "figures", {"week": 4, "figures": {"all": {"x": 1.0}}}),
        Fact("figures_restated", "figures", restated),
        Fact("evidence_recorded", "evidence/e1", evidence),
        Fact("evidence_recorded", "evidence/e2", {**evidence, "evidence": "e2"}),
        Fact("evidence_recorded", "evidence/e3", {**evidence, "evidence": "e3", "text": None}),
        *(Fact("pain_named", f"pain/{pain}", {"pain": pain, "title": "t"}) for pain in (1, 2, 3)),
        Fact("evidence_linked", "evidence/e1", {"evidence": "e1", "pain": 1, "by": "ada", "proposed": [2, 1]}),
        Fact("evidence_linked", "evidence/e2", {"evidence": "e2", "pain": 1, "by": "ada", "proposed": []}),
        Fact("evidence_unlinked", "evidence/e3", {"evidence": "e3", "pain": 2}),
        Fact("pain_renamed", "pain/1", {"pain": 1, "title": "u"}),
        Fact("pain_split", "pain/1", {"pain": 1, "into": [3], "links": {"e2": 3}}),
        Fact("pain_merged", "pain/3", {"pain": 3, "into": 2}),
        Fact("group_dismissed", "pains", {"evidence": ["e1", "e2"]}),
        *guarded(),
        Fact("pain_closed", "pain/1", {"pain": 1, "why": "w"}),
        Fact("pain_reopened", "pain/1", {"pain": 1, "why": "w"}),
        *heard(),
        *bet_on(),
        Fact("text_erased", "texts", {"hash": "h"}),
    ]


def asked() -> list[Fact]:
    """A question, shown and put off, and a friction log."""
    invite = {"invite": "i1", "question": "ease", "topic": "ease", "wording": "ease-1", "wave": "2026-Q1"}
    invite |= {"person": "cd", "team": "red", "probability": 0.25, "trigger": "push", "held": None, "until": 9}
    log = {"friction": "f1", "person": "cd", "team": None, "own": False, "date": "2026-01-05", "log": "h"}
    return [
        Fact("survey_invited", "asked/cd", invite),
        Fact("survey_shown", "asked/cd", {"invite": "i1", "channel": "terminal"}),
        Fact("survey_dismissed", "asked/cd", {"invite": "i1"}),
        Fact("friction_recorded", "friction/f1", {**log, "colours": {"red": 1}}),
    ]


def ours() -> dict[str, dict[str, Any]]:
    """Kind → data of those that the platform makes, all of an app called one."""
    release = {"deploy": "d1", "release": 1, "artifact": "a", "path": "p", "commit": "c", "config": {"A": "1"}}
    release |= {"secrets": {"S": {"version": 1, "hash": "h"}}, "env": {}, "processes": {}, "command": None}
    return {
        "app_created": {"branch": "main"},
        "branch_set": {"branch": "trunk"},
        "push_refused": {"reason": "r"},
        "team_set": {"team": "payments"},
        "config_changed": {"set": {"B": "2"}, "unset": ["C"]},
        "secret_sealed": {"name": "S", "version": 1, "hash": "h"},
        "secret_changed": {"set": {"S": {"version": 1, "hash": "h"}}, "unset": ["T"]},
        "deploy_started": {"deploy": "d1", "cause": "push", "commit": "c", "ref": "r", "summary": "s"},
        "deploy_step_reached": {"deploy": "d1", "step": "built", "ms": 3},
        "release_created": release,
        "release_went_live": {"deploy": "d1", "release": 1, "previous": None},
        "deploy_finished": {"deploy": "d1"},
        "deploy_failed": {"deploy": "d1", "step": "built", "message": "m", "tail": ["x"]},
        "release_retired": {"release": 1},
        "scaled": {"process": "web", "replicas": 2},
        "canary_started": {"deploy": "d1", "mode": "canary", "release": 2, "stable": 1, "weight": 5, "policy": {}},
        "canary_stepped": {"deploy": "d1", "mode": "canary", "step": 1, "weight": 25, "state": "running"},
        "canary_judged": {"deploy": "d1", "mode": "canary", "verdict": "wait", "why": "w", "evidence": {"n": 1}},
        "canary_ended": {"deploy": "d1", "mode": "canary", "outcome": "promoted", "why": "w"},
        "autoscaled": {"process": "web", "before": 1, "after": 2, "why": "w"},
        "preview_renewed": {"expires_at": 9},
        "job_started": {"run": "j1", "job": "nightly", "due_at": 5, "release": 1, "cause": "schedule"},
        "job_finished": {"run": "j1", "state": "done", "ended": "exited with code 0", "ms": 5},
        "job_skipped": {"run": "j2", "job": "nightly", "due_at": 6, "why": "w"},
        "resource_created": {"name": "db", "type": "postgres", "about": {"at": "h"}, "hash": "h", "version": 1},
        "resource_rotated": {"name": "db", "about": {"at": "h"}, "hash": "i", "version": 2},
        "resource_trashed": {"trash": "t1", "name": "db", "type": "postgres", "about": {}, "version": 2, "until": 9},
        "resource_restored": {"trash": "t1", "name": "db", "type": "postgres", "about": {}, "version": 2},
        "replica_exited": {"release": 1, "process": "web", "cause": "exited with code 1"},
        "run_started": {"run": "r1", "command": "ls"},
        "run_finished": {"run": "r1", "ended": "exited with code 0", "ms": 5},
        "token_created": {"token": "t1", "hash": "h", "owner": "ada", "kind": "human", "scopes": ["*"]},
        "token_revoked": {"token": "t1"},
        "figures_read": {"signal": "nps", "scope": "all", "day": 20_000},
        "source_set": {"source": "gh", "kind": "github", "hash": "h"},
        "source_removed": {"source": "other"},
        "delivery_read": {"aside": 1, "facts": 2},
        "delivery_kept_aside": {"source": "gh", "why": "w", "shape": "s", "hash": "h", "bytes": 1},
        "history_read": {"repo": "acme/shop", "commits": ["a", "b"]},
        "history_rewritten": {"repo": "acme/shop", "gone": ["b"]},
        "subscription_set": {"subscription": "s1", "url": "http://example.org", "hash": "h"},
        "emission_recorded": {"subscription": "s1", "upto": 9, "ok": False, "attempts": 1, "why": "w", "gave_up": True},
        "subscription_removed": {"subscription": "s2"},
    }


def heard() -> list[Fact]:
    """Interviews: one that was held and written down, one that was missed, one whose consent was withdrawn."""
    asked = {"person": "ab", "week": 20_458, "stratum": "red", "probability": 0.25, "reserve": False}
    snapshot = {"facts": "h", "quote": None, "notes": None, "story": ["i"], "opportunities": ["e1"], "insights": []}
    return [
        *(Fact("interview_scheduled", "interviews", {"interview": id, **asked}) for id in (1, 2, 3)),
        *(Fact("interview_held", f"interview/{id}", {"interview": id, "consent": "full", "at": 5}) for id in (1, 3)),
        Fact("interview_missed", "interview/2", {"interview": 2, "why": "absent"}),
        *(Fact("snapshot_written", f"interview/{id}", {"interview": id, **snapshot}) for id in (1, 3)),
        Fact("consent_withdrawn", "interview/3", {"interview": 3}),
    ]


def guarded() -> list[Fact]:
    """A push that was judged, and waivers to each end."""
    asked = {"rule": "missing-owner", "app": "one", "print": None, "reason": "r", "owner": "ada", "days": 14}
    judged = {"gate": "push", "commit": "c", "facts": {"app": "one"}, "verdicts": {}, "of": "h"}
    times = {"announced": 1, "warned": 2, "blocked": 3, "retired": 4, "brownouts": [[3, 4]], "unused": 14}
    outgoing = {"deprecation": 1, "what": "path:a", "replacement": "path:b", "because": "w", "owner": "ada", **times}
    outgoing |= {"minutes": 30, "script": None, "guide": "g"}
    told: list[tuple[str, dict[str, Any]]] = [
        ("deprecation_announced", outgoing),
        ("deprecation_moved", {**outgoing, "why": "w"}),
        ("deprecation_counted", {"deprecation": 1, "day": 9, "using": ["one"], "unknown": 0}),
        ("deprecation_stayed", {"deprecation": 1, "evidence": "e1"}),
        ("deprecation_withdrawn", {"deprecation": 1, "why": "w"}),
        ("deprecation_done", {"deprecation": 1}),
        ("api_called", {"day": 9, "calls": {"api:GET /api/apps": {"ada": 2}}}),
        ("path_added", {"path": "p", "url": "u", "commit": "c", "version": 1, "files": {"path.toml": "x"}}),
        ("path_removed", {"path": "p"}),
        (
            "proposal_made",
            {
                "what": "template:p@2",
                "branch": "b",
                "base": "c",
                "commit": "d",
                "report": {},
                "lines": [],
                "state": "proved",
            },
        ),
        ("hatch_explained", {"kind": "build", "reason": "r", "until": None}),
        ("deployed_elsewhere", {"service": "s", "team": "red", "place": "aws", "reason": "r", "until": None}),
        ("hatches_shown", {"team": "red", "agrees": True}),
        ("came_back", {"service": "s"}),
        ("feature_missed", {"kind": "build", "pain": 1, "evidence": ["e1"]}),
        ("guardrail_written", {"rule": "twice", "text": "id", "version": 1}),
        ("guardrail_removed", {"rule": "twice"}),
        ("log_examined", {"release": 1, "hits": [{"where": "log of web.1", "seen": "a token wend…"}]}),
        ("guardrail_set", {"rule": "missing-owner", "gate": "push", "mode": "enforce"}),
        ("guardrails_judged", judged),
        *(("waiver_asked", {"waiver": number, **asked}) for number in (1, 2)),
        ("waiver_reviewed", {"waiver": 1, "found": "w"}),
        ("waiver_approved", {"waiver": 1, "begins": 1, "ends": 9}),
        ("waiver_revoked", {"waiver": 1, "why": "w"}),
        ("waiver_denied", {"waiver": 2, "why": "w"}),
    ]
    return [Fact(kind, "waivers", data, actor="bob", app="one") for kind, data in told]


def bet_on() -> list[Fact]:
    """A bet from its beginning to its end, what people said of it, and a procedure done by hand."""
    bet = {"bet": 1, "pain": 1, "who": "w", "can": "c", "signal": "change_lead_time", "version": 1, "scope": "all"}
    bet |= {"weeks": 13, "baseline": {"value": 9.0}, "to": 3.0, "by": 20_600, "kill": 20_500, "appetite": 10}
    bet |= {"sure": 0.7, "low": None, "high": None, "at": 20_458 * 86_400_000_000}
    work = {"bet": 1, "app": None, "commit": "a", "at": 20_459 * 86_400_000_000, "how": "trailer"}
    run = {"run": "r1", "toil": "rename", "started_at": 5, "seconds": 61.5, "done": True, "steps": [60.0, 1.5]}
    used = {"cpu": 0.1, "cpu_peak": 0.2, "memory_peak": 9, "requests": 3, "rate_peak": 0.1, "replicas": 1}
    load = {"hour": 490_000, "seconds": 3600.0, "cpus": 2, "memory": 2**33, "all": used, "apps": {"one": used}}
    return [
        Fact("bet_opened", "bet/1", bet),
        Fact("bet_linked", "bet/1", work),
        Fact("bet_closed", "bet/1", {"bet": 1, "day": 20_500, "why": "w"}),
        Fact("bet_reargued", "bet/1", {"bet": 1, "kill": 20_600, "why": "w"}),
        Fact("bet_closed", "bet/1", {"bet": 1, "day": 20_600, "why": "w"}),
        Fact("bet_judged", "bet/1", {"bet": 1, "verdict": {"verdict": "improved"}}),
        Fact("loop_asked", "bet/1", {"bet": 1, "person": "ab"}),
        Fact("loop_answered", "bet/1", {"bet": 1, "person": "ab", "answer": "h"}),
        Fact("toil_defined", "toil/rename", {"toil": "rename", "title": "t", "steps": ["s"], "automate_hours": 8.0}),
        Fact("toil_run", "toil/rename", run),
        Fact("load_measured", "platform", load),
    ]
