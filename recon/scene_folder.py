"""A scene folder, read lazily and validated.

It is also a nerfstudio dataset: `transforms.json` and `images/` have nerfstudio's names. Importing this module loads
no heavy library.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recon.scene_files import (
    FIT_FILE,
    FIT_FILES,
    FITS,
    MOTION_FILE,
    POINTS_FILE,
    RIG_FILE,
    SCENE_FILE,
    SPLATS_FILE,
    TRANSFORMS_FILE,
    VIDEOS,
    frame_path,
)

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from recon.capture import Capture
    from recon.points import PointCloud
    from recon.splats import MovingSplats, Splats
    from trajectories.formats.nerfstudio import Transforms
    from trajectories.lens import Lens
    from trajectories.rig import Rig


@dataclass(frozen=True)
class SceneFolder:
    """A scene folder, finished or not; each part is read once.

    A part that is missing or invalid raises an InputError.
    """

    path: Path
    fit: str | None = None
    """The name of the fit in `fits` whose splats are read; None for the current fit."""

    @property
    def title(self) -> str:
        """The folder's name."""
        return self.path.resolve().name

    def has(self, name: str) -> bool:
        """Whether the folder has a file of this name; splats, motion and metrics are those of `fit`."""
        return self._place(name).is_file()

    @property
    def fits(self) -> tuple[str, ...]:
        """The names of the fits that are kept next to the current one, sorted."""
        return tuple(sorted(path.parent.name for path in (self.path / FITS).glob(f"*/{FIT_FILE}")))

    def fit_folder(self, name: str) -> Path:
        """The folder of the fit `name`."""
        return self.path / FITS / name

    def with_fit(self, name: str | None) -> SceneFolder:
        """This scene with the splats of the fit `name`; None for the current fit.

        Raises:
            InputError: there is no such fit.
        """
        from trajectories.errors import InputError

        if name is not None and name not in self.fits:
            known = ", ".join(self.fits) or "none"
            raise InputError(f"{self.path} has no fit {name!r}; it has {known}.")
        return SceneFolder(self.path, name)

    @property
    def has_cameras(self) -> bool:
        """Whether the folder has a `rig`."""
        return self.has(RIG_FILE) or self.has(TRANSFORMS_FILE)

    def frame(self, name: str, t: int) -> Path:
        """The image file of frame t of the video `name`."""
        return self.path / frame_path(name, t)

    def video(self, name: str) -> Path:
        """The file of the video `name`."""
        return self.path / VIDEOS / f"{name}.mp4"

    @cached_property
    def asked(self) -> Mapping[str, Any]:
        """The request that scene.json records; empty if it records none."""
        try:
            asked = json.loads((self.path / SCENE_FILE).read_text())["asked"]
        except (OSError, ValueError, KeyError, TypeError):
            return {}
        return asked if isinstance(asked, dict) else {}

    @property
    def rig(self) -> Rig:
        """The cameras as V videos of T frames, from rig.json or else from transforms.json.

        Raises:
            InputError: both files are missing, or the file cannot be read.
        """
        return self._shots[0]

    def image(self, view: int, frame: int) -> np.ndarray | None:
        """(H, W, 3) uint8 undistorted image of `rig.cameras[view, frame]`; None if there is no image yet.

        Raises:
            InputError: the image does not open.
        """
        from recon.capture import ImageFile, Undistorted

        path, lens = self._shots[1][view][frame]
        if not path.is_file():
            return None
        return ImageFile(path).read() if lens is None or lens.is_pinhole else Undistorted(ImageFile(path), lens).read()

    @cached_property
    def frames(self) -> Capture:
        """The N frames of transforms.json, with their cameras and without points; no image is opened.

        Raises:
            InputError: transforms.json is missing, cannot be read, or has no times or videos.
        """
        from recon.capture import Capture, ImageFile
        from trajectories.errors import InputError

        data = self._transforms
        if data.times is None or data.videos is None:
            raise InputError(f"{self.path / TRANSFORMS_FILE} does not give each frame's time and video; add both.")
        sources = tuple(ImageFile(self.path / file_path) for file_path in data.file_paths)
        return Capture(data.cameras, data.times, data.videos, sources)

    @cached_property
    def capture(self) -> Capture:
        """`frames` with the starting points, if there are any.

        Raises:
            InputError: as in `frames` and `points`; or an image is missing, does not open or has another size.
        """
        self.frames.check_images()
        return replace(self.frames, points=self.points) if self.has(POINTS_FILE) else self.frames

    @cached_property
    def points(self) -> PointCloud:
        """The starting points of the fit.

        Raises:
            InputError: the file is missing or holds no points.
        """
        from recon.points import load_points

        return load_points(self._file(POINTS_FILE))

    @cached_property
    def splats(self) -> Splats | MovingSplats:
        """The splats, with the paths of those that move.

        Raises:
            InputError: a file is missing or of another kind, there are no splats, or values are not finite.
        """
        from recon.splats.motion_file import load_motion
        from recon.splats.ply import load_splats
        from trajectories.errors import InputError

        path = self._file(SPLATS_FILE)
        rest = load_splats(path)
        if not len(rest):
            raise InputError(f"{path} holds no splats; run the fit again.")
        _check_finite(path, vars(rest))
        if not self.has(MOTION_FILE):
            return rest
        path = self._file(MOTION_FILE)
        moving = load_motion(path, rest)
        _check_finite(path, {"shifts": moving.shifts, "turns": moving.turns, "fades": moving.fades})
        return moving if len(moving.moving) else rest

    @property
    def rest(self) -> Splats:
        """The splats without motion (of a moving scene: at the middle instant). Raises as `splats`."""
        from recon.splats import MovingSplats

        return self.splats.rest if isinstance(self.splats, MovingSplats) else self.splats

    @cached_property
    def _transforms(self) -> Transforms:
        from trajectories.formats.nerfstudio import read_transforms

        return read_transforms(self._file(TRANSFORMS_FILE))

    @cached_property
    def _shots(self) -> tuple[Rig, list[list[tuple[Path, Lens | None]]]]:
        """The rig, and for each view and frame the image file and the lens."""
        from trajectories.rig import Rig
        from trajectories.rig_file import load_rig

        if self.has(RIG_FILE):
            rig = load_rig(self.path / RIG_FILE)
            return rig, [[(self.frame(name, t), None) for t in range(rig.frames)] for name in rig.names]
        data = self._transforms
        rig, order = Rig.from_frames(data.cameras, data.times, data.videos)
        lenses = data.lenses or (None,) * len(data.file_paths)
        shots = [(self.path / file_path, lens) for file_path, lens in zip(data.file_paths, lenses)]
        return rig, [[shots[i] for i in row] for row in order]

    def _file(self, name: str) -> Path:
        from trajectories.errors import InputError

        if not self.has(name):
            raise InputError(f"{self.path} has no {name} yet; run the command that makes the scene again.")
        return self._place(name)

    def _place(self, name: str) -> Path:
        return (self.path if self.fit is None or name not in FIT_FILES else self.fit_folder(self.fit)) / name


def _check_finite(path: Path, tensors: Mapping[str, Tensor]) -> None:
    from trajectories.errors import InputError

    for name, values in tensors.items():
        if not values.isfinite().all():
            raise InputError(f"{path} has {name} that are not finite numbers; run the fit again.")
