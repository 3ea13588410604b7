"""What goes past the platform and can be seen."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from wend.build.rules import on_disk
from wend.cli import show
from wend.cli.checks import listed
from wend.cli.client import client
from wend.cli.options import json_option
from wend.scan import scan as look

FOLDER = click.Path(path_type=Path, exists=True, file_okay=False)


@click.group()
def scan() -> None:
    """Find escape hatches that nobody declared. Only you see what is found.

    Example: wend scan git ~/src/* · wend scan kubernetes --context prod
    """


@scan.command("git")
@click.argument(
    "repos", nargs=-1, required=True, metavar="REPO…", type=click.Path(path_type=Path, exists=True, file_okay=False)
)
@json_option
def scan_git(repos: tuple[Path, ...], json: bool) -> None:
    """Look through checkouts for their own ways to deploy: CI steps, Terraform, Helm, compose, serverless, images.

    Example: wend scan git ~/src/shop ~/src/till
    """
    said: list[dict[str, Any]] = []
    for path in repos:
        root = path.absolute()
        said += [{"repo": root.name, **vars(one)} for one in look(on_disk(root, listed(root)))]
    if json:
        show.as_json(said)
        return
    if not said:
        show.note("nothing goes past the platform here, as far as can be seen")
        return
    show.table(
        ("REPOSITORY", "WHAT", "WHERE", "LINE"), ((one["repo"], one["kind"], one["where"], one["says"]) for one in said)
    )
    kinds = sorted({(one["kind"], one["repo"]) for one in said})
    for kind in sorted({kind for kind, _ in kinds}):
        many = sum(each == kind for each, _ in kinds)
        show.note(f"{kind}: {many} {'repository' if many == 1 else 'repositories'}")


@scan.command("kubernetes")
@click.option("--context", metavar="NAME", help="Of your kubeconfig; default: the current one.")
@json_option
def scan_kubernetes(context: str | None, json: bool) -> None:
    """What runs in a cluster and no app of ours accounts for: deployments, stateful and daemon sets, cron jobs.

    Example: wend scan kubernetes --context prod
    """
    from wend import workloads

    told(workloads.unaccounted(workloads.kubernetes(context), apps()), json, "the cluster")


@scan.command("aws")
@click.option("--region", metavar="NAME", help="Default: that of your profile.")
@json_option
def scan_aws(region: str | None, json: bool) -> None:
    """What runs in an AWS account and no app of ours accounts for: ECS services, Lambda functions, App Runner.

    Example: wend scan aws --region eu-central-1
    """
    from wend import workloads

    told(workloads.unaccounted(workloads.aws(region), apps()), json, "the account")


def apps() -> set[str]:
    """The apps that the platform runs."""
    return {str(one["name"]) for one in client().get("apps")}


def told(found: Sequence[Any], json: bool, place: str) -> None:
    """What was found, and how to say that it is meant so."""
    if json:
        show.as_json([{key: getattr(one, key) for key in ("kind", "where", "name", "replicas")} for one in found])
    elif not found:
        show.note(f"every workload of {place} is an app of ours, as far as can be seen")
    else:
        rows = ((one.kind, one.where, one.name, one.replicas) for one in found)
        show.table(("WHAT", "WHERE", "NAME", "REPLICAS"), rows)
        show.note(f"{len(found)} of {place} are no apps of ours. If that is meant so: wend hatches elsewhere NAME …")
