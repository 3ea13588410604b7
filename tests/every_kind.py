"""One event of every kind that has a reducer, so that none is forgotten."""

from __future__ import annotations

from typing import Any

from tests.told import broke, committed, deployed, owned
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
        deployed("one", 3, commit="b"),
        broke("i", 4),
        owned("shop", "red"),
        Fact("incident_attributed", "incident/i", {"incident": "i", "deployment": "one", "why": "w"}),
        Fact("ticket_recorded", "ticket/t", ticket),
        Fact("person_recorded", "person/ab", person),
        Fact("survey_answered", "survey/nps", answer),
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
        Fact("pain_closed", "pain/1", {"pain": 1, "why": "w"}),
        Fact("pain_reopened", "pain/1", {"pain": 1, "why": "w"}),
        Fact("text_erased", "texts", {"hash": "h"}),
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
        "delivery_kept_aside": {"source": "gh", "why": "w", "shape": "s", "hash": "h", "bytes": 1},
        "history_read": {"repo": "acme/shop", "commits": ["a", "b"]},
        "history_rewritten": {"repo": "acme/shop", "gone": ["b"]},
        "subscription_set": {"subscription": "s1", "url": "http://example.org", "hash": "h"},
        "emission_recorded": {"subscription": "s1", "upto": 9, "ok": False, "attempts": 1, "why": "w", "gave_up": True},
        "subscription_removed": {"subscription": "s2"},
    }
