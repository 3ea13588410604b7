"""Clusters and cloud accounts, asked through the official clients; what answers here speaks their protocols."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.cli_world import alone, terminal, wend
from tests.web_world import World, live_app, world
from wend import workloads
from wend.errors import Down
from wend.workloads import Workload, unaccounted

__all__ = ["alone", "terminal", "wend"]
Said = Callable[[str, dict[str, list[str]], dict[str, str], bytes], tuple[int, Any]]


class Answers:
    """A server on loopback that answers what `say` gives for (path, query, headers, body)."""

    def __init__(self, say: Said) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                status, found = say(parts.path, parse_qs(parts.query), dict(self.headers), body)
                text = json.dumps(found).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_POST = do_GET

            def log_message(self, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def end(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def serving() -> Iterator[Callable[[Said], str]]:
    made: list[Answers] = []

    def start(say: Said) -> str:
        made.append(Answers(say))
        return made[-1].url

    yield start
    for one in made:
        one.end()


# ---------------------------------------------------------------------------------------------- Kubernetes


def kube(name: str, namespace: str = "shop", label: str = "", owned: bool = False) -> dict[str, Any]:
    about: dict[str, Any] = {"name": name, "namespace": namespace}
    about |= {"labels": {"app.kubernetes.io/name": label}} if label else {}
    owner = {"apiVersion": "v1", "kind": "X", "name": "operator", "uid": "u"}
    about |= {"ownerReferences": [owner]} if owned else {}
    spec = {"replicas": 2, "selector": {}, "template": {"metadata": {}, "spec": {"containers": []}}}
    return {"metadata": about, "spec": spec}


def cluster(path: str, query: dict[str, list[str]], headers: dict[str, str], body: bytes) -> tuple[int, Any]:
    """Two pages of deployments, one stateful set, nothing else."""
    kind = path.rpartition("/")[2]
    more = "continue" in query
    items = {
        "deployments": [kube("late"), kube("made", owned=True)] if more else [kube("hello"), kube("x-1", label="hello"),
                                                                         kube("dns", "kube-system"), kube("stray")],
        "statefulsets": [kube("db", "data")],
    }.get(kind, [])  # fmt: skip
    next_page = {"continue": "2"} if kind == "deployments" and not more else {}
    version = path.removeprefix("/apis/").rpartition("/")[0]
    return 200, {"apiVersion": version, "kind": "List", "metadata": next_page, "items": items}


def config(folder: Path, url: str) -> Path:
    file = folder / "kubeconfig"
    about = {"apiVersion": "v1", "kind": "Config", "current-context": "it", "users": [{"name": "me", "user": {}}]}
    about |= {"clusters": [{"name": "it", "cluster": {"server": url}}]}
    about |= {"contexts": [{"name": "it", "context": {"cluster": "it", "user": "me"}}]}
    file.write_text(json.dumps(about))
    return file


def test_a_cluster_is_read_to_its_last_page(
    serving: Callable[[Said], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(config(tmp_path, serving(cluster)))
    )
    found = unaccounted(workloads.kubernetes(), ["hello"])
    assert [(one.kind, one.where, one.name, one.replicas) for one in found] == [
        ("Deployment", "shop", "late", 2), ("Deployment", "shop", "stray", 2), ("StatefulSet", "data", "db", 2),
    ]  # fmt: skip


@pytest.mark.parametrize("status", [401, 403, 500])
def test_a_cluster_that_does_not_answer_is_down_in_one_line(
    serving: Callable[[Said], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    url = serving(lambda *about: (status, {"message": "no"}))
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(config(tmp_path, url)))
    with pytest.raises(Down, match="the cluster cannot be read"):
        list(workloads.kubernetes())
    with pytest.raises(Down, match="the cluster cannot be read"):
        list(workloads.kubernetes("no-such-context"))


# ---------------------------------------------------------------------------------------------- AWS


def account(path: str, query: dict[str, list[str]], headers: dict[str, str], body: bytes) -> tuple[int, Any]:
    """One ECS cluster with two pages of services, a function, an App Runner service."""
    target, asked = headers.get("X-Amz-Target", ""), json.loads(body or b"{}")
    arn = "arn:aws:ecs:eu-central-1:1:cluster/prod"
    if target.endswith(".ListClusters"):
        return 200, {"clusterArns": [arn]}
    if target.endswith("20141113.ListServices"):
        page = {"serviceArns": ["b"]} if asked.get("nextToken") else {"serviceArns": ["a"], "nextToken": "2"}
        return 200, page
    if target.endswith(".DescribeServices"):
        names = {"a": "hello", "b": "billing"}
        return 200, {"services": [{"serviceName": names[one], "desiredCount": 3} for one in asked["services"]]}
    if "functions" in path:
        return 200, {"Functions": [{"FunctionName": "resize"}]}
    return 200, {"ServiceSummaryList": [{"ServiceName": "landing"}]}


@pytest.fixture
def there(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path / "home") as made:
        live_app(made, "hello")
        yield made


@pytest.fixture
def signed_in(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name, value in {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "y", "AWS_EC2_METADATA_DISABLED": "true",
                        "AWS_CONFIG_FILE": "/nowhere", "AWS_SHARED_CREDENTIALS_FILE": "/nowhere"}.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    return monkeypatch


def test_an_account_is_read_and_held_against_the_apps_of_the_platform(
    serving: Callable[[Said], str], there: World, alone: Path, signed_in: pytest.MonkeyPatch, wend: Any
) -> None:
    signed_in.setenv("AWS_ENDPOINT_URL", serving(account))
    signed_in.setenv("WEND_URL", f"http://127.0.0.1:{there.port}")
    signed_in.setenv("WEND_TOKEN", there.admin)
    code, out, err = wend("scan", "aws", "--region", "eu-central-1", "--json")
    assert code == 0, err
    assert [(one["kind"], one["name"]) for one in json.loads(out)] == [
        ("App Runner service", "landing"), ("ECS service", "billing"), ("Lambda function", "resize"),
    ]  # fmt: skip
    code, out, err = wend("scan", "aws", "--region", "eu-central-1")
    assert "billing" in out and "wend hatches elsewhere" in err + out


def test_an_account_that_refuses_is_down_in_one_line(
    serving: Callable[[Said], str], signed_in: pytest.MonkeyPatch
) -> None:
    signed_in.setenv(
        "AWS_ENDPOINT_URL", serving(lambda *about: (400, {"__type": "AccessDeniedException", "message": "no"}))
    )
    with pytest.raises(Down, match="AccessDenied"):
        list(workloads.aws("eu-central-1"))


# ---------------------------------------------------------------------------------------------- both


def test_without_the_client_the_command_that_brings_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(name: str) -> Any:
        raise ImportError(name)

    monkeypatch.setattr(workloads, "import_module", gone)
    for ask, extra in ((workloads.kubernetes, "kubernetes"), (workloads.aws, "aws")):
        with pytest.raises(Down) as error:
            list(ask())
        assert f"wend[{extra}]" in (error.value.hint or "")


def test_one_is_known_by_its_name_or_its_label_whatever_the_case() -> None:
    some = [Workload("a", "b", "Hello"), Workload("a", "b", "x", 1, frozenset({"till"})), Workload("a", "b", "other")]
    assert [one.name for one in unaccounted(some, ["hello", "TILL"])] == ["other"]
