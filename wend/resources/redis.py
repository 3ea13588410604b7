"""Redis: a server of its own for each resource, so that one app's keys, memory and crashes are nobody else's."""

from __future__ import annotations

import hashlib
import shutil
import socket
from dataclasses import replace

from wend import secrets
from wend.config import Config
from wend.errors import Down
from wend.resources.server import Server
from wend.resources.type import About, Granted, variable

MEMORY = 256 * 2**20  # bytes of data; at the limit writes are refused, nothing is thrown away
MAY = "~* &* +@all -@admin -@dangerous +info +keys +flushdb +flushall +sort +role"  # an app must not change the server
WORDS = (
    f"--port $PORT --bind 127.0.0.1 --protected-mode no --dir /data --aclfile /data/users.acl --appendonly yes "
    f'--save "" --maxmemory {MEMORY} --maxmemory-policy noeviction --loglevel warning'
)


class Redis:
    """Servers. `about`: `id`, after which folder and server are named. Old and new passwords hold side by side."""

    secret = True
    usual = "REDIS_URL"

    def __init__(self, config: Config) -> None:
        self.home = config.home

    def server(self, id: str) -> Server:
        return Server(self.home, f"redis-{id}", self.home / "resources" / "redis" / id, "", 4 * MEMORY)

    def admin(self, id: str) -> str:
        return secrets.derived(self.home, f"redis {id}")

    def alive(self, about: About | None) -> None:
        if about is None:
            program()
        else:
            self.start(about["id"])

    def host(self, about: About) -> str | None:
        return self.server(about["id"]).name

    def start(self, id: str) -> None:
        server = replace(self.server(id), command=f"exec {program()} {WORDS}")
        with server.locked():
            server.start()
        server.wait(lambda: self.answers(id))

    def answers(self, id: str) -> bool:
        try:
            return self.ask(id, ["PING"]) == ["PONG"]
        except Down:
            return False  # also while it loads its data

    def ask(self, id: str, *commands: list[str]) -> list[str]:
        """The answers, as the admin. Raises Down."""
        server = self.server(id)
        try:
            with socket.create_connection(("127.0.0.1", server.port), timeout=5) as line, line.makefile("rb") as reader:
                found: list[str] = []
                for words in (["AUTH", "wend", self.admin(id)], *commands):
                    line.sendall(packed(words))
                    first = reader.readline().decode("utf-8", "replace").strip()
                    if not first or first.startswith("-"):
                        raise Down(f"redis at {server.address}: {first[1:] or 'it hung up'}", "try again")
                    body = reader.read(int(first[1:]) + 2).decode("utf-8", "replace") if first[0] == "$" else first[1:]
                    found.append(body.strip())
                return found[1:]
        except OSError as error:
            raise Down(f"no answer from redis at {server.address}", f"try again ({error})") from error

    # ------------------------------------------------------------------------------------------ one server

    def create(self, id: str, password: str) -> About:
        inside = self.server(id).folder / "inside"
        inside.mkdir(parents=True, mode=0o700)
        users = ("user default off", f"user wend on #{digest(self.admin(id))} ~* &* +@all")
        (inside / "users.acl").write_text("\n".join((*users, f"user app on #{digest(password)} {MAY}\n")))
        (inside / "users.acl").chmod(0o600)
        self.start(id)
        return {"id": id}

    def grant(self, name: str, about: About, password: str) -> Granted:
        address, named = self.server(about["id"]).address, variable(name, "URL")
        return Granted({named: f"redis://app:{password}@{address}/0"}, reach=(address,), secrets=(named,))

    def admit(self, about: About, password: str) -> About:
        self.start(about["id"])
        self.ask(about["id"], ["ACL", "SETUSER", "app", "on", f"#{digest(password)}"], ["ACL", "SAVE"])
        return about

    def settle(self, about: About, password: str) -> None:
        self.ask(about["id"], ["ACL", "SETUSER", "app", "resetpass", f"#{digest(password)}"], ["ACL", "SAVE"])

    def shut(self, about: About) -> None:
        self.server(about["id"]).stop()

    def purge(self, about: About) -> None:
        self.server(about["id"]).stop()
        shutil.rmtree(self.server(about["id"]).folder, ignore_errors=True)

    def size(self, about: About) -> int | None:
        (told,) = self.ask(about["id"], ["INFO", "memory"])
        found = dict(line.split(":", 1) for line in told.splitlines() if ":" in line)
        return int(found["used_memory"]) if "used_memory" in found else None


# ---------------------------------------------------------------------------------------------- the parts


def program() -> str:
    """Where it is. Raises Down."""
    found = shutil.which("redis-server", path="/usr/local/bin:/usr/bin:/bin:/usr/sbin")
    if found is None:
        raise Down("there is no redis-server on this machine", "install Redis: apt-get install redis-server")
    return found


def packed(words: list[str]) -> bytes:
    """A command in Redis' protocol."""
    parts = [word.encode() for word in words]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)


def digest(password: str) -> str:
    return hashlib.sha256(password.encode()).hexdigest()
