"""Templates that keep up: what people wrote survives, what went its own way is told each time, and nobody's commit is
overwritten."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.house import House
from tests.web_world import World, world
from wend import paths, proposals
from wend.build.origin import ANSWERS, made_from
from wend.events import Fact
from wend.paths import merge, templates, update
from wend.paths.merge import Report

FILES = ("app.py", "README.md", "requirements.txt", "templates/home.html", "Procfile", "tests/test_app.py")
SHIPPED = paths.get("python-web").template


def git(where: Path, *words: str) -> str:
    env = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}
    named = ("-c", "user.name=ada", "-c", "user.email=ada@example.com")
    return subprocess.run(["git", "-C", str(where), *named, *words], env=env, check=True, capture_output=True,
                          text=True).stdout  # fmt: skip


def changed(template: Path) -> None:
    """What version 2 of it is: a file more, one less, two changed."""
    app, readme = template / "app.py.jinja", template / "README.md.jinja"
    text = app.read_text().replace("from flask", "import logging\n\nfrom flask", 1)
    app.write_text(f"{text}\n\nlogging.info('up')\n")
    readme.write_text(readme.read_text().replace("# ", "# The app ", 1))
    (template / "SECURITY.md").write_text("Tell platform@example.com.\n")
    (template / "requirements.txt").write_text((template / "requirements.txt").read_text() + "# version 2\n")
    shutil.rmtree(template / "tests")


@pytest.fixture(scope="module")
def versions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with two versions of the template."""
    place = tmp_path_factory.mktemp("template")
    work = place / "work"
    shutil.copytree(SHIPPED, work)
    git(place, "init", "-q", "-b", "main", str(work))
    for version in (1, 2):
        if version == 2:
            changed(work)
        git(work, "add", "--all", "--force")
        git(work, "commit", "-q", "-m", f"version {version}")
        git(work, "tag", f"v{version}")
    git(place, "clone", "-q", "--bare", str(work), str(place / "t.git"))
    return place / "t.git"


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "gitconfig"
    config.write_text("[user]\n\tname = Wend\n\temail = wend@localhost\n[safe]\n\tdirectory = *\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))


def scaffold(name: str, folder: Path) -> Path:
    app = paths.new("python-web", name, folder)
    git(folder.parent, "init", "-q", "-b", "main", str(app))
    git(app, "add", "--all")
    git(app, "commit", "-q", "-m", "made")
    return app


# ---------------------------------------------------------------------------------------------- twenty apps


def edited(app: Path, dice: random.Random, number: int) -> list[tuple[str, str]]:
    """Edit it as teams do; (file, line) of everything that somebody wrote."""
    wrote: list[tuple[str, str]] = []
    for turn in range(dice.randrange(1, 5)):
        mine = f"team {number} wrote this, turn {turn}"
        kind = dice.choice(("end", "start", "own", "same line", "rewrite", "delete", "move"))
        file = app / dice.choice(FILES)
        if kind == "own":
            file = app / f"own_{turn}.py"
            file.write_text(f"# {mine}\n")
        elif not file.exists():
            continue
        elif kind == "end":
            file.write_text(f"{file.read_text()}# {mine}\n")
        elif kind == "start":
            file.write_text(f"# {mine}\n{file.read_text()}")
        elif kind == "same line":
            lines = file.read_text().splitlines()
            lines[dice.randrange(len(lines))] = f"# {mine}"
            file.write_text("\n".join(lines) + "\n")
        elif kind == "rewrite":
            file.write_text(f"# {mine}\n# and nothing else\n")
        else:
            target = app / f"moved_{turn}.txt"
            file.rename(target) if kind == "move" else file.unlink()
        wrote = [one for one in wrote if (app / one[0]).exists()]
        if file.exists():
            wrote.append((file.relative_to(app).as_posix(), f"# {mine}"))
    return [(name, line) for name, line in wrote if (app / name).exists() and line in (app / name).read_text()]


def test_over_twenty_apps_every_edit_survives_and_every_diverged_file_is_told(
    versions: Path, tmp_path: Path, settings: None
) -> None:
    pristine, fresh = paths.new("python-web", "app-0", tmp_path / "pristine"), tmp_path / "fresh"
    fresh_of(versions, fresh)
    seen = dict.fromkeys(("diverged", "conflicts", "gone", "updated", "same"), 0)
    for number in range(20):
        dice = random.Random(number)
        app = scaffold("app-0", tmp_path / f"app{number}")
        wrote = edited(app, dice, number)
        git(app, "add", "--all")
        git(app, "commit", "-q", "--allow-empty", "-m", "ours")
        begun, before = git(app, "rev-parse", "HEAD"), {name: (app / name).read_text() for name, _ in wrote}
        report = merge.merge(app, versions, "python-web", 1, 2)
        assert git(app, "rev-parse", "HEAD") == begun, "the commit is the proposal's to make"
        for name, line in wrote:
            text = (app / name).read_text()
            assert line in text, f"app {number}: {name} lost {line!r}"
            assert "<<<<<<<" not in text and ">>>>>>>" not in text
            kept = [each for each in before[name].splitlines() if each.startswith("# team")]
            assert all(each in text for each in kept), f"app {number}: {name}"
        assert not list(app.rglob("*.rej"))
        assert made_from((app / ANSWERS).read_text()) == ("python-web", 2)
        told = {*report.diverged, *report.gone, *report.same}
        for file in (one for one in fresh.rglob("*") if one.is_file() and one.name != ANSWERS):
            name = file.relative_to(fresh).as_posix()
            mine = app / name
            same = mine.is_file() and mine.read_bytes() == file.read_bytes()
            assert (name in report.same) is same and name in told, f"app {number}: {name} is not told of"
        for key in seen:
            seen[key] += len(getattr(report, key))
    assert pristine.is_dir() and all(seen.values()), f"the edits must make every case: {seen}"


def fresh_of(versions: Path, place: Path) -> None:
    from copier import run_copy

    data = {"app": "app-0", "title": "App 0", "module": "app_0"}
    run_copy(f"git+file://{versions}", place, data=data, defaults=True, quiet=True, vcs_ref="v2")


def test_a_file_that_diverged_once_is_told_again_when_its_template_did_not_change(
    versions: Path, tmp_path: Path, settings: None
) -> None:
    """[epics-containers.github.io 232: copier alone never sees it again.]"""
    app = scaffold("app-0", tmp_path / "app")
    (app / "Procfile").write_text("web: something-else\n")
    git(app, "commit", "-q", "-a", "-m", "our own server")
    report = merge.merge(app, versions, "python-web", 1, 2)
    assert "Procfile" in report.diverged and "something-else" in report.diverged["Procfile"]
    assert (app / "Procfile").read_text() == "web: something-else\n"


BUILDS = "!!python/object/apply:os.system ['touch /tmp/never']\n"


@pytest.mark.parametrize("answers", ["- a\n- b\n", BUILDS, "a: &a [*a]\n" * 3, "x" * 300_000])
def test_hostile_answers_are_refused(versions: Path, tmp_path: Path, settings: None, answers: str) -> None:
    """[Attack 25: YAML that builds objects.]"""
    app = scaffold("app-0", tmp_path / "app")
    (app / ANSWERS).write_text(answers)
    git(app, "commit", "-q", "-a", "-m", "answers")
    with pytest.raises(Exception, match=r"YAML|table|longer|constructor|anchor|mapping"):
        merge.merge(app, versions, "python-web", 1, 2)
    assert not Path("/tmp/never").exists()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("_commit: v3\n_src_path: wend:python-web\napp: x\n", ("python-web", 3)),
        ("_src_path: /usr/lib/wend/golden/go-web/template\n", ("go-web", 1)), ("_src_path: gh:someone/else\n", None),
        ("", None), (None, None), ("app: x\n", None), ("_src_path: wend:../../etc\n", None),
    ],
)  # fmt: skip
def test_what_an_app_was_made_from(text: str | None, found: tuple[str, int] | None) -> None:
    assert made_from(text) == found


