"""One app inside its sandbox against the data of another: databases, caches, folders; and what nobody gets to read."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest

from tests.house import House
from tests.kept import SERVER, needs, pushed
from wend.run import Box
from wend.run.launch import hidden, telling

RUN = """
    if path.startswith("/run/"):
        space = {"psycopg": psycopg, "url": urllib.parse.urlsplit(os.environ["DB_URL"])}
        exec(urllib.parse.unquote(path[5:]), space)
        return space["out"]
"""
APP = {
    "requirements.txt": "psycopg[binary]\n",
    "Procfile": "web: exec python app.py\n",
    "app.py": SERVER.replace("{more}", "import psycopg\n").replace("{answers}", RUN),
    "wend.toml": "".join(
        f'[resources.{name}]\ntype = "{kind}"\n'
        for name, kind in (("db", "postgres"), ("cache", "redis"), ("files", "volume"))
    ),
}
REFUSED = (
    "SELECT rolpassword FROM pg_authid",
    "SELECT pg_read_file('/etc/passwd')",
    "COPY (SELECT 1) TO PROGRAM 'id'",
    "SET ROLE wend",
    "CREATE EXTENSION dblink",
    "CREATE EXTENSION postgres_fdw",
    "RESET ROLE; ALTER ROLE {other}_a PASSWORD 'x'",
    "GRANT {other} TO CURRENT_USER",
    "ALTER DATABASE {other} RENAME TO mine",
    "SELECT pg_database_size('{other}')",
)


def run(house: House, app: str, code: str) -> tuple[int, str]:
    return house.get(app, f"/run/{quote(code, safe='')}")


@needs("initdb", "postgresql")
@needs("redis-server", "redis-server")
def test_an_app_reaches_nothing_of_its_neighbour(house: House, tmp_path: Path) -> None:
    house.up()
    for name in ("mine", "other"):
        pushed(house, name, tmp_path / name, APP)
    database, cache = (urlsplit(house.get("other", f"/env/{name}_URL")[1]) for name in ("DB", "CACHE"))
    other = database.path[1:]
    assert run(house, "mine", "out = psycopg.connect(url.geturl()).execute('SELECT 1').fetchone()[0]") == (200, "1")
    status, said = run(house, "mine", f"out = psycopg.connect(url._replace(path='/{other}').geturl())")
    assert status == 500 and "permission denied for database" in said
    for words in REFUSED:
        status, said = run(house, "mine", f"out = psycopg.connect(url.geturl()).execute({words.format(other=other)!r})")
        assert status == 500 and "InsufficientPrivilege" in said, (words, said)
    assert cache.port
    for port in (cache.port, house.listen):
        for address in ("127.0.0.1", "localhost", "::ffff:127.0.0.1"):
            status, said = run(
                house, "mine", f"import socket\nout = socket.create_connection(({address!r}, {port}), 3)"
            )
            assert status == 500 and "refused" in said, (address, port, said)
    assert run(house, "mine", "out = os.listdir('/data')".replace("os", "__import__('os')")) == (200, "['files']")
    assert run(house, "mine", f"out = __import__('os').path.exists({str(house.home / 'resources')!r})") == (
        200,
        "False",
    )
    assert run(house, "other", "out = psycopg.connect(url.geturl()).execute('SELECT 1').fetchone()[0]") == (200, "1")


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("postgresql://u:pass-word@h:1/db", {"pass-word"}),
        ("redis://:a%40bcdefg@h", {"a%40bcdefg", "a@bcdefg"}),
        ("http://[broken", set[str]()),
        ("https://h/path", set[str]()),
        ("just words", set[str]()),
    ],
)
def test_the_password_in_an_address_is_a_secret_too(value: str, told: set[str]) -> None:
    assert telling(value) == {value, *told}
    box = Box("true", secrets=("URL",))
    assert hidden(box, {"URL": value, "PLAIN": "http://u:not-secret@h"}) == tuple(
        sorted((part.encode() for part in {value, *told}), key=len, reverse=True)
    )
