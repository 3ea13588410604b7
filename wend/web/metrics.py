"""What monitoring reads: every app's traffic and processes at this moment, and signals, in Prometheus' text format."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from starlette.responses import Response

from wend.errors import Down
from wend.route import Route, Traffic
from wend.run import Status
from wend.web import gauges
from wend.web.door import Address, Visit

if TYPE_CHECKING:
    from prometheus_client.core import Metric

Seen = Mapping[str, Mapping[int, Traffic]]


# ---------------------------------------------------------------------------------------------- pure


def traffic(seen: Seen, routes: Mapping[str, Route]) -> Iterator[Metric]:
    """What the proxy counted, of the releases in force."""
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

    here = ["app", "release"]
    requests = CounterMetricFamily("wend_requests", "Requests answered", labels=[*here, "code_class"])
    refused = CounterMetricFamily("wend_connect_failures", "Connections no process took", labels=here)
    active = GaugeMetricFamily("wend_requests_active", "Requests in flight", labels=here)
    weight = GaugeMetricFamily("wend_canary_weight", "Share of the app's requests, 0 to 1", labels=here)
    times = HistogramMetricFamily("wend_request_seconds", "Time until the answer was complete", labels=here)
    for app, releases in sorted(seen.items()):
        for number, counts in sorted(releases.items()):
            labels = [app, str(number)]
            classes = {"ok": counts.ok, "4xx": counts.client_errors, "5xx": counts.server_errors}
            for name, count in classes.items():
                requests.add_metric([*labels, name], count)
            refused.add_metric(labels, counts.connect_failures)
            active.add_metric(labels, counts.active)
            backend = routes[app].backends.get(number) if app in routes else None
            weight.add_metric(labels, (backend.weight if backend else 0) / 100)
            found = buckets(counts)
            times.add_metric(labels, found, None)
            times.add_sample("wend_request_seconds_count", dict(zip(here, labels, strict=True)), found[-1][1])
    yield from (requests, refused, active, weight, times)


def buckets(counts: Traffic) -> list[tuple[str, float]]:
    """The histogram in seconds. There is no sum: the proxy keeps none."""
    total = counts.latency[-1][1] if counts.latency else 0
    return [*((repr(edge / 1000), float(count)) for edge, count in counts.latency), ("+Inf", float(total))]


def processes(have: Iterable[Status]) -> Iterator[Metric]:
    """What the replicas are and use."""
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

    here = ["app", "release", "process", "replica"]
    count = GaugeMetricFamily("wend_replicas", "Replicas by phase", labels=["app", "process", "phase"])
    restarts = CounterMetricFamily("wend_replica_restarts", "Times the replica was started again", labels=here)
    memory = GaugeMetricFamily("wend_memory_bytes", "Resident memory", labels=here)
    cpu = CounterMetricFamily("wend_cpu_seconds", "Processor time", labels=here)
    phases: dict[tuple[str, str, str], int] = {}
    for one in have:
        key = (one.app, one.process, one.phase)
        phases[key] = phases.get(key, 0) + 1
        labels = [one.app, str(one.release), one.process, str(one.index)]
        restarts.add_metric(labels, one.restarts)
        memory.add_metric(labels, one.rss)
        cpu.add_metric(labels, one.cpu)
    for key, number in sorted(phases.items()):
        count.add_metric(list(key), number)
    yield from (count, restarts, memory, cpu)


# ---------------------------------------------------------------------------------------------- acts


def metrics(visit: Visit) -> Response:
    from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest  # late: a fifth of a second

    seen: Seen = {}
    with suppress(Down):  # what the processes are is worth knowing all the more then
        seen = visit.ctx.router.readings()
    routes = {app: route for app in seen if (route := visit.ctx.router.get(app))}
    have, measured = visit.ctx.driver.status(), gauges.of(visit.ctx)

    class Now:
        def collect(self) -> Iterator[Metric]:
            yield from traffic(seen, routes)
            yield from processes(have)
            yield from gauges.metrics(measured)

    registry = CollectorRegistry(auto_describe=False)
    registry.register(Now())
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


ADDRESSES: tuple[Address, ...] = (Address("GET", "/metrics", "platform.read", metrics),)