# ---------------------------------------------------------------------------------------------- versions kept


@pytest.fixture
def there(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path / "home") as made:
        yield made


def test_every_version_of_a_template_stays(there: World, tmp_path: Path) -> None:
    path = paths.get("python-web")
    templates.keep_all(there.ctx)
    assert templates.versions(there.ctx, "python-web") == [path.version]
    folder = tmp_path / "newer" / "python-web"
    shutil.copytree(path.folder, folder)
    text = (folder / "path.toml").read_text()
    (folder / "path.toml").write_text(text.replace(f"version = {path.version}\n", f"version = {path.version + 1}\n"))
    changed(folder / "template")
    repo = templates.keep(there.ctx, paths.golden.load(folder / "path.toml"))
    assert templates.versions(there.ctx, "python-web") == [path.version, path.version + 1]
    first = there.ctx.repos.run(repo, "ls-tree", "-r", "--name-only", f"v{path.version}").decode()
    assert "tests/test_app.py" in first and "SECURITY.md" not in first and ".gitignore" in first


def test_a_template_that_changes_gets_another_version() -> None:
    """Apps are updated from one version to the next: one number for two templates would lose what changed. When this
    fails, raise `version` in that path.toml, and write down the new hash here."""
    known = {
        "go-web": (1, "8a2b582df1ac"),
        "node-web": (1, "f2d35aa8f8ee"),
        "procfile": (1, "b98300f75189"),
        "python-web": (2, "1fe081e782dd"),
        "static-site": (1, "35c766dfb846"),
    }
    assert {one.name: (one.version, hashed(one.template)) for one in paths.all()} == known


