"""An app that keeps things: what it answers comes from its database, its cache or its folder."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.house import House

SERVER = """
import http.server, os, signal, socket, threading, urllib.parse
{more}
def answer(path):
    if path.startswith("/env/"):
        return os.environ.get(path[5:], "")
{answers}
    return "here"
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 2**16
    def do_GET(self):
        try:
            status, body = 200, str(answer(self.path)).encode()
        except Exception as error:
            status, body = 500, repr(error).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *words):
        pass
class Server(http.server.ThreadingHTTPServer):
    daemon_threads = False
    request_queue_size = 128
server = Server(("0.0.0.0", int(os.environ["PORT"])), Handler)
signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
server.serve_forever()
"""

VOLUME = """
    if path == "/write":
        open(os.environ["FILES_PATH"] + "/note", "a").write("x")
    if path == "/read":
        return open(os.environ["FILES_PATH"] + "/note").read()
"""

DATABASE = """
    with psycopg.connect(os.environ["DATABASE_URL"]) as db:
        if path == "/write":
            db.execute("CREATE TABLE IF NOT EXISTS notes (word text)")
            db.execute("INSERT INTO notes VALUES ('x')")
        if path == "/read":
            return db.execute("SELECT count(*) FROM notes").fetchone()[0]
        if path == "/who":
            return db.execute("SELECT session_user").fetchone()[0]
        if path.startswith("/other/"):
            url = urllib.parse.urlsplit(os.environ["DATABASE_URL"])._replace(path=path[6:])
            return psycopg.connect(urllib.parse.urlunsplit(url)).execute("SELECT 1").fetchone()[0]
"""

CACHE = """
    url = urllib.parse.urlsplit(os.environ["REDIS_URL"])
    with socket.create_connection((url.hostname, url.port)) as line:
        words = {"/write": "SET word x", "/read": "GET word"}.get(path, urllib.parse.unquote(path[1:]))
        line.sendall(f"AUTH {url.username} {url.password}\\r\\n{words}\\r\\nQUIT\\r\\n".encode())
        return line.makefile().read()
"""


def files(kind: str, name: str, code: str, needs: str = "", more: str = "") -> dict[str, str]:
    """An app with one resource."""
    return {
        "requirements.txt": needs,
        "Procfile": "web: exec python app.py\n",
        "app.py": SERVER.replace("{more}", more).replace("{answers}", code),
        "wend.toml": f'[canary]\nsteps = "off"\nwatch = 0\n\n[resources.{name}]\ntype = "{kind}"\n',
    }


def volume_app() -> dict[str, str]:
    return files("volume", "files", VOLUME)


def database_app() -> dict[str, str]:
    return files("postgres", "db", DATABASE, "psycopg[binary]\n", "import psycopg\n")


def cache_app() -> dict[str, str]:
    return files("redis", "cache", CACHE)


def pushed(house: House, name: str, folder: Path, what: dict[str, str]) -> None:
    """Push it, or skip where its packages cannot be had."""
    taken, said = house.repo(name, folder, what).push()
    if not taken and "psycopg" in said and "resource" not in said:
        pytest.skip(f"psycopg for the app cannot be fetched here (a package index is needed): {said[-300:]}")
    assert taken, said


def needs(program: str, package: str) -> pytest.MarkDecorator:
    """Skip where the server is not installed."""
    there = shutil.which(program) or list(Path("/usr/lib/postgresql").glob(f"*/bin/{program}"))
    return pytest.mark.skipif(not there, reason=f"no {program} here: apt-get install {package}")
