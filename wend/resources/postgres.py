"""PostgreSQL: a database for each resource, on the server that the platform team named, or on one of our own.

A resource has an owner role that cannot log in, and two roles that can and act as the owner: credentials change from
one to the other, so that both work while processes are replaced.
"""

from __future__ import annotations

import shutil
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from wend import secrets
from wend.config import Config
from wend.errors import Conflict, Down, Invalid
from wend.resources.server import Server
from wend.resources.type import About, Granted, variable

if TYPE_CHECKING:
    from psycopg import Connection

CONNECTIONS = 50  # of one app's login at a time
INSTALL = "install PostgreSQL (apt-get install postgresql), or name a server: `postgres` in docs/settings.md"
SETTINGS = {
    "listen_addresses": "127.0.0.1", "unix_socket_directories": "/tmp", "max_connections": "500",
    "password_encryption": "scram-sha-256", "dynamic_shared_memory_type": "sysv", "log_min_messages": "warning",
}  # fmt: skip


@dataclass(frozen=True)
class Admin:
    """How to reach a server as the role that makes databases. `name`: as errors and the ledger call the server."""

    name: str
    options: dict[str, Any]

    @property
    def address(self) -> str:
        host = self.options["host"]
        return f"{f'[{host}]' if ':' in host else host}:{self.options['port']}"

    @property
    def user(self) -> str:
        return str(self.options["user"])


class Postgres:
    """Databases. `about`: `server` (its address, or "local"), `database` (also the owner's name), and which of the two
    logins is in use."""

    secret = True
    usual = "DATABASE_URL"

    def __init__(self, config: Config) -> None:
        self.home, self.url = config.home, str(config.postgres)

    # ------------------------------------------------------------------------------------------ the server

    def local(self) -> Server:
        return Server(self.home, "postgres", self.home / "resources" / "postgres", "")

    def command(self, server: Server) -> str:
        """How it is started: by the version that made its data."""
        version = (server.folder / "inside" / "db" / "PG_VERSION").read_text().strip()
        words = " ".join(f"-c {name}={value}" for name, value in SETTINGS.items())
        return f"exec {program('postgres', version)} -D /data/db -p $PORT {words}"

    def admin(self, where: str | None = None) -> Admin:
        """The server that `about` names (None: the one that new databases go to). Raises Down when no setting names it
        any more."""
        named = parse(self.url) if self.url else None
        if where == "local" or (where is None and named is None):
            password = secrets.derived(self.home, "postgres")
            port = self.local().port
            options = {"host": "127.0.0.1", "port": port, "user": "wend", "password": password, "dbname": "postgres"}
            return Admin("local", options)
        if named is None or where not in (None, named.address):
            raise Down(f"it lies on {where}, which no setting names", "set `postgres` to that server's address again")
        return named

    def alive(self, about: About | None) -> None:
        admin = self.admin(about["server"] if about else None)
        if admin.name == "local":
            self.start()
        with connected(admin):
            pass

    def host(self, about: About) -> str | None:
        return "postgres" if about["server"] == "local" else None

    def start(self) -> None:
        """Start our own server, made first if need be."""
        server = self.local()
        with server.locked():
            if not (server.folder / "inside" / "db" / "PG_VERSION").exists():
                self.make(server)
            replace(server, command=self.command(server)).start()
        admin = self.admin("local")
        server.wait(lambda: answers(admin))

    def make(self, server: Server) -> None:
        """Elsewhere first: a folder that was left half made is not taken for a whole one."""
        words = "-U wend --pwfile=/tmp/word -A scram-sha-256 -E UTF8 --locale=C.UTF-8"
        closed = "REVOKE CONNECT ON DATABASE postgres, template1 FROM PUBLIC"
        steps = (
            'printf %s "$WORD" > /tmp/word',
            "rm -rf /data/new",
            f"{program('initdb')} -D /data/new {words}",
            f"echo '{closed}' | {program('postgres')} --single -D /data/new postgres",
            "mv /data/new /data/db",
        )
        server.once(" && ".join(steps), {"WORD": secrets.derived(self.home, "postgres")})

    # ------------------------------------------------------------------------------------------ one database

    def create(self, id: str, password: str) -> About:
        admin, id = self.admin(), f"app_{id}" if id.startswith("pg_") else id  # PostgreSQL keeps pg_ for itself
        about = {"server": admin.name, "database": id, "login": f"{id}_a"}
        with connected(admin) as db:
            run(db, "CREATE ROLE {} NOLOGIN", id)
            for login in logins(about):
                run(db, f"CREATE ROLE {{}} NOLOGIN CONNECTION LIMIT {CONNECTIONS} IN ROLE {{}}", login, id)
                run(db, "ALTER ROLE {} SET role = {}", login, id)
            for role in () if privileged(db) else (id, *logins(about)):
                run(db, "GRANT {} TO CURRENT_USER", role)  # to end its connections, and to make what it owns
            run(db, "CREATE DATABASE {} OWNER {}", id, id)
            run(db, "REVOKE ALL ON DATABASE {} FROM PUBLIC", id)
            let_in(db, about["login"], password)
        return about

    def grant(self, name: str, about: About, password: str) -> Granted:
        admin = self.admin(about["server"])
        mode = f"?sslmode={admin.options['sslmode']}" if "sslmode" in admin.options else ""
        url = f"postgresql://{about['login']}:{quote(password, safe='')}@{admin.address}/{about['database']}{mode}"
        named = variable(name, "URL")
        return Granted({named: url}, reach=(admin.address,), secrets=(named,))

    def admit(self, about: About, password: str) -> About:
        other = next(login for login in logins(about) if login != about["login"])
        with connected(self.admin(about["server"])) as db:
            let_in(db, other, password)
        return {**about, "login": other}

    def settle(self, about: About, password: str) -> None:
        with connected(self.admin(about["server"])) as db:
            for login in logins(about):
                if login != about["login"]:
                    run(db, "ALTER ROLE {} NOLOGIN PASSWORD NULL", login)

    def shut(self, about: About) -> None:
        self.alive(about)
        with connected(self.admin(about["server"])) as db:
            for login in logins(about):
                run(db, "ALTER ROLE {} NOLOGIN PASSWORD NULL", login)
            db.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [about["database"]])

    def purge(self, about: About) -> None:
        self.alive(about)
        with connected(self.admin(about["server"])) as db:
            run(db, "DROP DATABASE IF EXISTS {} WITH (FORCE)", about["database"])
            for role in (*logins(about), about["database"]):
                run(db, "DROP ROLE IF EXISTS {}", role)

    def size(self, about: About) -> int | None:
        with connected(self.admin(about["server"])) as db:
            row = db.execute("SELECT pg_database_size(%s)", [about["database"]]).fetchone()
        return int(row[0]) if row else None


