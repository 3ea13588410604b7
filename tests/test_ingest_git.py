"""Histories of real repositories: what is told of them, what stays here, and what a rewrite does."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from tests.history_world import HOUR, START, Repo
from tests.web_world import World, world
from wend.cli import history
from wend.events import Fact
from wend.state.delivery import CHANGES, DEPLOYMENTS, PARENTS
from wend.state.derived import refresh

Run = Callable[..., tuple[int, str, str]]
pytest_plugins = ["tests.cli_world"]


@pytest.fixture
def there(alone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with world(tmp_path / "home") as made:
        monkeypatch.setenv("WEND_URL", f"http://127.0.0.1:{made.port}")
        monkeypatch.setenv("WEND_TOKEN", made.token("ingest.write:git"))
        yield made


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    return Repo(tmp_path / "shop")


def changes(there: World) -> dict[str, Any]:
    with there.ctx.ledger.query() as db:
        return {row["commit"]: row for row in db.execute(sa.select(CHANGES)).mappings()}


def deployments(there: World) -> list[Any]:
    with there.ctx.ledger.query() as db:
        return list(db.execute(sa.select(DEPLOYMENTS).order_by(DEPLOYMENTS.c.finished_at)).mappings())


def counted(there: World) -> dict[str, Any]:
    """The derived tables, brought up to date as whoever asks for a figure does."""
    with there.ctx.ledger.transaction() as db:  # type: ignore[attr-defined]
        refresh(db)
        rows = db.execute(sa.text('SELECT "commit", deployment FROM carried')).all()
    return dict(tuple(row) for row in rows)


def ok(said: tuple[int, str, str]) -> str:
    assert said[0] == 0, said
    return said[1]


# ---------------------------------------------------------------------------------------------- what is told


def test_a_history_is_told_once(there: World, wend: Run, repo: Repo) -> None:
    first = repo.commit("Add the till")
    repo.git("checkout", "-q", "-b", "idea")
    side = repo.commit("Nobody may read this")
    repo.git("checkout", "-q", "main")
    joined = repo.merge("idea")
    back = repo.commit(f'Revert "Add the till"\n\nThis reverts commit {first}.\n')
    machine = repo.commit("Bump", who="bumper[bot]")
    assert ok(wend("ingest", "git", str(repo.path))) == "shop: 5 commits, 5 of them new\n"
    found = changes(there)
    assert set(found) == {first, side, joined, back, machine}
    assert found[first]["committed_at"] == (START + HOUR) * 1_000_000
    assert {commit: bool(row["merge"]) for commit, row in found.items() if row["merge"]} == {joined: True}
    assert (found[back]["purpose"], found[back]["reverts"], found[side]["purpose"]) == ("revert", first, "planned")
    assert [commit for commit, row in found.items() if row["bot"]] == [machine]
    assert found[first]["author"] == found[side]["author"] is not None
    with there.ctx.ledger.query() as db:
        parents = db.execute(sa.select(PARENTS.c.parent).where(PARENTS.c.commit == joined)).scalars()
        assert set(parents) == {first, side}
    before = there.ctx.ledger.head()
    assert "5 commits, 0 of them new" in ok(wend("ingest", "git", str(repo.path)))
    assert there.ctx.ledger.head() == before


def test_no_message_and_no_address_is_kept(there: World, wend: Run, repo: Repo) -> None:
    repo.commit("The quixotic zephyr fox", who="grace")
    ok(wend("ingest", "git", str(repo.path)))
    kept = b"".join(file.read_bytes() for file in there.ctx.config.home.glob("wend.db*"))
    assert b"shop" in kept
    for word in (b"quixotic", b"zephyr", b"grace", b"example.org"):
        assert word not in kept, word


def test_hotfix_branches_make_hotfixes(there: World, wend: Run, repo: Repo) -> None:
    repo.commit()
    repo.git("checkout", "-q", "-b", "hotfix/till")
    hot = [repo.commit("one"), repo.commit("two")]
    repo.git("checkout", "-q", "main")
    repo.commit("meanwhile")
    joined = repo.merge("hotfix/till")
    repo.git("branch", "-q", "-D", "hotfix/till")
    by_word = repo.commit("hotfix: the till again")
    ok(wend("ingest", "git", str(repo.path)))
    found = changes(there)
    assert {commit for commit, row in found.items() if row["purpose"] == "hotfix"} == {*hot, joined, by_word}


def test_tags_are_deployments_at_the_time_they_were_made(there: World, wend: Run, repo: Repo) -> None:
    first = repo.commit()
    repo.at += 100 * HOUR
    repo.tag("v1", "-a", "-m", "a release nobody may read of")
    annotated = repo.at
    second = repo.commit()
    repo.tag("v2-hotfix")
    repo.tag("v3", "-a", "-m", "of a tag", "v1")
    repo.git("tag", "v4", repo.git("rev-parse", "HEAD^{tree}"))
    repo.tag("nightly")
    said = ok(wend("ingest", "git", str(repo.path), "--tags", "v*", "--service", "till", "--team", "payments"))
    assert "3 deployments, 3 of them new" in said
    found = deployments(there)
    assert [(row["commit"], row["finished_at"]) for row in found][:2] == [
        (first, annotated * 1_000_000),
        (second, (annotated + HOUR) * 1_000_000),
    ]
    assert {(row["service"], row["repo"], row["tier"], row["outcome"]) for row in found} == {
        ("till", "shop", "production", "success")
    }
    assert [row["purpose"] for row in found] == ["planned", "hotfix", "planned"]
    before = there.ctx.ledger.head()
    assert "3 deployments, 0 of them new" in ok(
        wend("ingest", "git", str(repo.path), "--tags", "v*", "--service", "till", "--team", "payments")
    )
    assert there.ctx.ledger.head() == before
    assert counted(there)[second] == found[1]["id"]


@pytest.mark.parametrize(("what", "count"), [("commits", 3), ("merges", 1)])
def test_commits_or_merges_of_the_main_branch_are_deployments(
    there: World, wend: Run, repo: Repo, what: str, count: int
) -> None:
    repo.commit()
    repo.git("checkout", "-q", "-b", "idea")
    repo.commit()
    repo.git("checkout", "-q", "main")
    repo.commit()
    repo.merge("idea")
    ok(wend("ingest", "git", str(repo.path), "--deploys-are", what))
    assert len(deployments(there)) == count and len(changes(there)) == 4


def test_nothing_older_than_asked_is_told(there: World, wend: Run, repo: Repo) -> None:
    repo.commit("old")
    repo.at += 365 * 24 * HOUR
    new = repo.commit("new")
    ok(wend("ingest", "git", str(repo.path), "--since", "2024-06-01", "--deploys-are", "commits"))
    assert set(changes(there)) == {new} == {row["commit"] for row in deployments(there)}
    code, _, said = wend("ingest", "git", str(repo.path), "--since", "the day before")
    assert code == 2 and "no" in said


def test_a_rehearsal_sends_nothing(there: World, wend: Run, repo: Repo) -> None:
    repo.commit()
    before = there.ctx.ledger.head()
    assert "would tell of 1 commits, 1 of them new" in ok(wend("ingest", "git", str(repo.path), "--dry-run"))
    assert there.ctx.ledger.head() == before


# ---------------------------------------------------------------------------------------------- rewrites


def test_after_a_rewrite_nothing_counts_twice(there: World, wend: Run, repo: Repo) -> None:
    kept = repo.commit("kept")
    lost = [repo.commit("one"), repo.commit("two")]
    words = ("ingest", "git", str(repo.path), "--deploys-are", "commits")
    ok(wend(*words))
    assert set(counted(there)) == {kept, *lost}
    repo.git("reset", "-q", "--hard", kept)
    made = [repo.commit("one, better"), repo.commit("two, better")]
    assert "3 commits, 2 of them new; 2 are gone" in ok(wend(*words))
    assert set(changes(there)) == {kept, *made}
    assert [row["commit"] for row in deployments(there)] == [kept, *made]
    assert set(counted(there)) == {kept, *made}
    before = there.ctx.ledger.head()
    assert "0 of them new" in ok(wend(*words))
    assert there.ctx.ledger.head() == before
    repo.git("reset", "-q", "--hard", lost[1])
    assert "3 commits, 2 of them new; 2 are gone" in ok(wend(*words)), "it came back as it was"
    assert set(changes(there)) == {kept, *lost} == {row["commit"] for row in deployments(there)}
    rebuilt(there)


def rebuilt(there: World) -> None:
    """Rebuilding from the ledger gives the same."""
    before = set(changes(there)), [dict(row) for row in deployments(there)], counted(there)
    there.ctx.ledger.rebuild()
    after = set(changes(there)), [dict(row) for row in deployments(there)], counted(there)
    assert (before[0], before[2]) == (after[0], after[2])
    assert [row["id"] for row in before[1]] == [row["id"] for row in after[1]]


def test_what_was_deployed_for_certain_stays(there: World, wend: Run, repo: Repo) -> None:
    first, live, idle = repo.commit("one"), repo.commit("two"), repo.commit("three")
    ok(wend("ingest", "git", str(repo.path)))
    data: dict[str, Any] = dict.fromkeys(("repo", "artifact", "started_at", "undoes", "url"))
    data |= {"source": "github", "deployment": "github:1", "service": "shop", "environment": "production"}
    data |= {"tier": "production", "outcome": "success", "purpose": "planned", "commit": live, "commits": []}
    there.ctx.ledger.append([Fact("deployment_recorded", "service/shop", {**data, "finished_at": repo.at * 10**6})])
    repo.git("checkout", "-q", "--orphan", "anew")
    fresh = repo.commit("all of it")
    repo.git("branch", "-M", "main")
    assert "3 are gone" in ok(wend("ingest", "git", str(repo.path)))
    assert set(changes(there)) == {first, live, fresh}
    [told] = there.ctx.ledger.read(0, ["history_rewritten"])
    assert set(told.data["gone"]) == {first, live, idle}


def test_what_another_repository_still_has_stays(there: World, wend: Run, repo: Repo, tmp_path: Path) -> None:
    shared, mine = repo.commit("one"), repo.commit("two")
    subprocess.run(["git", "clone", "-q", str(repo.path), str(tmp_path / "fork")], check=True)
    ok(wend("ingest", "git", str(repo.path)))
    ok(wend("ingest", "git", str(tmp_path / "fork"), "--name", "acme/fork"))
    repo.git("reset", "-q", "--hard", shared)
    fresh = repo.commit("three")
    assert "1 are gone" in ok(wend("ingest", "git", str(repo.path)))
    assert set(changes(there)) == {shared, mine, fresh}


def test_a_clone_that_is_behind_takes_nothing_away(there: World, wend: Run, repo: Repo, tmp_path: Path) -> None:
    repo.commit("one")
    subprocess.run(["git", "clone", "-q", str(repo.path), str(tmp_path / "behind")], check=True)
    repo.git("checkout", "-q", "-b", "idea")
    repo.commit("aside")
    repo.git("checkout", "-q", "main")
    repo.commit("two")
    repo.merge("idea")
    ok(wend("ingest", "git", str(repo.path)))
    before = there.ctx.ledger.head()
    code, out, said = wend("ingest", "git", str(tmp_path / "behind"), "--name", "shop")
    assert code == 0 and "gone" not in out and "3 commits known to the platform are newer" in said
    assert there.ctx.ledger.head() == before


def test_what_is_gone_and_what_is_ahead() -> None:
    known = {"a": [], "b": ["a"], "c": ["b"], "x": ["a"], "m": ["c", "x"], "old": ["a"], "older": ["old"]}
    assert history.vanished(known, {"a", "b"}, {"b"}) == ({"old", "older"}, {"c", "x", "m"})
    assert history.vanished(known, set(known), {"m"}) == (set(), set())
    assert history.vanished({}, {"a"}, {"a"}) == (set(), set())


# ---------------------------------------------------------------------------------------------- odd repositories


def test_a_shallow_clone_says_what_is_missing_and_takes_nothing_away(
    there: World, wend: Run, repo: Repo, tmp_path: Path
) -> None:
    made = [repo.commit(str(number)) for number in range(4)]
    ok(wend("ingest", "git", str(repo.path)))
    words = ["git", "clone", "-q", "--depth", "2", f"file://{repo.path}", str(tmp_path / "shallow")]
    subprocess.run(words, check=True)
    code, out, said = wend("ingest", "git", str(tmp_path / "shallow"), "--name", "shop")
    assert (code, out) == (0, "shop: 2 commits, 0 of them new\n") and "shallow" in said
    assert set(changes(there)) == set(made)


def test_bare_and_empty_repositories(there: World, wend: Run, repo: Repo, tmp_path: Path) -> None:
    empty = Repo(tmp_path / "empty", "--bare")
    code, out, said = wend("ingest", "git", str(empty.path))
    assert (code, out) == (0, "empty: 0 commits, 0 of them new\n") and "no commit yet" in said
    commit = repo.commit()
    subprocess.run(["git", "clone", "-q", "--bare", str(repo.path), str(tmp_path / "bare.git")], check=True)
    assert ok(wend("ingest", "git", str(tmp_path / "bare.git"))).startswith("shop: 1 commits")
    assert set(changes(there)) == {commit}
    code, _, said = wend("ingest", "git", str(tmp_path))
    assert code == 2 and "not a git repository" in said


def test_odd_letters_and_dates(there: World, wend: Run, repo: Repo) -> None:
    tree = repo.git("mktree", feed=b"")
    latin = (
        b"tree %s\nauthor \xe9 <\xe9@x> 1700000000 +0000\ncommitter \xe9 <\xe9@x> 1700000000 +0000\n" % tree.encode()
    )
    first = repo.git("hash-object", "-w", "-t", "commit", "--stdin", feed=latin + b"encoding latin1\n\ngr\xfcn \xff\n")
    late = b"tree %s\nparent %s\nauthor a <a@x> 99999999999 +0000\ncommitter a <a@x> 99999999999 +0000\n\nlate\n"
    raw = late % (tree.encode(), first.encode())
    second = repo.git("hash-object", "-w", "-t", "commit", "--literally", "--stdin", feed=raw)
    repo.git("update-ref", "refs/heads/main", second)
    code, out, said = wend("ingest", "git", str(repo.path))
    assert (code, out) == (0, "shop: 1 commits, 1 of them new\n") and "1 commits have a date that cannot be" in said
    assert set(changes(there)) == {first}


def test_settings_of_the_repository_run_nothing(there: World, wend: Run, repo: Repo, tmp_path: Path) -> None:
    repo.commit()
    trap = tmp_path / "trap"
    trap.write_text(f"#!/bin/sh\ntouch {tmp_path}/sprung\ncat\n")
    trap.chmod(0o755)
    for key in ("core.pager", "core.fsmonitor", "gpg.program", "diff.external"):
        repo.git("config", key, str(trap))
    repo.git("config", "log.showSignature", "true")
    ok(wend("ingest", "git", str(repo.path), "--tags", "*"))
    assert not (tmp_path / "sprung").exists()


def test_names_of_repositories(repo: Repo) -> None:
    repo.commit()
    for address, name in (
        ("git@github.com:acme/shop.git", "acme/shop"),
        ("https://x:token@git.example.org/acme/deep/shop", "acme/deep/shop"),
        ("/srv/git/shop.git", "shop"),
    ):
        repo.git("config", "remote.origin.url", address)
        assert history.Repository(repo.path).name() == name


# ---------------------------------------------------------------------------------------------- the API

SHA = "ab" * 20
BAD: list[tuple[dict[str, Any], str]] = [
    ({}, "repo"),
    ({"repo": ""}, "name"),
    ({"repo": "a", "changes": [{}]}, "commit"),
    ({"repo": "a", "changes": [{"commit": "abc", "committed_at": 1}]}, "commit"),
    ({"repo": "a", "changes": [{"commit": SHA, "committed_at": "soon"}]}, "time"),
    ({"repo": "a", "changes": [{"commit": SHA, "committed_at": 1, "message": "no"}]}, "message"),
    ({"repo": "a", "changes": [{"commit": SHA, "committed_at": 1, "parents": "x"}]}, "parents"),
    ({"repo": "a", "changes": [{"commit": SHA, "committed_at": 1, "purpose": "fun"}]}, "purpose"),
    ({"repo": "a", "changes": [1]}, "list of objects"),
    ({"repo": "a", "deployments": [{"name": "v1", "commit": SHA}]}, "at"),
    ({"repo": "a", "gone": ["x"]}, "commit"),
    ({"repo": "a", "gone": [SHA] * 5001}, "at most"),
]


@pytest.mark.parametrize(("body", "word"), BAD)
def test_what_cannot_be_is_refused(there: World, body: Any, word: str) -> None:
    before = there.ctx.ledger.head()
    answer = there.ask("POST", "/api/ingest/git", body)
    assert answer.status == 422 and word in answer.json["message"], answer.text
    assert there.ctx.ledger.head() == before


def test_only_what_was_told_before_can_be_gone(there: World) -> None:
    body = {"repo": "acme/shop", "gone": [SHA]}
    assert there.ask("POST", "/api/ingest/git", body).json == {"facts": 0, "new": 0}


def test_known_commits_come_in_pages(there: World) -> None:
    rows = [
        {"commit": f"{number:040x}", "committed_at": START, "parents": [f"{number + 1:040x}"]} for number in range(1, 8)
    ]
    assert there.ask("POST", "/api/ingest/git", {"repo": "a/b", "changes": rows}).json == {"facts": 8, "new": 8}
    first = there.ask("GET", "/api/ingest/git?repo=a%2Fb&limit=4").json["commits"]
    rest = there.ask("GET", f"/api/ingest/git?repo=a%2Fb&limit=4&after={first[-1][0]}").json["commits"]
    assert json.dumps([*first, *rest]) == json.dumps([[one["commit"], one["parents"]] for one in rows])
    assert there.ask("GET", "/api/ingest/git?repo=other").json == {"commits": []}


# ---------------------------------------------------------------------------------------------- several services in one


def test_a_repository_of_two_services_gives_each_its_own_changes(there: World, wend: Run, repo: Repo) -> None:
    """[devex 1.2 g: containment by path filter.]"""

    def touch(*files: str) -> str:
        for file in files:
            (repo.path / file).parent.mkdir(parents=True, exist_ok=True)
            (repo.path / file).write_text(f"{repo.at}\n")
        repo.git("add", "-A")
        return repo.commit()

    first = touch("till/app.py", "mail/app.py", "README.md")
    till, mail, both = touch("till/deep/er/a.py"), touch("mail/a.py"), touch("mail/b.py", "till/b.py")
    odd = touch("mail/Zürich \n.py", f"till2/{first}")
    for service, folder in (("till", "till/"), ("mail", "mail")):
        words = ("--service", service, "--folder", folder, "--deploys-are", "commits", "--name", "acme/mono")
        ok(wend("ingest", "git", str(repo.path), *words))
    with there.ctx.ledger.transaction() as db:  # type: ignore[attr-defined]
        refresh(db)
        mine = sa.text('SELECT service, "commit" FROM carried WHERE lead IS NOT NULL')
        found = {tuple(row) for row in db.execute(mine)}
        waiting = db.execute(sa.text("SELECT SUM(changes), SUM(waiting) FROM arrivals WHERE scope = 'all'")).one()
    assert found == {("till", till), ("till", both), ("mail", mail), ("mail", both), ("mail", odd)}
    assert tuple(waiting) == (5, 0)


def test_folders_from_outside_the_repository_are_refused(there: World, wend: Run, repo: Repo) -> None:
    repo.commit()
    code, _, told = wend("ingest", "git", str(repo.path), "--folder", "../other")
    assert code == 2 and "no folder of a repository" in told
