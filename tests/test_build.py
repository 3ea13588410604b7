"""Real builds in the real sandbox: what comes out runs, what is unchanged costs nothing, what fails says why."""

from __future__ import annotations

import hashlib
import json
import subprocess
import threading
import time
from pathlib import Path
from threading import Event

import pytest

import wend.run.oneoff
from tests.building import Repo, build, get, need_registry, room, served
from wend.build import store
from wend.build.toolchain import own_python, uv
from wend.errors import Invalid, Refused

EXAMPLES = Path(__file__).parent.parent / "examples"
SLEEPER = {"Procfile": "web: sleep 1", "wend.toml": '[hatch.build]\nreason = "a test"\ncommand = """@"""\n'}


def example(name: str) -> dict[str, object]:
    folder = EXAMPLES / name
    files = (file for file in folder.rglob("*") if file.is_file() and "__pycache__" not in file.parts)
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in files}


def hatched(tmp_path: Path, command: str) -> Repo:
    """An app whose build is this shell command."""
    return Repo(tmp_path / "repo", {name: text.replace("@", command) for name, text in SLEEPER.items()})


@pytest.fixture
def no_tools(monkeypatch):
    """From now on, starting a sandbox fails the test."""

    def forbid() -> None:
        def refuse(*_: object, **__: object) -> None:
            raise AssertionError("a tool was started")

        monkeypatch.setattr(wend.run.oneoff, "run", refuse)

    return forbid


def test_flask_builds_runs_and_costs_nothing_the_second_time(tmp_path, no_tools):
    need_registry()
    repo, place, said = Repo(tmp_path / "repo", example("flask")), room(tmp_path), []
    made = build(repo, place, said)
    assert made.path == "python-web" and made.health == "/"
    assert any(line.endswith("installing") for line in said)
    with served(made, tmp_path, {"GREETING": "tester"}) as url:
        assert get(url) == (200, "Hello from Flask, tester!\n")
    compiled = list(Path(made.env["VIRTUAL_ENV"]).rglob("flask/__pycache__/app.*.pyc"))
    assert compiled, "dependencies are compiled when they are installed, not on every start"

    no_tools()
    assert build(repo, place) == made == store.load(place, made.id)
    repo.commit({"app.py": (repo.folder / "app.py").read_text() + "\n# changed\n"})
    changed = build(repo, place, said, app="another-app-with-the-same-lock")
    assert changed.id != made.id and changed.mounts == made.mounts
    assert said[-1] == "dependencies from requirements.txt: unchanged"


def test_a_half_built_folder_is_built_anew_and_what_is_gone_is_noticed(tmp_path):
    need_registry()
    repo, place = (
        Repo(tmp_path / "repo", {"requirements.txt": "itsdangerous", "Procfile": "web: python x"}),
        room(tmp_path),
    )
    made = build(repo, place)
    folder = Path(made.env["VIRTUAL_ENV"]).parent
    store.marker(folder).unlink()  # as if the machine had died in the middle
    (folder / "venv" / "pyvenv.cfg").unlink()
    store.forget(place, made.id)
    assert store.load(place, made.id) is None and not Path(made.root).exists()
    again = build(repo, place)
    assert again == made and (folder / "venv" / "pyvenv.cfg").is_file()
    store.forget(place, made.id)
    assert store.sweep(place, age=-1) == 1 and not folder.exists()


def test_a_requirement_that_does_not_resolve_says_so_in_the_resolver_s_words(tmp_path):
    need_registry()
    repo = Repo(tmp_path / "repo", {"requirements.txt": "itsdangerous==0.0.999", "Procfile": "web: x"})
    with pytest.raises(Refused) as error:
        build(repo, room(tmp_path))
    assert error.value.message.startswith("dependencies from requirements.txt failed (exited with code 1)")
    assert "itsdangerous==0.0.999" in error.value.message.split("\n", 1)[1]
    assert "requirements.txt" in error.value.hint
    assert not list((tmp_path / "artifacts").glob(".new*")), "nothing is left behind"


