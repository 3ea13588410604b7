"""What goes past the platform and can be seen in a repository."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from wend.build.rules import Tree
from wend.scan import MOST, scan

Run = Callable[..., tuple[int, str, str]]
pytest_plugins = ["tests.cli_world"]


def tree(files: dict[str, str]) -> Tree:
    return Tree(frozenset(files), files.get)


@pytest.mark.parametrize(
    ("file", "text", "kind", "line"),
    [
        (".github/workflows/ship.yml", "jobs:\n  - run: kubectl -n shop apply -f k8s/\n", "deploys by kubectl", 2),
        (".github/workflows/ship.yml", "run: helm upgrade --install shop ./chart", "deploys by helm", 1),
        (".gitlab-ci.yml", "script:\n- terraform apply -auto-approve\n", "deploys by terraform", 2),
        ("Jenkinsfile", "sh 'aws ecs update-service --cluster x'", "deploys by aws", 1),
        ("Makefile", "deploy:\n\trsync -a dist/ www@example.org:/srv\n", "deploys by ssh", 2),
        ("scripts/deploy-prod.sh", "flyctl deploy --remote-only", "deploys by fly", 1),
        ("infra/main.tf", 'terraform {}\nresource "aws_s3_bucket" "b" {}', "terraform", 2),
        ("charts/shop/Chart.yaml", "apiVersion: v2\nname: shop", "helm", 1),
        ("k8s/web.yaml", "apiVersion: apps/v1\nkind: Deployment\n", "kubernetes", 2),
        ("docker-compose.prod.yml", "version: '3'\nservices:\n  web: {}", "compose", 2),
        ("serverless.yml", "service: shop", "serverless", 1),
        ("api/Dockerfile", "# syntax\nFROM python:3.12\n", "image", 2),
        ("fly.toml", "", "fly", 1),
        ("app.yaml", "runtime: python312", "appengine", 1),
    ],
)
def test_each_way_past_the_path_is_found_where_it_stands(file: str, text: str, kind: str, line: int) -> None:
    (found,) = scan(tree({file: text, "README.md": "kubectl apply; terraform apply; ssh me@there"}))
    assert (found.kind, found.where) == (kind, f"{file}:{line}")


@pytest.mark.parametrize(
    ("file", "text"),
    [
        (".github/workflows/test.yml", "run: kubectl get pods\n# kubectl apply -f x\nrun: helm lint\n"),
        (".github/workflows/test.yml", "run: terraform plan && docker build ."),
        ("main.tf", "# nothing yet"),
        ("app.yaml", "name: my settings"),
        ("template.yaml", "greeting: hello"),
        ("k8s/settings.yaml", "kind: ConfigMap"),
        ("requirements.txt", "kubernetes==1"),
    ],
)
def test_what_only_looks_like_it_is_none(file: str, text: str) -> None:
    assert scan(tree({file: text})) == []


def test_hostile_files_are_only_text_and_there_are_not_too_many() -> None:
    files = {f"m{number}/main.tf": 'resource "a" "b" {}' for number in range(500)}
    files[".github/workflows/x.yml"] = "run: kubectl " + "a-b " * 200_000
    files["Makefile"] = "ssh " + "x" * 2_000_000
    assert len(scan(tree(files))) == MOST


def test_the_command_reads_checkouts_and_tells_nobody(wend: Run, tmp_path: Path) -> None:
    for name in ("shop", "till"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "Dockerfile").write_text("FROM \x1b[31mscratch\n")
    code, out, said = wend("scan", "git", str(tmp_path / "shop"), str(tmp_path / "till"))
    assert code == 0 and "\x1b" not in out and "image: 2 repositories" in said
    found = json.loads(wend("scan", "git", str(tmp_path / "shop"), "--json")[1])
    assert [(one["repo"], one["kind"], one["where"]) for one in found] == [("shop", "image", "Dockerfile:1")]
    (tmp_path / "empty").mkdir()
    assert "nothing goes past" in wend("scan", "git", str(tmp_path / "empty"))[2]
