"""Splats that move as a folder of still ones: INRIA's PLY for each instant, and a manifest that says when each is."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from recon.export.ply import save_ply
from recon.export.targets import Target
from recon.export.turn import turn_splats
from recon.export.whole import new_folder
from recon.moving import MovingSplats
from recon.progress import track
from trajectories.files import write_text

MANIFEST = "manifest.json"
FORMAT = "cvd3d splat sequence 1"


def write_ply_sequence(
    splats: MovingSplats,
    times: np.ndarray,
    folder: Path | str,
    target: Target,
    *,
    show_progress: bool = False,
) -> None:
    """Write `00000.ply` and so on, and `manifest.json`; row n of every file is the same splat.

    A point x of ours is `unit * turn @ x` in the files, with the unit and the turn that the manifest says.

    Args:
        splats: N Gaussians, some of which move.
        times: (T,) seconds, increasing: the instants.
        folder: made new; must not exist or be empty.
        target: the axes to write in.
        show_progress: show a bar.

    Raises:
        InputError: the folder holds something already.
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
        "fps": float(1 / np.median(np.diff(times))) if len(times) > 1 else None,
        "frames": [{"file": file, "time": time} for file, time in frames],
    }
    with new_folder(folder) as beside:
        for file, time in track(frames, "Writing instants", show=show_progress):
            save_ply(turn_splats(splats.at(time), target), beside / file)
        write_text(beside / MANIFEST, json.dumps(manifest, indent=1) + "\n")
