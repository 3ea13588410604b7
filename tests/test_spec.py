"""wend.toml, the Procfile and names: what is read, what is refused, and with which words."""

from __future__ import annotations

import json
import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wend import declared, schema, spec
from wend.errors import Invalid


def test_no_file_is_fine() -> None:
    assert spec.parse(None) == spec.Spec()


def test_the_example_is_valid_and_says_every_key() -> None:
    found = spec.parse(schema.example_text())
    assert found.app == "hello"
    assert found.processes["web"].memory == 512 * 2**20
    assert found.hatches["build"].reason
    assert set(tomllib.loads(schema.example_text())) >= {
        "app",
        "team",
        "path",
        "branch",
        "process",
        "release",
        "env",
        "hatch",
        "canary",
        "cron",
        "resources",
        "preview",
    }
    assert declared.declared(as_kept(found)) == found.declared


def as_kept(found: spec.Spec) -> dict[str, Any]:
    """What a release keeps of it, as it comes back from the ledger."""
    return json.loads(json.dumps(found.declared.kept()))


@pytest.mark.parametrize(
    ("text", "words", "hint"),
    [
        ('ap = "x"', "unknown key 'ap'", "'app'"),
        ("[process.web]\nmemry = '1M'", "process.web.memry", "'memory'"),
        ("process = 3", "must be a table", "[process]"),
        ("app = 3", "app = 3", "app = 'hello'"),
        ("[process.web]\nreplicas = -1", "replicas", ""),
        ("[process.web]\nreplicas = 1.5", "replicas", ""),
        ("[process.web]\nreplicas = true", "replicas", ""),
        ("[process.web]\nmemory = 'lots'", "'lots'", "256M"),
        ("[process.web]\nmemory = '1K'", "'1K'", "256M"),
        ("[process.web]\nmemory = '" + "9" * 5000 + "G'", "not a size", ""),
        ("[process.web]\ncpu = 0", "cpu = 0", ""),
        ("[process.web]\ncpu = nan", "nan", ""),
        ("[process.web]\nboot = inf", "inf", ""),
        ("[process.WEB]\ncommand = 'x'", "'WEB'", ""),
        ("[process.web]\nhealth = 'http://evil/'", "health", ""),
        ("[process.web]\nhealth = '/a b'", "health", ""),
        ("[env]\nPORT = '1'", "PORT is set by the platform", ""),
        ("[env]\n'A-B' = '1'", "'A-B'", ""),
        ("[env]\nA = ['1']", "env.A", ""),
        ("app = 'My App'", "'My App'", "lower-case"),
        ("app = '../evil'", "../evil", ""),
        ("app =", "cannot be read", "wend init"),
        ("a" * 300_000, "300000 bytes", ""),
        ("a = " + "[" * 5000 + "]" * 5000, "cannot be read", ""),
        ("a = 1" + "0" * 10_000, "", ""),
    ],
)
def test_refusals_name_the_value_and_the_way_out(text: str, words: str, hint: str) -> None:
    with pytest.raises(Invalid) as error:
        spec.parse(text)
    assert words in error.value.message
    assert hint in error.value.hint


def test_not_utf8_is_refused() -> None:
    with pytest.raises(Invalid, match="cannot be read"):
        spec.parse(b"app = '\xff'")


@given(st.text(max_size=200))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    try:
        spec.parse(text)
    except Invalid as error:
        assert error.message


@given(st.text(max_size=200))
def test_any_procfile_is_parsed_or_refused(text: str) -> None:
    try:
        found = spec.procfile(text)
    except Invalid as error:
        assert error.message.startswith("Procfile line")
    else:
        assert all(spec.PROCESS.fullmatch(name) and command for name, command in found.items())


def test_procfile() -> None:
    text = "# comment\n\nweb: gunicorn app:app --bind 0.0.0.0:$PORT\nWorker : python w.py\n"
    assert spec.procfile(text) == {"web": "gunicorn app:app --bind 0.0.0.0:$PORT", "worker": "python w.py"}
    with pytest.raises(Invalid, match="line 2"):
        spec.procfile("web: x\njust words\n")


@pytest.mark.parametrize("name", ["a", "my-app", "a" * 40, "a1"])
def test_good_app_names(name: str) -> None:
    assert spec.app_name(name) == name


@pytest.mark.parametrize("name", ["", "-a", "a-", "a--b", "A", "a.b", "a/b", "..", "a" * 41, "1a", "é", "a\n", "a b"])
def test_bad_app_names(name: str) -> None:
    with pytest.raises(Invalid):
        spec.app_name(name)