# ---------------------------------------------------------------------------------------------- the parts


def program(name: str, version: str = "*") -> str:
    """Where the distribution put this version, or the newest. Raises Down."""
    places = Path("/usr/lib/postgresql").glob(f"{version}/bin/{name}")
    found = sorted(map(str, places), key=lambda path: float(path.split("/")[4]))
    here = found[-1] if found else shutil.which(name)
    if here is None or not Path(here).exists():
        raise Down(f"there is no {name} on this machine, and no server was named", INSTALL)
    return here


def parse(url: str) -> Admin:
    """The server that the setting names. Raises Invalid, without a word of it: it holds a password."""
    import psycopg  # late: most commands need no database
    from psycopg.conninfo import conninfo_to_dict

    try:
        options: dict[str, Any] = {"port": "5432", "dbname": "postgres", **conninfo_to_dict(url)}
    except psycopg.Error:
        options = {}
    host = str(options.get("host", ""))
    if not host or host.startswith("/") or "," in host or not options.get("user"):
        raise Invalid(
            "the setting postgres is not an address of one server with a user",
            "write it like postgresql://USER:PASSWORD@HOST:5432/postgres",
        )
    admin = Admin("", options)
    return Admin(admin.address, options)


@contextmanager
def connected(admin: Admin) -> Generator[Connection[Any]]:
    """A connection as the admin. Raises Down without the password."""
    import psycopg  # late: most commands need no database

    try:
        db = psycopg.connect(**admin.options, autocommit=True, connect_timeout=5, application_name="wend")
    except psycopg.OperationalError as error:
        said = secrets.redact(str(error).strip().splitlines()[-1], [str(admin.options.get("password", ""))])
        if "FATAL" in said and "starting up" not in said:
            why = said.split("FATAL:")[-1].strip()
            words = f"postgres at {admin.address} does not let {admin.user!r} in: {why}"
            raise Down(words, "correct the setting `postgres` and start Wend again") from None
        raise Down(f"no answer from postgres at {admin.address}", f"start it, then try again ({said})") from None
    try:
        with db:
            yield db
    except psycopg.errors.InsufficientPrivilege as error:
        words = (
            f"postgres at {admin.address} does not allow {admin.options['user']!r} this: {error.diag.message_primary}"
        )
        raise Down(words, f"ALTER ROLE {admin.options['user']} CREATEDB CREATEROLE") from None
    except psycopg.errors.DuplicateObject as error:
        raise Conflict(f"postgres at {admin.address}: {error.diag.message_primary}", "try again") from None
    except psycopg.Error as error:
        raise Down(f"postgres at {admin.address} failed: {str(error).strip()[:300]}", "try again") from None


def answers(admin: Admin) -> bool:
    try:
        with connected(admin):
            return True
    except Down:
        return False


def run(db: Connection[Any], text: str, *names: str) -> None:
    """A statement with these names in the places of its braces, quoted."""
    from psycopg import sql  # late, as above

    db.execute(sql.SQL(text).format(*map(sql.Identifier, names)))  # type: ignore[arg-type]


def let_in(db: Connection[Any], login: str, password: str) -> None:
    """Give the login this password. Only its SCRAM verifier travels, so that no server log can show it."""
    from psycopg import sql  # late, as above

    verifier = db.pgconn.encrypt_password(password.encode(), login.encode(), b"scram-sha-256").decode()
    db.execute(sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(login), sql.Literal(verifier)))


def privileged(db: Connection[Any]) -> bool:
    row = db.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user").fetchone()
    return bool(row and row[0])


def logins(about: About) -> tuple[str, str]:
    return f"{about['database']}_a", f"{about['database']}_b"