def test_uv_lock_is_installed_exactly_and_a_broken_one_is_refused(tmp_path):
    need_registry()
    work = tmp_path / "work"  # locked here, because the lock names the registry that this machine is told to use
    work.mkdir()
    for name, content in example("fastapi").items():
        (work / name).write_bytes(content)
    subprocess.run([uv(), "lock", "--quiet", "--project", work], check=True, timeout=120)
    files = {file.name: file.read_bytes() for file in work.iterdir() if file.is_file()}
    repo, place = Repo(tmp_path / "repo", files), room(tmp_path)
    made = build(repo, place)
    assert made.processes == {"web": "uvicorn --host 0.0.0.0 --port $PORT main:app"}
    with served(made, tmp_path) as url:
        assert json.loads(get(url + "/?name=x")[1]) == {"hello": "x"}
    repo.commit({"uv.lock": "version = 1\nrequires-python = nonsense"})
    with pytest.raises(Refused, match=r"(?s)uv\.lock failed.*parse"):
        build(repo, place)


def test_poetry_lock_is_installed_without_the_development_group_and_a_stale_one_is_refused(tmp_path):
    need_registry()
    poetry = {
        "dependencies": {"python": "^3.11", "itsdangerous": "*"},
        "group": {"dev": {"dependencies": {"six": "*"}}},
    }
    project = '[tool.poetry]\nname = "p"\nversion = "1"\ndescription = ""\nauthors = []\npackage-mode = false\n'
    project += '[tool.poetry.dependencies]\npython = "^3.11"\nitsdangerous = "*"\n'
    project += '[tool.poetry.group.dev.dependencies]\nsix = "*"\n'
    hashed = hashlib.sha256(
        json.dumps({**poetry, "source": None, "extras": None, "dev-dependencies": None}, sort_keys=True).encode()
    )
    package = '[[package]]\nname = "{}"\nversion = "{}"\ndescription = ""\noptional = false\n'
    package += 'python-versions = ">=3.8"\ngroups = ["{}"]\nfiles = []\n'
    lock = package.format("itsdangerous", "2.1.2", "main") + package.format("six", "1.16.0", "dev")
    lock += '[metadata]\nlock-version = "2.1"\npython-versions = "^3.11"\ncontent-hash = "{}"\n'
    files = {"pyproject.toml": project, "poetry.lock": lock.format(hashed.hexdigest()), "Procfile": "web: x"}
    repo, place = Repo(tmp_path / "repo", files), room(tmp_path)
    made = build(repo, place)
    found = {one.name for one in Path(made.env["VIRTUAL_ENV"]).glob("lib/*/site-packages/*.dist-info")}
    assert found == {"itsdangerous-2.1.2.dist-info"}
    repo.commit({"poetry.lock": lock.format("0" * 64)})
    with pytest.raises(Refused, match="changed significantly") as error:
        build(repo, place)
    assert "poetry lock" in error.value.hint


def test_setup_py_installs_the_project_itself_and_runs_the_release_s_own_code(tmp_path):
    need_registry()
    setup = (
        'from setuptools import setup\nsetup(name="hello", version="1", package_dir={"": "src"}, packages=["hello"],\n'
    )
    setup += 'install_requires=["itsdangerous"], entry_points={"console_scripts": ["hello=hello.main:main"]})\n'
    main = "import http.server, os, itsdangerous\nclass H(http.server.BaseHTTPRequestHandler):\n    def do_GET(self):\n"
    main += "        self.send_response(200); self.end_headers(); self.wfile.write(__file__.encode())\n"
    main += "def main(): http.server.HTTPServer(('', int(os.environ['PORT'])), H).serve_forever()\n"
    files = {"setup.py": setup, "src/hello/__init__.py": "", "src/hello/main.py": main, "Procfile": "web: hello"}
    made = build(Repo(tmp_path / "repo", files), room(tmp_path))
    with served(made, tmp_path) as url:
        assert get(url) == (200, "/app/src/hello/main.py")


