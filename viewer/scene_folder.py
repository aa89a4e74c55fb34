"""What of a scene folder can be shown, however far it has come."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from trajectories.errors import InputError
from trajectories.lens import Lens
from trajectories.rig import Rig
from viewer.scene_nodes import Frames

if TYPE_CHECKING:
    from recon.capture import Still
    from recon.points import PointCloud
    from recon.splats import MovingSplats, Splats
    from recon.splats.ply_sequence import PlySequence

MARKS = ("scene.json", "rig.json", "transforms.json", "points.ply", "splats.ply")


@dataclass(frozen=True)
class SceneFolder:
    """The parts of a scene that are there."""

    title: str
    """The folder's name."""
    prompt: str | None
    """What was asked for, where scene.json says so."""
    rig: Rig | None
    frames: Frames | None
    """The image of view v at frame t, read when it is asked for."""
    points: PointCloud | None
    splats: Splats | MovingSplats | PlySequence | None
    clock: np.ndarray | None = None
    """(T,) seconds of what plays without cameras."""

    @property
    def missing(self) -> tuple[str, ...]:
        """The names of what is not there."""
        parts = {"cameras": self.rig, "starting points": self.points, "splats": self.splats}
        return () if self.clock is not None else tuple(name for name, part in parts.items() if part is None)


def read_scene_folder(folder: str | Path) -> SceneFolder:
    """Read what is there of a scene; images are left on disk.

    Cameras come from rig.json, or else from transforms.json.

    Raises:
        InputError: a folder with none of a scene's files, or one of them that cannot be read.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"There is no folder {folder}; give a scene folder.")
    there = [name for name in MARKS if (folder / name).is_file()]
    if not there and (folder / "manifest.json").is_file():
        from recon.splats.ply_sequence import load_ply_sequence

        sequence = load_ply_sequence(folder)
        return SceneFolder(folder.resolve().name, None, None, None, None, sequence, sequence.times)
    if not there:
        raise InputError(f"{folder} is no scene folder; one holds at least one of {', '.join(MARKS)}.")
    from recon.capture import Still

    rig, frames, points = None, None, None
    splats: Splats | MovingSplats | None = None
    if "rig.json" in there:
        from trajectories.rig_file import load_rig

        rig = load_rig(folder / "rig.json")
        images = folder / "images"
        files = [[images / name / f"{t:05d}.png" for t in range(rig.frames)] for name in rig.names]
        frames = _reader([[(Still(file), None) for file in row] for row in files])
    elif "transforms.json" in there:
        from trajectories.formats.nerfstudio import read_transforms

        transforms = read_transforms(folder / "transforms.json")
        rig, order = Rig.from_frames(transforms.cameras, transforms.times, transforms.videos)
        assert transforms.lenses is not None
        pictures = [(Still(folder / path), lens) for path, lens in zip(transforms.file_paths, transforms.lenses)]
        frames = _reader([[pictures[i] for i in row] for row in order])
    if "points.ply" in there:
        from recon.points import load_points

        points = load_points(folder / "points.ply")
    if "splats.ply" in there:
        from recon.splats.ply import load_splats

        splats = rest = load_splats(folder / "splats.ply")
        if (folder / "motion.safetensors").is_file():
            from recon.splats.motion_file import load_motion

            splats = load_motion(folder / "motion.safetensors", rest)
    return SceneFolder(folder.resolve().name, _prompt(folder / "scene.json"), rig, frames, points, splats)


def _reader(pictures: list[list[tuple[Still, Lens | None]]]) -> Frames:
    """Reads image files, undistorted where they have a lens; None for those that are not there."""

    def frames(view: int, frame: int) -> np.ndarray | None:
        from recon.capture.undistortion import Undistorted

        still, lens = pictures[view][frame]
        if not still.path.is_file():
            return None
        return still.read() if lens is None or lens.is_pinhole else Undistorted(still, lens).read()

    return frames


def _prompt(path: Path) -> str | None:
    """The prompt that scene.json records; the page does without when there is none."""
    try:
        prompt = json.loads(path.read_text())["asked"]["prompt"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return prompt if isinstance(prompt, str) else None
