"""Tokens and the one authorize: deny by default."""

from __future__ import annotations

import pytest

from wend import auth


@pytest.mark.parametrize(
    ("scopes", "verb", "target", "allowed"),
    [
        ((), "app.read", "a", False),
        (("*",), "app.destroy", "a", True),
        (("app.read",), "app.read", "a", True),
        (("app.read",), "app.read", None, True),
        (("app.read",), "app.push", "a", False),
        (("app.read:a",), "app.read", "a", True),
        (("app.read:a",), "app.read", "b", False),
        (("app.read:a",), "app.read", None, False),
        (("app.*",), "app.destroy", "b", True),
        (("app.*:a",), "app.destroy", "b", False),
        (("app.*",), "ledger.read", None, False),
        (("app.rea",), "app.read", "a", False),
        (("app.read:",), "app.read", "a", False),
        (("app.read:hello",), "app.read", "fix--hello", True),
        (("app.read:hello",), "app.read", "hello--other", False),
        (("app.read:b-a",), "app.read", "b--a", False),
        (("app.read:a",), "app.read", "b-a", False),
        (("app.read:fix--hello",), "app.read", "fix--hello", True),
        (("app.read:fix--hello",), "app.read", "hello", False),
        (("app.read:fix--hello",), "app.read", "other--hello", False),
        (("app.read:",), "app.read", "a--", False),
    ],
)
def test_scopes(scopes: tuple[str, ...], verb: str, target: str | None, allowed: bool) -> None:
    assert auth.permits(scopes, verb, target) is allowed


def test_nobody_gives_away_more_than_they_have() -> None:
    assert auth.covered(("*",), "*")
    assert auth.covered(("app.*",), "app.push:a")
    assert not auth.covered(("app.push:a",), "app.push")
    assert not auth.covered(("app.*",), "*")


def test_whoever_does_anything_with_an_app_has_a_voice_and_research_is_led_by_its_own_scope() -> None:
    for scope in ("*", "app.*", "app.read", "app.push:hello", "voice.give", "voice.*"):
        assert auth.permits((scope,), "voice.give", None), scope
    for scope in ("ledger.read", "ingest.write", "platform.read", "research.lead"):
        assert not auth.permits((scope,), "voice.give", None), scope
    assert auth.permits(("research.lead",), "research.lead", None) and auth.permits(("*",), "research.lead", None)
    assert not auth.permits(("app.*", "signals.*", "voice.*"), "research.lead", None)


def test_a_token_with_a_typo_is_not_well_formed() -> None:
    token = auth.make_token("human")
    assert auth.well_formed(token)
    last = token[-7]
    assert not auth.well_formed(token[:-7] + ("a" if last != "a" else "b") + token[-6:])
    assert not auth.well_formed(token + "x")
    assert not auth.well_formed("")
    assert auth.make_token("human") != token


def test_every_verb_says_what_it_allows() -> None:
    assert all(words for words in auth.VERBS.values())
