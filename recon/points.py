"""Colored point clouds and their PLY files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from recon.ply_header import check_memory
from trajectories.errors import InputError
from trajectories.files import whole

if TYPE_CHECKING:
    import torch

SOURCE_COMMENT = "source: "


@dataclass(frozen=True, eq=False)
class PointCloud:
    """P colored points in the cameras' world coordinates.

    Raises:
        InputError: shapes that disagree, or positions that are not finite.
    """

    positions: np.ndarray
    """(P, 3) float32 world positions in meters."""
    colors: np.ndarray
    """(P, 3) float32 RGB in [0, 1]."""
    source: str
    """How the points were made, as text."""

    def __post_init__(self) -> None:
        positions = np.array(self.positions, dtype=np.float32)
        colors = np.array(self.colors, dtype=np.float32)
        if positions.ndim != 2 or positions.shape[1] != 3 or colors.shape != positions.shape:
            raise InputError(
                f"Points need positions and colors of shape (P, 3); these are {positions.shape} and {colors.shape}."
            )
        if not np.isfinite(positions).all() or not np.isfinite(colors).all():
            raise InputError("A point cloud has a value that is not finite; remove that point.")
        positions.flags.writeable = colors.flags.writeable = False
        object.__setattr__(self, "positions", positions)
        object.__setattr__(self, "colors", colors)

    def __len__(self) -> int:
        return len(self.positions)

    def __add__(self, other: PointCloud) -> PointCloud:
        """Both clouds in one, with both sources."""
        return PointCloud(
            np.concatenate([self.positions, other.positions]),
            np.concatenate([self.colors, other.colors]),
            "; ".join(source for source in (self.source, other.source) if source),
        )


def thinned(points: PointCloud, limit: int, generator: torch.Generator) -> PointCloud:
    """A random subset of at most `limit` points, in their original order."""
    import torch

    if len(points) <= limit:
        return points
    keep = torch.randperm(len(points), generator=generator)[:limit].sort().values.numpy()
    return PointCloud(points.positions[keep], points.colors[keep], f"{points.source} ({limit} of {len(points)})")


def save_points(points: PointCloud, path: Path | str) -> None:
    """Write points as a binary PLY: `x y z` float32, `red green blue` uint8, the source as a comment."""
    from plyfile import PlyData, PlyElement

    fields = [(name, "<f4") for name in "xyz"] + [(name, "u1") for name in ("red", "green", "blue")]
    vertices = np.empty(len(points), dtype=fields)
    colors = np.round(np.clip(points.colors, 0.0, 1.0) * 255).astype(np.uint8)
    for axis, name in enumerate("xyz"):
        vertices[name] = points.positions[:, axis]
    for channel, name in enumerate(("red", "green", "blue")):
        vertices[name] = colors[:, channel]
    comments = [SOURCE_COMMENT + " ".join(points.source.encode("ascii", "replace").decode().split())]
    with whole(path) as temporary:
        PlyData([PlyElement.describe(vertices, "vertex")], byte_order="<", comments=comments).write(str(temporary))


def load_points(path: Path | str) -> PointCloud:
    """Read a PLY of points; points without colors become mid grey.

    Raises:
        InputError: no such file, not a PLY, no vertices with x, y and z, or more of them than fit in memory.
    """
    from plyfile import PlyData, PlyParseError

    if not Path(path).is_file():
        raise InputError(f"There is no point file {path}; check the path.")
    check_memory(path)
    try:
        ply = PlyData.read(str(path))
        vertices = ply["vertex"]
        positions = np.stack([vertices[name] for name in "xyz"], axis=1)
    except (PlyParseError, KeyError, ValueError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not a PLY with vertices x, y, z; write it again ({error}).") from error
    names = {prop.name for prop in vertices.properties}
    if {"red", "green", "blue"} <= names:
        colors = np.stack([vertices[name] for name in ("red", "green", "blue")], axis=1)
        colors = colors.astype(np.float32) / (255.0 if colors.dtype == np.uint8 else 1.0)
    else:
        colors = np.full(positions.shape, 0.5, dtype=np.float32)
    sources = [text[len(SOURCE_COMMENT) :] for text in ply.comments if text.startswith(SOURCE_COMMENT)]
    return PointCloud(positions, colors, sources[0] if sources else f"read from {Path(path).name}")
