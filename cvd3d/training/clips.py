"""Folders of video clips with their captions, as training reads them."""

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
    """One usable clip."""

    path: Path
    frames: int
    caption: str


def find_clips(folder: Path, why_not: Callable[[Path, int], str | None], beside: bool) -> list[Clip]:
    """All usable clips below a folder, sorted; the others are told once, with why.

    Captions come from `captions.json` in the folder (file name, with or without its suffix, to a text or a list of
    them); a clip without one has an empty caption.

    Args:
        folder: the clips.
        why_not: from a clip's path and number of frames, why it cannot be used, or None.
        beside: whether a text file beside a clip, of its name, holds its caption.

    Raises:
        InputError: no such folder, or no usable clip in it.
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
            fault = why_not(path, frames)
        except InputError as error:
            frames, fault = 0, str(error)
        if fault is None:
            clips.append(Clip(path, frames, _caption(path, captions, beside)))
        else:
            faults.append(f"  {path.name}: {fault}")
    if not clips:
        raise InputError(
            f"{folder} holds no usable clip of {len(videos)}" + (f"; {faults[0].strip()}" if faults else ".")
        )
    if faults:
        print(f"{folder}: {len(clips)} clips; {len(faults)} are left out:", *faults, sep="\n")
    return clips


def framed(frames: np.ndarray, side: int, cameras: Cameras | None = None) -> tuple[np.ndarray, Cameras | None]:
    """Scale the shorter side to `side` and cut the middle out, (T, H, W, 3) to (T, side, side, 3), with the cameras.

    Args:
        frames: uint8.
        side: pixels.
        cameras: (T,) of the frames as they are; the returned ones are of the result.
    """
    height, width = frames.shape[1:3]
    scale = side / min(height, width)
    w, h = max(side, round(width * scale)), max(side, round(height * scale))
    left, top = (w - side) // 2, (h - side) // 2
    scaled = np.stack([cv2.resize(frame, (w, h), interpolation=cv2.INTER_AREA) for frame in frames])
    cut = scaled[:, top : top + side, left : left + side]
    if cameras is None:
        return cut, None
    K = np.array([[w / width, 0, -left], [0, h / height, -top], [0, 0, 1]]) @ cameras.K
    return cut, Cameras(cameras.c2w, K, side, side)


def _captions(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    try:
        table = json.loads(path.read_text())
        found = {
            Path(name).stem: text if isinstance(text, str) else str(text[0]) for name, text in table.items() if text
        }
    except (OSError, ValueError, AttributeError, KeyError, TypeError):
        raise InputError(f'{path} is not a table of captions; it should say {{"clip.mp4": "a caption"}}.') from None
    return found


def _caption(path: Path, captions: dict[str, str], beside: bool) -> str:
    text = path.with_suffix(".txt")
    if path.stem in captions or not beside or not text.is_file():
        return captions.get(path.stem, "")
    return text.read_text().strip()
