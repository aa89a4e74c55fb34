"""The scene folder: a chain of stages whose files arrive whole or not at all.

Each stage eats what the stages before it left in the folder. Its fingerprint is a hash of its own options and of the
fingerprint before it, so that the same command goes on after the last finished stage, and a changed option redoes
exactly what comes after it.

A stage writes into `.cvd3d-partial`. When it is done, that folder also gets the next `scene.json` and is renamed to
`.cvd3d-ready`: from then on the new state holds, and moving its files into place can be repeated until it succeeds.
A stage may keep checkpoints in the scene folder, for the next run if this one is killed.
"""

from __future__ import annotations

import fcntl
import functools
import hashlib
import json
import os
import resource
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from cvd3d import __version__
from recon.scene_folder import CHECKPOINTS, SCENE_FILE
from trajectories.errors import InputError
from trajectories.files import disk_full, read_json, remove

FORMAT = "cvd3d scene 1"
PARTIAL, READY, OURS = ".cvd3d-partial", ".cvd3d-ready", ".cvd3d-"
RECORDED_VERSIONS = ("torch", "diffusers", "gsplat", "numba", "numpy")


@dataclass(frozen=True)
class Place:
    """Where a stage reads and writes."""

    scene: Path
    """The scene folder, with what the stages before left."""
    out: Path
    """An empty folder; what is written here becomes part of the scene when the stage is done."""
    checkpoints: Path
    """A folder that the stage may make: it outlives a kill, and belongs to these options alone."""


@dataclass(frozen=True)
class Stage:
    """One step from the prompt or capture to the splats."""

    name: str
    options: Mapping[str, Any]
    """Whatever changes the result, as JSON values."""
    make: Callable[[Place], Mapping[str, Any]]
    """Does the work and returns facts for scene.json."""
    version: int = 1
    """Of the code: one more whenever the same options give something else than before."""


@dataclass(frozen=True)
class Done:
    """What scene.json says about a finished stage."""

    name: str
    fingerprint: str
    options: Mapping[str, Any]
    outputs: tuple[str, ...]
    """Names of files and folders at the top of the scene folder."""
    seconds: float
    peak_memory_mb: float
    """High-water mark of the process when the stage ended."""
    facts: Mapping[str, Any]
    version: int = 0
    """Of the code that made it; 0 for a scene from before stages had versions."""
    skipped: bool = False
    """True when this run found it finished."""


