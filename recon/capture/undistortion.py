"""Undistort images of lenses with distortion to pinhole images."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from recon.capture.sources import Source
from trajectories.lens import Lens


@dataclass(frozen=True)
class Undistorted:
    """Another source, undistorted to the pinhole camera `lens.undistorted_K` at the same size."""

    source: Source
    """The distorted frame, of the lens's size."""
    lens: Lens

    def size(self) -> tuple[int, int]:
        """(width, height) of the distorted image."""
        return self.source.size()

    def read(self) -> np.ndarray:
        """(H, W, 3) uint8 RGB, interpolated linearly."""
        import cv2

        # The outer half of the border pixels has no neighbors for interpolation.
        pixels = cv2.remap(self.source.read(), *_maps(self.lens), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(pixels)


@functools.lru_cache(maxsize=2)  # 8 bytes per pixel each; frames of one lens are read one after the other
def _maps(lens: Lens) -> tuple[np.ndarray, np.ndarray]:
    """(H, W) float32 columns and rows in the distorted image, in OpenCV's pixels, for each pinhole pixel."""
    import cv2

    half_pixel = np.array([[0.0, 0.0, 0.5], [0.0, 0.0, 0.5], [0.0, 0.0, 0.0]])
    distortion = np.zeros(4 if lens.fisheye else 8)
    distortion[: len(lens.distortion)] = lens.distortion
    undistort = cv2.fisheye.initUndistortRectifyMap if lens.fisheye else cv2.initUndistortRectifyMap
    maps = undistort(
        lens.K - half_pixel, distortion, np.eye(3), lens.undistorted_K - half_pixel, lens.size, cv2.CV_32FC1
    )
    return maps[0], maps[1]
