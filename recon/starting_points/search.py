"""Starting points for a fit, from images whose cameras are known."""

from __future__ import annotations

import warnings
from collections.abc import Iterable

import numpy as np
import torch

from recon.capture import Capture
from recon.points import PointCloud, thinned
from recon.starting_points.far_shell import far_shell
from recon.starting_points.plane_sweep import strongest_channel, sweep
from recon.starting_points.tracks import find_tracks
from recon.starting_points.triangulation import track_quality, triangulate
from trajectories.cameras import Cameras
from trajectories.geometry import extent, focus_point
from trajectories.views import inverse_depth_range, neighbors, spread_views

MOST_BYTES = 2e9
"""All frames together, as float32; larger ones are shrunk before they are searched."""
ENOUGH_TRACKS = 3000
"""With so many triangulated points a plane sweep adds nothing that densification would not find."""
MIN_PARALLAX_PIXELS = 4.0
"""Rays of a track must differ by the angle of so many pixels: a match is good to half a pixel, a depth to an eighth."""


def initial_points(
    capture: Capture, *, generator: torch.Generator, limit: int = 10_000, show_progress: bool = False
) -> PointCloud:
    """Starting points in the world of the cameras.

    Points that came with the capture are taken as they are; without them, features are matched along epipolar lines and
    triangulated. Where that gives few points, as on smooth generated frames, plane sweeps of a few views add confident
    pixels. Directions in which nothing could be
    measured, as a sky, get points on a far shell. If nothing at all can be measured, points are drawn at random where
    the cameras look, with a warning. `PointCloud.source` says which of these happened.

    Args:
        capture: posed frames, at least two of them, from different places.
        generator: draws which points stay when there are more than `limit`, and the random last resort.
        limit: at most so many points, without the shell and those of the capture.
        show_progress: draw a progress bar.

    Raises:
        InputError: one frame, cameras all in one place, or an image that does not open.
    """
    from recon.progress import track

    capture.check_parallax()
    views = np.arange(len(capture))
    if len(views) > 96:
        views = np.unique(np.linspace(0, len(views) - 1, 96).round().astype(int))
    chosen = _shrunk(capture.subset(views))
    images = chosen.images()
    if capture.points is not None:
        points = _without_isolated(capture.points)
        limit = max(limit, len(points))
    else:
        points = triangulated_points(chosen.cameras, images)
    if len(points) < ENOUGH_TRACKS:
        references = spread_views(chosen.cameras, 8)
        references_shown = track(references, "depth by plane sweep", show_progress)
        swept = swept_points(chosen.cameras, images, references_shown, guide=points)
        points = points + thinned(swept, max(limit - len(points), 0), generator)
    points = thinned(points, limit, generator)
    if len(points) < 50:
        points = points + _random_points(chosen.cameras, images, 2000, generator)
        warnings.warn(
            "Too little could be matched between the images, so the fit starts from random points; "
            "give points (points.ply) or images with more overlap and texture.",
            stacklevel=2,
        )
        return points
    return points + far_shell(chosen.cameras, images, points)


def triangulated_points(cameras: Cameras, images: np.ndarray) -> PointCloud:
    """SIFT tracks along epipolar lines, triangulated with the known cameras, without outliers.

    Args:
        cameras: (N,) cameras.
        images: (N, H, W, 3) float32 RGB.
    """
    size = max(cameras.width, cameras.height)
    band = max(1.0, 0.003 * size)
    pairs = sorted({(min(i, j), max(i, j)) for i in range(cameras.size) for j in map(int, neighbors(cameras, i, 4))})
    source = "SIFT tracks triangulated with the known cameras"
    empty = PointCloud(np.zeros((0, 3)), np.zeros((0, 3)), "")
    if not pairs:
        return empty
    found = find_tracks(cameras, lambda view: images[view], pairs, band=band)
    if found.count == 0:
        return empty
    points = triangulate(cameras, found.views, found.pixels, found.tracks, found.count)
    error, parallax = track_quality(cameras, found.views, found.pixels, found.tracks, points)
    focal = float(cameras.K[:, 0, 0].mean())
    # Two rays nearly meet wherever both pixels lie on each other's epipolar lines, also when the match is wrong: only
    # a third view can tell.
    seen_by = np.bincount(found.tracks, minlength=found.count)
    enough_views = seen_by >= min(3, len({view for pair in pairs for view in pair}))
    keep = (error < band) & (parallax > MIN_PARALLAX_PIXELS / focal) & enough_views
    keep[keep] = ~_isolated(points[keep])
    colors = np.zeros((found.count, 3))
    np.add.at(colors, found.tracks, _bilinear(images, found.views, found.pixels))
    colors /= seen_by[:, None]
    if not keep.any():
        return empty
    return PointCloud(points[keep], colors[keep], f"{int(keep.sum())} {source}")


