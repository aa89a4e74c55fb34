"""Read and write rig.json files, which are human-readable, state their convention, and round-trip exactly."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from trajectories.cameras import Cameras
from trajectories.errors import InputError
from trajectories.files import cameras_from, numbers, read_json, whole_number, write_text
from trajectories.rig import Rig

FORMAT = "cvd3d rig 1"
# Part of the file format: existing files are compared with it, so its spelling stays.
CONVENTION = (
    "c2w is camera-to-world, rows of 4; OpenCV axes (x right, y down, z forward); "
    "world right-handed, z up, metres; "  # codespell:ignore metres
    "K in pixels, pixel centres at +0.5, (0, 0) is the upper left corner; times in seconds"  # codespell:ignore centres
)


def save_rig(rig: Rig, path: str | Path) -> None:
    """Write a rig as JSON, one pose per line; `load_rig` restores the same bits."""
    head = {"format": FORMAT, "convention": CONVENTION, "width": rig.cameras.width, "height": rig.cameras.height}
    lines = [f"  {json.dumps(key)}: {json.dumps(value)}," for key, value in head.items()]
    lines += [f'  "times": {json.dumps(rig.times.tolist())},', '  "views": [']
    views = []
    for name, c2w, K in zip(rig.names, rig.cameras.c2w, rig.cameras.K):
        # Constant intrinsics are written once, a zoom frame by frame.
        lens = K[:1] if (K[0] == K).all() else K
        views.append(f'    {{"name": {json.dumps(name)},\n     "K": {_rows(lens)},\n     "c2w": {_rows(c2w)}}}')
    write_text(path, "{\n" + "\n".join(lines) + "\n" + ",\n".join(views) + "\n  ]\n}\n")


def load_rig(path: str | Path) -> Rig:
    """Read a rig file, written by `save_rig` or by hand.

    Raises:
        InputError: the file is missing, a field is missing or invalid, or a pose is not a rotation and a translation;
            the message names the view and the frame.
    """
    content = read_json(path)
    if content.get("format") != FORMAT:
        raise InputError(f"{path}: the field 'format' is {content.get('format')!r}; a rig file has {FORMAT!r}.")
    if content.get("convention", CONVENTION) != CONVENTION:
        raise InputError(
            f"{path}: the field 'convention' is {content['convention']!r}, but this version reads only {CONVENTION!r}."
        )
    width, height = (whole_number(_field(content, key, path), f"{path}: '{key}'") for key in ("width", "height"))
    times = numbers(_field(content, "times", path), (-1,), f"{path}: 'times'")
    views = _field(content, "views", path)
    if not isinstance(views, list) or not all(isinstance(view, dict) for view in views) or not views:
        raise InputError(f"{path}: 'views' must be a list of objects, at least one, with 'name', 'K' and 'c2w'.")
    paths: list[Cameras] = []
    names: list[str] = []
    for index, view in enumerate(views):
        name = str(view.get("name", f"cam{index:02d}"))
        where = f"{path}: view {name!r}"
        c2w = numbers(_field(view, "c2w", where), (len(times), 4, 4), f"{where}: 'c2w'")
        K = numbers(_field(view, "K", where), (-1, 3, 3), f"{where}: 'K'")
        if len(K) not in (1, len(times)):
            raise InputError(f"{where}: 'K' has {len(K)} matrices; give one, or one for each of {len(times)} frames.")
        K = np.broadcast_to(K, (len(times), 3, 3))
        paths.append(cameras_from(c2w, K, width, height, partial("{}, frame {}".format, where)))
        names.append(name)
    try:
        cameras = Cameras(np.stack([p.c2w for p in paths]), np.stack([p.K for p in paths]), width, height)
        return Rig(cameras, times, tuple(names))
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def _rows(matrices: np.ndarray) -> str:
    return "[" + ",\n             ".join(json.dumps(matrix.tolist()) for matrix in matrices) + "]"


def _field(content: dict[str, Any], key: str, where: str | Path) -> Any:
    if key not in content:
        raise InputError(f"{where}: the field {key!r} is missing; add it.")
    return content[key]
