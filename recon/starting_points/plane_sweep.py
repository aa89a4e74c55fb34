"""Estimate the depth of one view by plane sweep stereo (Collins 1996)."""

from __future__ import annotations

import numpy as np

from trajectories.cameras import Cameras
from trajectories.geometry import relative_pose


def strongest_channel(images: np.ndarray) -> np.ndarray:
    """(N, H, W) colors projected to their principal axis: a third of the cost of RGB with most of its contrast.

    Args:
        images: (N, H, W, 3) float32 RGB.
    """
    colors = images[:, ::4, ::4].reshape(-1, 3).astype(np.float64)
    _, axes = np.linalg.eigh(np.cov(colors.T))
    axis = axes[:, -1] * np.sign(axes[:, -1].sum() or 1.0)
    return np.ascontiguousarray(images @ axis.astype(np.float32))


def sweep(
    cameras: Cameras,
    values: np.ndarray,
    index: int,
    partners: np.ndarray,
    inverse_depths: np.ndarray,
    *,
    window: int = 7,
) -> tuple[np.ndarray, np.ndarray]:
    """Sweep fronto-parallel planes through the view frustum of one camera.

    The score of a depth is the normalized cross-correlation of windows between the view and a partner warped
    by the plane's homography. Scores are averaged over the better half of the partners, as others may be occluded.

    Args:
        cameras: (N,) cameras.
        values: (N, H, W) float32, one number per pixel: see `strongest_channel`.
        index: index of the view.
        partners: indices of its partners.
        inverse_depths: (D,) evenly spaced, 1/m.
        window: side of the correlation window in pixels, odd.

    Returns:
        (H, W) inverse depths, refined between planes by a parabola, and (H, W) confidences in [0, 1]: the best score,
        or 0 if the window has no texture, another depth scores nearly as well, or the best plane is the first or last.
    """
    import cv2

    def blur(values: np.ndarray) -> np.ndarray:
        return np.asarray(cv2.blur(values, (window, window), borderType=cv2.BORDER_REFLECT))

    height, width = values.shape[1:]
    D = len(inverse_depths)
    # OpenCV counts pixels from their centers.
    to_center = np.array([[1.0, 0, -0.5], [0, 1, -0.5], [0, 0, 1]])
    K = to_center @ cameras.K
    K_inverse = np.linalg.inv(K[index])
    reference = values[index]
    mean = blur(reference)
    variance = blur(reference * reference) - mean * mean
    rotations, translations = relative_pose(cameras[index], cameras[partners])
    scores = np.full((len(partners), D, height, width), -1.0, dtype=np.float32)
    for j, partner in enumerate(partners):
        with_mask = np.stack([values[partner], np.ones((height, width), np.float32)], axis=-1)
        R, t = rotations[j], translations[j]
        for d, inverse_depth in enumerate(inverse_depths):
            H = K[partner] @ (R + inverse_depth * np.outer(t, [0.0, 0.0, 1.0])) @ K_inverse
            warped = cv2.warpPerspective(with_mask, H, (width, height), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
            other, inside = warped[..., 0], warped[..., 1]
            means = blur(cv2.merge([other, other * other, reference * other, inside]))
            other_variance = means[..., 1] - means[..., 0] ** 2
            covariance = means[..., 2] - mean * means[..., 0]
            score = covariance / np.sqrt(np.maximum(variance * other_variance, 1e-10))
            scores[j, d] = np.where(means[..., 3] > 0.999, score, -1.0)
    half = (len(partners) + 1) // 2
    volume = np.sort(scores, axis=0)[-half:].mean(axis=0)
    best = volume.argmax(axis=0)
    rows, columns = np.indices(best.shape)
    inner = np.clip(best, 1, D - 2)
    below, at, above = (volume[inner + step, rows, columns] for step in (-1, 0, 1))
    bend = below - 2 * at + above
    shift = np.where(bend < -1e-6, 0.5 * (below - above) / np.minimum(bend, -1e-6), 0.0)
    step = inverse_depths[1] - inverse_depths[0]
    refined = inverse_depths[inner] + np.clip(shift, -0.5, 0.5) * step
    top = volume.max(axis=0)
    away = np.abs(np.arange(D)[:, None, None] - best) > 3
    rival = np.where(away, volume, -1.0).max(axis=0)
    # A standard deviation of 2.5 / 255; less is noise and compression.
    good = (best > 0) & (best < D - 1) & (variance > 1e-4) & (top - rival > 0.05)
    return refined, np.where(good, np.clip(top, 0.0, 1.0), 0.0)
