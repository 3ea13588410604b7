"""What outlives releases: granted, kept, thrown into the trash and taken out again. Volumes stand for all types."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.house import House
from tests.kept import pushed, volume_app
from tests.resource_world import context
from wend import config, resources
from wend.declared import Resource
from wend.errors import Conflict, Invalid, NotFound, Refused
from wend.resources import trash, volume
from wend.resources.type import TYPES, Granted, new_id, variable
from wend.state import resources as stored
from wend.state.resources import Kept


def granted(name: str, value: str, secret: bool = True) -> Granted:
    return Granted({name: value}, reach=(f"h:{value}",), secrets=(name,) if secret else ())


def test_the_usual_name_is_given_only_when_it_is_clear() -> None:
    one = resources.together([("DATABASE_URL", granted("DB_URL", "1")), ("", granted("FILES_PATH", "p", False))])
    assert one.env == {"DATABASE_URL": "1", "DB_URL": "1", "FILES_PATH": "p"}
    assert one.secrets == ("DATABASE_URL", "DB_URL")
    two = resources.together([("DATABASE_URL", granted("A_URL", "1")), ("DATABASE_URL", granted("B_URL", "2"))])
    assert two.env == {"A_URL": "1", "B_URL": "2"} and two.reach == ("h:1", "h:2")
    named = resources.together([("REDIS_URL", granted("CACHE_URL", "1")), ("", granted("REDIS_URL", "2"))])
    assert named.env["REDIS_URL"] == "2"


def test_names_that_clash_or_change_their_type_are_refused() -> None:
    both = {name: Resource(name, "volume") for name in ("a-b", "a_b")}
    with pytest.raises(Invalid, match="same variables"):
        resources.check(both, {})
    was = Kept("hello", "db", "redis", {}, None, 1, 0, None)
    with pytest.raises(Conflict, match="is a redis, and wend"):
        resources.check({"db": Resource("db", "postgres")}, {"db": was})


def test_ids_are_short_plain_and_never_the_same() -> None:
    made = {new_id("feature-x--hello" * 5, "my-db") for _ in range(50)} | {new_id("a", "b") for _ in range(50)}
    assert len(made) == 100 and all(len(one) <= 48 and one.replace("_", "").isalnum() for one in made)
    assert variable("my-db", "URL") == "MY_DB_URL"
    assert set(TYPES) == {"postgres", "redis", "volume"}


def test_a_volume_outlives_releases_and_rollbacks(platform: House, tmp_path: Path) -> None:
    pushed(platform, "vol-a", tmp_path / "a", volume_app())
    assert platform.get("vol-a", "/env/FILES_PATH") == (200, "/data/files")
    assert platform.get("vol-a", "/write")[0] == 200
    _, last = platform.change("/api/apps/vol-a/config", {"set": {"A": "1"}, "unset": []})
    assert "done" in last, last
    assert platform.get("vol-a", "/read") == (200, "x")
    platform.change("/api/apps/vol-a/scale", {"counts": {"web": 2}})
    assert [platform.get("vol-a", "/write")[0] for _ in range(4)] == [200] * 4
    _, last = platform.change("/api/apps/vol-a/rollback", {})
    assert "done" in last, last
    assert platform.get("vol-a", "/read") == (200, "xxxxx")


def test_what_wend_toml_names_no_more_is_kept_and_told(platform: House, tmp_path: Path) -> None:
    repo = platform.repo("vol-b", tmp_path / "b", volume_app())
    taken, said = repo.push()
    assert taken and "resource files: a new volume" in said, said
    assert platform.get("vol-b", "/write")[0] == 200
    repo.write({"wend.toml": '[canary]\nsteps = "off"\nwatch = 0\n'})
    repo.commit()
    taken, said = repo.push()
    assert taken and "its data is kept" in said, said
    assert platform.get("vol-b", "/env/FILES_PATH") == (200, "")
    repo.write(volume_app())
    repo.commit()
    assert repo.push()[0]
    assert platform.get("vol-b", "/read") == (200, "x")


def test_destroyed_data_comes_back_in_an_app_of_another_name(house: House, tmp_path: Path) -> None:
    house.up()
    pushed(house, "vol-c", tmp_path / "c", volume_app())
    assert house.get("vol-c", "/write")[0] == 200
    status, gone = house.api("DELETE", "/api/apps/vol-c", {"confirm": "vol-c"})
    assert status == 200, gone
    house.stop()
    said: list[str] = []
    with context(house.home) as ctx:
        with ctx.ledger.query() as db:
            (waiting,) = stored.trashed(db)
            assert stored.kept(db) == []
        hours = (waiting.until - waiting.at) / 3.6e9
        assert waiting.app == "vol-c" and hours == pytest.approx(72, abs=0.1)
        resources.restore(ctx, waiting.id, "vol-d", None, said.append)
        with pytest.raises(NotFound, match="in the trash"):
            resources.restore(ctx, waiting.id, "vol-d", None, said.append)
    assert any("restored" in line for line in said)
    house.up()
    pushed(house, "vol-d", tmp_path / "d", volume_app())
    assert house.get("vol-d", "/read") == (200, "x")


def test_removing_wants_its_name_and_that_nothing_uses_it_and_time_ends_it(house: House, tmp_path: Path) -> None:
    house.up()
    pushed(house, "vol-e", tmp_path / "e", volume_app())
    house.stop()
    with context(house.home) as ctx:
        (folder,) = (house.home / "resources" / "volumes").iterdir()
        with pytest.raises(Refused, match="confirm"):
            resources.remove(ctx, "vol-e", "files", "yes", print)
        with pytest.raises(Conflict, match="which is live, uses files"):
            resources.remove(ctx, "vol-e", "files", "files", print)
        with pytest.raises(NotFound, match="no resource 'other'") as error:
            resources.remove(ctx, "vol-e", "other", "other", print)
        assert error.value.hint == "there are: files"
        resources.sweep(ctx)
        assert folder.is_dir()
        ctx.ledger.append(resources.trashing(ctx, "vol-e"))
        resources.sweep(ctx)
        assert folder.is_dir(), "in the trash it lies where it was"
    with context(house.home, trash_hours="0") as ctx:
        with ctx.ledger.query() as db:
            (waiting,) = stored.trashed(db)
        resources.restore(ctx, waiting.id, "vol-e", None, print)
        ctx.ledger.append(resources.trashing(ctx, "vol-e"))
        resources.sweep(ctx)
        assert not folder.exists(), "the time was over at once"
        with ctx.ledger.query() as db:
            assert stored.trashed(db) == []


def test_the_trash_gives_back_under_names_that_can_be_and_keeps_its_time(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.up()
    pushed(house, "vol-f", tmp_path / "f", volume_app())
    house.stop()
    with context(house.home) as ctx:
        ctx.ledger.append(resources.trashing(ctx, "vol-f"))
        with ctx.ledger.query() as db:
            (waiting,) = stored.trashed(db)
        for name in ("OLD", "../x", "a\nb", "x" * 31):
            with pytest.raises(Invalid, match="resource name"):
                resources.restore(ctx, waiting.id, "vol-f", name, print)
        with pytest.raises(NotFound, match="there is no preview x--vol-f") as error:
            resources.restore(ctx, waiting.id, "x--vol-f", None, print)
        assert error.value.hint.endswith("as a resource of vol-f")
        with pytest.raises(Invalid, match="cannot be an app's name"):
            resources.restore(ctx, waiting.id, "../vol", None, print)
        (folder,) = (house.home / "resources" / "volumes").iterdir()
        for hours, there in ((71.9, True), (72.1, False)):
            monkeypatch.setattr(trash.time, "time", lambda hours=hours: waiting.at / 1e6 + hours * 3600)
            resources.sweep(ctx)
            assert folder.exists() is there, hours


def test_a_volume_is_weighed_and_what_would_take_long_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kind = volume.Volume(config.load(tmp_path))
    about = kind.create("files", "")
    assert kind.size(about) == 0
    place = tmp_path / "resources" / "volumes" / "files" / "deep"
    place.mkdir()
    (place / "big").write_bytes(b"x" * 100_000)
    (place / "elsewhere").symlink_to("/usr")
    assert 100_000 <= (kind.size(about) or 0) < 200_000
    monkeypatch.setattr(volume, "MANY", 2)
    assert kind.size(about) is None


def test_a_rollback_to_what_was_removed_says_so_and_the_trash_mends_it(house: House, tmp_path: Path) -> None:
    house.up()
    repo = house.repo("vol-g", tmp_path / "g", volume_app())
    assert repo.push()[0]
    repo.write({"wend.toml": '[canary]\nsteps = "off"\nwatch = 0\n'})
    repo.commit()
    assert repo.push()[0]
    assert house.api("DELETE", "/api/apps/vol-g/resources/files", {"confirm": "files"})[0] == 200
    _, last = house.change("/api/apps/vol-g/rollback", {})
    assert "needs its resource files, which was removed" in last["message"] and "wend resources trash" in last["hint"]
    assert house.get("vol-g")[0] == 200
    (waiting,) = house.api("GET", "/api/trash")[1]
    lines, last = house.change("/api/apps/vol-g/resources", {"trash": waiting["id"], "name": None})
    assert "done" in last, lines
    _, last = house.change("/api/apps/vol-g/rollback", {})
    assert "done" in last and house.get("vol-g", "/write")[0] == 200, last
