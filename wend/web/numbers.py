"""What each number on a page means: its label leads here."""

from __future__ import annotations

NUMBERS: dict[str, tuple[str, str]] = {
    "requests": (
        "Requests",
        "Requests that got an answer, from the app or in its place. Each counts once, also when the proxy had to "
        "try twice.",
    ),
    "rate": (
        "Requests per second",
        "Requests divided by the seconds that were looked at: the last minute, unless it says otherwise.",
    ),
    "error-rate": (
        "Error rate",
        "The share of requests whose answer was 500 or above. One that no process took is such a request. Answers "
        "of 400 to 499 are the client's mistakes and not counted here.",
    ),
    "p50": (
        "p50",
        "Half of all answers took at most so long, measured by the proxy from the request to the last byte of the "
        "answer.",
    ),
    "p95": ("p95", "95 of 100 answers took at most so long."),
    "p99": ("p99", "99 of 100 answers took at most so long."),
    "interval": (
        "Interval: a–b",
        "What was counted is a sample. The true value lies between the two numbers 19 times out of 20: for shares "
        "the score interval of Wilson (1927), for quantiles that of the order statistics. The more requests (n), "
        "the closer they are.",
    ),
    "exits": (
        "Exits",
        "How often a web process ended though it should not have: it crashed, was killed, or ran out of memory.",
    ),
    "restarts": (
        "Restarts",
        "How often a process of the release was started again after it ended by itself, since the release is up.",
    ),
    "memory": ("Memory", "Resident memory of all processes of the release together, now."),
    "cpu": (
        "Processor",
        "Processor cores in use by all processes of the release together, over the last seconds. 0.50 is half a core.",
    ),
    "evidence": (
        "Evidence",
        "How many times more likely what was seen is, if the release is worse (for it: as good), than if it is not. At "
        "the threshold the judge is sure enough to act. It may look after every request without being fooled by "
        "looking often.",
    ),
    "needs": (
        "Requests still missing",
        "About how many more requests the new release must answer before anybody can tell, if they go on as they did.",
    ),
    "step": (
        "Step",
        "The share of all requests that the new release gets. A step lasts at least the seconds of wend.toml's "
        "[canary], and longer while there is too little to judge by.",
    ),
    "asleep": (
        "Asleep",
        "No process is running, because nobody asked for a while and min is 0. The first request waits while it "
        "starts, and is then answered.",
    ),
}
