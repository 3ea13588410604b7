"""What the command line does on this machine: finding the platform, repositories, tokens, checkpoints, checks."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.fake_api import FakeApi
from wend import schema, spec
from wend.cli import doctor, repo, site, start, witness
from wend.cli.doctor import Finding
from wend.errors import Invalid
from wend.ledger.chain import Signer
from wend.run.walls import Wall

Run = Callable[..., tuple[int, str, str]]
pytest_plugins = ["tests.cli_world"]
pytestmark = pytest.mark.usefixtures("alone")
TOKEN = "wend_human_" + "a" * 38


def git(*words: str) -> str:
    return subprocess.run(["git", *words], capture_output=True, text=True, check=True).stdout.strip()


@contextmanager
def running(home: Path, url: str) -> Iterator[None]:
    """A home that looks as if a platform at this URL ran on it: the lock is held by another process."""
    (home / "run").mkdir(parents=True)
    (home / "admin.token").write_text(TOKEN + "\n")
    about = {"pid": os.getpid(), "listen": url.removeprefix("http://"), "edge": "127.0.0.1:1"}
    (home / "run" / "serve.json").write_text(json.dumps(about))
    code = (
        "import fcntl, os, sys; file = open(sys.argv[1], 'w'); fcntl.flock(file, fcntl.LOCK_EX);"
        "file.write(str(os.getpid())); file.flush(); print(flush=True); sys.stdin.read()"
    )
    words = [sys.executable, "-c", code, str(home / "run" / "lock")]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout and holder.stdin
        holder.stdout.readline()
        try:
            yield
        finally:
            holder.stdin.close()
            holder.wait()


@pytest.fixture
def elsewhere(alone: Path, tmp_path: Path) -> Iterator[FakeApi]:
    """A platform that nothing points to yet."""
    with FakeApi(tmp_path / "elsewhere") as fake:
        fake.answers |= {"GET /api/apps": [], "POST /api/signin": {"url": f"{fake.url}/login?once=x"}}
        yield fake


# ---------------------------------------------------------------------------------------------- which platform


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("HTTP://Example.org:80/x", "http://example.org"),
        ("https://example.org:443", "https://example.org"),
        ("127.0.0.1:7000", "http://127.0.0.1:7000"),
        ("http://u:p@[::1]:7000/", "http://[::1]:7000"),
    ],
)
def test_addresses_are_compared_tidily(given: str, wanted: str) -> None:
    assert site.tidy(given) == wanted


@pytest.mark.parametrize("given", ["", "http://", "ftp://x", "http://x:99999", "http://a\nb", "file:///etc/passwd"])
def test_what_is_no_address_is_refused(given: str) -> None:
    with pytest.raises(Invalid):
        site.tidy(given)


def test_a_home_on_this_machine_is_found_with_its_token(
    elsewhere: FakeApi, wend: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEND_HOME", str(tmp_path / "home-of-wend"))
    with running(tmp_path / "home-of-wend", elsewhere.url):
        assert wend("apps")[0] == 0
        assert elsewhere.tokens == {f"Bearer {TOKEN}"}
        monkeypatch.setenv("WEND_URL", "http://127.0.0.1:1")
        code, _, said = wend("apps")
        assert code == 4 and "no token for http://127.0.0.1:1" in said  # the home's token goes nowhere else
    monkeypatch.delenv("WEND_URL")
    code, _, said = wend("apps")
    assert code == 6 and "none runs there" in said  # serve.json is still there, its writer is not


def test_a_login_is_kept_for_this_person_alone_and_used(
    elsewhere: FakeApi, wend: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(TOKEN + "\n"))
    code, out, said = wend("login", elsewhere.url)
    assert code == 0 and TOKEN not in out + said
    assert site.login_file().stat().st_mode & 0o777 == 0o600
    assert wend("apps")[0] == 0 and elsewhere.tokens == {f"Bearer {TOKEN}"}
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n"))
    assert wend("login", elsewhere.url)[0] == 2
    site.login_file().write_text("{broken")
    code, _, said = wend("apps")
    assert code == 2 and "cannot be read" in said


def test_the_repository_decides_before_the_last_login(
    elsewhere: FakeApi, api: FakeApi, wend: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WEND_URL")
    monkeypatch.delenv("WEND_TOKEN")
    site.remember(elsewhere.url, TOKEN)
    site.remember(api.url, "wend_human_other")
    api.answers["GET /api/apps"] = []
    assert wend("apps")[0] == 0 and api.asked
    git("init", "-q")
    git("remote", "add", "wend", f"http://x:secret@{elsewhere.url.removeprefix('http://')}/git/mine.git")
    assert wend("apps")[0] == 0 and elsewhere.asked
    assert repo.app(None) == "mine"


def test_without_an_app_it_says_how_to_name_one(api: FakeApi, wend: Run) -> None:
    code, _, said = wend("ps")
    assert code == 2 and said.startswith("error: which app?\n  try: name it")


# ---------------------------------------------------------------------------------------------- repositories


def test_init_writes_a_file_that_says_only_the_name(api: FakeApi, wend: Run, alone: Path) -> None:
    git("init", "-q")
    assert wend("init", "hello", "--dry-run")[0] == 0 and not (alone / "wend.toml").exists()
    assert wend("init", "hello")[0] == 0
    text = (alone / "wend.toml").read_text()
    assert spec.parse(text) == spec.Spec(app="hello")
    everything = re.sub(r"^# (?=\[|[a-z_A-Z]+ +?=)", "", text, flags=re.MULTILINE)
    assert spec.parse(everything) == spec.parse(schema.example_text())
    (alone / "wend.toml").write_text('app = "other"\n')
    assert wend("init")[0] == 0
    assert (alone / "wend.toml").read_text() == 'app = "other"\n'
    assert git("remote", "get-url", "wend") == f"{api.url}/git/other.git"


def test_init_prints_the_reference_and_needs_a_repository(wend: Run) -> None:
    assert wend("init", "--print")[1] == schema.example_text()
    code, _, said = wend("init")
    assert code == 2 and "git init" in said


@pytest.mark.parametrize(("folder", "name"), [("My App", "my-app"), ("_x_", "x"), ("a" * 60, "a" * 40)])
def test_a_folder_names_the_app(folder: str, name: str) -> None:
    assert start.app_name_of(folder) == name


def test_git_gets_the_token_from_the_helper_and_no_file_has_it(
    elsewhere: FakeApi, wend: Run, alone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = tmp_path / "stored"
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    git("config", "--global", "credential.helper", f"store --file {store}")
    git("init", "-q")
    home = tmp_path / "it's home"
    monkeypatch.setenv("WEND_HOME", str(home))
    with running(home, elsewhere.url):
        assert wend("remote", "hello")[0] == wend("remote", "hello")[0] == 0
        monkeypatch.delenv("WEND_HOME")
        (alone / "json.py").write_text("raise SystemExit('the app was imported')")
        asked = f"protocol=http\nhost={elsewhere.url.removeprefix('http://')}\n\n"
        filled = subprocess.run(["git", "credential", "fill"], input=asked, capture_output=True, text=True, check=True)
        assert f"password={TOKEN}\n" in filled.stdout
        subprocess.run(["git", "credential", "approve"], input=filled.stdout, text=True, check=True)
    assert not store.exists() and TOKEN not in (alone / ".git" / "config").read_text()
    assert git("config", "--get-all", f"credential.{elsewhere.url}.helper").count("git-credential") == 1
    env = {**os.environ, "GIT_TERMINAL_PROMPT": "0"}
    command = ["git", "credential", "fill"]
    gone = subprocess.run(command, input=asked, capture_output=True, text=True, env=env, check=False)
    assert gone.returncode != 0 and f"no token for {elsewhere.url}" in gone.stderr


def test_the_helper_tells_no_other_host(wend: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    site.remember("http://127.0.0.1:7000", TOKEN)
    for host in ("127.0.0.1:7001", "evil.example", "127.0.0.1:7000.evil.example"):
        monkeypatch.setattr(sys, "stdin", io.StringIO(f"protocol=http\nhost={host}\n\n"))
        _, out, said = wend("git-credential", "get")
        assert TOKEN not in out + said
    monkeypatch.setattr(sys, "stdin", io.StringIO("protocol=http\nhost=127.0.0.1:7000\n\n"))
    assert wend("git-credential", "get")[1] == f"username=wend\npassword={TOKEN}\n"
    assert wend("git-credential", "store")[1] == ""
    monkeypatch.setenv("WEND_URL", "https://ci.example")
    monkeypatch.setenv("WEND_TOKEN", "wend_ci_x")
    for host, wanted in (("ci.example", "username=wend\npassword=wend_ci_x\n"), ("ci.example:81", "quit=1\n")):
        monkeypatch.setattr(sys, "stdin", io.StringIO(f"protocol=https\nhost={host}\n\n"))
        assert wend("git-credential", "get")[1] == wanted


def test_new_makes_a_committed_app_without_a_platform(wend: Run, alone: Path) -> None:
    code, _, said = wend("new", "static-site", "hello")
    assert code == 0 and "wend up" in said
    assert (
        git("-C", "hello", "status", "--porcelain") == "" and git("-C", "hello", "branch", "--show-current") == "main"
    )
    assert wend("new", "static-site", "hello")[0] == 5
    code, _, said = wend("new", "static", "other")
    assert code == 2 and "static-site" in said and not (alone / "other").exists()


# ---------------------------------------------------------------------------------------------- check


def test_check_says_what_a_push_would_do(wend: Run, alone: Path) -> None:
    (alone / "Procfile").write_text("web: python app.py\nrelease: ./migrate\n")
    code, out, _ = wend("check", "--json")
    found = json.loads(out)
    assert code == 0 and found["processes"] == {"web": "python app.py"} and found["release"] == "./migrate"
    assert found["path"] == "procfile" and found["problems"] == []


def test_check_refuses_what_a_push_refuses(wend: Run, alone: Path) -> None:
    code, _, said = wend("check")
    assert code == 2 and "no golden path fits" in said
    (alone / "wend.toml").write_text('ap = "x"\n')
    code, _, said = wend("check")
    assert code == 2 and "unknown key 'ap'" in said and "did you mean 'app'?" in said
    git("init", "-q")
    (alone / "wend.toml").write_text("")
    (alone / "Procfile").write_text("web: x\n")
    (alone / "out").symlink_to("/etc/passwd")
    git("add", "-A")
    git("-c", "user.name=x", "-c", "user.email=x@x", "commit", "-q", "-m", "x")
    code, _, said = wend("check")
    assert code == 4 and "leads outside the app" in said


# ---------------------------------------------------------------------------------------------- checkpoints


def verifying(api: FakeApi) -> None:
    api.answers["GET /api/ledger/verify"] = {"events": api.head[0], "head": api.head[1]}
    api.answers["GET /api/ledger/checkpoint"] = {
        "checkpoint": str(api.signer.sign(api.head)),
        "key": api.signer.public(),
    }


def test_the_newest_checkpoint_is_remembered_and_sent_as_witness(api: FakeApi, wend: Run) -> None:
    api.answers["GET /api/apps"] = []
    for head in ((5, "aa" * 32), (9, "bb" * 32), (7, "cc" * 32)):
        api.head = head
        wend("apps")
    assert witness.kept()[api.url].startswith("9." + "bb" * 32)
    api.head = (12, "dd" * 32)
    verifying(api)
    code, out, _ = wend("ledger", "verify")
    assert code == 0 and "contains event 9" in out
    assert ("GET /api/ledger/verify", f"witness=9.{'bb' * 32}", None) in api.asked


def test_a_platform_with_another_key_is_not_believed(api: FakeApi, wend: Run, tmp_path: Path) -> None:
    api.answers["GET /api/apps"] = []
    wend("apps")
    api.signer = Signer(tmp_path / "other")
    verifying(api)
    code, _, said = wend("ledger", "verify")
    assert code == 4 and "another key" in said and "--forget" in said
    assert wend("ledger", "verify", "--forget")[0] == 0
    assert wend("ledger", "verify")[0] == 0
    api.answers["GET /api/ledger/checkpoint"]["key"] = "00" * 32
    code, _, said = wend("ledger", "verify")
    assert code == 4 and "did not sign" in said


@pytest.mark.parametrize("header", ["", "1", "x.y.z", "1." + "a" * 64 + ".zz", "-1." + "a" * 64 + "." + "b" * 128])
def test_what_is_no_checkpoint_is_not_kept(header: str) -> None:
    witness.remember("http://x", header)
    assert witness.kept() == {}


def test_a_state_folder_that_cannot_be_written_stops_no_command(
    api: FakeApi, wend: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file" / "below"))
    api.answers["GET /api/apps"] = []
    assert wend("apps")[0] == 0


# ---------------------------------------------------------------------------------------------- doctor


@pytest.mark.parametrize(
    ("found", "code"),
    [
        (Finding("git", True, "2.39"), 0),
        (Finding("git", False, "none", "install git"), 6),
        (Finding("wall", False, "none", "be root", essential=False), 0),
    ],
)
def test_doctor_fails_only_for_what_is_essential(
    wend: Run, monkeypatch: pytest.MonkeyPatch, found: Finding, code: int
) -> None:
    monkeypatch.setattr(doctor, "examine", lambda _home: [found])
    ended, out, _ = wend("doctor")
    assert ended == code and out.startswith("ok" if found.ok else "missing")
    assert found.ok or f"try: {found.hint}" in out


def test_doctor_looks_at_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    walls = [Wall("kept", True, "refused"), Wall("open", False, "got through", "do this")]
    monkeypatch.setattr("wend.run.walls.probe", lambda _home: walls)
    found = {one.name: one for one in doctor.examine(tmp_path / "home-of-wend")}
    names = [
        "git",
        "python",
        "home",
        "disk",
        "listen",
        "edge",
        "proxy",
        "uv",
        "toolchains",
        "cgroups",
        "sandbox",
        "wall",
    ]
    assert list(found) == names
    assert found["sandbox"].said == "1/2 walls hold" and found["wall"].hint == "do this"
    assert found["git"].ok and found["proxy"].said.startswith("Envoy 1.") and found["uv"].ok


def test_doctor_names_who_sits_on_a_port(tmp_path: Path) -> None:
    import socket

    from wend import config

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        settings = config.load(tmp_path, {"listen": f"127.0.0.1:{taken.getsockname()[1]}"})
        found = doctor.port(tmp_path, settings, "listen")
    assert not found.ok and found.essential and "--listen" in found.hint
