"""What each signal means: one definition, with a version that changes when the meaning does. docs/signals.md has a
section for each."""

from __future__ import annotations

from typing import NamedTuple


class Definition(NamedTuple):
    """`unit`: s · share · per_day · per_100_weeks (per 100 developers and week) · score · days · count. `better`:
    lower, higher or empty. `family`: where it is shown."""

    id: str
    version: int
    title: str
    unit: str
    better: str
    family: str
    means: str


DEFINITIONS: dict[str, Definition] = {
    one.id: one
    for one in (
        Definition(
            "deployment_frequency", 1, "Deployment frequency", "per_day", "higher", "throughput",
            "Deployments that reached production, per day. A pipeline that deploys to five regions is one deployment; "
            "a rollback is one too.",
        ),
        Definition(
            "change_lead_time", 1, "Change lead time", "s", "lower", "throughput",
            "From a change's commit to the end of the first production deployment that contains it: the median of the "
            "changes deployed in the window. Merges and machines' commits do not count.",
        ),
        Definition(
            "failed_deployment_recovery_time", 1, "Failed deployment recovery time", "s", "lower", "throughput",
            "From the end of a deployment that failed until a good version served again: the median, with those that "
            "are not over yet counted as lasting at least until now.",
        ),
        Definition(
            "change_fail_rate", 1, "Change fail rate", "share", "lower", "instability",
            "The share of deployments that needed a rollback, a revert, a hotfix, or caused an incident. Links that "
            "nobody confirmed are counted apart; a deployment younger than a week is not judged yet.",
        ),
        Definition(
            "deployment_rework_rate", 1, "Deployment rework rate", "share", "lower", "instability",
            "The share of deployments that nobody had planned: rollbacks, hotfixes, and those that revert a change.",
        ),
        Definition(
            "time_to_deploy", 1, "Time to deploy", "s", "lower", "flow",
            "From the start of a deployment to its end in production: the median of those in the window.",
        ),
        Definition(
            "push_only_rate", 1, "Push-only rate", "share", "higher", "flow",
            "The share of deployments by push that needed nothing but the push: since the push before, no push of the "
            "app was refused or failed, and nobody set, scaled, ran or rolled back anything by hand.",
        ),
        Definition(
            "friday_confidence", 1, "Friday confidence", "share", "", "flow",
            "The share of deployments made on a Friday. At an even pace over five days it is 20 %; beside it, how "
            "often those of a Friday fail, and those of other days.",
        ),
        Definition(
            "time_to_first_change", 1, "Time to first change", "days", "lower", "people",
            "Working days from a new engineer's first day to the first production deployment with a change of theirs: "
            "the median of the quarter's newcomers, those not there yet included. Never of one person.",
        ),
        Definition(
            "time_to_tenth_change", 1, "Time to tenth change", "days", "lower", "people",
            "The same for the tenth change.",
        ),
        Definition(
            "adoption", 1, "Adoption", "share", "higher", "adoption",
            "The share of services that deployed through the platform in the last 28 days, of all that could.",
        ),
        Definition(
            "adoption_depth", 1, "Adoption depth", "count", "higher", "adoption",
            "How many of the platform's capabilities an active service uses, in the middle.",
        ),
        Definition(
            "voluntary_adoption", 1, "Voluntary adoption", "share", "higher", "adoption",
            "The share of new services that began on the platform, while other ways were open.",
        ),
        Definition(
            "adoption_retention", 1, "Retention", "share", "higher", "adoption",
            "The share of services that still deploy through the platform 90 days after their first deployment here.",
        ),
        Definition(
            "onboarding_funnel", 1, "Onboarding funnel", "share", "higher", "adoption",
            "Of the apps made in the window, the share that went live; beside it how far the others came, and what "
            "stopped them.",
        ),
        Definition(
            "support_tickets", 1, "Support tickets", "per_100_weeks", "lower", "support",
            "Tickets about the platform per 100 developers and week. Those that machines wrote do not count.",
        ),
        Definition(
            "nps", 1, "Would recommend (NPS)", "score", "higher", "voice",
            "The share of answers 9 and 10 less that of 0 to 6, to: how likely would you recommend the platform?",
        ),
        Definition(
            "csat", 1, "Satisfaction (CSAT)", "share", "higher", "voice", "The share of answers 4 and 5, of 1 to 5.",
        ),
        Definition(
            "ces", 1, "Ease (CES)", "share", "higher", "voice",
            "The share of answers 5 to 7, of 1 to 7, to: it was made easy for me to do what I came for.",
        ),
        Definition(
            "open_hatches", 1, "Open escape hatches", "count", "", "hatches",
            "Departures from the golden path in the live releases of all apps.",
        ),
        Definition(
            "open_waivers", 1, "Open waivers", "count", "", "hatches",
            "Exceptions from guardrails that hold now.",
        ),
    )
}  # fmt: skip
