"""A capture as a nerfstudio dataset."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from recon.capture import Capture
from recon.fitting.quality import held_out_frames
from recon.points import save_points
from recon.progress import track
from recon.scene_folder import POINTS_FILE, TRANSFORMS_FILE, frame_path
from trajectories.files import new_folder
from trajectories.formats.nerfstudio import Transforms, write_transforms

SHOW_FROM = 100
"""Fewer images than these are written without a bar."""


def write_dataset(capture: Capture, folder: Path | str, *, hold_out: int = 8) -> Path:
    """Write `transforms.json`, `images/NAME/00000.png` and, if the capture has points, `points.ply`.

    Each frame also says its `time` in seconds and the `video` it belongs to, which nerfstudio ignores. The world is the
    cameras' own; `formats.nerfstudio.HOW_TO_KEEP_OUR_FRAME` makes nerfstudio keep it.

    Args:
        capture: posed frames.
        folder: made new; must not exist or be empty.
        hold_out: every so many frames, one is a test and validation frame, as in the fit; 0 leaves the split to
            nerfstudio.

    Returns:
        the path of transforms.json.

    Raises:
        InputError: the folder holds something already, or an image does not open.
    """
    paths = file_paths(capture.videos)
    held_out = held_out_frames(len(capture), hold_out)
    test = tuple(paths[index] for index in held_out)
    train = tuple(path for path in paths if path not in test)
    with new_folder(folder) as beside:
        write_images(capture, beside, paths)
        if capture.points is not None:
            save_points(capture.points, beside / POINTS_FILE)
        transforms = Transforms(
            paths,
            capture.cameras,
            capture.times,
            capture.videos,
            ply_file_path=None if capture.points is None else POINTS_FILE,
            splits={"train_filenames": train, "val_filenames": test, "test_filenames": test} if test else {},
        )
        write_transforms(transforms, beside / TRANSFORMS_FILE)
    return Path(folder) / TRANSFORMS_FILE


def write_images(capture: Capture, folder: Path, paths: tuple[str, ...]) -> None:
    """Write each frame as an 8-bit PNG, under a bar when there are many.

    Args:
        capture: posed frames.
        folder: where `paths` begin.
        paths: a file for each frame.

    Raises:
        InputError: an image does not open.
    """
    from PIL import Image

    for index, path in track(enumerate(paths), "Writing images", show=len(paths) >= SHOW_FROM):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.round(capture.image(index) * 255).astype(np.uint8)).save(folder / path)


def file_paths(videos: tuple[str, ...]) -> tuple[str, ...]:
    """`images/NAME/00000.png` and so on, one for each frame's video."""
    counts: dict[str, int] = {}
    paths = []
    for name in map(folder_name, videos):
        paths.append(frame_path(name, counts.get(name, 0)))
        counts[name] = counts.get(name, 0) + 1
    return tuple(paths)


def folder_name(video: str) -> str:
    """The name of a video as a folder."""
    return re.sub(r"[^\w-]", "_", video) or "frames"
