"""Run the stages of a scene folder; each stage commits its output files atomically.

Each stage reads what earlier stages wrote to the folder. Its fingerprint is a hash of its options and of the previous
stage's fingerprint. The same command therefore continues after the last finished stage, and a changed option repeats
exactly that stage and the later ones.

A stage writes into `.cvd3d-partial`. When it is done, the new `scene.json` is added to that folder and the folder is
renamed to `.cvd3d-ready`, which commits the new state. Moving its files into place can be repeated until it succeeds.
A stage may keep checkpoints in the scene folder, for the next run if this one is killed.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from cvd3d.versions import versions
from recon.scene_files import CHECKPOINTS, SCENE_FILE
from trajectories.errors import InputError
from trajectories.files import disk_full, read_json, remove, whole

FORMAT = "cvd3d scene 1"
PARTIAL, READY, LOCK, OURS = ".cvd3d-partial", ".cvd3d-ready", ".cvd3d-lock", ".cvd3d-"


@dataclass(frozen=True)
class Place:
    """The folders that a stage reads from and writes to."""

    scene: Path
    """The scene folder, with the output of earlier stages."""
    out: Path
    """An empty folder; the files written here become part of the scene when the stage is done."""
    checkpoints: Path
    """A folder that the stage may create; it is kept if the process is killed, and is specific to the options."""


@dataclass(frozen=True)
class Stage:
    """One step from the prompt or capture to the splats."""

    name: str
    options: Mapping[str, Any]
    """Everything that affects the result, as JSON values."""
    make: Callable[[Place], Mapping[str, Any]]
    """Does the work and returns facts for scene.json."""
    version: int = 1
    """Version of the code; increase it when the same options give a different result."""


@dataclass(frozen=True)
class Done:
    """The record of a finished stage in scene.json."""

    name: str
    fingerprint: str
    options: Mapping[str, Any]
    outputs: tuple[str, ...]
    """Names of files and folders at the top of the scene folder."""
    seconds: float
    peak_memory_mb: float
    """Peak memory of the process when the stage ended."""
    facts: Mapping[str, Any]
    version: int = 0
    """Version of the code that made it; 0 for scenes made before stages had versions."""
    skipped: bool = False
    """True if the stage was up to date in this run."""


def fingerprint(stage: Stage, before: str) -> str:
    """Hash of the stage's name, version and options and of the previous fingerprint; 64 hexadecimal digits."""
    text = json.dumps([before, stage.name, stage.version, stage.options], sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def read_scene(folder: Path) -> dict[str, Any]:
    """The content of a scene folder's scene.json.

    Raises:
        InputError: not a scene folder, or one that this version cannot read.
    """
    path = Path(folder) / SCENE_FILE
    if not path.is_file():
        raise InputError(f"{folder} is not a scene folder: it has no {SCENE_FILE}; give one that 'cvd3d scene' made.")
    scene = read_json(path)
    if scene.get("format") != FORMAT:
        raise InputError(f"{path}: the field 'format' is {scene.get('format')!r}; expected {FORMAT!r}.")
    try:
        outputs = [name for done in recorded_stages(scene) for name in done.outputs]
    except (AttributeError, KeyError, TypeError):
        raise InputError(f"{path}: the field 'stages' cannot be read; make the scene again.") from None
    # Outputs are removed when their stage is repeated, so they must lie in the folder.
    for name in outputs:
        if name in ("", "..") or Path(name).name != name:
            raise InputError(f"{path}: the output {name!r} is not a file name in the folder; make the scene again.")
    return scene


def recorded_stages(scene: Mapping[str, Any]) -> list[Done]:
    """The finished stages of a scene.json, in order."""
    return [
        Done(skipped=True, **{**record, "name": name, "outputs": tuple(record["outputs"])})
        for name, record in scene["stages"].items()
    ]


def check_folder(folder: Path) -> None:
    """Refuse an output folder that contains anything but a scene.

    Raises:
        InputError: a file, or a folder that is neither empty nor a scene.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file; give --out a new folder or an existing scene.")
    if not folder.exists() or _has_scene(folder) or _has_scene(folder / READY):
        return
    if not all(_is_ours(entry) for entry in folder.iterdir()):
        raise InputError(
            f"{folder} is not empty and is not a scene folder (it has no {SCENE_FILE}); give --out a new folder."
        )


def _is_ours(entry: Path) -> bool:
    """Whether an entry of a folder without a scene was left by a killed first stage."""
    checkpoints = entry.name == CHECKPOINTS and entry.is_dir()
    return entry.name.startswith(OURS) or (
        checkpoints and all(re.fullmatch(r"[a-z]+-[0-9a-f]{12}", each.name) for each in entry.iterdir())
    )


def print_line(line: str) -> None:
    """Print a line without buffering, so that it appears above the progress bar that follows."""
    print(line, flush=True)


def run_stages(
    folder: Path,
    stages: Sequence[Stage],
    *,
    asked: Mapping[str, Any],
    after: str | None = None,
    force: bool = False,
    report: Callable[[str], None] = print_line,
) -> list[Done]:
    """Update a scene folder, stage by stage.

    Args:
        folder: the scene folder; created if it does not exist.
        stages: the stages to run, in order.
        asked: what the user asked for, recorded in scene.json.
        after: the finished stage that comes before `stages`; None starts at the first stage of the scene.
        force: repeat every stage of `stages`.
        report: called with one line for each stage: that it starts, with the reason if it is repeated, or is done.

    Returns:
        All finished stages of the scene, in order.

    Raises:
        InputError: a folder that is not a scene or is in use, or a full disk; finished stages are kept.
    """
    folder = Path(folder)
    check_folder(folder)
    with _folder(folder), _locked(folder):
        _roll_forward(folder)
        found = {done.name: done for done in recorded_stages(read_scene(folder))} if _has_scene(folder) else {}
        chain = _up_to(found, after, folder)
        for stage in stages:
            current = fingerprint(stage, chain[-1].fingerprint if chain else "")
            old = found.get(stage.name)
            outdated = "" if old is None or force else _outdated(folder, stage, current, old)
            if old and outdated is None:
                report(f"{stage.name}: already done")
                chain.append(old)
                continue
            report(f"{stage.name}: {outdated}; running again ..." if outdated else f"{stage.name} ...")
            if force:
                shutil.rmtree(folder / CHECKPOINTS, ignore_errors=True)
            try:
                chain.append(_run(folder, stage, current, chain, asked))
            except BaseException as fault:
                shutil.rmtree(folder / PARTIAL, ignore_errors=True)
                if sentence := disk_full(fault, folder):
                    raise sentence from fault
                raise
    return chain


def make_apart(folder: Path, stage: Stage, out: Path, name: str, *, after: str) -> tuple[list[Done], Done]:
    """Run one more stage, whose output is a folder of its own; the stages in scene.json stay as they are.

    Args:
        folder: the scene folder.
        stage: the stage to run.
        out: its output folder, in the scene folder; replaced when the stage is done.
        name: the name of the file in `out` with the record of the stage.
        after: the finished stage that comes before it.

    Returns:
        The finished stages up to `after`, and this one.

    Raises:
        InputError: as in `run_stages`, or `after` is not finished.
    """
    with _locked(folder):
        _roll_forward(folder)
        chain = _up_to({done.name: done for done in recorded_stages(read_scene(folder))}, after, folder)
        current = fingerprint(stage, chain[-1].fingerprint)
        checkpoints = folder / CHECKPOINTS / f"{stage.name}-{current[:12]}"
        with whole(out) as partial:
            partial.mkdir()
            done = _make(stage, Place(folder, partial, checkpoints), current)
            (partial / name).write_text(json.dumps(record(done), indent=2, allow_nan=False) + "\n")
        shutil.rmtree(folder / CHECKPOINTS, ignore_errors=True)
    return chain, done


def _run(folder: Path, stage: Stage, current: str, chain: Sequence[Done], asked: Mapping[str, Any]) -> Done:
    partial = folder / PARTIAL
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    done = _make(stage, Place(folder, partial, folder / CHECKPOINTS / f"{stage.name}-{current[:12]}"), current)
    scene = {
        "format": FORMAT,
        "asked": dict(asked),
        "versions": versions(),
        "stages": {each.name: record(each) for each in (*chain, done)},
    }
    (partial / SCENE_FILE).write_text(json.dumps(scene, indent=2, allow_nan=False) + "\n")
    _move(partial, folder / READY)
    _roll_forward(folder)
    shutil.rmtree(folder / CHECKPOINTS, ignore_errors=True)
    return done


def _make(stage: Stage, place: Place, current: str) -> Done:
    start = time.perf_counter()
    facts = stage.make(place)
    return Done(
        name=stage.name,
        fingerprint=current,
        version=stage.version,
        options=stage.options,
        outputs=tuple(sorted(entry.name for entry in place.out.iterdir())),
        seconds=round(time.perf_counter() - start, 3),
        peak_memory_mb=peak_memory_mb(),
        facts=facts,
    )


def _roll_forward(folder: Path) -> None:
    """Move a finished stage's files into the scene folder, if there are any; may be repeated after an interruption."""
    ready = folder / READY
    if not ready.exists():
        return
    if _has_scene(ready):
        kept = {name for done in recorded_stages(read_scene(ready)) for name in done.outputs}
        if _has_scene(folder):
            # Outputs of stages after the changed one no longer belong to this scene.
            for name in {name for done in recorded_stages(read_scene(folder)) for name in done.outputs} - kept:
                remove(folder / name)
        for entry in sorted(ready.iterdir()):
            if entry.name != SCENE_FILE:
                remove(folder / entry.name)
                _move(entry, folder / entry.name)
        _move(ready / SCENE_FILE, folder / SCENE_FILE)
    ready.rmdir()


@contextmanager
def _folder(folder: Path) -> Iterator[None]:
    """Create the folder if it does not exist; remove it again if nothing was written into it."""
    created = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield
    finally:
        if created and not any(folder.iterdir()):
            folder.rmdir()


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Lock the folder against a second run."""
    lock = FileLock(folder / LOCK, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise InputError(f"Another cvd3d is using {folder}; wait for it or give another --out.") from None
    try:
        yield
    finally:
        with suppress(OSError):  # Windows refuses, as it is still open
            (folder / LOCK).unlink()
        lock.release()


def _up_to(found: Mapping[str, Done], after: str | None, folder: Path) -> list[Done]:
    if after is None:
        return []
    names = list(found)
    if after not in names:
        raise InputError(f"{folder} has no finished stage {after!r}; run 'cvd3d scene' on it first.")
    return [found[name] for name in names[: names.index(after) + 1]]


def _outdated(folder: Path, stage: Stage, current: str, old: Done) -> str | None:
    """Why a finished stage must run again; None if it is up to date."""
    if old.version != stage.version:
        return f"made by {'an earlier' if old.version < stage.version else 'a later'} version of this stage"
    if old.fingerprint != current:
        now = json.loads(json.dumps(stage.options))
        changed = [name for name in sorted({*now, *old.options}) if now.get(name) != old.options.get(name)]
        return f"changed {', '.join(changed)}" if changed else "an earlier stage changed"
    return next((f"{name} is missing" for name in old.outputs if not (folder / name).exists()), None)


def _has_scene(folder: Path) -> bool:
    return (folder / SCENE_FILE).exists()


def _move(source: Path, target: Path) -> None:
    source.replace(target)


def record(done: Done) -> dict[str, Any]:
    """What scene.json says about a finished stage."""
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
    """The peak memory of this process so far, in MB."""
    if sys.platform == "win32":
        import psutil

        return round(psutil.Process().memory_info().peak_wset / 1e6, 1)
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6, 1)