def test_django_collects_its_static_files_and_has_its_processes(tmp_path):
    need_registry()
    made = build(Repo(tmp_path / "repo", example("django")), room(tmp_path))
    assert set(made.processes) == {"web", "worker"} and made.release == "python manage.py migrate --noinput"
    assert (Path(made.root) / "staticfiles" / "staticfiles.json").is_file()
    with served(made, tmp_path) as url:
        status, page = get(url)
        assert status == 200 and "Visit number" in page
        style = page.split('href="')[1].split('"')[0]
        assert get(url + style)[0] == 200


@pytest.mark.parametrize(("name", "asked"), [(".python-version", "3.99"), ("runtime.txt", "python-3.2.1")])
def test_a_python_that_is_not_here_is_refused_with_those_that_are(tmp_path, name, asked):
    repo = Repo(tmp_path / "repo", {"requirements.txt": "", "Procfile": "web: x", name: asked})
    with pytest.raises(Refused) as error:
        build(repo, room(tmp_path))
    assert own_python() in error.value.message and name in error.value.message


def test_a_plain_site_is_served_with_its_pages_and_a_404(tmp_path):
    need_registry()
    files = example("static") | {".env": "SECRET=1", "img/a.txt": "a"}
    made = build(Repo(tmp_path / "repo", files), room(tmp_path))
    assert made.path == "static-site"
    with served(made, tmp_path) as url:
        assert get(url)[0] == 200
        assert "about.html" in get(url + "/about")[1]
        assert get(url + "/img/a.txt") == (200, "a")
        status, page = get(url + "/nothing")
        assert status == 404 and "no page at this address" in page
        for hidden in ("/.env", "/.wend/Caddyfile", "/wend.toml", "/..%2f..%2fetc/passwd"):
            assert get(url + hidden)[0] == 404, hidden


def test_anything_with_a_procfile_runs(tmp_path):
    files = {"Procfile": "web: ./serve\nclock: sleep 9", "serve!": "#!/bin/sh\nexec perl -e 1"}
    made = build(Repo(tmp_path / "repo", files), room(tmp_path))
    assert made.path == "procfile" and set(made.processes) == {"web", "clock"}
    assert (Path(made.root) / "serve").stat().st_mode & 0o111


def test_express_builds_and_runs(tmp_path, no_tools):
    need_registry()
    repo, place = Repo(tmp_path / "repo", example("express")), room(tmp_path)
    made = build(repo, place)
    with served(made, tmp_path) as url:
        assert get(url) == (200, "Hello from Express!\n")
    no_tools()
    repo.commit({"server.js": (repo.folder / "server.js").read_text() + "// changed\n"})
    assert build(repo, place).mounts == made.mounts
    repo.commit({"package.json": '{"engines": {"node": "16"}, "scripts": {"start": "x"}}'})
    with pytest.raises(Refused, match="20, 22, 24"):
        build(repo, place)


def test_a_lock_that_does_not_fit_is_refused_in_npm_s_words(tmp_path):
    need_registry()
    files = example("express")
    files["package.json"] = str(files["package.json"], "utf-8").replace('"express"', '"left-pad": "*", "express"')  # type: ignore[call-overload]
    with pytest.raises(Refused, match="left-pad") as error:
        build(Repo(tmp_path / "repo", files), room(tmp_path))
    assert "npm install" in error.value.hint


def test_a_site_that_npm_builds(tmp_path):
    need_registry()
    script = "const fs = require('fs'); fs.mkdirSync('dist'); fs.writeFileSync('dist/index.html', 'built')"
    package = {"scripts": {"build": f'node -e "{script}"'}}
    made = build(Repo(tmp_path / "repo", {"package.json": json.dumps(package)}), room(tmp_path))
    with served(made, tmp_path) as url:
        assert get(url) == (200, "built")
        assert get(url + "/any/route/of/the/app") == (200, "built")


# ---------------------------------------------------------------------------------------------- limits


def test_a_build_that_takes_too_long_is_ended(tmp_path):
    began = time.monotonic()
    with pytest.raises(Refused, match=r"did not finish in time \(.*2 s\):\nworking"):
        build(hatched(tmp_path, "echo working; sleep 60"), room(tmp_path, seconds=2))
    assert time.monotonic() - began < 15


