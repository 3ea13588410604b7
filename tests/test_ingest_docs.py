"""The page about sources is true: its templates make what is read, and every kind has its place."""

from __future__ import annotations

import json
import re
from pathlib import Path

from tests import ingest_samples as samples
from tests.ingest_world import data, hear
from wend.ingest import SOURCES
from wend.ingest.table import COLUMNS

DOCS = Path(__file__).parent.parent / "docs"
PAGE = (DOCS / "ingest.md").read_text("utf-8")
TEMPLATE = (DOCS / "argocd-notifications.yaml").read_text("utf-8")


def fences(info: str) -> list[str]:
    return re.findall(rf"^```{info}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_every_kind_and_every_column_is_on_the_page() -> None:
    told = set(re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```$", "", PAGE, flags=re.MULTILINE | re.DOTALL)))
    assert set(SOURCES) <= told
    assert {column for own, more in COLUMNS.values() for column in own | more} <= told


def test_the_trigger_on_the_page_is_that_of_the_file() -> None:
    (trigger,) = [fence for fence in fences("yaml") if "oncePer" in fence]
    assert trigger in TEMPLATE and "oncePer: app.status.operationState?.syncResult" not in TEMPLATE


def test_the_template_for_argo_sends_what_is_read() -> None:
    body = TEMPLATE.split("body: |\n", 1)[1]
    names = set(re.findall(r'"(\w+)":', body))
    sample = samples.argocd("1" * 40)
    assert set(sample) | set(sample["operation"]) | set(sample["history"][0]) <= names
    values = body.replace("{{ if $i }},{{ end }}", "")
    values = re.sub(r"{{-? *toJson[^}]*}}", '"x"', values)
    values = re.sub(r"{{[^}]*}}", "", values)
    rendered = json.loads(values)  # every loop once, every value a text
    assert rendered["wend"] == "argocd/1" and len(rendered["history"]) == 1


def test_the_body_of_the_trigger_for_zendesk_is_read() -> None:
    (body,) = fences("json")
    values = {"id": "7", "status": "Open", "created": "2026-02-20T12:00:00Z", "updated": "2026-02-20T13:00:00Z"}
    filled = re.sub(r"{{ticket\.([a-z]+)\w*}}", lambda match: values.get(match[1], "builds"), body)
    said = data(hear("zendesk", json.loads(filled)), "ticket_recorded")
    assert (said["ticket"], said["state"], said["reason"]) == ("zendesk:7", "open", "builds")
