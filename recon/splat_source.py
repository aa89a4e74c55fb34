"""Splats from a scene folder or from a .ply file, with the cameras that belong to them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from recon.scene_folder import SceneFolder
from recon.splats import MovingSplats, Splats
from recon.splats.ply import load_splats
from trajectories.errors import InputError
from trajectories.rig import Rig
from trajectories.similarity import Similarity


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


def open_splats(path: Path | str, axes: Similarity | None = None) -> SplatSource:
    """Read the splats of a scene folder, or of a .ply file in INRIA's layout.

    Args:
        path: the folder or file.
        axes: the map from our axes to those of a file; None if the file has ours. A folder has ours.

    Raises:
        InputError: the path is missing or of another kind, there are no splats, or values are not finite.
    """
    path = Path(path)
    if path.is_dir():
        folder = SceneFolder(path)
        return SplatSource(folder.title, folder.splats, folder.rig if folder.has_cameras else None, folder)
    splats = load_splats(path)
    if not len(splats):
        raise InputError(f"{path} holds no splats; give another file.")
    if not all(tensor.isfinite().all() for tensor in vars(splats).values()):
        raise InputError(f"{path} has values that are not finite numbers; remove these splats with 'cvd3d clean'.")
    return SplatSource(path.stem, splats if axes is None else splats.transformed(axes.inverse), None, None)