def test_a_build_can_be_cancelled(tmp_path):
    cancel, began = Event(), time.monotonic()
    threading.Timer(0.5, cancel.set).start()
    with pytest.raises(Refused, match="cancelled"):
        build(hatched(tmp_path, "trap '' TERM; sleep 60"), room(tmp_path), cancel=cancel)
    assert time.monotonic() - began < 15
    assert not list((tmp_path / "artifacts").iterdir())


def test_a_build_that_fills_the_disk_is_ended(tmp_path):
    command = "mkdir d; n=0; while true; do n=$((n+1)); head -c 1000000 /dev/zero > d/$n; done"
    with pytest.raises(Refused, match="bytes on disk"):
        build(hatched(tmp_path, command), room(tmp_path, disk=20 * 2**20))
    assert sum(file.stat().st_size for file in tmp_path.rglob("*") if file.is_file()) < 20 * 2**20


def test_one_file_cannot_outgrow_the_limit(tmp_path):
    with pytest.raises(Refused, match=r"build (failed|was stopped)"):
        build(hatched(tmp_path, "head -c 100000000000 /dev/zero > big"), room(tmp_path, disk=20 * 2**20))


def test_a_build_that_forks_without_end_is_ended(tmp_path):
    began = time.monotonic()
    with pytest.raises(Refused):
        build(hatched(tmp_path, "b() { b | b & }; b; sleep 60"), room(tmp_path, seconds=4))
    assert time.monotonic() - began < 30


def test_a_failing_build_shows_its_last_lines_as_plain_text(tmp_path):
    said: list[str] = []
    with pytest.raises(Refused) as error:
        build(
            hatched(tmp_path, "seq 1 500; printf '\\\\033[31mno such header\\\\033[0m\\\\n'; exit 3"),
            room(tmp_path),
            said,
        )
    assert error.value.message.startswith("build failed (exited with code 3):\n")
    assert error.value.message.endswith("\n500\nno such header")
    assert not any("499" in line for line in said), "output is shown only when it fails or is slow"


def test_a_build_sees_no_secret_of_the_platform_and_no_other_app(tmp_path, monkeypatch):
    monkeypatch.setenv("WEND_TOKEN", "s3cret")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s3cret")
    other = tmp_path / "artifacts" / "other"
    other.mkdir(parents=True)
    made = build(
        hatched(tmp_path, f"env > seen; ls {other} >> seen 2>&1; cat /etc/shadow >> seen 2>&1 || true"), room(tmp_path)
    )
    seen = (Path(made.root) / "seen").read_text()
    assert "s3cret" not in seen and "root:" not in seen
    assert "No such file" in seen


def test_the_hatch_s_command_replaces_the_steps_and_its_files_are_kept(tmp_path):
    said: list[str] = []
    made = build(hatched(tmp_path, "mkdir out && echo made > out/file"), room(tmp_path), said)
    assert (Path(made.root) / "out" / "file").read_text() == "made\n"
    assert any("hatch" in line and "a test" in line for line in said)


def test_two_builds_of_the_same_at_once_install_once(tmp_path):
    need_registry()
    repo, place = Repo(tmp_path / "repo", {"requirements.txt": "itsdangerous", "Procfile": "web: x"}), room(tmp_path)
    said: list[str] = []
    made: list[object] = []
    threads = [threading.Thread(target=lambda: made.append(build(repo, place, said))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(180)
    assert len(made) == 4 and made.count(made[0]) == 4
    assert sum(line.endswith("installing") for line in said) == 1


def test_pipenv_and_bun_are_refused_with_the_way_over(tmp_path):
    with pytest.raises(Refused) as error:
        build(Repo(tmp_path / "a", {"Pipfile": "", "Procfile": "web: x"}), room(tmp_path))
    assert "pipenv requirements" in error.value.hint
    with pytest.raises(Refused) as error:
        build(Repo(tmp_path / "b", {"package.json": '{"scripts":{"start":"x"}}', "bun.lockb": ""}), room(tmp_path))
    assert "package-lock" in error.value.hint


def test_nothing_that_fits_is_invalid(tmp_path):
    with pytest.raises(Invalid, match="no golden path fits"):
        build(Repo(tmp_path / "repo", {"README.md": "hello"}), room(tmp_path))
