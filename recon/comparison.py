"""Compare two sets of splats along the same cameras."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from recon.export.video import to_uint8
from recon.fitting.metrics import psnr
from recon.flights import Flight
from recon.render import render
from recon.scene_files import METRICS_FILE
from recon.scene_folder import SceneFolder
from recon.splat_source import read_metrics
from recon.splats import MovingSplats, Splats
from trajectories.errors import InputError
from trajectories.files import whole

PICTURES = {".png": "PNG", ".jpg": "JPEG", ".webp": "WEBP"}
LINE = 16  # height of a line of text in pixels
GAP = 4
AMPLIFIED = 4
"""Factor of the differences that are drawn."""


@dataclass(frozen=True, eq=False)
class View:
    """What one camera sees; images are (H, W, 3) in [0, 1], values in dB."""

    name: str
    first: np.ndarray
    second: np.ndarray
    between: float
    """PSNR of the two renders."""
    frame: np.ndarray | None = None
    """The frame of the scene, if there is one."""
    to_frame: tuple[float, float] | None = None
    """PSNR of each render against the frame."""


def compare(first: Splats | MovingSplats, second: Splats | MovingSplats, flight: Flight) -> list[View]:
    """Render both sets of splats, which are in the same world, from the same cameras."""
    views = []
    for n, time in enumerate(flight.times):
        a, b = (render(splats.at(float(time)), flight.cameras[n : n + 1])[0].cpu() for splats in (first, second))
        views.append(View(f"view {n}", a.numpy(), b.numpy(), float(psnr(a, b))))
    return views


def compare_to_frames(
    first: Splats | MovingSplats, second: Splats | MovingSplats, folder: SceneFolder, count: int
) -> list[View]:
    """The same for at most `count` frames of a scene: those that its fit held out, if metrics.json names them.

    Raises:
        InputError: an image is missing or does not open.
    """
    capture = folder.frames
    every = held_out(folder) or list(range(len(capture)))
    chosen = sorted({every[n] for n in np.linspace(0, len(every) - 1, count).round().astype(int)})
    views = []
    for index, view in zip(chosen, compare(first, second, Flight(capture.cameras[chosen], capture.times[chosen]))):
        frame = capture.image(index)
        values = [float(psnr(torch.from_numpy(image), torch.from_numpy(frame))) for image in (view.first, view.second)]
        name = f"{capture.videos[index]} frame {index}"
        views.append(replace(view, name=name, frame=frame, to_frame=(values[0], values[1])))
    return views


def held_out(folder: SceneFolder) -> list[int]:
    """The frames of transforms.json that metrics.json names as held out of the fit; none if it names none.

    Raises:
        InputError: metrics.json cannot be read, or names frames that the scene does not have.
    """
    try:
        frames = [int(each["frame"]) for each in read_metrics(folder)["held_out"]["per_frame"]]
    except (KeyError, TypeError, ValueError):
        return []
    if not all(0 <= frame < len(folder.frames) for frame in frames):
        raise InputError(
            f"{METRICS_FILE} of {folder.path} names frames that the scene does not have; run the fit again."
        )
    return frames


def check_picture(path: Path) -> None:
    """Check the suffix of a picture.

    Raises:
        InputError: `draw_views` has no format of this suffix.
    """
    if path.suffix.lower() not in PICTURES:
        raise InputError(f"{path}: cannot draw to a file that ends in {path.suffix!r}; use {', '.join(PICTURES)}.")


def draw_views(views: Sequence[View], titles: tuple[str, str], path: Path | str) -> None:
    """Write a picture: one row for each view, with the frame (if known), both renders and their difference.

    Raises:
        InputError: the path does not end in .png, .jpg or .webp, or cannot be written.
    """
    from PIL import Image, ImageDraw

    path = Path(path)
    check_picture(path)
    rows = []
    for view in views:
        a, b = (f", {value:.1f} dB" for value in view.to_frame) if view.to_frame else ("", "")
        row = [] if view.frame is None else [(f"{view.name}: frame", view.frame)]
        row += [(f"{titles[0]}{a}", view.first), (f"{titles[1]}{b}", view.second)]
        difference = AMPLIFIED * np.abs(view.first - view.second)
        rows.append([*row, (f"difference x{AMPLIFIED}, {view.between:.1f} dB", difference)])
    height, width = views[0].first.shape[:2]
    columns = max(map(len, rows))
    size = columns * (width + GAP) - GAP, len(rows) * (height + LINE + GAP) - GAP
    sheet = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(sheet)
    for i, row in enumerate(rows):
        for j, (title, image) in enumerate(row):
            x, y = j * (width + GAP), i * (height + LINE + GAP)
            draw.text((x + 2, y + 2), title[: width // 6], fill="black")
            sheet.paste(Image.fromarray(to_uint8(image)), (x, y + LINE))
    with whole(path) as temporary:
        sheet.save(temporary, PICTURES[path.suffix.lower()])
