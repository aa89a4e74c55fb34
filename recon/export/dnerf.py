"""Export a capture as a D-NeRF dataset (Pumarola et al. 2021): NeRF's Blender layout, with a time for each frame.

`transforms_train.json`, `transforms_val.json` and `transforms_test.json` hold camera-to-world matrices in Blender's
axes (x right, y up, z backward, world z up), image files without their suffix, and times from 0 to 1. The format
describes the lens by one horizontal field of view, which implies square pixels and a centered principal point. The full
intrinsics (`fl_x fl_y cx cy w h`) are also written, for programs that read them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from recon.capture import Capture
from recon.export.nerfstudio import file_paths, write_images
from recon.fitting.quality import held_out_frames
from trajectories.errors import InputError
from trajectories.files import new_folder, write_text
from trajectories.formats import pinhole
from trajectories.formats.nerfstudio import FLIP, LENS


def write_dnerf(capture: Capture, folder: Path | str, *, hold_out: int = 8) -> Path:
    """Write the three splits and `images/NAME/00000.png`.

    Args:
        capture: posed frames, all with the same lens.
        folder: the folder to create; it must not exist or be empty.
        hold_out: one of every `hold_out` frames is in val and test, the others in train; if that leaves no held out
            frame, each split holds all frames.

    Returns:
        the path of transforms_train.json.

    Raises:
        InputError: the frames have different lenses, the folder is not empty, or an image does not open.
    """
    paths = file_paths(capture.videos)
    everything = list(range(len(capture)))
    test = held_out_frames(len(capture), hold_out)
    train = [index for index in everything if index not in test]
    lists = {"train": train, "val": test or everything, "test": test or everything}
    head = _lens(capture)
    with new_folder(folder) as temporary:
        write_images(capture, temporary, paths)
        for name, indices in lists.items():
            content = head | {"frames": _frames(capture, paths, indices)}
            write_text(temporary / f"transforms_{name}.json", json.dumps(content, indent=1) + "\n")
    return Path(folder) / "transforms_train.json"


def lens_is_simple(capture: Capture) -> bool:
    """Whether one field of view describes the lens: square pixels and a centered principal point."""
    fx, fy, cx, cy = np.moveaxis(pinhole.parameters(capture.cameras), -1, 0)
    centered = np.allclose(cx, capture.cameras.width / 2) and np.allclose(cy, capture.cameras.height / 2)
    return bool(centered and np.allclose(fx, fy))


def _lens(capture: Capture) -> dict[str, Any]:
    lenses = pinhole.parameters(capture.cameras)
    if np.ptp(lenses, axis=0).max() > 1e-6 * lenses.max():
        raise InputError("D-NeRF has one lens for all frames, and these have several; export nerfstudio instead.")
    size = {"w": capture.cameras.width, "h": capture.cameras.height}
    angle = float(capture.cameras.horizontal_fov[0])
    return {"camera_angle_x": angle, **dict(zip(LENS, lenses[0].tolist())), **size}


def _frames(capture: Capture, paths: Sequence[str], indices: Sequence[int]) -> list[dict[str, Any]]:
    times = capture.times - capture.times.min()
    times = times / (times.max() or 1.0)
    matrices = capture.cameras.c2w * FLIP
    return [
        {
            "file_path": f"./{Path(paths[index]).with_suffix('')}",
            "time": float(times[index]),
            "transform_matrix": matrices[index].tolist(),
        }
        for index in indices
    ]
