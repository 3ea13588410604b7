"""What strangers wrote is read with suspicion: JSON, times, names and the meaning of words."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.ingest_world import PEOPLE, at
from wend.errors import Down, Invalid
from wend.ingest import parse
from wend.ingest.people import Pseudonyms, pseudonyms
from wend.ledger.chain import text_hash

BAD_JSON = {
    "deep arrays": b"[" * 100_000 + b"]" * 100_000,
    "deep objects": b'{"a":' * 65 + b"1" + b"}" * 65,
    "not a number": b'{"a": NaN}',
    "infinity": b'{"a": -Infinity}',
    "a float that is infinite": b'{"a": 1e999}',
    "a million digits": b'{"a": ' + b"9" * 1_000_000 + b"}",
    "a million digits after the point": b'{"a": 0.' + b"9" * 1_000_000 + b"}",
    "one more than 64 bits": b'{"a": 9223372036854775808}',
    "the same name twice": b'{"a": 1, "b": 2, "a": 3}',
    "half a character": b'{"a": "\xff"}',
    "an overlong slash": b'{"a": "\xc0\xaf"}',
    "a surrogate as bytes": b'{"a": "\xed\xa0\x80"}',
    "UTF-16": json.dumps({"a": 1}).encode("utf-16"),
    "half of it": b'{"a": [1, 2',
    "two of them": b"{} {}",
    "nothing": b"",
}


@pytest.mark.parametrize("what", BAD_JSON)
def test_json_that_two_readers_would_not_read_alike_is_refused(what: str) -> None:
    with pytest.raises(Invalid):
        parse.json_of(BAD_JSON[what])


def test_json_as_deep_as_allowed_and_numbers_at_the_edge_are_read() -> None:
    assert parse.json_of(b"[" * 64 + b"]" * 64)
    with pytest.raises(Invalid, match="64 levels"):
        parse.json_of(b"[" * 65 + b"]" * 65)
    edges = [2**63 - 1, -(2**63) + 1, 0, 1.5]
    assert parse.json_of(json.dumps(edges).encode()) == edges
    assert parse.json_of(b'\xef\xbb\xbf{"a": 1}') == {"a": 1}


TIMES = {
    "2026-03-01T12:00:00Z": "2026-03-01T12:00:00+00:00",
    "2026-03-01t12:00:00z": "2026-03-01T12:00:00+00:00",
    "2026-03-01T12:00:00.123456789Z": "2026-03-01T12:00:00.123456+00:00",
    "2026-03-01T12:00:00.5+05:30": "2026-03-01T12:00:00.500000+05:30",
    "2021-04-28 21:50:00 +0200": "2021-04-28T21:50:00+02:00",
    "2021-04-28 21:50:00 UTC": "2021-04-28T21:50:00+00:00",
    "2016-04-22T04:37:59.000-0500": "2016-04-22T04:37:59-05:00",
    "2026-03-01 12:00": "2026-03-01T12:00:00+00:00",
    "2026-03-01": "2026-03-01T00:00:00+00:00",
    "2026/03/01": "2026-03-01T00:00:00+00:00",
    "1.3.2026": "2026-03-01T00:00:00+00:00",
    "01.03.2026 12:00": "2026-03-01T12:00:00+00:00",
    "20260301": "2026-03-01T00:00:00+00:00",
    "2016-12-31T23:59:60Z": "2016-12-31T23:59:59+00:00",
    "2100-12-31T23:59:59Z": "2100-12-31T23:59:59+00:00",
    "1772366400": "2026-03-01T12:00:00+00:00",
    "1772366400123": "2026-03-01T12:00:00.123000+00:00",
    1772366400: "2026-03-01T12:00:00+00:00",
    1772366400123: "2026-03-01T12:00:00.123000+00:00",
    1772366400123456: "2026-03-01T12:00:00.123456+00:00",
    1772366400123456789: "2026-03-01T12:00:00.123456+00:00",
    1772366400.5: "2026-03-01T12:00:00.500000+00:00",
    "1772366400.25": "2026-03-01T12:00:00.250000+00:00",
}


@pytest.mark.parametrize("written", TIMES)
def test_times_are_read_however_they_are_written(written: object) -> None:
    assert parse.moment(written) == at(TIMES[written])  # type: ignore[index]


NO_TIMES = [
    "9999-12-31T23:59:59Z",
    "9999-12-31T23:59:59-12:00",
    "1969-12-31T23:59:59Z",
    "2101-01-01T00:00:00Z",
    "0001-01-01T00:00:00+14:00",
    "2026-02-30",
    "2026-13-01T00:00:00Z",
    "2026-03-01T25:00:00Z",
    "2026-03-01T12:00:00+99:99",
    "03/01/2026",
    "yesterday",
    "45000",
    "2026",
    "",
    "²⁰²⁶-03-01",
    -1,
    10**18 * 9,
    1e300,
    float("nan"),
    float("inf"),
    True,
    None,
    [],
]


@pytest.mark.parametrize("written", NO_TIMES, ids=repr)
def test_what_is_no_time_or_none_of_ours_is_refused(written: object) -> None:
    with pytest.raises(Invalid):
        parse.moment(written)


@given(st.one_of(st.text(), st.integers(), st.floats(), st.from_regex(parse.WRITTEN, fullmatch=True)))
def test_a_time_is_in_range_or_refused(written: object) -> None:
    with suppress(Invalid):
        assert 0 <= parse.moment(written) < 4_133_980_800_000_000


def test_commits_are_full_and_lower_case() -> None:
    assert parse.commit("ABCDEF" + "0" * 33 + "1") == "abcdef" + "0" * 33 + "1"
    assert parse.commit("a" * 64) == "a" * 64
    for bad in ("a" * 39, "a" * 41, "0" * 40, "g" * 40, "", None, 7, "a" * 40 + "\n\n" + "b"):
        with pytest.raises(Invalid):
            parse.commit(bad)


TIERS = {
    "production": "production prod Production prod-eu-1 eu_prod prod2 production/eu PRD live shop-prod",
    "staging": "staging stage stg pre-prod preprod pre_production preProduction uat acceptance staging-2",
    "testing": "test testing qa int ci nonprod non-prod non_production prod-test e2e",
    "development": "dev development review/feature-1 preview local dev3 sandbox",
    "other": "github-pages eu-west-1 reproduction deliver mars protest devops-room",
}


@pytest.mark.parametrize("tier", TIERS)
def test_an_environment_has_a_tier_by_its_words(tier: str) -> None:
    assert {name: parse.tier(name) for name in TIERS[tier].split()} == dict.fromkeys(TIERS[tier].split(), tier)
    assert parse.tier(None) == parse.tier("") == "other"


def test_a_purpose_shows_in_words_branches_and_labels() -> None:
    sha = "a" * 40
    assert parse.purpose("Add a button") == "planned"
    assert parse.purpose('Revert "Add a button"') == "revert"
    assert parse.purpose(f"Undo\n\nThis reverts commit {sha}.") == "revert"
    assert parse.purpose("revert: the button") == "revert"
    assert parse.purpose("", "revert-12-main") == "revert"
    assert parse.purpose("Revert to the default colour when there is none") == "planned"
    assert parse.purpose("Hotfix: the button") == "hotfix"
    assert parse.purpose("x", "refs/heads/hotfix/button") == parse.purpose("x", "hotfix-1") == "hotfix"
    assert parse.purpose("x", "main", ["Hotfix"]) == "hotfix"
    assert parse.purpose("Docs of the hotfix process", "feature/hotfixes-page") == "planned"
    assert parse.reverts(f"This reverts commit {sha.upper()}, and more") == sha
    assert parse.reverts("This reverts commit abc123.") is None


def test_a_cause_shows_where_it_is_named() -> None:
    sha = "b" * 40
    assert parse.cause(f"It broke.\nRoot cause: {sha}\n") == {"commit": sha}
    assert parse.cause(f"caused by commit {sha.upper()}") == {"commit": sha}
    assert parse.cause("Caused by: pkg:oci/shop@sha256%3Aab") == {"artifact": "pkg:oci/shop@sha256%3Aab"}
    assert parse.cause("caused by: deployment github:acme/shop/run/7.") == {"deployment": "github:acme/shop/run/7."}
    assert parse.cause("caused by the moon") is None


def test_names_repositories_links_and_images() -> None:
    assert parse.repository("https://git.example.org:8443/acme/shop.git") == "acme/shop"
    assert parse.repository("git@github.com:acme/shop.git") == parse.repository("acme/shop") == "acme/shop"
    assert parse.repository("acme.io/shop") == "acme.io/shop"
    assert parse.link("https://example.org/a?b=c") == "https://example.org/a?b=c"
    for bad in ("javascript:alert(1)", "https://x/\ny", 'https://x/"><script>', "https://x/" + "a" * 600, None):
        assert parse.link(bad) is None
    with pytest.raises(Invalid):
        parse.name("n" * 201)
    with pytest.raises(Invalid):
        parse.name(" \n ")
    assert parse.name("  two\n words ") == "two words"
    assert parse.clean("a\0b\ud800c\r\nd") == "a\ufffdb\ufffdc\nd"
    digest = "ab" * 32
    image = f"reg.example.org:5000/acme/Shop:1.2@sha256:{digest}"
    assert parse.purl(image) == f"pkg:oci/shop@sha256%3A{digest}"
    assert parse.purl("acme/shop:1.2") is None


def test_labels_have_keys_and_severities() -> None:
    labels = ["team: Payments", "kind/Incident", "Sev-1"]
    assert parse.label(labels, "team") == "Payments"
    assert parse.label(labels, "reason") is None
    assert parse.labelled(labels, "incident") and not parse.labelled(["not-incident"], "incident")
    assert parse.severity(labels) == "sev-1" and parse.severity(["priority: high"]) == "high"
    assert parse.severity(["p2p", "s3", "7"]) is None and parse.severity(["Priority 2"]) == "2"


def test_people_are_pseudonyms_and_texts_are_salted(tmp_path: Path) -> None:
    assert PEOPLE.of(" Ada@Example.org ") == PEOPLE.of("ada@example.org")
    assert PEOPLE.of("ada@example.org") != Pseudonyms(b"j" * 32).of("ada@example.org")
    hash, body = PEOPLE.author("a" * 40, "ada@example.org")
    salt, name = body.decode().split(" ")
    assert hash == text_hash(body) and name == PEOPLE.of("ADA@example.org") and len(salt) == len(name) == 16
    assert PEOPLE.author("a" * 40, "ada@example.org") == (hash, body), "told twice, it is the same fact"
    assert PEOPLE.author("b" * 40, "ada@example.org")[0] != hash, "no reader can group commits by author"
    made = pseudonyms(tmp_path)
    assert pseudonyms(tmp_path).key == made.key
    assert (tmp_path / "people.key").stat().st_mode & 0o777 == 0o600
    assert [file.name for file in tmp_path.iterdir()] == ["people.key"]
    (tmp_path / "people.key").write_bytes(b"short")
    with pytest.raises(Down, match="5 bytes"):
        pseudonyms(tmp_path)
