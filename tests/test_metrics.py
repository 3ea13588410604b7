"""What monitoring reads, by the reader of the library that Prometheus' own clients use."""

from __future__ import annotations

from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from tests.test_traffic import NEW
from tests.web_world import live_app, world
from wend.route import Backend, Route

NAME = "try--hello"
ORDER = ["code_class", "le", "phase", "process", "release", "replica", "app"]
BESIDE = ("wend_signal", "wend_ingest")  # of no app, and worked out beside the scrape: tests/test_signals_pages.py
PLACE = (("127.0.0.1", 9),)


def test_metrics_tell_what_the_proxy_and_the_processes_count(tmp_path: Path) -> None:
    with world(tmp_path / "home") as there:
        live_app(there, NAME)
        router = there.ctx.router
        router.set(NAME, Route((), {2: Backend(95, PLACE), 3: Backend(5, PLACE)}))
        router.seen[NAME, 3] = NEW
        answer = there.ask("GET", "/metrics", token=there.token("platform.read"))
        assert answer.status == 200 and answer.headers["content-type"].startswith("text/plain; version=")
        assert there.ask("GET", "/metrics", token=there.token("app.read")).status == 403
        router.down()
        assert "wend_memory_bytes{" in there.ask("GET", "/metrics").text
    every = [family for family in text_string_to_metric_families(answer.text) if not family.name.startswith(BESIDE)]
    families = {family.name: family for family in every}
    values = {
        (
            sample.name,
            *(sample.labels[key] for key in sorted(sample.labels, key=ORDER.index) if key != "app"),
        ): sample.value
        for family in families.values()
        for sample in family.samples
    }
    assert {sample.labels["app"] for family in families.values() for sample in family.samples} == {NAME}
    assert families["wend_requests"].type == "counter" and families["wend_request_seconds"].type == "histogram"
    assert values["wend_requests_total", "5xx", "3"] == 12 and values["wend_requests_total", "ok", "3"] == 130
    assert values["wend_requests_total", "ok", "2"] == 0 and values["wend_requests_active", "3"] == 2
    assert values["wend_connect_failures_total", "3"] == 9
    assert values["wend_canary_weight", "3"] == 0.05 and values["wend_canary_weight", "2"] == 0.95
    assert values["wend_request_seconds_bucket", "0.01", "3"] == 70
    assert values["wend_request_seconds_bucket", "+Inf", "3"] == values["wend_request_seconds_count", "3"] == 140
    assert values["wend_replicas", "up", "web"] == 1
    assert values["wend_memory_bytes", "web", "3", "1"] == 2**24  # process, release, replica
    assert (
        values["wend_replica_restarts_total", "web", "3", "1"] == values["wend_cpu_seconds_total", "web", "3", "1"] == 0
    )
