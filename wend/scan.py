"""Hatches that nobody declared: a repository that deploys by itself, or describes what runs elsewhere.

Pure: what the files say. Nothing here tells anybody; who scans sees it alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from wend.build.rules import Tree

DEPLOYS = {
    "kubectl": r"\bkubectl\s+(?:[\w-]+\s+)*?(?:apply|set\s+image|rollout|create|replace)\b",
    "helm": r"\bhelm\s+(?:upgrade|install)\b",
    "terraform": r"\b(?:terraform|tofu)\s+apply\b",
    "aws": r"\baws\s+(?:ecs|lambda|deploy|cloudformation|s3\s+sync|elasticbeanstalk|apprunner)\b",
    "gcloud": r"\bgcloud\s+(?:run|app|functions)\s+deploy\b",
    "azure": r"\baz\s+(?:webapp|containerapp|functionapp)\b",
    "serverless": r"\b(?:serverless|sls|sam|cdk)\s+deploy\b",
    "fly": r"\bfly(?:ctl)?\s+deploy\b",
    "heroku": r"\b(?:heroku\s+container:release|git\s+push\s+heroku)\b",
    "docker": r"\bdocker\s+(?:stack\s+deploy|compose\s+up|-H\s|context\s+use)\b",
    "ssh": r"\b(?:ssh|rsync|scp)\s+[^\n#]*@",
    "ansible": r"\bansible-playbook\b",
}
LINE = re.compile("|".join(f"(?P<{name}>{form})" for name, form in DEPLOYS.items()))
CI = (
    ".github/workflows/*.yml", ".github/workflows/*.yaml", ".gitlab-ci.yml", "**/.gitlab-ci.yml", "Jenkinsfile",
    ".circleci/config.yml", "azure-pipelines.yml", "bitbucket-pipelines.yml", ".drone.yml", "Makefile", "**/deploy*.sh",
)  # fmt: skip
WORKLOAD = r"^kind:\s*(?:Deployment|StatefulSet|DaemonSet|CronJob)\b"
# Files that describe what runs elsewhere: kind → globs, and what must stand in them (empty: being there is enough).
DESCRIBED: tuple[tuple[str, tuple[str, ...], str], ...] = (
    ("terraform", ("**/*.tf",), r"^\s*(?:resource|module)\s+\""),
    ("helm", ("**/Chart.yaml",), r"^apiVersion:"),
    ("kustomize", ("**/kustomization.yaml", "**/kustomization.yml"), ""),
    ("kubernetes", ("k8s/**.yaml", "kubernetes/**.yaml", "deploy/**.yaml", "manifests/**.yaml"), WORKLOAD),
    ("compose", ("**/docker-compose*.yml", "**/docker-compose*.yaml"), r"^services:"),
    ("compose", ("**/compose.yaml", "**/compose.yml"), r"^services:"),
    ("serverless", ("**/serverless.yml", "**/serverless.yaml"), r"^(?:service|functions):"),
    ("sam", ("**/template.yaml", "**/template.yml"), r"AWS::Serverless"),
    ("fly", ("fly.toml",), ""),
    ("heroku", ("heroku.yml", "app.json"), ""),
    ("vercel", ("vercel.json",), ""),
    ("netlify", ("netlify.toml",), ""),
    ("appengine", ("app.yaml",), r"^runtime:"),
    ("image", ("Dockerfile", "**/Dockerfile"), r"(?i)^FROM\s"),
)  # fmt: skip
MOST = 20  # places of one kind that are told


@dataclass(frozen=True)
class Found:
    """Something that goes past the path. `kind`: with what; `where`: path:line; `says`: the line, as it stands."""

    kind: str
    where: str
    says: str


def scan(tree: Tree) -> list[Found]:
    """Every place in the files that deploys past the platform, or describes what runs elsewhere; by kind and place."""
    found = sorted({*commands(tree), *descriptions(tree)}, key=lambda one: (one.kind, one.where))
    counts: dict[str, int] = {}
    kept: list[Found] = []
    for one in found:
        counts[one.kind] = counts.get(one.kind, 0) + 1
        if counts[one.kind] <= MOST:
            kept.append(one)
    return kept


def commands(tree: Tree) -> Iterator[Found]:
    """Steps of the repository's own CI that deploy. A comment deploys nothing."""
    for file in {file for glob in CI for file in tree.match(glob)}:
        for number, line in enumerate((tree.read(file) or "").splitlines(), 1):
            if not line.lstrip().startswith("#") and (match := LINE.search(line[:2000])):
                yield Found(f"deploys by {match.lastgroup}", f"{file}:{number}", line.strip()[:120])


def descriptions(tree: Tree) -> Iterator[Found]:
    for kind, globs, sign in DESCRIBED:
        for file in {file for glob in globs for file in tree.match(glob)}:
            text = tree.read(file) or ""
            match = re.search(sign, text, re.MULTILINE) if sign else re.match("", text)
            if match:
                number = text.count("\n", 0, match.start()) + 1
                lines = text.splitlines()
                yield Found(kind, f"{file}:{number}", lines[number - 1].strip()[:120] if lines else "")