def hashed(template: Path) -> str:
    import hashlib

    body = hashlib.sha256()
    for file in sorted(template.rglob("*")):
        if file.is_file():
            body.update(f"{file.relative_to(template).as_posix()}\0".encode() + file.read_bytes())
    return body.hexdigest()[:12]


# ---------------------------------------------------------------------------------------------- proposals


def test_what_becomes_of_a_proposal() -> None:
    row = {"base": "a", "state": "proved"}
    assert proposals.standing(row, "a", False) == "proved"
    assert proposals.standing(row, "b", False) == "stale"
    assert proposals.standing(row, "b", True) == "merged"


def test_the_commit_says_what_to_look_at() -> None:
    report = Report(["a"] * 9, ["b"], {"c.py": "-x\n+y"}, {"d.py": "@@"}, ["e"])
    said = update.message(paths.get("python-web"), 0, report)
    assert said.splitlines()[0] == f"Update the template python-web from version 0 to {paths.get('python-web').version}"
    assert "yours is kept" in said and "c.py" in said and "and 1 more" in said


def test_an_app_that_was_made_from_nothing_cannot_be_updated(there: World) -> None:
    there.ctx.ledger.append([Fact("app_created", "app/shop", {"branch": "main"}, app="shop")])
    assert there.ask("POST", "/api/apps/shop/update", {}).status in (200, 404)
    assert there.ask("POST", "/api/apps/shop/update", {}, token=there.token("app.read")).status == 403


def test_an_update_is_proposed_on_a_branch_proven_in_a_preview_and_never_over_a_persons_commit(
    house: House, tmp_path: Path
) -> None:
    house.up()
    own = own_path(tmp_path / "paths" / "our-web", 1)
    added = {"path": "our-web", "url": "https://git.example.com/paths", "commit": "c" * 40}
    assert house.api("POST", "/api/paths", {**added, "files": own})[0] == 200
    app = paths.new("our-web", "shop", tmp_path / "shop", tmp_path / "paths")
    files = {file.relative_to(app).as_posix(): file.read_text() for file in app.rglob("*") if file.is_file()}
    repo = house.repo("shop", tmp_path / "checkout", files)
    taken, said = repo.push()
    assert taken, said
    repo.change(**{"mine.txt": "ours\n"})
    assert repo.push()[0]
    assert house.api("GET", "/api/paths/drift")[1][0]["behind"] == 0
    lines, done = house.change("/api/apps/shop/update", {})
    assert "newest template of our-web" in str(done), (lines, done)
    refused = house.api("POST", "/api/paths", {**added, "files": {**own, "template/NEW.md": "x"}})
    assert refused[0] == 403 and "version = 2" in str(refused[1])
    own = own_path(tmp_path / "paths" / "our-web", 2)
    assert house.api("POST", "/api/paths", {**added, "commit": "d" * 40, "files": own})[0] == 200
    (row,) = house.api("GET", "/api/paths/drift")[1]
    assert (row["has"], row["newest"], row["behind"], row["proposal"]) == (1, 2, 1, None)
    lines, done = house.change("/api/apps/shop/update", {})
    assert "done" in done, (lines, done)
    done = done["done"]
    assert done["state"] == "proved" and done["branch"] == "wend/our-web-v2", (lines, done)
    assert house.get(done["preview"].split("//")[1].split(".")[0])[0] == 200
    repo.git("fetch", "-q", "wend", done["branch"])
    files = repo.git("ls-tree", "-r", "--name-only", "FETCH_HEAD").stdout
    assert "mine.txt" in files and "NEW.md" in files
    assert house.api("GET", "/api/proposals")[1][0]["standing"] == "proved"
    # A person commits to the branch: it is theirs.
    repo.git("checkout", "-q", "-b", "theirs", "FETCH_HEAD")
    repo.change(**{"more.txt": "a person's\n"})
    repo.git("push", "-q", "wend", f"HEAD:refs/heads/{done['branch']}")
    lines, again = house.change("/api/apps/shop/update", {})
    assert "somebody has committed" in str(again), (lines, again)
    repo.git("fetch", "-q", "wend", done["branch"])
    assert "more.txt" in repo.git("ls-tree", "-r", "--name-only", "FETCH_HEAD").stdout
    # They merge it: the app is up to date.
    repo.git("checkout", "-q", "main")
    repo.git("merge", "-q", "theirs")
    assert repo.push()[0]
    (row,) = house.api("GET", "/api/paths/drift")[1]
    assert (row["has"], row["behind"], row["proposal"]["standing"]) == (2, 0, "merged")


