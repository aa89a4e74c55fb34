"""Export a capture as a COLMAP folder: `images/`, and the model in `sparse/0`, binary and text."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from recon.capture import Capture
from recon.export.nerfstudio import file_paths, write_images
from recon.scene_files import IMAGES
from trajectories.files import new_folder
from trajectories.formats.colmap import ColmapModel, write_model


def write_colmap(capture: Capture, folder: Path | str) -> Path:
    """Write a model with the capture's cameras and points, in their world, without features and tracks.

    Args:
        capture: posed frames.
        folder: the folder to create; it must not exist or be empty.

    Returns:
        the folder of the model.

    Raises:
        InputError: the folder is not empty, an image does not open, or pixels are skewed.
    """
    paths = file_paths(capture.videos)
    points = {}
    if capture.points is not None:
        colors = np.round(np.clip(capture.points.colors, 0, 1) * 255).astype(np.uint8)
        points = {"points": capture.points.positions.astype(np.float64), "colors": colors}
    names = tuple(path.removeprefix(f"{IMAGES}/") for path in paths)
    model = ColmapModel(names, capture.cameras, **points)
    with new_folder(folder) as temporary:
        write_images(capture, temporary, paths)
        for binary in (True, False):
            write_model(model, temporary / "sparse" / "0", binary=binary)
    return Path(folder) / "sparse" / "0"
