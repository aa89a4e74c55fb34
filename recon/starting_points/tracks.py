"""Find feature tracks across views with known cameras."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from recon.kernels import kernel
from trajectories.cameras import Cameras
from trajectories.geometry import fundamental_matrix


@dataclass(frozen=True, eq=False)
class Tracks:
    """M observations of P points."""

    views: np.ndarray
    """(M,) the view of each observation."""
    pixels: np.ndarray
    """(M, 2) the pixel position of each observation."""
    tracks: np.ndarray
    """(M,) the index of each observation's track, in [0, P)."""
    count: int
    """P."""


def sift(image: np.ndarray, limit: int) -> tuple[np.ndarray, np.ndarray]:
    """SIFT features of one image.

    Args:
        image: (H, W, 3) float32 RGB in [0, 1].
        limit: maximum number of features; the strongest are kept.

    Returns:
        (F, 2) pixel positions and (F, 128) float32 RootSIFT descriptors of unit length (Arandjelovic and Zisserman
        2012).
    """
    import cv2

    gray = cv2.cvtColor(np.round(image * 255).astype(np.uint8), cv2.COLOR_RGB2GRAY)
    # Small frames are doubled first: this gives four times the features at the same accuracy.
    enlarge = 2 if max(gray.shape) < 640 else 1
    gray = cv2.resize(gray, None, fx=enlarge, fy=enlarge, interpolation=cv2.INTER_CUBIC)
    # A quarter of the usual contrast threshold and twice the edge ratio: known cameras rule out most wrong matches.
    detector = cv2.SIFT_create(nfeatures=limit, contrastThreshold=0.01, edgeThreshold=20)  # type: ignore[attr-defined]
    keypoints, descriptors = detector.detectAndCompute(gray, None)
    if descriptors is None:
        return np.zeros((0, 2)), np.zeros((0, 128), dtype=np.float32)
    pixels = (np.array([keypoint.pt for keypoint in keypoints]) + 0.5) / enlarge
    # One feature per position: a position with two orientations would be in a track twice.
    _, first = np.unique(np.round(pixels, 2), axis=0, return_index=True)
    descriptors = descriptors[np.sort(first)]
    descriptors = np.sqrt(descriptors / np.maximum(descriptors.sum(axis=1, keepdims=True), 1e-12))
    return pixels[np.sort(first)], descriptors.astype(np.float32)


def match_along_epipolar_lines(
    pixels: tuple[np.ndarray, np.ndarray],
    descriptors: tuple[np.ndarray, np.ndarray],
    F: np.ndarray,
    *,
    band: float,
    ratio: float = 0.85,
) -> tuple[np.ndarray, np.ndarray]:
    """Match mutual nearest descriptors among features near each other's epipolar lines.

    Args:
        pixels: (F1, 2) and (F2, 2) positions.
        descriptors: (F1, D) and (F2, D) of unit length.
        F: (3, 3) fundamental matrix, x2^T F x1 = 0.
        band: maximum distance in pixels to the epipolar line, in either image.
        ratio: maximum ratio of the best to the second best distance in the band (Lowe 2004, 7.1).

    Returns:
        (M, 2) pairs of feature indices and (M,) their descriptors' squared distances.
    """
    x1, x2 = (np.concatenate([p, np.ones((len(p), 1))], axis=1) for p in pixels)
    lines2, lines1 = x1 @ F.T, x2 @ F
    lines2 /= np.maximum(np.linalg.norm(lines2[:, :2], axis=1, keepdims=True), 1e-12)
    lines1 /= np.maximum(np.linalg.norm(lines1[:, :2], axis=1, keepdims=True), 1e-12)
    best12, best21, first, second = _best_in_band(x1, x2, lines1, lines2, descriptors[0], descriptors[1], band)
    rows = np.flatnonzero(best12 >= 0)
    rows = rows[best21[best12[rows]] == rows]
    # Distances are squared, hence the squared ratio. A single candidate is compared to orthogonal descriptors.
    rows = rows[first[rows] < ratio**2 * np.minimum(second[rows], 2.0)]
    return np.stack([rows, best12[rows]], axis=1), first[rows]


