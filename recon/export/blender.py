"""Export a capture as one self-contained Python script for Blender's text editor."""

from __future__ import annotations

import base64
import io
import json
import zlib
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from recon.capture import Capture
from recon.export.gltf import linear_from_srgb
from recon.export.nerfstudio import SHOW_FROM
from recon.progress import track
from trajectories.files import write_text
from trajectories.formats import pinhole
from trajectories.formats.nerfstudio import FLIP
from trajectories.rig import frame_rate

SCRIPT, PLACEHOLDER = Path(__file__).with_name("blender_script.py"), 'SCENE = """"""'
JPEG_QUALITY = 92
LINE_LENGTH = 100
"""Longer lines make Blender's text editor slow."""


def write_blender(capture: Capture, path: Path | str, *, title: str = "scene") -> Path:
    """Write a script that adds cameras, images and points to Blender, whose world axes are ours.

    A video becomes one camera with one keyframe per frame, at the frame rate of the first video with several frames.
    Frames without times, such as photos, become one camera each. Images are JPEG, quality 92.

    Args:
        capture: posed frames, with or without points.
        path: a .py file; an existing one is replaced.
        title: name of the collection in Blender.

    Returns:
        the path.

    Raises:
        InputError: an image does not open, or pixels are skewed.
    """
    lenses = pinhole.parameters(capture.cameras)
    matrices = capture.cameras.c2w * FLIP
    images = [
        _jpeg(capture.image(index))
        for index in track(range(len(capture)), "Packing images", show=len(capture) >= SHOW_FROM)
    ]
    shots = _shots(capture)
    cameras = [
        {
            "name": name,
            "poses": matrices[indices].tolist(),
            "lens": lenses[indices].tolist(),
            "images": [images[index] for index in indices],
        }
        for name, indices in shots
    ]
    content = {
        "title": title,
        "width": capture.cameras.width,
        "height": capture.cameras.height,
        "fps": _frame_rate(capture, shots),
        "cameras": cameras,
        "points": _points(capture),
    }
    packed = _base64(zlib.compress(json.dumps(content).encode()))
    lines = "\n".join(packed[start : start + LINE_LENGTH] for start in range(0, len(packed), LINE_LENGTH))
    write_text(path, SCRIPT.read_text().replace(PLACEHOLDER, f'SCENE = """\n{lines}\n"""'))
    return Path(path)


def _shots(capture: Capture) -> list[tuple[str, list[int]]]:
    """Names and frames of the cameras: one per video whose times increase, and one per frame of the other videos."""
    shots = []
    for name in dict.fromkeys(capture.videos):
        indices = [index for index, video in enumerate(capture.videos) if video == name]
        indices.sort(key=lambda index: capture.times[index])
        if (np.diff(capture.times[indices]) > 0).all():
            shots.append((name, indices))
        else:
            shots += [(f"{name}_{n:05d}", [index]) for n, index in enumerate(indices)]
    return shots


def _frame_rate(capture: Capture, shots: list[tuple[str, list[int]]]) -> tuple[int, float]:
    """Blender's frame rate: an integer and the number to divide it by."""
    moving = [indices for _, indices in shots if len(indices) > 1]
    rate = Fraction(frame_rate(capture.times[moving[0]]) if moving else 24).limit_denominator(1001)
    return rate.numerator, float(rate.denominator)


def _points(capture: Capture) -> dict[str, Any]:
    if capture.points is None:
        return {"count": 0}
    rgb = linear_from_srgb(np.clip(capture.points.colors, 0, 1))
    colors = np.concatenate([rgb, np.ones((len(rgb), 1))], axis=1)
    return {
        "count": len(capture.points),
        "positions": _base64(capture.points.positions.astype("<f4").tobytes()),
        "colors": _base64(colors.astype("<f4").tobytes()),
    }


def _jpeg(image: np.ndarray) -> str:
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(np.round(image * 255).astype(np.uint8)).save(file, "JPEG", quality=JPEG_QUALITY)
    return _base64(file.getvalue())


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()
