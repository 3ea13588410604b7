"""Envoy's files as data: what a Route becomes, and the Route read back out of them. Nothing here touches a disk.

Field meanings are those of Envoy's v3 API reference. Numbers: seconds are written as Envoy's "1.5s" texts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from wend.errors import Conflict, Invalid
from wend.patches import over
from wend.route import Backend, Route, counters

Json = dict[str, Any]
Routes = dict[str, Route]

HOST = re.compile(r"(\*\.)?[a-z0-9_]([a-z0-9_-]{0,62})(\.[a-z0-9_]([a-z0-9_-]{0,62})){0,20}")
KEPT_STATS = r"cluster\.[^.]*\.upstream_(rq_(total|1xx|2xx|3xx|4xx|5xx|active|time)|cx_connect_fail)"
FLUSH = "0.5s"  # between two times that Envoy adds the newest response times to the histograms
MAX_CONNECTIONS = 10_000
CONNECT = "60s"  # a process that sleeps or boots may have its queue full: the client waits for it as for the rest
# An app's own keep-alive is at least 2 s in every server we know (gunicorn 2, Node and uvicorn 5); closing ours first
# is what keeps a request from being written into a connection that the app is just closing.
UPSTREAM_IDLE = "1s"
# RFC 9110 9.2.2: a proxy may repeat only what is idempotent; of that, these two are all that is common
REPEATABLE = ("GET", "HEAD")
UNSENT = "connect-failure,refused-stream,reset-before-request"


def typed(kind: str, /, **fields: Any) -> Json:
    return {"@type": f"type.googleapis.com/envoy.{kind}", **fields}


def plugin(name: str, kind: str, /, **fields: Any) -> Json:
    return {"name": name, "typed_config": typed(kind, **fields)}


# ---------------------------------------------------------------------------------------------- bootstrap


def bootstrap(listen: tuple[str, int], hops: int, here: str) -> Json:
    """The start-up file. `here` is what Envoy calls its own folder, whose real path may be of any length."""
    return {
        "node": {"id": "wend", "cluster": "wend"},
        "admin": {"address": {"pipe": {"path": "./admin/sock", "mode": 0o600}}},
        "dynamic_resources": {"cds_config": watched(f"{here}/cds.json")},
        "static_resources": {"listeners": [listener(listen, hops, here)]},
        "stats_config": {
            "use_all_default_tags": False,
            "stats_matcher": {"inclusion_list": {"patterns": kept_stats()}},
            "histogram_bucket_settings": [{"match": {"suffix": counters.TIMES}, "buckets": counters.edges()}],
        },
        "stats_flush_interval": FLUSH,
        "overload_manager": {"resource_monitors": [connection_limit()]},
    }


def watched(path: str) -> Json:
    return {"path_config_source": {"path": path}, "resource_api_version": "V3"}


def kept_stats() -> list[Json]:
    """Only what somebody reads is counted: it saves memory per release and work per request."""
    return [
        {"safe_regex": {"regex": KEPT_STATS}},
        {"suffix": "version_text"},
        {"exact": "http.edge.downstream_rq_active"},
    ]


def connection_limit() -> Json:
    return plugin(
        "envoy.resource_monitors.global_downstream_max_connections",
        "extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig",
        max_active_downstream_connections=MAX_CONNECTIONS,
    )


def listener(listen: tuple[str, int], hops: int, here: str) -> Json:
    return {
        "name": "edge",
        "address": address(*listen),
        "enable_reuse_port": False,  # with it, a second process could quietly take a share of the requests
        "connection_balance_config": {"exact_balance": {}},  # else one worker may get every connection of a busy client
        "per_connection_buffer_limit_bytes": 64 * 2**10,
        "filter_chains": [{"filters": [{"name": "http", "typed_config": connection_manager(hops, here)}]}],
    }


def connection_manager(hops: int, here: str) -> Json:
    return typed(
        "extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        stat_prefix="edge",
        codec_type="HTTP1",
        rds={"route_config_name": "routes", "config_source": watched(f"{here}/rds.json")},
        http_filters=[plugin("router", "extensions.filters.http.router.v3.Router", suppress_envoy_headers=True)],
        upgrade_configs=[{"upgrade_type": "websocket"}],
        http_protocol_options={"accept_http_10": True},
        server_header_transformation="PASS_THROUGH",
        generate_request_id=False,
        use_remote_address=True,
        xff_num_trusted_hops=hops,
        skip_xff_append=True,  # for a client on this machine Envoy would add the machine's own address; see `forwarded`
        internal_address_config={},
        normalize_path=True,
        common_http_protocol_options={
            "idle_timeout": "75s",
            # WSGI and CGI cannot tell X_Forwarded_For from X-Forwarded-For
            "headers_with_underscores_action": "DROP_HEADER",
        },
        request_headers_timeout="15s",
        stream_idle_timeout="300s",
        delayed_close_timeout="0.2s",
        local_reply_config={"mappers": [unanswered()]},
    )


def unanswered() -> Json:
    """What people read when the app itself gave no answer, instead of Envoy's words."""
    text = "The app did not answer (%RESPONSE_FLAGS%). Its owner sees why with: wend ps, wend logs\n"
    flags = ["UF", "UC", "UH", "UO", "UR", "URX", "LR", "NC", "UPE", "UT", "SI"]
    return {
        "filter": {"response_flag_filter": {"flags": flags}},
        "body_format_override": {"text_format_source": {"inline_string": text}},
        "headers_to_add": [header("x-wend", "no-answer")],
    }


