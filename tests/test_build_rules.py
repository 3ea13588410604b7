"""Golden paths as data: what their rules decide. No process is started here."""

from __future__ import annotations

import pytest

from wend import paths
from wend.build import golden
from wend.build.engine import decide
from wend.build.rules import Tree, fill, holds, regex
from wend.build.toolchain import asking, own_python, request, wanted
from wend.build.versions import choose
from wend.build.work import clean, operator
from wend.errors import Bug, Invalid, Refused
from wend.spec import parse


def tree(files: dict[str, str]) -> Tree:
    return Tree(frozenset(files), files.get)


PACKAGE = '{"scripts": {"start": "node server.js"}}'
SITE = '{"scripts": {"dev": "vite", "build": "vite build"}}'


@pytest.mark.parametrize(
    ("files", "path"),
    [
        ({"requirements.txt": "flask", "app.py": ""}, "python-web"),
        ({"pyproject.toml": "[project]\nname='x'", "uv.lock": ""}, "python-web"),
        ({"pyproject.toml": "[tool.poetry]\nname='x'", "poetry.lock": ""}, "python-web"),
        ({"setup.py": "", "Procfile": "web: x"}, "python-web"),
        ({"requirements.txt": "", "package.json": PACKAGE}, "python-web"),
        ({"package.json": PACKAGE}, "node-web"),
        ({"package.json": SITE, "Procfile": "web: node x"}, "node-web"),
        ({"package.json": "{}", "server.js": ""}, "node-web"),
        ({"package.json": SITE, "index.html": ""}, "static-site"),
        (
            {"package.json": '{"scripts": {"start": "react-scripts start", "build": "react-scripts build"}}'},
            "static-site",
        ),
        ({"index.html": "", "site.css": ""}, "static-site"),
        ({"index.html": "", "package.json": "{}"}, "static-site"),
        ({"go.mod": "module x", "package.json": PACKAGE}, "go-web"),
        ({"Procfile": "web: ./run"}, "procfile"),
        ({"Procfile": "web: ./run", "index.html": ""}, "procfile"),
        ({"pyproject.toml": "[tool.ruff]", "Procfile": "web: ./run"}, "procfile"),
    ],
)
def test_the_path_that_fits_is_found(files: dict[str, str], path: str):
    found, why = paths.detect(files, files.get)
    assert found.name == path
    assert why


def test_when_nothing_fits_it_says_what_was_looked_for_and_what_is_there():
    with pytest.raises(Invalid) as error:
        paths.detect(["README.md", "src/main.rs"], lambda _: "")
    for word in ("requirements.txt", "go.mod", "package.json", "index.html", "Procfile", "README.md", "src/"):
        assert word in error.value.message
    assert "Procfile" in error.value.hint


def test_a_mistyped_path_name_is_told_the_nearest():
    with pytest.raises(Invalid) as error:
        paths.get("pyton-web")
    assert "python-web" in error.value.hint


def test_every_path_is_complete():
    assert [path.name for path in paths.all()] == ["go-web", "python-web", "static-site", "node-web", "procfile"]
    for path in paths.all():
        assert path.title and path.gives and path.owner
        assert path.state in ("trial", "paved", "deprecated", "retired")
        assert (path.template / "copier.yml").is_file()
        assert len(path.guide.read_text().splitlines()) > 5
        for rule in (*path.deps, *path.steps):
            assert rule["fix"], rule


def test_a_rule_that_nothing_reads_is_refused(tmp_path):
    bad = tmp_path / "odd" / "path.toml"
    bad.parent.mkdir()
    text = (golden.HOME / "procfile" / "path.toml").read_text()
    bad.write_text(text.replace('files = ["Procfile"]', 'flies = ["Procfile"]'))
    with pytest.raises(Bug, match="flies"):
        golden.load(bad)


def test_globs_stay_in_their_folder_unless_told_otherwise():
    assert regex("*/settings.py").fullmatch("site/settings.py")
    assert not regex("*/settings.py").fullmatch("a/b/settings.py")
    assert regex("**/settings.py").fullmatch("settings.py") and regex("**/settings.py").fullmatch("a/b/settings.py")
    assert regex("a.b").fullmatch("a.b") and not regex("a.b").fullmatch("axb")


def test_words_come_from_the_file_that_matched():
    rule = {"grep": {"files": ["*/*.py"], "pattern": r"^(?P<var>\w+) = Flask\("}}
    assert holds(tree({"shop/web.py": "x\nsite = Flask(__name__)"}), rule) == {
        "file": "shop/web.py", "folder": "shop", "module": "shop.web", "var": "site"
    }  # fmt: skip
    assert holds(tree({"shop/web.py": "x"}), rule) is None
    assert (
        fill("run {module}:{var} on ${PORT:-1} {other}", {"module": "m", "var": "v"}) == "run m:v on ${PORT:-1} {other}"
    )


