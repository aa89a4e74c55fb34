"""What of a scene folder can be shown, however far it has come."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from recon.scene_folder import (
    MANIFEST_FILE,
    POINTS_FILE,
    RIG_FILE,
    SCENE_FILE,
    SPLATS_FILE,
    TRANSFORMS_FILE,
    SceneFolder,
)
from trajectories.errors import InputError
from trajectories.rig import Rig
from viewer.scene_nodes import Frames

if TYPE_CHECKING:
    from recon.points import PointCloud
    from recon.splats import MovingSplats, Splats
    from recon.splats.ply_sequence import PlySequence

MARKS = (SCENE_FILE, RIG_FILE, TRANSFORMS_FILE, POINTS_FILE, SPLATS_FILE)


@dataclass(frozen=True)
class ShownScene:
    """The parts of a scene that are there."""

    title: str
    """The folder's name."""
    prompt: str | None = None
    """What was asked for, where scene.json says so."""
    rig: Rig | None = None
    frames: Frames | None = None
    """The image of view v at frame t, read when it is asked for."""
    points: PointCloud | None = None
    splats: Splats | MovingSplats | PlySequence | None = None
    clock: np.ndarray | None = None
    """(T,) seconds of what plays without cameras."""

    @property
    def missing(self) -> tuple[str, ...]:
        """The names of what is not there."""
        parts = {"cameras": self.rig, "starting points": self.points, "splats": self.splats}
        return () if self.clock is not None else tuple(name for name, part in parts.items() if part is None)


def read_shown_scene(path: str | Path) -> ShownScene:
    """Read what is there of a scene folder or an exported ply-sequence; images are left on disk.

    Raises:
        InputError: a folder with none of a scene's files, or one of them that cannot be read.
    """
    folder = SceneFolder(Path(path))
    if not folder.path.is_dir():
        raise InputError(f"There is no folder {path}; give a scene folder.")
    if not any(map(folder.has, MARKS)):
        if not folder.has(MANIFEST_FILE):
            raise InputError(f"{path} is no scene folder; one holds at least one of {', '.join(MARKS)}.")
        from recon.splats.ply_sequence import load_ply_sequence

        sequence = load_ply_sequence(folder.path)
        return ShownScene(folder.title, splats=sequence, clock=sequence.times)
    prompt = folder.asked.get("prompt")
    return ShownScene(
        title=folder.title,
        prompt=prompt if isinstance(prompt, str) else None,
        rig=folder.rig if folder.has_cameras else None,
        frames=folder.image if folder.has_cameras else None,
        points=folder.points if folder.has(POINTS_FILE) else None,
        splats=folder.splats if folder.has(SPLATS_FILE) else None,
    )