# ---------------------------------------------------------------------------------------------- resources


def header(key: str, value: str) -> Json:
    return {"header": {"key": key, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}


def address(host: str, port: int) -> Json:
    return {"socket_address": {"address": host, "port_value": port}}


def cluster_name(app: str, release: int) -> str:
    return f"{app}/{release}"


def cluster(app: str, release: int, backend: Backend) -> Json:
    """One release as a cluster. The limits leave room for many open websockets, and are never none."""
    name = cluster_name(app, release)
    most = {"max_connections": 4096, "max_pending_requests": 4096, "max_requests": 4096, "max_retries": 1024}
    endpoints = [{"endpoint": {"address": address(host, port)}} for host, port in backend.endpoints]
    ours = typed(
        "config.cluster.v3.Cluster",
        name=name,
        type="STATIC",
        connect_timeout=CONNECT,
        lb_policy="LEAST_REQUEST",
        load_assignment={"cluster_name": name, "endpoints": [{"lb_endpoints": endpoints}]},
        circuit_breakers={"thresholds": [most]},
        common_lb_config={"healthy_panic_threshold": {"value": 0}},
        typed_extension_protocol_options={"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": upstream_options()},
    )
    patch = dict(backend.patch)
    return over(ours, patch) | ({"metadata": noted(patch=patch)} if patch else {})


def upstream_options() -> Json:
    return typed(
        "extensions.upstreams.http.v3.HttpProtocolOptions",
        common_http_protocol_options={"idle_timeout": UPSTREAM_IDLE},
        explicit_http_config={"http_protocol_options": {}},
    )


def virtual_host(app: str, route: Route) -> Json:
    """One app. What cannot be read back from the routes themselves rides along as metadata."""
    weights = {str(release): backend.weight for release, backend in route.backends.items()}
    return {
        "name": app,
        "domains": domains(app, route),
        "routes": routes(app, route),
        "metadata": noted(hosts=list(route.hosts), weights=weights, sticky=route.sticky, patch=dict(route.patch)),
    }


def noted(**said: Any) -> Json:
    """What rides along for us, and means nothing to Envoy."""
    return {"filter_metadata": {"wend": said}}


def domains(app: str, route: Route) -> list[str]:
    """Without ports: the route configuration is told to ignore them."""
    return list(dict.fromkeys((f"{app}.localhost", *route.hosts)))


def routes(app: str, route: Route) -> list[Json]:
    weights = {release: backend.weight for release, backend in sorted(route.backends.items()) if backend.weight}
    if not weights:
        text = f"{app} has no release in traffic at the moment. Its owner sees why with: wend ps {app}\n"
        return [{"match": {"prefix": "/"}, "direct_response": answer(503, text), **marked("no-release")}]
    target = forward(app, weights, route.sticky)

    def action(retry_on: str) -> Json:
        return over({**target, "retry_policy": {"retry_on": retry_on, "num_retries": 2}}, route.patch)

    repeatable = [
        {"match": {"prefix": "/", "headers": [method(name)]}, "route": action(f"{UNSENT},reset")} for name in REPEATABLE
    ]
    return [*repeatable, {"match": {"prefix": "/"}, "route": action(UNSENT)}]


def method(name: str) -> Json:
    return {"name": ":method", "string_match": {"exact": name}}


def forward(app: str, weights: Mapping[int, int], sticky: bool) -> Json:
    """No time limit on the whole answer: it may be a stream. The idle limit of the connection manager still holds.

    Sticky: the client's address decides. The shares are in the order of the releases, so that a canary that gets more
    keeps the clients it had."""
    shares = [{"name": cluster_name(app, release), "weight": weight} for release, weight in weights.items()]
    if len(shares) == 1:
        return {"cluster": shares[0]["name"], "timeout": "0s"}
    if not sticky:
        return {"weighted_clusters": {"clusters": shares}, "timeout": "0s"}
    by_client = {"hash_policy": [{"connection_properties": {"source_ip": True}}]}
    return {"weighted_clusters": {"clusters": shares, "use_hash_policy": True}, **by_client, "timeout": "0s"}


def answer(status: int, text: str) -> Json:
    return {"status": status, "body": {"inline_string": text}}


def marked(why: str) -> Json:
    return {"response_headers_to_add": [header("x-wend", why)]}


def route_configuration(hosts: Iterable[Json], hops: int = 0) -> Json:
    """All apps, and the answer for hosts that are nobody's."""
    text = "No app answers at this host name. See which do with: wend apps\n"
    nobody = {
        "name": "*",
        "domains": ["*"],
        "routes": [{"match": {"prefix": "/"}, "direct_response": answer(404, text), **marked("unknown-host")}],
    }
    return typed(
        "config.route.v3.RouteConfiguration",
        name="routes",
        virtual_hosts=[*hosts, nobody],
        ignore_port_in_host_matching=True,
        request_headers_to_add=forwarded(hops),
        # nobody but a trusted proxy may claim these, and `proxy` is the CGI hole called httpoxy
        request_headers_to_remove=["forwarded", "x-real-ip", "x-envoy-external-address", "proxy"]
        + ([] if hops else ["x-forwarded-port", "x-forwarded-prefix"]),
    )


def forwarded(hops: int) -> list[Json]:
    """Who asked, and at which host. Without a trusted proxy before us what the client says of itself is dropped."""
    peer = header("x-forwarded-for", "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%")
    asked = header("x-forwarded-host", "%REQ(:AUTHORITY)%")
    if not hops:
        return [peer, asked]
    return [{**peer, "append_action": "APPEND_IF_EXISTS_OR_ADD"}, {**asked, "append_action": "ADD_IF_ABSENT"}]


def response(version: int, resources: Iterable[Json]) -> Json:
    """One file's content: Envoy's DiscoveryResponse."""
    return {"version_info": str(version), "resources": list(resources)}


# ---------------------------------------------------------------------------------------------- reading back


def virtual_hosts(rds: Json) -> dict[str, Json]:
    """App → its virtual host, in the order of the file."""
    return {host["name"]: host for host in rds["resources"][0]["virtual_hosts"] if host["name"] != "*"}


def clusters(cds: Json) -> dict[str, Json]:
    return {resource["name"]: resource for resource in cds["resources"]}


def read_route(host: Json, known: Mapping[str, Json]) -> Route:
    """The Route that this virtual host and these clusters were made from."""
    said = host["metadata"]["filter_metadata"]["wend"]
    app = host["name"]
    return Route(
        tuple(said["hosts"]),
        {
            int(release): backend(int(weight), known.get(cluster_name(app, int(release))))
            for release, weight in said["weights"].items()
        },
        sticky=bool(said.get("sticky")),  # one written before there was stickiness, or a patch, lacks it
        patch=said.get("patch", {}),
    )


def backend(weight: int, resource: Json | None) -> Backend:
    said = (resource or {}).get("metadata", {}).get("filter_metadata", {}).get("wend", {})
    return Backend(weight, endpoints(resource), said.get("patch", {}))


def endpoints(resource: Json | None) -> tuple[tuple[str, int], ...]:
    if resource is None:
        return ()
    listed = resource["load_assignment"]["endpoints"][0]["lb_endpoints"]
    sockets = (one["endpoint"]["address"]["socket_address"] for one in listed)
    return tuple((socket["address"], int(socket["port_value"])) for socket in sockets)


def named_clusters(hosts: Mapping[str, Json]) -> set[str]:
    """The clusters that some app still speaks of; all others are left over."""
    return {cluster_name(app, release) for app, host in hosts.items() for release in releases(host)}


def releases(host: Json) -> list[int]:
    """The releases that an app's virtual host speaks of."""
    return [int(release) for release in host["metadata"]["filter_metadata"]["wend"]["weights"]]


# ---------------------------------------------------------------------------------------------- refusals


def checked(app: str, route: Route, others: Mapping[str, Json]) -> Route:
    """The route with its hosts in their plain form (lower case, no port). Raises Invalid or Conflict."""
    total = sum(backend.weight for backend in route.backends.values())
    if total not in (0, 100) or any(backend.weight < 0 for backend in route.backends.values()):
        weights = {release: backend.weight for release, backend in route.backends.items()}
        raise Invalid(f"the weights of {app} are {weights}: they must sum to 100, or all be 0")
    plain = replace(route, hosts=tuple(dict.fromkeys(host_name(host) for host in route.hosts)))
    wanted = set(domains(app, plain))
    for name, other in others.items():
        if name != app and (taken := wanted.intersection(other["domains"])):
            raise Conflict(f"host {min(taken)} already belongs to {name}", f"take it from {name} first, or use another")
    return plain


def plainly(refusal: str) -> str:
    """Envoy's reason for refusing a file, without the file itself (which has every app in it) and the way there."""
    said = re.sub(r"\s+", " ", refusal).partition('): {"')[0].removesuffix(") has unknown fields")
    said = re.sub(r".* @ resources\[\d+\]\.<any>\.(virtual_hosts\[\d+\]\.routes\[\d+\]\.)?", "", said)
    said = re.sub(r" message [\w.]+, near [\d:]+ \(offset \d+\):", "", said)
    return " | caused by ".join(said.split(" | caused by ")[-2:]).strip(" :")[:300]


def host_name(given: str) -> str:
    plain = given.lower().rsplit(":", 1)[0] if re.search(r":\d+$", given) else given.lower()
    if len(plain) > 253 or not HOST.fullmatch(plain):
        raise Invalid(
            f"{given[:80]!r} cannot be a host name", "write it like shop.example.com (non-ASCII names as xn--…)"
        )
    return plain
