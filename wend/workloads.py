"""What runs in a cluster or a cloud account and no app of ours accounts for, asked through the official clients.

Read with the credentials of whoever scans, on their machine; nothing is sent anywhere. The clients come with the extras
`kubernetes` and `aws`.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from wend.errors import Down

SYSTEM = ("kube-system", "kube-public", "kube-node-lease", "local-path-storage")
OWN_LABEL = "app.kubernetes.io/name"
SECONDS = 30


@dataclass(frozen=True)
class Workload:
    """`kind`: Deployment, CronJob, ECS service …; `where`: namespace, cluster or region; `replicas`: None where that
    makes no sense; `names`: all that it may be known by."""

    kind: str
    where: str
    name: str
    replicas: int | None = None
    names: frozenset[str] = frozenset()


def unaccounted(found: Iterable[Workload], apps: Collection[str]) -> list[Workload]:
    """Those that no app of these names is."""
    known = {app.lower() for app in apps}
    rest = [one for one in found if not known & {name.lower() for name in (one.name, *one.names)}]
    return sorted(rest, key=lambda one: (one.kind, one.where, one.name))


def needed(module: str, extra: str) -> Any:
    """The client. Raises Down with the command that brings it."""
    try:
        return import_module(module)
    except ImportError as error:
        raise Down(f"the client for {extra} is not installed", f"uv pip install 'wend[{extra}]'") from error


# ---------------------------------------------------------------------------------------------- Kubernetes


def kubernetes(context: str | None = None) -> Iterator[Workload]:
    """Deployments, StatefulSets, DaemonSets and CronJobs of every namespace that is not the system's. Raises Down."""
    client, config = needed("kubernetes.client", "kubernetes"), needed("kubernetes.config", "kubernetes")
    errors = (OSError, needed("kubernetes.config.config_exception", "kubernetes").ConfigException)
    errors += (client.exceptions.ApiException, needed("urllib3.exceptions", "kubernetes").HTTPError)
    try:
        api = config.new_client_from_config(context=context)
        apps, batch = client.AppsV1Api(api), client.BatchV1Api(api)
        lists = (
            ("Deployment", apps.list_deployment_for_all_namespaces),
            ("StatefulSet", apps.list_stateful_set_for_all_namespaces),
            ("DaemonSet", apps.list_daemon_set_for_all_namespaces),
            ("CronJob", batch.list_cron_job_for_all_namespaces),
        )
        for kind, ask in lists:
            yield from listed(kind, ask)
    except errors as error:
        said = str(getattr(error, "reason", None) or error).partition("\n")[0][:200]
        raise Down(f"the cluster cannot be read: {said}", "does `kubectl get deployments -A` work?") from error


def listed(kind: str, ask: Any) -> Iterator[Workload]:
    """Page by page: a cluster may have many."""
    after = None
    while True:
        page = ask(limit=500, _continue=after, _request_timeout=SECONDS)
        for one in page.items:
            if one.metadata.namespace not in SYSTEM and not one.metadata.owner_references:
                labels: dict[str, str] = one.metadata.labels or {}
                label = labels.get(OWN_LABEL) or str(one.metadata.name)
                replicas = getattr(one.spec, "replicas", None)
                yield Workload(kind, one.metadata.namespace, one.metadata.name, replicas, frozenset({label}))
        after = getattr(page.metadata, "_continue", None)
        if not after:
            return


# ---------------------------------------------------------------------------------------------- AWS


def aws(region: str | None = None) -> Iterator[Workload]:
    """ECS services, Lambda functions and App Runner services of a region. Raises Down."""
    boto3, faults = needed("boto3", "aws"), needed("botocore.exceptions", "aws")
    settings = needed("botocore.config", "aws").Config(
        connect_timeout=5, read_timeout=SECONDS, retries={"max_attempts": 2}
    )
    try:
        session = boto3.session.Session(region_name=region or os.environ.get("AWS_REGION"))
        yield from ecs(session.client("ecs", config=settings))
        for page in session.client("lambda", config=settings).get_paginator("list_functions").paginate():
            for one in page["Functions"]:
                yield Workload("Lambda function", session.region_name, one["FunctionName"])
        yield from apprunner(session.client("apprunner", config=settings), session.region_name)
    except (faults.BotoCoreError, faults.ClientError) as error:
        hint = "does `aws sts get-caller-identity` work?"
        raise Down(f"the account cannot be read: {str(error)[:200]}", hint) from error


def ecs(client: Any) -> Iterator[Workload]:
    clusters = [one for page in client.get_paginator("list_clusters").paginate() for one in page["clusterArns"]]
    for cluster in clusters:
        pages = client.get_paginator("list_services").paginate(cluster=cluster, PaginationConfig={"PageSize": 10})
        for arns in (page["serviceArns"] for page in pages if page["serviceArns"]):
            for one in client.describe_services(cluster=cluster, services=arns)["services"]:
                yield Workload("ECS service", cluster.rpartition("/")[2], one["serviceName"], one["desiredCount"])


def apprunner(client: Any, region: str) -> Iterator[Workload]:
    after: dict[str, str] = {}
    while True:
        page = client.list_services(**after)
        for one in page["ServiceSummaryList"]:
            yield Workload("App Runner service", region, one["ServiceName"])
        if not page.get("NextToken"):
            return
        after = {"NextToken": page["NextToken"]}
