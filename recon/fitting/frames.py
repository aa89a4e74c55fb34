"""The target frames of a fit, cached in memory."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from recon.capture import Capture
from recon.fitting.depth import visible_points
from recon.points import PointCloud


@dataclass(frozen=True)
class TargetFrame:
    """One frame to fit."""

    frame: int
    """Its index in the capture."""
    image: Tensor
    """(H, W, 3) RGB in [0, 1]."""
    viewmat: Tensor
    """(4, 4) world to camera."""
    K: Tensor
    """(3, 3) pixels."""
    time: float
    """Seconds."""
    points: Tensor | None = None
    """(P, 3) pixel positions and z-depths in meters of the visible points."""

    def halved(self) -> TargetFrame:
        """The frame at half the width and height, without an odd last row or column."""
        image = torch.nn.functional.avg_pool2d(self.image.permute(2, 0, 1), 2).permute(1, 2, 0).contiguous()
        K = self.K * self.K.new_tensor([[0.5], [0.5], [1.0]])
        points = None if self.points is None else self.points * self.points.new_tensor([0.5, 0.5, 1.0])
        return replace(self, image=image, K=K, points=points)


class Frames:
    """The frames of a capture as targets: 8-bit images in memory up to a limit; others are read each time.

    Args:
        capture: N posed frames.
        memory: maximum memory of the images in bytes.
        device: device of the targets.
        points: points whose depths targets include; None for no depths.
    """

    def __init__(
        self, capture: Capture, memory: float, device: torch.device | str, points: PointCloud | None = None
    ) -> None:
        self.capture, self.device, self.points = capture, device, points
        self.viewmats = torch.as_tensor(capture.cameras.viewmats, dtype=torch.float32, device=device)
        self.Ks = torch.tensor(capture.cameras.K, dtype=torch.float32, device=device)
        self._room = int(memory // (3 * capture.cameras.width * capture.cameras.height))
        self._images: dict[int, Tensor] = {}
        self._visible: dict[int, Tensor] = {}

    def __getitem__(self, frame: int) -> TargetFrame:
        """A frame to fit.

        Raises:
            InputError: an image that does not open.
        """
        image = self._image(frame).to(self.device).float() / 255.0
        time = float(self.capture.times[frame])
        return TargetFrame(frame, image, self.viewmats[frame], self.Ks[frame], time, self._points_of(frame))

    def _image(self, frame: int) -> Tensor:
        if frame in self._images:
            return self._images[frame]
        image = torch.from_numpy(np.round(self.capture.image(frame) * 255.0).astype(np.uint8))
        # Frames are read in random order, so it does not matter which ones are cached.
        if len(self._images) < self._room:
            self._images[frame] = image
        return image

    def _points_of(self, frame: int) -> Tensor | None:
        if self.points is None:
            return None
        if frame not in self._visible:
            visible = visible_points(self.capture.cameras[frame], self.points.positions)
            self._visible[frame] = torch.from_numpy(visible).to(self.device)
        return self._visible[frame]