@pytest.mark.parametrize(
    ("asked", "dialect", "offered", "chosen"),
    [
        ("3.12", "exact", ["3.11.7", "3.12.1"], "3.12.1"),
        ("3.11.7", "exact", ["3.11.7", "3.12.1"], "3.11.7"),
        ("3.1", "exact", ["3.11.7", "3.12.1"], None),
        ("3.11.9", "exact", ["3.11.7"], None),
        (">=3.12", "range", ["3.11.7", "3.12.1"], "3.12.1"),
        (">=3.10", "range", ["3.11.7", "3.12.1"], "3.11.7"),  # the default where it fits
        ("~=3.11.0", "range", ["3.11.7", "3.12.1"], "3.11.7"),
        ("^3.12", "range", ["3.11.7", "3.12.1"], "3.12.1"),
        ("22.x", "range", ["24", "22", "20"], "22"),
        (">=18", "range", ["24", "22", "20"], "24"),
        (">= 18 < 23", "range", ["24", "22", "20"], "22"),
        ("^20.9.0", "range", ["24", "22", "20"], "20"),
        ("18 || 20", "range", ["24", "22", "20"], "20"),
        ("v22", "range", ["24", "22", "20"], "22"),
        ("~22.3", "range", ["24", "22", "20"], "22"),
        ("20 - 22", "range", ["24", "22", "20"], "22"),
        ("<=20", "range", ["24", "22", "20"], "20"),
        ("lts/*", "range", ["24", "22", "20"], "24"),
        ("*", "range", ["24", "22", "20"], "24"),
        ("16", "range", ["24", "22", "20"], None),
        ("$(reboot)", "range", ["24"], None),
        ("1.22", "least", ["1.27", "1.26"], "1.27"),
        ("1.26.5", "least", ["1.27", "1.26"], "1.27"),
        ("1.28", "least", ["1.27", "1.26"], None),
    ],
)
def test_the_version_that_was_asked_for(asked, dialect, offered, chosen):
    default = {"exact": "3.11.7", "range": "3.11.7" if "." in offered[0] else "24", "least": "1.27"}[dialect]
    assert choose(asked, dialect, offered, default) == chosen


def python_rule():
    return paths.get("python-web").toolchains[0]


@pytest.mark.parametrize("text", ["python-9.99.1", "python-3.99"])
def test_a_version_that_is_not_here_is_refused_with_those_that_are(text):
    with pytest.raises(Refused) as error:
        wanted(asking(python_rule(), tree({"runtime.txt": text})), "Python", ["3.11.7", "3.12.1"], "3.11.7")
    assert "3.11.7, 3.12.1" in error.value.message and "runtime.txt" in error.value.message
    with pytest.raises(Refused) as error:
        wanted(asking(python_rule(), tree({"runtime.txt": "python-3.12.0"})), "Python", ["3.11.7", "3.12.1"], "3.11.7")
    assert error.value.hint.startswith("3.12.1 is the nearest")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "python-3.11.7; rm -rf /",
        "pypy3.9-7.3",
        "$(id)",
        "python-3.11.7\npython-3.12.1",
        "\x1b[31mpython",
        "x" * 10**6,
    ],
)
def test_a_hostile_runtime_txt_is_refused_and_shown_harmless(text):
    with pytest.raises(Invalid) as error:
        wanted(asking(python_rule(), tree({"runtime.txt": text})), "Python", ["3.11.7"], "3.11.7")
    assert "\x1b" not in error.value.message and len(error.value.message) < 300
    assert "python-3.12.1" in error.value.hint


def test_the_places_that_ask_for_a_python():
    ask = {rule["file"]: rule for rule in python_rule()["ask"] if "pattern" in rule}
    assert request(ask[".python-version"], tree({".python-version": "# mine\n3.12 # here\n"})) == "3.12"
    assert request(ask["runtime.txt"], tree({"runtime.txt": "python-3.11.7\n"})) == "3.11.7"
    project = tree({"pyproject.toml": '[project]\nrequires-python = ">=3.12"'})
    assert wanted(asking(python_rule(), project), "Python", ["3.11.7", "3.12.1"], "3.11.7") == "3.12.1"
    assert wanted(asking(python_rule(), tree({})), "Python", [own_python()], own_python()) == own_python()


def test_go_needs_at_least_what_go_mod_says():
    rule = paths.get("go-web").toolchains[0]
    assert wanted(asking(rule, tree({"go.mod": "module x\n\ngo 1.21\n"})), "Go", ["1.27", "1.26"], "1.27") == "1.27"
    with pytest.raises(Refused, match=r"1\.26, 1\.27"):
        wanted(asking(rule, tree({"go.mod": "module x\n\ngo 1.99.1\n"})), "Go", ["1.27", "1.26"], "1.27")


# ---------------------------------------------------------------------------------------------- what runs


