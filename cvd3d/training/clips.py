"""Reads folders of video clips and captions for training."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from recon.capture import VIDEO_SUFFIXES, read_video
from recon.progress import track
from trajectories import Cameras, InputError


@dataclass(frozen=True)
class Clip:
    """One usable clip: its file, its number of frames and its caption."""

    path: Path
    frames: int
    caption: str


def find_clips(folder: Path, find_fault: Callable[[Path, int], str | None], text_files: bool) -> list[Clip]:
    """All usable clips below a folder, sorted; the others are reported once, with the reason.

    Captions are read from `captions.json` in the folder, which maps a file name (with or without suffix) to a text or a
    list of texts, of which the first is used. A clip without a caption gets an empty one.

    Args:
        folder: folder with clips at any depth.
        find_fault: maps a clip's path and number of frames to the reason why it cannot be used, or None.
        text_files: whether `NAME.txt` next to a clip may hold its caption.

    Raises:
        InputError: the folder does not exist, or has no usable clip.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"There is no folder {folder}; give one with video clips.")
    captions = _captions(folder / "captions.json")
    clips, faults = [], []
    videos = sorted(path for path in folder.rglob("*") if path.suffix.lower() in VIDEO_SUFFIXES)
    for path in track(videos, f"Looking through {folder}", show=True):
        try:
            frames = len(read_video(path))
            fault = find_fault(path, frames)
        except InputError as error:
            frames, fault = 0, str(error)
        if fault is None:
            clips.append(Clip(path, frames, _caption(path, captions, text_files)))
        else:
            faults.append(f"  {path.name}: {fault}")
    if not clips:
        raise InputError(
            f"{folder} holds no usable clip of {len(videos)}" + (f"; {faults[0].strip()}" if faults else ".")
        )
    if faults:
        print(f"{folder}: {len(clips)} clips; {len(faults)} are skipped:", *faults, sep="\n")
    return clips


def framed(frames: np.ndarray, side: int, cameras: Cameras | None = None) -> tuple[np.ndarray, Cameras | None]:
    """Scale frames so that their shorter side is `side` and crop the center, with their cameras.

    Args:
        frames: (T, H, W, 3) uint8.
        side: pixels.
        cameras: (T,) cameras of the frames.

    Returns:
        (T, side, side, 3) uint8, and the cameras of the result.
    """
    height, width = frames.shape[1:3]
    scale = side / min(height, width)
    w, h = max(side, round(width * scale)), max(side, round(height * scale))
    left, top = (w - side) // 2, (h - side) // 2
    scaled = np.stack([cv2.resize(frame, (w, h), interpolation=cv2.INTER_AREA) for frame in frames])
    cropped = scaled[:, top : top + side, left : left + side]
    if cameras is None:
        return cropped, None
    K = np.array([[w / width, 0, -left], [0, h / height, -top], [0, 0, 1]]) @ cameras.K
    return cropped, Cameras(cameras.c2w, K, side, side)


def _captions(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    try:
        table = json.loads(path.read_text())
        found = {
            Path(name).stem: text if isinstance(text, str) else str(text[0]) for name, text in table.items() if text
        }
    except (OSError, ValueError, AttributeError, KeyError, TypeError):
        raise InputError(f'{path} is not a table of captions; write it as {{"clip.mp4": "a caption"}}.') from None
    return found


def _caption(path: Path, captions: dict[str, str], text_files: bool) -> str:
    text = path.with_suffix(".txt")
    if path.stem in captions or not text_files or not text.is_file():
        return captions.get(path.stem, "")
    return text.read_text().strip()
