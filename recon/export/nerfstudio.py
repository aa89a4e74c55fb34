"""Export a capture as a nerfstudio dataset."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from recon.capture import Capture
from recon.fitting.quality import held_out_frames
from recon.points import save_points
from recon.progress import track
from recon.scene_files import POINTS_FILE, TRANSFORMS_FILE, frame_path
from trajectories.files import new_folder
from trajectories.formats.nerfstudio import Transforms, write_transforms

SHOW_FROM = 100
"""Number of images from which on a progress bar is shown."""


def write_dataset(capture: Capture, folder: Path | str, *, hold_out: int = 8) -> Path:
    """Write `transforms.json`, `images/NAME/00000.png` and, if the capture has points, `points.ply`.

    Each frame also has its `time` in seconds and its `video`, which nerfstudio ignores. Coordinates are those of the
    cameras' world; the options `formats.nerfstudio.HOW_TO_KEEP_OUR_FRAME` make nerfstudio keep them.

    Args:
        capture: posed frames.
        folder: the folder to create; it must not exist or be empty.
        hold_out: one of every `hold_out` frames is a test and validation frame, as in the fit; 0 leaves the split to
            nerfstudio.

    Returns:
        the path of transforms.json.

    Raises:
        InputError: the folder is not empty, or an image does not open.
    """
    paths = file_paths(capture.videos)
    held_out = held_out_frames(len(capture), hold_out)
    test = tuple(paths[index] for index in held_out)
    train = tuple(path for path in paths if path not in test)
    with new_folder(folder) as temporary:
        write_images(capture, temporary, paths)
        if capture.points is not None:
            save_points(capture.points, temporary / POINTS_FILE)
        transforms = Transforms(
            paths,
            capture.cameras,
            capture.times,
            capture.videos,
            ply_file_path=None if capture.points is None else POINTS_FILE,
            splits={"train_filenames": train, "val_filenames": test, "test_filenames": test} if test else {},
        )
        write_transforms(transforms, temporary / TRANSFORMS_FILE)
    return Path(folder) / TRANSFORMS_FILE


def write_images(capture: Capture, folder: Path, paths: tuple[str, ...]) -> None:
    """Write each frame as an 8-bit PNG, with a progress bar if there are many.

    Args:
        capture: posed frames.
        folder: the folder that `paths` are relative to.
        paths: a file for each frame.

    Raises:
        InputError: an image does not open.
    """
    from PIL import Image

    for index, path in track(enumerate(paths), "Writing images", show=len(paths) >= SHOW_FROM):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.round(capture.image(index) * 255).astype(np.uint8)).save(folder / path)


def file_paths(videos: tuple[str, ...]) -> tuple[str, ...]:
    """The file of each frame, `images/NAME/00000.png` and so on, given each frame's video."""
    counts: dict[str, int] = {}
    paths = []
    for name in map(folder_name, videos):
        paths.append(frame_path(name, counts.get(name, 0)))
        counts[name] = counts.get(name, 0) + 1
    return tuple(paths)


def folder_name(video: str) -> str:
    """A folder name for a video."""
    return re.sub(r"[^\w-]", "_", video) or "frames"
