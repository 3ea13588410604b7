"""Every kind of fact the ledger may hold, and the shape of one.

A kind is past tense, because it happened. The table is the documentation: `docs/ledger.md` has a heading for each.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import Any

KINDS: dict[str, str] = {
    "platform_started": "The control plane came up: its version and addresses.",
    "platform_stopped": "The control plane was told to stop.",
    "app_created": "An app's name was taken by its first push or command.",
    "app_destroyed": "An app, its releases and its processes were removed on request.",
    "path_added": "A golden path of the organisation's own was taken, or a newer version: from where, and its files.",
    "path_removed": "A golden path of the organisation's own is offered no more.",
    "proposal_made": "A change was proposed to an app on a branch: of what, on which commit, and how its preview went.",
    "push_received": "Commits arrived at an app's repository: the ref, the old and the new commit.",
    "push_refused": "A push was turned away before any build, with the reason.",
    "deploy_started": "An attempt to make a release live began: its cause, commit and the changes it carries.",
    "deploy_step_reached": "A deploy finished one step of its journal, in so many milliseconds.",
    "deploy_failed": "A deploy ended without going live: the step, the message and the hint the person saw.",
    "deploy_finished": "A deploy is over: the new release is live and the old one drained.",
    "release_created": "An artifact, configuration and process types were frozen under a number.",
    "release_went_live": "The proxy now sends the app's traffic to this release.",
    "release_retired": "A release's files were removed by retention; its record stays.",
    "config_changed": "Plain configuration was set or unset before the app's first release.",
    "secret_changed": "A secret got a new version, or was unset, before the app's first release. Never the value.",
    "secret_sealed": "A secret's new version was encrypted and stored; it takes effect with the release that names it.",
    "team_set": "The team that owns the app was named in its wend.toml.",
    "branch_set": "The branch that deploys was chosen.",
    "scaled": "The number of replicas of a process type was set by hand, or given back to the load (null).",
    "replica_exited": "A process ended that should have run: its exit code, signal, or lack of memory.",
    "run_started": "A one-off command began in an app's environment.",
    "run_finished": "A one-off command ended: how, and after how long.",
    "canary_started": "A release began to get a share of the traffic, or went live under watch: steps and policy.",
    "canary_stepped": "A canary's share of the traffic changed, or it was held where it is.",
    "canary_judged": "The judge's verdict on a canary changed: what it says, why, and the evidence in numbers.",
    "canary_ended": "A canary or a watch is over: promoted, rolled back, aborted, superseded or kept.",
    "autoscaled": "The number of replicas, or their sleep, changed by measured load: from, to and why.",
    "preview_renewed": "A preview was pushed to again and lives longer.",
    "job_started": "A scheduled run began: when it was due, and with which release.",
    "job_finished": "A scheduled run ended: how, and after how long.",
    "job_skipped": "A scheduled run did not happen, with the reason.",
    "resource_created": "A database, cache or folder was made for an app.",
    "resource_rotated": "A resource got new credentials. Never the password.",
    "resource_trashed": "A resource lost its app and can be restored until the time given.",
    "resource_restored": "A resource was taken back out of the trash.",
    "resource_purged": "A resource's time in the trash was over; its data is gone.",
    "change_recorded": "A commit became known: when it was committed, its parents, what it is for. Never who wrote it.",
    "review_recorded": "A source told of a request to merge: when it was opened, reviewed and merged. Never by whom.",
    "deployment_recorded": "A source told of a deployment or a part of one: service, environment, outcome, commits.",
    "incident_recorded": "A source told of an incident, or of a new state of one: service, times, cause if known.",
    "incident_attributed": "A person said which deployment caused an incident, or that none did.",
    "ticket_recorded": "A source told of a support ticket, or of a new state of one.",
    "person_recorded": "A source told of somebody, under a pseudonym: team, role, since when and until when.",
    "service_recorded": "A source told of a service: team, repository, since when, until when, and why it left.",
    "survey_answered": "Somebody answered a survey: which one and which wave. Never who.",
    "evidence_recorded": "A person said something, or the platform saw it: source, pseudonym, team and week.",
    "evidence_linked": "Somebody said which pain a piece of evidence is about, and which were proposed.",
    "evidence_unlinked": "Somebody said that a piece of evidence is not about a pain; it is never proposed again.",
    "pain_named": "A problem that evidence points to got a name and a number.",
    "pain_renamed": "A pain got another name.",
    "pain_closed": "A pain hurts no more, or not enough; why.",
    "pain_reopened": "A closed or merged pain is there again; why.",
    "pain_merged": "Two pains were one: what was linked to the first is linked to the second.",
    "pain_split": "A pain was several: which evidence went to which new pain.",
    "survey_invited": "Somebody was drawn to be asked a question: with which chance, and why they were not, if not.",
    "survey_shown": "A question was shown to whom it was put to.",
    "survey_dismissed": "Somebody does not want to be asked now.",
    "guide_opened": "Somebody opened the guide of a golden path, for the first time that day; under a pseudonym.",
    "group_dismissed": "Somebody said that what was proposed as one pain is none; it is not proposed again.",
    "hatch_explained": "Somebody said why an app left the golden path, and until when.",
    "deployed_elsewhere": "A team said that it deploys a service elsewhere: where, why, and until when.",
    "came_back": "A service is deployed elsewhere no more.",
    "hatches_shown": "A team agreed to be named with its hatches, or does no more.",
    "hatch_replaced": "The path can do what a kind of hatch was for: its removal was proposed to those that have it.",
    "feature_missed": "Several teams left the path for the same reason, or one put off its return: a pain was opened.",
    "guardrail_set": "A guardrail got another mode at a gate: off, warn, enforced for new apps, or enforced.",
    "guardrails_judged": "What a push brought was judged: the facts, and each guardrail's verdict. Never a secret.",
    "guardrail_written": "A guardrail of the organisation's own was taken, or a new version of one: its file.",
    "guardrail_removed": "A guardrail of the organisation's own is asked no more.",
    "advisories_taken": "A snapshot of known weaknesses was brought: how many records, and how new.",
    "log_examined": "The newest lines of a release's log were looked through for secrets: where one was, never it.",
    "waiver_asked": "Somebody asked to pass a guardrail for a while: which, of which app, why, who answers for it.",
    "waiver_approved": "Somebody else approved a waiver: from when until when it holds. A broken glass needs nobody.",
    "waiver_denied": "Somebody said no to a waiver; why.",
    "waiver_revoked": "A waiver ended before its time; why.",
    "waiver_reviewed": "Somebody looked at what went out through a broken glass, and said what they found.",
    "friction_recorded": "Somebody kept a log of what it was like to do something: how many steps of which colour.",
    "delivery_kept_aside": "Something arrived that nobody here can read; it is kept and shown.",
    "delivery_read": "What had been kept aside was read after all; its facts are in the ledger.",
    "source_set": "A source of deliveries was set up, or its secret renewed. Only the sealed secret's hash is kept.",
    "source_removed": "A source may deliver no more.",
    "history_read": "The commits of a repository's history that were read, in one batch.",
    "history_rewritten": "A repository's history was rewritten: the commits that it has no more.",
    "subscription_set": "Somebody is told of our deploys from now on: where. Only the sealed secret's hash is kept.",
    "subscription_removed": "Somebody is told of our deploys no more.",
    "emission_recorded": "A subscription was told of our deploys up to an event, or could not be, with the reason.",
    "figures_closed": "A week is over and its numbers are settled: what they are, per team.",
    "figures_restated": "What came late changed the numbers of a settled week: from what to what, and because of what.",
    "figures_read": "Somebody looked at figures about people, or at the rows behind a figure: who, which and whose.",
    "interview_scheduled": "Somebody was drawn to be interviewed this week, or came unasked: with which probability.",
    "interview_held": "An interview took place: when, and what may be kept of it.",
    "interview_missed": "An interview was not to be, with the reason.",
    "snapshot_written": "What an interview said was written down: the names of its texts, and the evidence made of it.",
    "consent_withdrawn": "Whoever was interviewed took back their consent; what they said is erased.",
    "bet_opened": "A bet was opened: who can do what, on which signal, from what was measured to what is promised.",
    "bet_linked": "Work was done for a bet: a commit that names it, or an app that somebody named.",
    "bet_reargued": "A bet got a new kill date, with the reason.",
    "bet_closed": "A bet is over: its date came, its kill date passed, or somebody closed it.",
    "bet_judged": "What a bet came to was worked out from what was measured.",
    "loop_asked": "Somebody whose evidence a bet was for was shown the question whether it helped.",
    "loop_answered": "Somebody said whether a bet fixed what they had told of. What they said stands beside the chain.",
    "deprecation_announced": "Something that is offered goes: what takes its place, the dates, and what moving costs.",
    "deprecation_moved": "The end of a deprecation was moved to later, with the reason.",
    "deprecation_withdrawn": "What was to go stays after all, with the reason.",
    "deprecation_counted": "Who used what is on its way out on a day, by what ran.",
    "deprecation_stayed": "Somebody said why an app has not moved; what they said is evidence.",
    "deprecation_done": "Nobody has used for so long what was to go: it is gone.",
    "api_called": "An address of ours that is on its way out was called: how often a day, by whose tokens.",
    "load_measured": "How much of the machine all apps and each of them used in an hour: mean and highest minute.",
    "toil_defined": "A procedure that is done by hand was written down as a checklist.",
    "toil_run": "A procedure was done by hand: how long each step took, and whether it was finished. Never by whom.",
    "digest_sent": "The digest of a week went to those who are set up to get it, or was not taken.",
    "token_created": "A token was issued: for whom, with which scopes, until when. Only its hash is kept.",
    "token_revoked": "A token was made useless.",
    "access_denied": "Someone known asked for something they may not do.",
    "text_erased": "A text kept beside the chain was erased; its hash stays.",
}


@dataclass(frozen=True)
class Fact:
    """Something that happened, on its way into the ledger.

    `stream` groups what belongs together ("app/hello", "deploy/01…"). `id` is the writer's: repeating one changes
    nothing. `at` is Unix time in microseconds; None takes the ledger's clock.
    """

    kind: str
    stream: str
    data: dict[str, Any] = field(default_factory=dict[str, Any])
    actor: str = "platform"
    app: str | None = None
    team: str | None = None
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    at: int | None = None


@dataclass(frozen=True)
class Event:
    """A fact in the ledger: `seq` counts from 1 without gaps, `at` is Unix microseconds, `hash` chains it to all
    before it."""

    seq: int
    id: str
    at: int
    kind: str
    stream: str
    actor: str
    team: str | None
    app: str | None
    data: dict[str, Any]
    hash: str
