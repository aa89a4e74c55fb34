"""Viser nodes for still and moving splats, which viser sorts and draws together."""

from __future__ import annotations

from typing import Any

import numpy as np
import viser

from viewer.drawn import DrawnSplats
from viewer.gaussians import Gaussians, covariances, drawing_unit
from viewer.scene_nodes import SPLATS

STILL, MOVING = f"{SPLATS}/still", f"{SPLATS}/moving"
HALF_MAX = float(np.finfo(np.float16).max)


class SplatNodes:
    """A page's splats: still splats are sent once, moving splats at every update."""

    def __init__(self, server: viser.ViserServer) -> None:
        self._server = server
        self._splats: DrawnSplats | None = None
        self._still: viser.GaussianSplatHandle | None = None
        self._moving: viser.GaussianSplatHandle | None = None
        self._seconds = 0.0
        self._unit = 1.0

    @property
    def has_splats(self) -> bool:
        """Whether `show` was ever called."""
        return self._splats is not None

    @property
    def moving(self) -> int:
        """The number of moving splats."""
        return 0 if self._splats is None or self._splats.moving is None else len(self._splats.moving)

    def show(self, splats: DrawnSplats, seconds: float) -> None:
        """Show splats at a time, replacing the previous ones."""
        self._splats, self._seconds = splats, seconds
        moving = splats.instant(seconds)
        self._unit = drawing_unit(np.concatenate([splats.still.log_scales, moving.log_scales]))
        self._still = self._replace(self._still, STILL, splats.still)
        self._moving = self._replace(self._moving, MOVING, moving)

    def show_instant(self, seconds: float) -> None:
        """Update the moving splats to a time."""
        if self._splats is not None and self._moving is not None and seconds != self._seconds:
            self._seconds = seconds
            self._moving.set_gaussians(**self._attributes(self._splats.instant(seconds)))

    def _replace(
        self, node: viser.GaussianSplatHandle | None, name: str, gaussians: Gaussians
    ) -> viser.GaussianSplatHandle | None:
        """Add or replace the splats of a node; without any, remove the node."""
        if not len(gaussians):
            if node is not None:
                node.remove()
            return None
        return self._server.scene.add_gaussian_splats(name, **self._attributes(gaussians), scale=self._unit)

    def _attributes(self, gaussians: Gaussians) -> dict[str, Any]:
        """The attributes of viser's node, in drawing units."""
        scales = np.exp(gaussians.log_scales - np.float32(np.log(self._unit)))
        return {
            "centers": gaussians.means / np.float32(self._unit),
            "covariances": np.clip(covariances(gaussians.quats, scales), -HALF_MAX, HALF_MAX),
            "rgbs": gaussians.rgbs,
            "opacities": gaussians.opacities[:, None],
        }
