"""Read the parts of a scene folder that can be shown, also from an incomplete scene."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from recon.scene_files import MANIFEST_FILE, POINTS_FILE, RIG_FILE, SCENE_FILE, SPLATS_FILE, TRANSFORMS_FILE
from recon.scene_folder import SceneFolder
from trajectories.errors import InputError
from trajectories.rig import Rig
from viewer.scene_nodes import Frames

if TYPE_CHECKING:
    from recon.points import PointCloud
    from recon.splats import MovingSplats, Splats
    from recon.splats.ply_sequence import PlySequence

PART_FILES = (SCENE_FILE, RIG_FILE, TRANSFORMS_FILE, POINTS_FILE, SPLATS_FILE)


@dataclass(frozen=True)
class ShownScene:
    """The available parts of a scene."""

    title: str
    """The folder's name."""
    prompt: str | None = None
    """The prompt, if scene.json has one."""
    rig: Rig | None = None
    frames: Frames | None = None
    """The image of view v at frame t, read on demand."""
    points: PointCloud | None = None
    splats: Splats | MovingSplats | PlySequence | None = None
    clock: np.ndarray | None = None
    """(T,) frame times in seconds of splats without cameras."""

    splats_file: Path | None = None
    """The file of the splats, or of the still part of moving ones."""

    @property
    def still_or_moving(self) -> Splats | MovingSplats | None:
        """The splats, unless they are a sequence of files."""
        from recon.splats.ply_sequence import PlySequence

        return None if isinstance(self.splats, PlySequence) else self.splats

    @property
    def missing(self) -> tuple[str, ...]:
        """The names of the parts that are not available."""
        parts = {"cameras": self.rig, "starting points": self.points, "splats": self.splats}
        return () if self.clock is not None else tuple(name for name, part in parts.items() if part is None)


def read_shown_scene(path: str | Path, axes: str | None = None) -> ShownScene:
    """Read the available parts of a scene folder, an exported ply-sequence or a file of splats.

    Args:
        path: the folder or file; images are read on demand.
        axes: the axes of a file, as in `recon.splat_source.open_splats`.

    Raises:
        InputError: the folder has none of the files of a scene, or one of them cannot be read.
    """
    if Path(path).is_file():
        from recon.splat_source import open_splats

        splats = open_splats(path, axes).splats
        return ShownScene(Path(path).name, splats=splats, splats_file=Path(path), clock=np.zeros(1))
    if axes is not None:
        raise InputError(f"--axes describes a file, and {path} is not a file; leave it out.")
    folder = SceneFolder(Path(path))
    if not folder.path.is_dir():
        raise InputError(f"There is no folder or file {path}; give a scene folder, or a .ply, .spz or .splat file.")
    if not any(map(folder.has, PART_FILES)):
        if not folder.has(MANIFEST_FILE):
            raise InputError(f"{path} is not a scene folder; it needs at least one of {', '.join(PART_FILES)}.")
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
        splats_file=folder.path / SPLATS_FILE if folder.has(SPLATS_FILE) else None,
    )