@functools.partial(kernel, fastmath={"reassoc", "contract"})
def _best_in_band(x1, x2, lines1, lines2, descriptors1, descriptors2, band):
    """The best match of each feature near its epipolar line, or -1; for image 1 also the two smallest distances."""
    best12 = np.full(len(x1), -1)
    best21 = np.full(len(x2), -1)
    first = np.full(len(x1), np.inf)
    second = np.full(len(x1), np.inf)
    first21 = np.full(len(x2), np.inf)
    for i in range(len(x1)):
        for j in range(len(x2)):
            if abs(lines2[i, 0] * x2[j, 0] + lines2[i, 1] * x2[j, 1] + lines2[i, 2]) >= band:
                continue
            if abs(lines1[j, 0] * x1[i, 0] + lines1[j, 1] * x1[i, 1] + lines1[j, 2]) >= band:
                continue
            dot = 0.0
            for k in range(descriptors1.shape[1]):
                dot += descriptors1[i, k] * descriptors2[j, k]
            distance = 2.0 - 2.0 * dot
            if distance < first[i]:
                second[i] = first[i]
                first[i] = distance
                best12[i] = j
            elif distance < second[i]:
                second[i] = distance
            if distance < first21[j]:
                first21[j] = distance
                best21[j] = i
    return best12, best21, first, second


def find_tracks(
    cameras: Cameras,
    image: Callable[[int], np.ndarray],
    pairs: Iterable[tuple[int, int]],
    *,
    band: float,
    limit: int = 3000,
) -> Tracks:
    """Link matches of view pairs to tracks, best matches first; no track has two observations in one view.

    Args:
        cameras: (N,) cameras.
        image: returns the image of a view, (H, W, 3) float32 RGB.
        pairs: pairs of views to match.
        band: see `match_along_epipolar_lines`.
        limit: maximum number of features per view.
    """
    pairs = list(pairs)
    views = sorted({view for pair in pairs for view in pair})
    features = {view: sift(image(view), limit) for view in views}
    offsets = dict(zip(views, np.cumsum([0, *(len(features[view][0]) for view in views)])))
    matches, distances = [np.zeros((0, 2), dtype=np.int64)], [np.zeros(0)]
    for a, b in pairs:
        (pixels_a, descriptors_a), (pixels_b, descriptors_b) = features[a], features[b]
        F = fundamental_matrix(cameras[a], cameras[b])
        found, distance = match_along_epipolar_lines((pixels_a, pixels_b), (descriptors_a, descriptors_b), F, band=band)
        matches.append(found + np.array([offsets[a], offsets[b]]))
        distances.append(distance)
    node_views = np.concatenate([np.full(len(features[view][0]), view) for view in views])
    node_pixels = np.concatenate([features[view][0] for view in views])
    order = np.argsort(np.concatenate(distances), kind="stable")
    members = _link(np.concatenate(matches)[order].tolist(), node_views.tolist())
    nodes = np.array([node for track in members for node in track], dtype=np.int64)
    tracks = np.repeat(np.arange(len(members)), [len(track) for track in members])
    return Tracks(node_views[nodes], node_pixels[nodes], tracks, len(members))


def _link(matches: list[list[int]], views: list[int]) -> list[list[int]]:
    """Greedy union: a match merges two tracks unless they share a view, because then one match is wrong."""
    track_of = list(range(len(views)))
    members = {node: [node] for node in track_of}
    for a, b in matches:
        one, two = track_of[a], track_of[b]
        if one == two or {views[node] for node in members[one]} & {views[node] for node in members[two]}:
            continue
        for node in members[two]:
            track_of[node] = one
        members[one] += members.pop(two)
    return [sorted(track) for track in members.values() if len(track) > 1]