def swept_points(
    cameras: Cameras, images: np.ndarray, references: Iterable[int], guide: PointCloud | None = None
) -> PointCloud:
    """Confident pixels of plane sweeps on which at least two reference views agree.

    Args:
        cameras: (N,) cameras.
        images: (N, H, W, 3) float32 RGB; swept at 192 pixels at most.
        references: the views to sweep.
        guide: points that narrow the range of depths of the views that see 100 of them or more.
    """
    import cv2

    scale = min(1.0, 192 / max(cameras.width, cameras.height))
    width, height = max(16, round(scale * cameras.width)), max(16, round(scale * cameras.height))
    small = images
    if scale < 1:
        small = np.stack([cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA) for image in images])
    cameras, values = cameras.resized(width, height), strongest_channel(small)
    maps: list[tuple[int, np.ndarray, np.ndarray, float]] = []
    for index in references:
        partners = neighbors(cameras, int(index), 4)
        if len(partners) == 0:
            continue
        near, far = _range_from(guide, cameras, int(index)) or inverse_depth_range(cameras, int(index), partners)
        if near <= far:
            continue
        # One plane for each pixel that the farthest partner sees a point move.
        baseline = np.linalg.norm(cameras.centers[partners] - cameras.centers[index], axis=1).max()
        planes = int(np.clip((near - far) * baseline * cameras.K[index, 0, 0], 16, 64))
        inverse_depths = np.linspace(far, near, planes)
        inverse, confidence = sweep(cameras, values, int(index), partners, inverse_depths)
        maps.append((int(index), inverse, confidence, float(inverse_depths[1] - inverse_depths[0])))
    positions, colors = [np.zeros((0, 3))], [np.zeros((0, 3))]
    for index, inverse, confidence, _ in maps:
        v, u = np.nonzero((confidence > 0.75) & (inverse > 0))
        origins, directions = cameras[index].rays(np.stack([u, v], axis=1) + 0.5)
        points = origins + directions / inverse[v, u][:, None]
        agreed = np.zeros(len(points), dtype=bool)
        for other, other_inverse, other_confidence, other_step in maps:
            if other != index:
                agreed |= _agrees(points, cameras[other], other_inverse, other_confidence, other_step)
        positions.append(points[agreed])
        colors.append(small[index][v, u][agreed])
    position = np.concatenate(positions)
    keep = ~_isolated(position)
    if not keep.any():
        return PointCloud(np.zeros((0, 3)), np.zeros((0, 3)), "")
    source = f"plane sweeps of {len(maps)} views"
    return PointCloud(position[keep], np.concatenate(colors)[keep], source)


def _shrunk(capture: Capture) -> Capture:
    """The capture at a size at which all of its frames fit in MOST_BYTES."""
    width, height = capture.cameras.width, capture.cameras.height
    shrink = (MOST_BYTES / (12.0 * len(capture) * width * height)) ** 0.5
    return capture if shrink >= 1 else capture.resized(max(1, int(shrink * width)), max(1, int(shrink * height)))


def _range_from(guide: PointCloud | None, cameras: Cameras, index: int) -> tuple[float, float] | None:
    """The inverse depths of guide points in a view, widened by a half; None if it sees fewer than 100."""
    if guide is None or len(guide) < 100:
        return None
    xy, z = cameras[index].project(guide.positions)
    seen = cameras.contains(xy, z)
    if seen.sum() < 100:
        return None
    far, near = np.percentile(1.0 / z[seen], [1, 99])
    return 1.5 * float(near), float(far) / 1.5


def _agrees(
    points: np.ndarray, camera: Cameras, inverse: np.ndarray, confidence: np.ndarray, step: float
) -> np.ndarray:
    """Which points lie within one and a half planes of another view's confident depth."""
    xy, z = camera.project(points)
    inside = camera.contains(xy, z)
    u, v = (np.where(inside, xy[:, axis], 0).astype(int) for axis in (0, 1))
    return inside & (confidence[v, u] > 0.5) & (np.abs(1.0 / np.where(inside, z, 1.0) - inverse[v, u]) < 1.5 * step)


def _isolated(points: np.ndarray, k: int = 6) -> np.ndarray:
    """Points much farther from their neighbors than is usual: they would become huge first splats."""
    from scipy.spatial import cKDTree

    if len(points) <= k:
        return np.zeros(len(points), dtype=bool)
    distances = np.log(np.maximum(cKDTree(points).query(points, k + 1)[0][:, 1:].mean(axis=1), 1e-12))
    low, median, high = np.percentile(distances, [25, 50, 75])
    return distances > median + 3 * (high - low)


def _without_isolated(points: PointCloud) -> PointCloud:
    keep = ~_isolated(points.positions.astype(np.float64))
    return PointCloud(points.positions[keep], points.colors[keep], points.source)


def _bilinear(images: np.ndarray, views: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """(M, 3) colors at pixel positions."""
    height, width = images.shape[1:3]
    x, y = (np.clip(pixels[:, axis] - 0.5, 0, size - 1) for axis, size in ((0, width), (1, height)))
    x0, y0 = np.minimum(x.astype(int), width - 2), np.minimum(y.astype(int), height - 2)
    fx, fy = (x - x0)[:, None], (y - y0)[:, None]
    top = images[views, y0, x0] * (1 - fx) + images[views, y0, x0 + 1] * fx
    bottom = images[views, y0 + 1, x0] * (1 - fx) + images[views, y0 + 1, x0 + 1] * fx
    return np.asarray(top * (1 - fy) + bottom * fy)


def _random_points(cameras: Cameras, images: np.ndarray, count: int, generator: torch.Generator) -> PointCloud:
    """Uniform in a ball about the point that the cameras look at, in the images' mean color."""
    focus = focus_point(cameras)
    radius = max(extent(cameras), float(np.linalg.norm(cameras.centers - focus, axis=1).mean()) / 2)
    direction = torch.randn(count, 3, generator=generator, dtype=torch.float64)
    direction /= direction.norm(dim=1, keepdim=True)
    reach = torch.rand(count, 1, generator=generator, dtype=torch.float64) ** (1 / 3)
    positions = focus + radius * (direction * reach).numpy()
    return PointCloud(positions, np.tile(images.mean(axis=(0, 1, 2)), (count, 1)), f"{count} random points")
