"""Push to live, warm, for Flask + gunicorn, against its floor: a bare `git push` plus the app's own boot, in one run.

python bench/push.py [pushes]
"""

from __future__ import annotations

import http.client
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from measure import line, verdict

from tests.house import House, Repo, free_port, until

HERE = Path(__file__).resolve().parent.parent


def main() -> int:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    folder = Path(tempfile.mkdtemp(prefix="wend-bench-"))
    house = House(folder / "home").up()
    try:
        repo = house.repo("flask", folder / "flask", flask())
        taken, said = repo.push()
        assert taken, said
        bare = folder / "bare.git"
        subprocess.run(["git", "init", "-q", "--bare", str(bare)], check=True)
        repo.git("remote", "add", "bare", str(bare))
        venv = next((house.home / "deps").glob("*/venv/bin/gunicorn"))
        live, floor, boot = [], [], []
        for number in range(count):
            text = (repo.folder / "app.py").read_text()
            repo.change(app_py=text + f"\n# {number}\n")
            floor.append(timed_push(repo, "bare"))
            boot.append(own_boot(venv, repo.folder))
            live.append(timed_push(repo, "wend", house))
        print(line("bare git push to a local repository", floor))
        print(line("the app's own boot, outside the platform", boot))
        print(line("git push until the new version answers", live))
        over = [whole - least - start for whole, least, start in zip(live, floor, boot, strict=True)]
        print(line("over the floor (per push)", over))
        print(
            f"ratio to the floor: {statistics.median(live) / (statistics.median(floor) + statistics.median(boot)):.2f}"
        )
        return 0 if verdict("at most 250 ms over the floor (median)", statistics.median(over) <= 250) else 1
    finally:
        house.down()
        shutil.rmtree(folder, ignore_errors=True)


def flask() -> dict[str, str]:
    """The Flask example, with its version in the answer."""
    root = HERE / "examples" / "flask"
    return {
        str(file.relative_to(root)): file.read_text()
        for file in root.rglob("*")
        if file.is_file() and file.suffix != ".pyc"
    }


def timed_push(repo: Repo, remote: str, house: House | None = None) -> float:
    """Milliseconds from `git push` to its end and, on the platform, to an answer of the new release."""
    began = time.monotonic()
    done = repo.git("push", "-q", remote, "main")
    assert done.returncode == 0, done.stderr
    if house:
        assert house.get("flask")[0] == 200
    return (time.monotonic() - began) * 1000


def own_boot(gunicorn: Path, folder: Path) -> float:
    """Milliseconds from starting the same gunicorn by hand to its first answer."""
    port = free_port()
    began = time.monotonic()
    process = subprocess.Popen(
        [str(gunicorn), "--bind", f"127.0.0.1:{port}", "app:app"], cwd=folder, start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ, "PORT": str(port)},
    )  # fmt: skip
    try:
        until(lambda: answers(port), 20)
        return (time.monotonic() - began) * 1000
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()


def answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(main())
