"""Save moving splats as a folder of still ones: one INRIA PLY per instant, and a manifest with their times.

A sequence can be loaded only for viewing: paths cannot be recovered from instants.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from recon.export.targets import TargetAxes
from recon.progress import track
from recon.scene_files import MANIFEST_FILE
from recon.splats.moving import MovingSplats
from recon.splats.ply import load_splats, save_splats
from recon.splats.splats import Splats
from trajectories.errors import InputError
from trajectories.files import new_folder, read_json, write_text
from trajectories.rig import frame_rate

FORMAT = "cvd3d splat sequence 1"


def write_ply_sequence(
    splats: MovingSplats,
    times: np.ndarray,
    folder: Path | str,
    target: TargetAxes,
    *,
    show_progress: bool = False,
) -> None:
    """Write `00000.ply` and so on, and `manifest.json`; row n of every file is the same splat.

    A point x in our axes is `unit * turn @ x` in the files, with `unit` and `turn` from the manifest.

    Args:
        splats: N Gaussians, some of which move.
        times: (T,) increasing times of the instants in seconds.
        folder: the folder to create; it must not exist or be empty.
        target: the axes to write in.
        show_progress: show a progress bar.

    Raises:
        InputError: the folder is not empty.
    """
    frames = [(f"{n:05d}.ply", float(time)) for n, time in enumerate(times)]
    manifest = {
        "format": FORMAT,
        "generator": "cvd3d",
        "splats": len(splats),
        "sh_degree": splats.sh_degree,
        "axes": target.words,
        "turn": target.rows,
        "unit": target.unit,
        "fps": frame_rate(times) if len(times) > 1 else None,
        "frames": [{"file": file, "time": time} for file, time in frames],
    }
    with new_folder(folder) as temporary:
        for file, time in track(frames, "Writing instants", show=show_progress):
            save_splats(splats.at(time).transformed(target.similarity), temporary / file)
        write_text(temporary / MANIFEST_FILE, json.dumps(manifest, indent=1) + "\n")


@dataclass(frozen=True, eq=False)
class PlySequence:
    """The splats of each instant, read from their files on demand."""

    files: tuple[Path, ...]
    """T files."""
    times: np.ndarray
    """(T,) seconds, increasing."""
    splats: int
    """Number of splats at each instant."""

    def __len__(self) -> int:
        return self.splats

    def at(self, time: float) -> Splats:
        """The splats of the last instant up to a time in seconds; before the first instant, those of the first.

        Raises:
            InputError: the file is missing or holds no splats.
        """
        return _load(self.files[max(0, int(np.searchsorted(self.times, time, side="right")) - 1)])


_load = lru_cache(maxsize=1)(load_splats)  # a player requests the same instant many times


def load_ply_sequence(folder: Path | str) -> PlySequence:
    """Read the manifest of a sequence in our axes.

    Raises:
        InputError: the manifest is missing, invalid or for other axes, or a file is missing.
    """
    path = Path(folder) / MANIFEST_FILE
    manifest = read_json(path)
    try:
        if manifest["format"] != FORMAT:
            raise ValueError
        names = [frame["file"] for frame in manifest["frames"]]
        times = np.array([frame["time"] for frame in manifest["frames"]], dtype=np.float64)
        if not names or any(Path(name).name != name for name in names) or not (np.diff(times) > 0).all():
            raise ValueError
        turn, unit, splats = np.array(manifest["turn"]), float(manifest["unit"]), int(manifest["splats"])
    except (KeyError, TypeError, ValueError):
        raise InputError(f"{path} is no manifest of a ply-sequence; export the scene again.") from None
    if unit != 1 or not np.array_equal(turn, np.eye(3)):
        raise InputError(f"The splats of {path} are in the axes of another program; export without --target.")
    files = tuple(path.parent / name for name in names)
    missing = [file.name for file in files if not file.is_file()]
    if missing:
        raise InputError(f"{path} names {missing[0]}, which is missing; export the scene again.")
    return PlySequence(files, times, splats)