def fingerprint(stage: Stage, before: str) -> str:
    """Hash of the stage's name, version and options and of the fingerprint before it; 64 hexadecimal digits."""
    text = json.dumps([before, stage.name, stage.version, stage.options], sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def read_scene(folder: Path) -> dict[str, Any]:
    """The content of a scene folder's scene.json.

    Raises:
        InputError: no scene folder, or one that this version cannot read.
    """
    path = Path(folder) / SCENE_FILE
    if not path.is_file():
        raise InputError(f"{folder} is not a scene folder: it has no {SCENE_FILE}; give one that 'cvd3d scene' made.")
    scene = read_json(path)
    if scene.get("format") != FORMAT:
        raise InputError(f"{path}: the field 'format' is {scene.get('format')!r}; a scene of ours says {FORMAT!r}.")
    try:
        outputs = [name for done in recorded_stages(scene) for name in done.outputs]
    except (AttributeError, KeyError, TypeError):
        raise InputError(f"{path}: 'stages' does not say what a scene's stages are; make the scene anew.") from None
    # These are removed when their stage is redone, so they had better lie in the folder.
    for name in outputs:
        if name in ("", "..") or Path(name).name != name:
            raise InputError(f"{path}: the output {name!r} is no name of a file in the folder; make the scene anew.")
    return scene


def recorded_stages(scene: Mapping[str, Any]) -> list[Done]:
    """The finished stages that a scene.json names, in order."""
    return [
        Done(skipped=True, **{**record, "name": name, "outputs": tuple(record["outputs"])})
        for name, record in scene["stages"].items()
    ]


def check_folder(folder: Path) -> None:
    """Refuse an output folder that holds anything but a scene.

    Raises:
        InputError: a file, or a folder that is neither empty nor ours.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file; give --out a new folder or an earlier scene.")
    if not folder.exists() or _has_scene(folder) or _has_scene(folder / READY):
        return
    if any(not entry.name.startswith(OURS) for entry in folder.iterdir()):
        raise InputError(
            f"{folder} is not empty and has no {SCENE_FILE}, so it is not ours to write in; give --out a new folder."
        )


def say(line: str) -> None:
    """Print a line at once, so that it stands above the bar that follows."""
    print(line, flush=True)


def run_stages(
    folder: Path,
    stages: Sequence[Stage],
    *,
    asked: Mapping[str, Any],
    after: str | None = None,
    force: bool = False,
    tell: Callable[[str], None] = say,
) -> list[Done]:
    """Bring a scene folder up to date, stage by stage.

    Args:
        folder: the scene folder; made when it is not there.
        stages: the chain, in order.
        asked: what the user asked for, kept in scene.json.
        after: the finished stage that `stages` go on from; None starts afresh.
        force: redo every stage of `stages`.
        tell: takes one line when a stage starts, with the reason if it is made again, or is found finished.

    Returns:
        The finished stages, from the first one of the scene.

    Raises:
        InputError: a folder that is not ours or in use, or a disk that is full; the finished stages stay.
    """
    folder = Path(folder)
    check_folder(folder)
    made = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder):
        _roll_forward(folder)
        found = {done.name: done for done in recorded_stages(read_scene(folder))} if _has_scene(folder) else {}
        chain = _up_to(found, after, folder)
        for stage in stages:
            mark = fingerprint(stage, chain[-1].fingerprint if chain else "")
            old = found.get(stage.name)
            outdated = "" if old is None or force else _outdated(folder, stage, mark, old)
            if old and outdated is None:
                tell(f"{stage.name}: already done")
                chain.append(old)
                continue
            tell(f"{stage.name}: {outdated}; made again ..." if outdated else f"{stage.name} ...")
            if force:
                shutil.rmtree(folder / CHECKPOINTS, ignore_errors=True)
            try:
                chain.append(_run(folder, stage, mark, chain, asked))
            except BaseException as fault:
                shutil.rmtree(folder / PARTIAL, ignore_errors=True)
                if sentence := disk_full(fault, folder):
                    raise sentence from fault
                raise
            finally:
                if made and not any(folder.iterdir()):
                    folder.rmdir()
    return chain


def _run(folder: Path, stage: Stage, mark: str, chain: Sequence[Done], asked: Mapping[str, Any]) -> Done:
    partial = folder / PARTIAL
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    start = time.perf_counter()
    facts = stage.make(Place(folder, partial, folder / CHECKPOINTS / f"{stage.name}-{mark[:12]}"))
    done = Done(
        name=stage.name,
        fingerprint=mark,
        version=stage.version,
        options=stage.options,
        outputs=tuple(sorted(entry.name for entry in partial.iterdir())),
        seconds=round(time.perf_counter() - start, 3),
        peak_memory_mb=peak_memory_mb(),
        facts=facts,
    )
    scene = {
        "format": FORMAT,
        "asked": dict(asked),
        "versions": _versions(),
        "stages": {each.name: _record(each) for each in (*chain, done)},
    }
    (partial / SCENE_FILE).write_text(json.dumps(scene, indent=2, allow_nan=False) + "\n")
    _move(partial, folder / READY)
    _roll_forward(folder)
    shutil.rmtree(folder / CHECKPOINTS, ignore_errors=True)
    return done


def _roll_forward(folder: Path) -> None:
    """Finish the move of a finished stage's files; does nothing when there are none, and may be repeated."""
    ready = folder / READY
    if not ready.exists():
        return
    if _has_scene(ready):
        kept = {name for done in recorded_stages(read_scene(ready)) for name in done.outputs}
        if _has_scene(folder):
            # What came after the changed stage no longer belongs to this scene.
            for name in {name for done in recorded_stages(read_scene(folder)) for name in done.outputs} - kept:
                remove(folder / name)
        for entry in sorted(ready.iterdir()):
            if entry.name != SCENE_FILE:
                remove(folder / entry.name)
                _move(entry, folder / entry.name)
        _move(ready / SCENE_FILE, folder / SCENE_FILE)
    ready.rmdir()


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the folder against a second run."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(f"Another cvd3d is at work in {folder}; wait for it or give another --out.") from None
        yield
    finally:
        os.close(handle)


def _up_to(found: Mapping[str, Done], after: str | None, folder: Path) -> list[Done]:
    if after is None:
        return []
    names = list(found)
    if after not in names:
        raise InputError(f"{folder} has no finished stage {after!r}; run 'cvd3d scene' on it first.")
    return [found[name] for name in names[: names.index(after) + 1]]


def _outdated(folder: Path, stage: Stage, mark: str, old: Done) -> str | None:
    """Why a finished stage is made again; None if it is up to date."""
    if old.version != stage.version:
        return f"made by {'an earlier' if old.version < stage.version else 'a later'} version of this stage"
    if old.fingerprint != mark:
        now = json.loads(json.dumps(stage.options))
        changed = [name for name in sorted({*now, *old.options}) if now.get(name) != old.options.get(name)]
        return f"changed {', '.join(changed)}" if changed else "an earlier stage changed"
    return next((f"{name} is missing" for name in old.outputs if not (folder / name).exists()), None)


def _has_scene(folder: Path) -> bool:
    return (folder / SCENE_FILE).exists()


def _move(source: Path, target: Path) -> None:
    source.replace(target)


def _record(done: Done) -> dict[str, Any]:
    return {
        "fingerprint": done.fingerprint,
        "version": done.version,
        "options": dict(done.options),
        "outputs": list(done.outputs),
        "seconds": done.seconds,
        "peak_memory_mb": done.peak_memory_mb,
        "facts": dict(done.facts),
    }


def peak_memory_mb() -> float:
    """The most memory this process has held so far, in MB."""
    unit = 1 if sys.platform == "darwin" else 1024
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6, 1)


@functools.lru_cache(maxsize=1)
def _versions() -> dict[str, str]:
    versions = {"python": ".".join(map(str, sys.version_info[:3])), "cvd3d": __version__}
    for package in RECORDED_VERSIONS:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return versions