def test_the_procfile_wins_over_the_path_and_wend_toml_over_it():
    files = tree({"Procfile": "web: a\nworker: b\nrelease: c", "manage.py": ""})
    plain = decide(parse(None), paths.get("python-web"), files)
    assert plain.processes == {"web": "a", "worker": "b"} and plain.release == "c"
    toml = '[process.web]\ncommand = "mine"\n[release]\ncommand = "r"'
    mine = decide(parse(toml), paths.get("python-web"), files)
    assert mine.processes == {"web": "mine", "worker": "b"} and mine.release == "r"


def test_a_procfile_without_web_is_an_app_of_workers():
    assert decide(parse(None), paths.get("procfile"), tree({"Procfile": "worker: b"})).processes == {"worker": "b"}


@pytest.mark.parametrize("text", ["", "# only words\n", "release: migrate\n"])
def test_a_procfile_that_runs_nothing_is_refused(text):
    with pytest.raises(Invalid, match="names no process"):
        decide(parse(None), paths.get("procfile"), tree({"Procfile": text}))


@pytest.mark.parametrize("text", ["web", "web:", ": x", "WEB SITE: x", "web: x\n../../etc: y", "\x00: x", "web; rm: x"])
def test_a_hostile_procfile_is_refused_by_its_line(text):
    with pytest.raises(Invalid, match="Procfile line"):
        decide(parse(None), paths.get("procfile"), tree({"Procfile": text}))


def test_nothing_to_run_says_what_the_path_looked_for():
    with pytest.raises(Invalid) as error:
        decide(parse(None), paths.get("node-web"), tree({"package.json": "{}"}))
    assert "`start` script" in error.value.message
    with pytest.raises(Invalid, match=r"process\.worker"):
        decide(parse("[process.worker]\nreplicas = 1"), paths.get("procfile"), tree({"Procfile": "web: x"}))


@pytest.mark.parametrize(
    ("files", "installed", "command"),
    [
        ({"app.py": "app = Flask(__name__)"}, "gunicorn", "gunicorn --bind 0.0.0.0:$PORT app:app"),
        ({"app.py": "app: Flask = flask.Flask(__name__)"}, "gunicorn", "gunicorn --bind 0.0.0.0:$PORT app:app"),
        (
            {"shop/__init__.py": "def create_app(x=None):"},
            "gunicorn",
            "gunicorn --bind 0.0.0.0:$PORT 'shop:create_app()'",
        ),
        ({"app.py": "app = Flask(__name__)"}, "flask", "flask --app app run --host 0.0.0.0 --port $PORT"),
        ({"main.py": "app = FastAPI(\n)"}, "uvicorn", "uvicorn --host 0.0.0.0 --port $PORT main:app"),
        ({"src/api/main.py": "api = FastAPI()"}, "uvicorn", "uvicorn --host 0.0.0.0 --port $PORT api.main:api"),
        (
            {"manage.py": "", "shop/wsgi.py": "application = get_wsgi_application()"},
            "gunicorn",
            "gunicorn --bind 0.0.0.0:$PORT shop.wsgi:application",
        ),
        ({"manage.py": "", "shop/wsgi.py": ""}, "django-admin", "python manage.py runserver --noreload 0.0.0.0:$PORT"),
        ({"main.py": "port = os.environ['PORT']"}, "x", "python main.py"),
    ],
)
def test_a_python_app_gets_the_server_it_depends_on(tmp_path, files, installed, command):
    (tmp_path / "venv" / "bin").mkdir(parents=True)
    (tmp_path / "venv" / "bin" / installed).touch()
    seen = Tree(frozenset(files), files.get, tmp_path)
    assert decide(parse(None), paths.get("python-web"), seen).processes == {"web": command}


def test_broken_json_is_named():
    with pytest.raises(Invalid, match=r"package\.json is not valid JSON"):
        paths.detect(["package.json"], lambda _: "{,}")


# ---------------------------------------------------------------------------------------------- what tools are told


def test_only_registry_settings_reach_a_build():
    given = {
        "PIP_INDEX_URL": "http://mirror/simple", "UV_PUBLISH_TOKEN": "s", "AWS_SECRET_ACCESS_KEY": "s", "HOME": "/root",
        "GOPROXY": "http://go", "npm_config_registry": "http://npm", "SSL_CERT_FILE": "/c", "UV_PYTHON": "/x",
        "WEND_TOKEN": "s",
    }  # fmt: skip
    kept = operator(given)
    assert kept == {
        "PIP_INDEX_URL": "http://mirror/simple", "UV_DEFAULT_INDEX": "http://mirror/simple", "GOPROXY": "http://go",
        "npm_config_registry": "http://npm", "SSL_CERT_FILE": "/c",
    }  # fmt: skip


def test_output_is_plain_text():
    assert clean("\x1b[31mred\x1b[0m\r\n") == "red"
    assert clean("10%\r50%\r100%") == "100%"
    assert clean("\x1b]0;title\x07ok\x00\x08") == "ok"
