"""Artifacts on disk: a folder and its description beside it, `artifacts/ID` and `artifacts/ID.json`."""

from __future__ import annotations

import json
import os
import shutil
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from wend.build import Artifact, Room
from wend.build.deps import marker, remove
from wend.run import Mount


def save(room: Room, artifact: Artifact) -> None:
    """Write the description; whole or not at all."""
    file = room.artifacts / f"{artifact.id}.json"
    staging = room.artifacts / f".{artifact.id}.{os.getpid()}.json"
    staging.write_text(json.dumps(asdict(artifact), indent=1), encoding="utf-8")
    staging.replace(file)


def load(room: Room, id: str) -> Artifact | None:
    """The artifact as it was built; None when it, or a folder it needs, is gone."""
    try:
        data: dict[str, Any] = json.loads((room.artifacts / f"{id}.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    mounts, notes = tuple(Mount(**mount) for mount in data.pop("mounts")), tuple(data.pop("notes"))
    tools = tuple(data.pop("tools", ()))  # artifacts of before toolchains were written down
    artifact = Artifact(**data, mounts=mounts, notes=notes, tools=tools)
    there = Path(artifact.root).is_dir() and all(Path(mount.source).exists() for mount in artifact.mounts)
    return artifact if there else None


def forget(room: Room, id: str) -> None:
    """Delete the artifact. Its dependencies stay until `sweep`: others may share them."""
    (room.artifacts / f"{id}.json").unlink(missing_ok=True)
    remove(room.artifacts / id)


def sweep(room: Room, age: float = 86_400.0) -> int:
    """Delete what no artifact needs any more and is older than `age` seconds: dependency folders, and what killed
    builds left behind. Returns how many folders went."""
    before = time.time() - age
    used = {Path(mount["source"]).parts for mounts in descriptions(room) for mount in mounts}
    heads = {part for parts in used for part in parts}
    stale = [folder for folder in room.artifacts.glob(".new-*") if older(folder, before)]
    unused = [one for one in room.deps.glob("[0-9a-f]*") if one.is_dir() and one.name not in heads]
    stale += [one for one in unused if older(one, before)]
    for folder in stale:
        marker(folder).unlink(missing_ok=True)
        remove(folder)
    return len(stale)


def descriptions(room: Room) -> list[list[dict[str, str]]]:
    return [json.loads(file.read_text(encoding="utf-8"))["mounts"] for file in room.artifacts.glob("[0-9a-f]*.json")]


def older(folder: Path, before: float) -> bool:
    """By the newest of the folder and its marker: a dependency folder is used again without being written."""
    times = [one.stat().st_mtime for one in (folder, marker(folder)) if one.exists()]
    return bool(times) and max(times) < before


def discard(staging: Path) -> None:
    """Remove a build's staging folder, whoever owns what lies in it."""
    remove(staging) if staging.is_dir() else shutil.rmtree(staging, ignore_errors=True)
