"""Previews: another branch runs beside its app, knows only what it may, and goes when its time is over."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.house import SERVER, House, Repo, small, until
from wend import previews, spec
from wend.errors import Invalid
from wend.repos import NONE, Repos
from wend.state.questions import App

PARENT = App("hello", "main", None, 0, "ann", 2, 1, 100)
PREVIEW = App("fix--hello", "fix", None, 0, "ann", 1, None, 0, "hello", "fix", 5_000_000)

# ---------------------------------------------------------------------------------------------- names


@pytest.mark.parametrize(
    ("branch", "name"),
    [
        ("fix", "fix--hello"),
        ("feature/Login", "feature-login--hello"),
        ("a..b", "a-b--hello"),
        ("main--x", "main-x--hello"),
        ("2024-fix", "b-2024-fix--hello"),
        ("---", "branch--hello"),
        ("\U0001f389", "branch--hello"),
        ("größe", "gr-e--hello"),
        ("hello", "hello--hello"),
        ("x_y.z", "x-y-z--hello"),
    ],
)
def test_a_branch_becomes_a_host_name(branch: str, name: str) -> None:
    assert previews.name_for(branch, "hello", []) == name
    assert spec.any_name(name) == name
    assert spec.parent(name) == "hello"


def test_names_that_meet_are_told_apart_the_same_way_each_time() -> None:
    first = previews.name_for("feature/x", "hello", [])
    second = previews.name_for("feature-x", "hello", [first])
    third = previews.name_for("feature_x", "hello", [first, second])
    assert first == "feature-x--hello"
    assert re.fullmatch(r"feature-x-[0-9a-f]{6}--hello", second)
    assert len({first, second, third}) == 3
    assert second == previews.name_for("feature-x", "hello", [first])
    longer = previews.name_for("feature-x", "hello", [first, second])
    assert re.fullmatch(r"feature-x-[0-9a-f]{12}--hello", longer)


def test_no_name_is_longer_than_a_label_nor_begins_another_script() -> None:
    for app in ("a", "a" * 40):
        for branch in ("x" * 200, "x" * 63, "é" * 200, "x-" * 40 + "y", "xn"):
            name = previews.name_for(branch, app, [])
            assert len(name) <= 63
            assert not name.startswith("xn--")
            assert spec.any_name(name) == name
    assert previews.name_for("x" * 200, "a", []) != previews.name_for("x" * 201, "a", [])


@pytest.mark.parametrize("name", ["a--b--c", "--b", "a--", "a---b", "A--b", "1--b", "a--1", "a" * 60 + "--hello"])
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(Invalid):
        spec.any_name(name)


def test_nobody_may_call_an_app_like_a_preview() -> None:
    with pytest.raises(Invalid):
        spec.app_name("fix--hello")


def test_a_preview_has_its_apps_repository(tmp_path: Path) -> None:
    repos = Repos(tmp_path)
    assert repos.path("fix--hello") == repos.path("hello")


# ---------------------------------------------------------------------------------------------- the end


def test_when_a_preview_is_over() -> None:
    assert previews.over(PREVIEW, PARENT, "1" * 40, False, 4.0) == ""
    assert "time was over" in previews.over(PREVIEW, PARENT, "1" * 40, False, 5.0)
    assert "deleted" in previews.over(PREVIEW, PARENT, NONE, False, 4.0)
    assert "merged" in previews.over(PREVIEW, PARENT, "1" * 40, True, 4.0)
    mine = App("fix--hello", "fix", None, 0, "ann", 1, None, 0, "hello", "main", 5_000_000)
    assert "deploys hello now" in previews.over(mine, PARENT, "1" * 40, False, 4.0)


# ---------------------------------------------------------------------------------------------- how it runs


def test_a_preview_is_modest() -> None:
    wanted = spec.parse('[process.web]\nreplicas = 4\n[process.worker]\nreplicas = 3\n[env]\nA = "toml"\nB = "toml"\n')
    fitted = previews.fitted(wanted, ["web", "worker"], {"A": "set"})
    web = fitted.process("web")
    assert web.replicas is None and web.scaling and (web.scaling.min, web.scaling.max) == (0, 1)
    assert fitted.process("worker").replicas is None
    assert fitted.env == {"A": "set", "B": "toml"}
    assert fitted.declared.canary.steps == "off"
    assert fitted.declared.canary.watch == 0


def test_a_range_of_replicas_is_kept() -> None:
    wanted = spec.parse("[process.web]\nreplicas = { min = 1, max = 3 }\n")
    scaling = previews.fitted(wanted, ["web"], {}).process("web").scaling
    assert scaling and (scaling.min, scaling.max) == (1, 3)


# ---------------------------------------------------------------------------------------------- on a real platform


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    found = House(tmp_path_factory.mktemp("house") / "home", {"WEND_PREVIEWS_PER_APP": "2"}).up()
    yield found
    found.down()


def app(house: House, name: str, folder: Path, toml: str = "") -> Repo:
    """A live app."""
    repo = house.repo(name, folder / name, {**small("one"), "wend.toml": toml})
    taken, said = repo.push("-o", "canary=off", "main")
    assert taken, said
    return repo


def branch(repo: Repo, name: str, word: str, *words: str) -> str:
    """Push a new commit on this branch; what git said."""
    repo.git("checkout", "-q", "-B", name)
    repo.change(app_py=SERVER.format(word=word))
    taken, said = repo.push(*words, name)
    assert taken, said
    return said


def names(house: House) -> list[str]:
    return [one["name"] for one in house.api("GET", "/api/apps")[1]]


def why_gone(house: House, name: str) -> str:
    found = house.api("GET", f"/api/ledger/events?kind=app_destroyed&app={name}")[1]
    return found[-1]["data"]["why"]


def test_a_branch_answers_beside_its_app(house: House, tmp_path: Path) -> None:
    repo = app(house, "beside", tmp_path)
    said = branch(repo, "fix/Login", "fixed")
    assert f"remote: preview http://fix-login--beside.localhost:{house.edge}" in said
    assert house.get("fix-login--beside") == (200, "fixed")
    assert house.get("beside") == (200, "one")
    found = house.api("GET", "/api/apps/fix-login--beside")[1]
    assert found["live"] == 1
    assert house.get("fix-login--beside", "/env/WEND_APP")[1] == "fix-login--beside"


def test_a_sick_branch_is_kept_and_its_preview_goes_on(house: House, tmp_path: Path) -> None:
    repo = app(house, "sick", tmp_path)
    branch(repo, "try", "well")
    tip = repo.change(app_py="import sys; print('no database'); sys.exit(3)\n")
    taken, said = repo.push("try")
    assert taken, said
    assert "preview failed: web exited with code 3" in said
    assert "remote:   | no database" in said
    assert "tell us what happened: wend feedback" in said
    assert house.get("try--sick") == (200, "well")
    assert tip in repo.git("ls-remote", "wend", "refs/heads/try").stdout


def test_deleting_the_branch_removes_its_preview(house: House, tmp_path: Path) -> None:
    repo = app(house, "deleted", tmp_path)
    branch(repo, "gone", "two")
    taken, said = repo.push("--delete", "gone")
    assert taken, said
    assert "preview gone--deleted is removed" in said
    assert "gone--deleted" not in names(house)
    assert why_gone(house, "gone--deleted") == "branch gone was deleted"
    assert house.get("deleted") == (200, "one")
    assert repo.git("ls-remote", "wend", "refs/heads/main").stdout


def test_a_merged_branch_loses_its_preview(house: House, tmp_path: Path) -> None:
    repo = app(house, "merging", tmp_path)
    branch(repo, "topic", "two")
    repo.git("checkout", "-q", "main")
    repo.git("merge", "-q", "topic")
    taken, said = repo.push("-o", "canary=off", "main")
    assert taken, said
    assert "preview topic--merging is removed: branch topic was merged" in said
    assert "topic--merging" not in names(house)
    assert house.get("merging") == (200, "two")


def test_beyond_the_cap_the_branch_is_kept_and_the_way_out_told(house: House, tmp_path: Path) -> None:
    repo = app(house, "full", tmp_path)
    branch(repo, "a", "a")
    branch(repo, "b", "b")
    said = branch(repo, "c", "c")
    assert "no preview: full has 2 previews already" in said
    assert "a (a--full), b (b--full)" in said
    assert "git push wend --delete" in said
    assert repo.git("ls-remote", "wend", "refs/heads/c").stdout
    assert "c--full" not in names(house)
    assert "preview http://a--full" in branch(repo, "a", "again"), "a renewed one takes no new place"


def test_destroying_the_app_takes_its_previews_and_not_the_other_way_round(house: House, tmp_path: Path) -> None:
    repo = app(house, "parent", tmp_path)
    branch(repo, "one", "1")
    branch(repo, "two", "2")
    assert house.api("DELETE", "/api/apps/one--parent", {"confirm": "one--parent"})[0] == 200
    assert repo.git("ls-remote", "wend", "refs/heads/one").stdout, "the branch is kept, in the app's repository"
    assert house.api("DELETE", "/api/apps/parent", {"confirm": "parent"})[0] == 200
    assert not {"parent", "one--parent", "two--parent"} & set(names(house))
    assert why_gone(house, "two--parent") == "parent was destroyed"


def test_a_branch_made_of_what_is_live_is_not_merged(house: House, tmp_path: Path) -> None:
    repo = app(house, "same", tmp_path)
    repo.git("checkout", "-q", "-b", "fresh")
    assert "preview http://fresh--same" in repo.push("fresh")[1]
    repo.git("checkout", "-q", "main")
    repo.change(app_py=SERVER.format(word="two"))
    assert "is removed" not in repo.push("-o", "canary=off", "main")[1]
    assert house.get("fresh--same") == (200, "one")


def test_several_branches_in_one_push(house: House, tmp_path: Path) -> None:
    repo = app(house, "many", tmp_path)
    for name in ("a", "b", "c"):
        repo.git("branch", name)
    taken, said = repo.push("a", "b", "c")
    assert taken, said
    assert (said.count("remote: preview http://"), said.count("remote: no preview: ")) == (2, 1)


def test_no_previews_when_their_hours_are_none(house: House, tmp_path: Path) -> None:
    repo = app(house, "none", tmp_path, "[preview]\nhours = 0\n")
    assert "topic is kept, not deployed" in branch(repo, "topic", "two")
    assert "topic--none" not in names(house)


def test_config_is_shared_and_its_own_wins(house: House, tmp_path: Path) -> None:
    repo = app(house, "config", tmp_path)
    house.change("/api/apps/config/config", {"set": {"COLOUR": "red", "SHAPE": "round"}})
    branch(repo, "topic", "two")
    assert house.get("topic--config", "/env/COLOUR")[1] == "red"
    assert "done" in house.change("/api/apps/topic--config/config", {"set": {"COLOUR": "blue"}})[1]
    branch(repo, "topic", "three")
    assert house.get("topic--config", "/env/COLOUR")[1] == "blue"
    assert house.get("topic--config", "/env/SHAPE")[1] == "round"
    assert house.get("config", "/env/COLOUR")[1] == "red"


def test_only_the_live_release_lends_secrets(house: House, tmp_path: Path) -> None:
    repo = app(house, "lender", tmp_path, '[preview]\nsecrets = ["TEST_KEY"]\n')
    house.change("/api/apps/lender/secrets", {"set": {"TEST_KEY": "lent-value", "REAL_KEY": "real-value"}})
    repo.write({"wend.toml": '[preview]\nsecrets = ["TEST_KEY", "REAL_KEY"]\n'})
    branch(repo, "topic", "two")
    assert house.get("topic--lender", "/env/TEST_KEY")[1] == "lent-value"
    assert house.get("topic--lender", "/env/REAL_KEY")[1] == ""
    house.change("/api/apps/topic--lender/secrets", {"set": {"OWN_KEY": "own-value"}})
    repo.git("checkout", "-q", "main")
    repo.write({"wend.toml": ""})
    repo.commit("lend nothing")
    assert repo.push("-o", "canary=off", "main")[0]
    branch(repo, "topic", "three", "--force")
    assert house.get("topic--lender", "/env/TEST_KEY")[1] == ""
    assert house.get("topic--lender", "/env/OWN_KEY")[1] == "own-value"
    assert house.get("lender", "/env/TEST_KEY")[1] == "lent-value"
    back = house.change("/api/apps/topic--lender/rollback", {})[1]
    assert "erased" in str(back), "going back must not bring a lent secret back"


def test_a_preview_sleeps_and_wakes_has_its_own_data_and_runs_no_jobs(house: House, tmp_path: Path) -> None:
    toml = "[process.web]\nreplicas = { min = 0, max = 1, idle = 1 }\n"
    toml += '[resources.files]\ntype = "volume"\n[cron.tick]\nschedule = "* * * * *"\ncommand = "true"\n'
    repo = app(house, "sleepy", tmp_path, toml)
    branch(repo, "topic", "two")
    coming = [house.api("GET", f"/api/apps/{name}/jobs")[1][0]["next_at"] for name in ("sleepy", "topic--sleepy")]
    assert coming[0] and coming[1] is None, "the clock passes previews over"
    assert "done" in house.change("/api/apps/topic--sleepy/jobs/tick/run")[1]
    write, read = "echo mine > $FILES_PATH/mark", "cat $FILES_PATH/mark"
    assert house.change("/api/apps/sleepy/run", {"command": write})[1]["done"]["code"] == 0
    assert house.change("/api/apps/topic--sleepy/run", {"command": read})[1]["done"]["code"] != 0

    def phases() -> list[str]:
        return [one["phase"] for one in house.api("GET", "/api/apps/topic--sleepy/ps")[1]]

    until(lambda: phases() == ["asleep"], 60, "it sleeps")
    assert house.get("topic--sleepy") == (200, "two")


def test_a_preview_has_no_repository_to_push_to(house: House, tmp_path: Path) -> None:
    repo = house.repo("fix--hello", tmp_path / "direct")
    taken, said = repo.push()
    assert not taken
    assert "fix--hello is a preview" in said
    assert "push it to /git/hello.git" in said


def test_nobody_makes_a_preview_by_configuring_it(house: House) -> None:
    assert "cannot be an app's name" in str(house.change("/api/apps/x--nothing/config", {"set": {"A": "1"}}))
    assert "x--nothing" not in names(house)


def test_an_apps_scope_covers_its_previews_only(house: House, tmp_path: Path) -> None:
    repo = app(house, "scoped", tmp_path)
    branch(repo, "topic", "two")
    words = {"owner": "bob", "kind": "human", "scopes": ["app.read:scoped"]}
    token = house.api("POST", "/api/tokens", words)[1]["token"]
    assert house.api("GET", "/api/apps/topic--scoped", token=token)[0] == 200
    assert house.api("GET", "/api/apps/topic--other", token=token)[0] == 403
    token = house.api("POST", "/api/tokens", words | {"scopes": ["app.read:topic--scoped"]})[1]["token"]
    assert house.api("GET", "/api/apps/topic--scoped", token=token)[0] == 200
    assert house.api("GET", "/api/apps/scoped", token=token)[0] == 403


def test_branches_with_hostile_names(house: House, tmp_path: Path) -> None:
    repo = app(house, "hostile", tmp_path)
    for name in ("\U0001f389", "x" * 200, "hostile"):
        said = branch(repo, name, "two")
        found = re.search(r"preview http://([a-z0-9-]+)\.localhost", said)
        assert found, said
        assert house.get(found[1]) == (200, "two")
        assert repo.push("--delete", name)[0]
    assert [one for one in names(house) if one.endswith("--hostile")] == []
    for name in ("HEAD", "refs/heads/main"):
        taken, said = repo.push(f"HEAD:refs/heads/{name}")
        assert not taken and f"git would take a branch called {name} for another one" in said, said