def own_path(folder: Path, version: int) -> dict[str, str]:
    """The files of a path of an organisation's own, also written to this folder."""
    head = 'title = "Our web"\ngives = "A page."\nowner = "us"\nstate = "trial"\norder = 1\n'
    head += 'outcome = "a page is live"\n'
    head += f'because = "we say so"\nreconsider = "hatches from 3 teams"\nversion = {version}\n'
    detect = '[[detect]]\nsays = "an our.txt"\nwhen = { files = ["our.txt"] }\n[run]\nhealth = "/"\n'
    files = {
        "path.toml": head + detect,
        "template/our.txt": f"version {version}\n",
        "template/copier.yml": "_message_after_copy: ''\napp:\n  type: str\n",
        "template/Procfile": "web: python3 -m http.server --bind 0.0.0.0 $PORT\n",
        "template/{{_copier_conf.answers_file}}.jinja": "{{ _copier_answers|to_nice_yaml }}\n",
    }
    files |= {"template/NEW.md": "new\n"} if version == 2 else {}
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return files


# ---------------------------------------------------------------------------------------------- paths of one's own


def test_a_path_of_ones_own_is_proven_before_it_is_taken(there: World, tmp_path: Path) -> None:
    good = own_path(tmp_path / "our-web", 1)
    about = {"path": "our-web", "url": "u", "commit": "c" * 40}

    def ask(files: dict[str, str], **more: Any) -> Any:
        return there.ask("POST", "/api/paths", {**about, "files": files, **more})

    toml = good["path.toml"]
    bad: list[tuple[dict[str, str], str]] = [
        ({**good, "path.toml": toml.replace("[[detect]]", "[[detekt]]")}, "detekt"),
        ({**good, "path.toml": "title ="}, "cannot be read"),
        ({**good, "path.toml": toml.replace('outcome = "a page is live"\n', "")}, "no outcome"),
        ({**good, "path.toml": toml.replace("hatches from 3 teams", "when it rains")}, "no condition"),
        ({**good, "path.toml": toml.replace("trial", "golden")}, "golden"),
        ({**good, "template/our.txt.jinja": "{% for x in %}"}, "template of our-web"),
        ({name: text for name, text in good.items() if name != "template/our.txt"}, "taken for"),
        ({name: text for name, text in good.items() if "answers" not in name}, "writes no .copier-answers"),
        ({**good, "../evil": "x"}, "cannot be a file"), ({**good, "/etc/evil": "x"}, "cannot be a file"),
        ({**good, "a/.git/config": "x"}, "cannot be a file"), ({"a": "b"}, "no path.toml"),
        ({**good, **{f"f{n}": "" for n in range(300)}}, "at most 200"),
    ]  # fmt: skip
    for files, word in bad:
        answer = ask(files)
        assert answer.status in (403, 422) and word in answer.text, (word, answer.text)
    assert ask(good, path="python-web").status == 422 and ask(good, commit="main").status == 422
    assert there.ask("GET", "/api/paths/our-web").status == 422, "nothing was taken"
    assert ask(good).json == {"path": "our-web", "url": "u", "commit": "c" * 40, "version": 1}
    assert there.ask("GET", "/api/paths/our-web").json["pinned"] == {"url": "u", "commit": "c" * 40}
    assert there.ask("GET", "/api/paths/our-web/files").json["files"] == good
    assert there.ask("POST", "/api/paths", {**about, "files": good}, token=there.token("app.*")).status == 403
    assert "Our web" in there.page("/paths").text and "hatches from 3 teams" in there.page("/paths/our-web").text
    assert there.ask("DELETE", "/api/paths/our-web").status == 200
    assert there.ask("GET", "/api/paths/our-web").status == 422
