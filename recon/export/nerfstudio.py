"""A capture as a nerfstudio dataset."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import numpy as np

from recon.capture import Capture
from recon.fit import held_out_frames
from recon.points import save_ply
from trajectories.errors import InputError
from trajectories.formats.nerfstudio import Transforms, write_transforms


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
    from PIL import Image

    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder} exists and is not an empty folder; name another one.")
    beside = folder.with_name(folder.name + ".part")
    if beside.exists():
        shutil.rmtree(beside)
    beside.mkdir(parents=True)
    try:
        paths = file_paths(capture.videos)
        for index, file_path in enumerate(paths):
            path = beside / file_path
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.round(capture.image(index) * 255).astype(np.uint8)).save(path)
        if capture.points is not None:
            save_ply(capture.points, beside / "points.ply")
        held_out = held_out_frames(len(capture), hold_out)
        test = tuple(paths[index] for index in held_out)
        train = tuple(path for path in paths if path not in test)
        splits = {"train_filenames": train, "val_filenames": test, "test_filenames": test} if test else {}
        transforms = Transforms(
            paths,
            capture.cameras,
            capture.times,
            capture.videos,
            ply_file_path=None if capture.points is None else "points.ply",
            splits=splits,
        )
        write_transforms(transforms, beside / "transforms.json")
        if folder.exists():
            folder.rmdir()
        os.replace(beside, folder)
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        raise
    return folder / "transforms.json"


def file_paths(videos: tuple[str, ...]) -> tuple[str, ...]:
    """`images/NAME/00000.png` and so on, one for each frame's video; zero-padded, as nerfstudio sorts by name."""
    counts: dict[str, int] = {}
    paths = []
    for name in map(folder_name, videos):
        paths.append(f"images/{name}/{counts.get(name, 0):05d}.png")
        counts[name] = counts.get(name, 0) + 1
    return tuple(paths)


def folder_name(video: str) -> str:
    """The name of a video as a folder."""
    return re.sub(r"[^\w-]", "_", video) or "frames"
