"""Splats from a scene folder or from a file, with the cameras that belong to them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recon.export.targets import TARGETS
from recon.scene_files import FIT_FILE, FITS, METRICS_FILE, SPLATS_FILE
from recon.scene_folder import SceneFolder
from recon.splats import MovingSplats, Splats
from recon.splats.foreign_files import load_splat, load_spz
from recon.splats.ply import load_splats
from trajectories.errors import InputError
from trajectories.files import read_json
from trajectories.rig import Rig

READERS = {".ply": load_splats, ".spz": load_spz, ".splat": load_splat}
USUAL_AXES = {".ply": "web", ".spz": "opengl", ".splat": "web"}
"""The axes that INRIA's programs, SPZ and our exports write; only the splats of a scene folder have ours."""


@dataclass(frozen=True, eq=False)
class SplatSource:
    """Splats in our axes, z up."""

    title: str
    """The name of the folder or file."""
    splats: Splats | MovingSplats
    rig: Rig | None
    """The cameras of the scene; None for a file."""
    folder: SceneFolder | None
    """The scene folder; None for a file."""


def open_splats(path: Path | str, axes: str | None = None) -> SplatSource:
    """Read the splats of a scene folder, of one of its `fits`, or of a .ply, .spz or .splat file.

    Args:
        path: the folder or file.
        axes: the name of a file's axes in `recon.export.targets`; by default ours for a file named splats.ply, as in a
            scene folder, and else the usual ones of its format. The axes of a folder are known.

    Raises:
        InputError: the path is missing or of another kind, the axes are unknown or given for a folder, there are no
            splats, or values are not finite.
    """
    path = Path(path)
    if axes is not None and axes not in TARGETS:
        raise InputError(f"There are no axes {axes!r}; --axes takes {', '.join(TARGETS)}.")
    if path.is_dir():
        if axes is not None:
            raise InputError(f"--axes describes a file, and {path} is a folder, whose axes are known; leave it out.")
        folder = scene_of(path)
        return SplatSource(folder.title, folder.splats, folder.rig if folder.has_cameras else None, folder)
    splats, own = read_file(path)
    if not all(tensor.isfinite().all() for tensor in vars(splats).values()):
        raise InputError(f"{path} has values that are not finite numbers; remove these splats with 'cvd3d clean'.")
    return SplatSource(path.stem, splats.transformed(TARGETS[axes or own].similarity.inverse), None, None)


def read_file(path: Path) -> tuple[Splats, str]:
    """The splats of a file in its own axes, and the name of these axes unless the user knows better.

    Raises:
        InputError: the file is missing, of another kind, damaged or empty.
    """
    suffix = path.suffix.lower()
    if suffix not in READERS:
        raise InputError(f"{path} is not a scene folder or a file of splats; give a folder, {', '.join(READERS)}.")
    if not path.is_file():
        raise InputError(f"There is no splat file {path}; check the path.")
    splats = READERS[suffix](path)
    if not len(splats):
        raise InputError(f"{path} holds no splats; give another file.")
    return splats, "blender" if path.name == SPLATS_FILE else USUAL_AXES[suffix]


def scene_of(path: Path) -> SceneFolder:
    """The scene in a folder; for a folder in `fits`, the scene around it with that fit."""
    if (path / FIT_FILE).is_file() and path.resolve().parent.name == FITS:
        return SceneFolder(path.resolve().parents[1]).with_fit(path.resolve().name)
    return SceneFolder(path)


def read_metrics(folder: SceneFolder) -> dict[str, Any]:
    """The content of a scene's metrics.json; empty if there is none.

    Raises:
        InputError: the file cannot be read.
    """
    if not folder.has(METRICS_FILE):
        return {}
    return read_json((folder.path if folder.fit is None else folder.fit_folder(folder.fit)) / METRICS_FILE)
