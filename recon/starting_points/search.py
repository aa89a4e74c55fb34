"""Find starting points for a fit from images with known cameras."""

from __future__ import annotations

import warnings
from collections.abc import Iterable

import numpy as np
import torch

from recon.capture import Capture
from recon.points import PointCloud, thinned
from recon.starting_points.far_shell import SOURCE as FAR_SHELL
from recon.starting_points.far_shell import far_shell
from recon.starting_points.plane_sweep import strongest_channel, sweep
from recon.starting_points.tracks import find_tracks
from recon.starting_points.triangulation import track_quality, triangulate
from trajectories.cameras import Cameras
from trajectories.geometry import extent, focus_point
from trajectories.views import inverse_depth_range, neighbors, spread_views

MAX_BYTES = 2e9
"""Memory for all frames together, as float32; larger frames are downscaled first."""
ENOUGH_TRACKS = 3000
"""From this number of triangulated points on, plane sweeps add nothing that densification would not find."""
MIN_PARALLAX_PIXELS = 4.0
"""Minimum angle between rays of a track, in pixels. Matches are accurate to half a pixel, depths to an eighth."""


def initial_points(
    capture: Capture, *, generator: torch.Generator, limit: int = 10_000, show_progress: bool = False
) -> PointCloud:
    """Starting points in the cameras' world coordinates.

    Points of the capture are used if it has any; otherwise features are matched along epipolar lines and triangulated.
    If that gives few points, as on smooth generated frames, plane sweeps of a few views add confident pixels. Empty
    directions, such as the sky, get points on a far shell. If almost nothing can be measured, random points around the
    cameras' focus point are added, with a warning. `PointCloud.source` records the methods that were used. Points with
    a far shell are complete, such as those of our own scene folders, and are returned as they are.

    Args:
        capture: posed frames, at least two, from different positions.
        generator: random numbers for thinning to `limit` and for random points.
        limit: maximum number of points, not counting the shell and the points of the capture.
        show_progress: show a progress bar.

    Raises:
        InputError: there is one frame, all cameras are in one place, or an image does not open.
    """
    from recon.progress import track

    capture.check_parallax()
    if capture.points is not None and FAR_SHELL in capture.points.source:
        return capture.points
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
            "Too few matches were found between the images, so the fit starts from random points; "
            "give points (points.ply) or images with more overlap and texture.",
            stacklevel=2,
        )
        return points
    return points + far_shell(chosen.cameras, images, points)


def triangulated_points(cameras: Cameras, images: np.ndarray) -> PointCloud:
    """Triangulate SIFT tracks, matched along epipolar lines, with the known cameras, and remove outliers.

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
    # Two rays nearly intersect for any match on epipolar lines, even a wrong one; a third view verifies it.
    view_counts = np.bincount(found.tracks, minlength=found.count)
    enough_views = view_counts >= min(3, len({view for pair in pairs for view in pair}))
    keep = (error < band) & (parallax > MIN_PARALLAX_PIXELS / focal) & enough_views
    keep[keep] = ~_isolated(points[keep])
    colors = np.zeros((found.count, 3))
    np.add.at(colors, found.tracks, _bilinear(images, found.views, found.pixels))
    colors /= view_counts[:, None]
    if not keep.any():
        return empty
    return PointCloud(points[keep], colors[keep], f"{int(keep.sum())} {source}")


def swept_points(
    cameras: Cameras, images: np.ndarray, references: Iterable[int], guide: PointCloud | None = None
) -> PointCloud:
    """Points from confident pixels of plane sweeps whose depths agree in at least two reference views.

    Args:
        cameras: (N,) cameras.
        images: (N, H, W, 3) float32 RGB; downscaled to at most 192 pixels for the sweep.
        references: the views to sweep.
        guide: points that limit the depth range of the views that see at least 100 of them.
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
        # One plane per pixel of disparity in the farthest partner.
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
    """The capture, downscaled if its frames do not fit in MAX_BYTES."""
    width, height = capture.cameras.width, capture.cameras.height
    shrink = (MAX_BYTES / (12.0 * len(capture) * width * height)) ** 0.5
    return capture if shrink >= 1 else capture.resized(max(1, int(shrink * width)), max(1, int(shrink * height)))


def _range_from(guide: PointCloud | None, cameras: Cameras, index: int) -> tuple[float, float] | None:
    """The range of inverse depths of guide points in a view, widened by a factor of 1.5; None for fewer than 100."""
    if guide is None or len(guide) < 100:
        return None
    xy, z = cameras[index].project(guide.positions)
    visible = cameras.contains(xy, z)
    if visible.sum() < 100:
        return None
    far, near = np.percentile(1.0 / z[visible], [1, 99])
    return 1.5 * float(near), float(far) / 1.5


def _agrees(
    points: np.ndarray, camera: Cameras, inverse: np.ndarray, confidence: np.ndarray, step: float
) -> np.ndarray:
    """Mask of the points that are within one and a half planes of another view's confident depth."""
    xy, z = camera.project(points)
    inside = camera.contains(xy, z)
    u, v = (np.where(inside, xy[:, axis], 0).astype(int) for axis in (0, 1))
    return inside & (confidence[v, u] > 0.5) & (np.abs(1.0 / np.where(inside, z, 1.0) - inverse[v, u]) < 1.5 * step)


def _isolated(points: np.ndarray, k: int = 6) -> np.ndarray:
    """Mask of points unusually far from their neighbors, which would become huge initial splats."""
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
    """Points drawn uniformly in a ball around the cameras' focus point, in the images' mean color."""
    focus = focus_point(cameras)
    radius = max(extent(cameras), float(np.linalg.norm(cameras.centers - focus, axis=1).mean()) / 2)
    direction = torch.randn(count, 3, generator=generator, dtype=torch.float64)
    direction /= direction.norm(dim=1, keepdim=True)
    reach = torch.rand(count, 1, generator=generator, dtype=torch.float64) ** (1 / 3)
    positions = focus + radius * (direction * reach).numpy()
    return PointCloud(positions, np.tile(images.mean(axis=(0, 1, 2)), (count, 1)), f"{count} random points")
