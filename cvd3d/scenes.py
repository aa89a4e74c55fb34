"""Make and load scenes in Python, as `cvd3d scene` does on the command line."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

from cvd3d.commands.options import FitOptions, RigOptions, SamplingOptions
from cvd3d.commands.scene import Scene
from cvd3d.scene.chain import read_scene
from cvd3d.scene.moves import Moves
from recon.fitting.settings import Quality
from recon.scene_files import RIG_FILE
from recon.scene_folder import SceneFolder
from trajectories.errors import InputError
from trajectories.rig import Rig

T = TypeVar("T")


def make_scene(
    prompt: str | None = None,
    out: str | Path = Scene.out,
    *,
    capture: str | Path | None = None,
    poses: str | Path | None = None,
    rig: str | Path | Rig | None = None,
    views: int | None = None,
    frames: int | None = None,
    size: tuple[int, int] | None = None,
    quality: Quality = "normal",
    seed: int = 0,
    moves: Moves = "auto",
    longest_side: int = Scene.longest_side,
    sampling: Mapping[str, Any] | None = None,
    fit: Mapping[str, Any] | None = None,
    force: bool = False,
) -> SceneFolder:
    """Make a scene from a prompt, or from a posed capture; a stopped or finished one continues as on the command line.

    Args:
        prompt: what the scene shows.
        out: the scene folder to create or update.
        capture: instead of a prompt: a nerfstudio or COLMAP folder, or a video with `poses`.
        poses: the RealEstate10K pose file of a video.
        rig: the cameras: a `Rig`, such as that of `trajectories.make_rig`, a rig.json file, or the name of a built-in
            rig; by default that of the command line.
        views: number of videos of a built-in rig.
        frames: frames of each of its videos.
        size: its image width and height in pixels.
        quality: trade-off between time and quality of the fit.
        seed: seed of all random draws.
        moves: whether something moves; "auto" decides from the words of the prompt, or from the capture.
        longest_side: the longest side in pixels of the frames of a capture; larger ones are scaled down.
        sampling: other options of the sampling, such as `{"steps": 8, "guidance": 2.0}`: fields of `SamplingOptions`.
        fit: other options of the fit, such as `{"steps": 500, "cap": 20_000}`: fields of `FitOptions`.
        force: repeat every stage, even if nothing changed.

    Returns:
        The scene folder, whose parts are read when they are used.

    Raises:
        InputError: bad input, as on the command line; nothing is half-written.
    """
    out = Path(out)
    sizes = {"views": views, "frames": frames, "size": size}
    planned: dict[str, Any] = {name: value for name, value in sizes.items() if value is not None}
    if isinstance(rig, Rig):
        if planned:
            raise InputError(
                f"A rig and {', '.join(planned)} were given; give these to the function that made the rig."
            )
        cameras: RigOptions = _GivenRig(rig=str(out / RIG_FILE), cameras=rig)
    else:
        cameras = RigOptions(**planned) if rig is None else RigOptions(str(rig), **planned)
    Scene(
        prompt,
        from_=None if capture is None else Path(capture),
        poses=None if poses is None else Path(poses),
        out=out,
        seed=seed,
        force=force,
        moves=moves,
        longest_side=longest_side,
        cameras=cameras,
        sampling=_options(SamplingOptions, "sampling", sampling or {}),
        fit=_options(FitOptions, "fit", {"quality": quality} | dict(fit or {})),
    ).make()
    return SceneFolder(out)


def load_scene(folder: str | Path) -> SceneFolder:
    """The scene in a folder that `make_scene` or the command line made; its parts are read when they are used.

    Raises:
        InputError: not a scene folder, or one that this version cannot read.
    """
    read_scene(Path(folder))
    return SceneFolder(Path(folder))


@dataclass(frozen=True)
class _GivenRig(RigOptions):
    """A rig that was made in Python; `rig` is the file that the scene stores it in."""

    cameras: Rig | None = None

    def given(self) -> dict[str, Any]:
        return {"rig": self.rig}

    def build(self) -> Rig:
        assert self.cameras is not None
        return self.cameras


def _options(kind: type[T], argument: str, values: Mapping[str, Any]) -> T:
    known = [field.name for field in fields(kind)]  # type: ignore[arg-type]
    for name in values:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.0)[0]
            raise InputError(f"{argument} has no option {name!r}; did you mean {near!r}? Known: {', '.join(known)}.")
    return kind(**values)
