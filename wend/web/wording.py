"""What signals are called where people read them: their families, their parts, and how to get data where there is
none."""

from __future__ import annotations

FAMILIES: dict[str, tuple[str, str]] = {
    "throughput": ("Throughput", "How much gets through, and how soon after a failure. One of DORA's two factors."),
    "instability": ("Instability", "How much of it goes wrong. DORA's other factor; read both together."),
    "flow": ("Flow", "How it feels to deploy."),
    "people": ("New engineers", "How long until somebody new has something in production. Groups alone are shown."),
    "adoption": ("Adoption", "Whether the platform is used, and by choice."),
    "support": ("Support", "How often people have to ask."),
    "voice": ("Voice", "What people say of it. Nothing tells who said what; groups alone are shown."),
    "hatches": ("Escape hatches", "Where the golden path does not fit."),
}
PIPELINES = "Push an app, or let your pipelines tell of theirs: `wend ingest add github --kind github`."
TO_BEGIN: dict[str, str] = {
    "throughput": PIPELINES,
    "instability": PIPELINES,
    "flow": PIPELINES,
    "change_lead_time": "It needs deployments and their commits: push an app, or read a history: `wend ingest git .`.",
    "failed_deployment_recovery_time": "Nothing failed, as far as was heard. Incidents have a source of their own: "
    "`wend ingest add pagerduty --kind pagerduty`.",
    "push_only_rate": "It counts pushes to this platform: `git push wend main`.",
    "people": "Say who came when: `wend ingest file csv people.csv`.",
    "adoption": "List the services there are: `wend ingest file csv services.csv`.",
    "onboarding_funnel": "It begins with the first app: `wend new python-web hello`.",
    "support": "Connect what people ask in: `wend ingest add zendesk --kind zendesk`, or bring a table: "
    "`wend ingest file csv tickets.csv`.",
    "voice": "Ask people, and bring the answers: `wend ingest file csv answers.csv`.",
    "hatches": "It begins with the first app that goes live here.",
}
NOT_OF_SERVICES = frozenset({"people", "support", "voice"})  # families that know teams, but no services
# Part → its title, and its unit where that is not the signal's own.
PARTS: dict[str, tuple[str, str | None]] = {
    "p75": ("75 of 100 within", None),
    "p90": ("90 of 100 within", None),
    "three_quarters": ("75 of 100 within", None),
    "with_waiting": ("With those still waiting", None),
    "coding": ("Coding, until it was opened", None),
    "pickup": ("Until the first review", None),
    "review": ("From review to merge", None),
    "merge_to_deploy": ("From merge to deployment", None),
    "until_noticed": ("Until it was noticed", None),
    "with_assumed": ("With the assumed ones", None),
    "rollbacks": ("Rollbacks among them", "count"),
    "days_per_week": ("Days with a deployment, per week", "days"),
    "days_between": ("Between two such days", "days"),
    "fail_rate_friday": ("Fail rate on Fridays", None),
    "fail_rate_other_days": ("Fail rate on other days", None),
    "teams": ("Of teams", None),
    "left": ("Services that left", "count"),
    "28_days": ("After 28 days", None),
    "180_days": ("After 180 days", None),
    "again": ("Live twice", None),
    "tenth": ("Live ten times", None),
    "developers": ("Developers", "count"),
    "times_as_before": ("Times as often as before", "count"),
    "mean": ("Mean, of 1 to 7", "count"),
    "balance": ("Agree less disagree", "score"),
    "answered": ("Answered", "share"),
}
WHOLE = frozenset({"developers", "answered"})  # parts that are counted out, not estimated: they have no interval
SHARES = frozenset({"adoption_depth"})  # signals whose parts are shares, whatever their own unit is


def part(id: str, name: str) -> tuple[str, str | None]:
    """The title of a signal's part, and its unit; None: the signal's own."""
    if name in PARTS:
        return PARTS[name]
    title = name[:1].upper() + name[1:].replace("_", " ")
    return title, "share" if id in SHARES or name.startswith("reason: ") else None
