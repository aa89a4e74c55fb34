"""Splats as nodes of a viser page, which sorts and draws them together."""

from __future__ import annotations

import numpy as np
import viser

from viewer.drawn import DrawnSplats
from viewer.gaussians import Gaussians, covariances, drawing_unit

STILL, MOVING = "/splats", "/moving_splats"
HALF_MAX = float(np.finfo(np.float16).max)


class SplatNodes:
    """A page's splats: those that stand still are sent once, and those that move at every instant."""

    def __init__(self, server: viser.ViserServer) -> None:
        self._server = server
        self._splats: DrawnSplats | None = None
        self._still: viser.GaussianSplatHandle | None = None
        self._moving: viser.GaussianSplatHandle | None = None
        self._visible = True
        self._seconds = 0.0
        self._unit = 1.0

    @property
    def there(self) -> bool:
        """Whether splats are shown, or were."""
        return self._splats is not None

    @property
    def moving(self) -> int:
        """How many of them move."""
        return 0 if self._splats is None or self._splats.moving is None else len(self._splats.moving)

    @property
    def visible(self) -> bool:
        return self._visible

    @visible.setter
    def visible(self, visible: bool) -> None:
        self._visible = visible
        for node in filter(None, (self._still, self._moving)):
            node.visible = visible

    def show(self, splats: DrawnSplats, seconds: float) -> None:
        """Show splats at an instant, in the place of those shown before."""
        self._splats, self._seconds = splats, seconds
        moving = splats.instant(seconds)
        self._unit = drawing_unit(np.concatenate([splats.still.log_scales, moving.log_scales]))
        self._still = self._put(self._still, STILL, splats.still)
        self._moving = self._put(self._moving, MOVING, moving)

    def show_instant(self, seconds: float) -> None:
        """Move those that move to where they are then."""
        if self._splats is not None and self._moving is not None and seconds != self._seconds:
            self._seconds = seconds
            self._moving.set_gaussians(**self._attributes(self._splats.instant(seconds)))

    def _put(
        self, node: viser.GaussianSplatHandle | None, name: str, gaussians: Gaussians
    ) -> viser.GaussianSplatHandle | None:
        """Add splats, put them in the place of those that are there, or take these away where there are none now."""
        if not len(gaussians):
            if node is not None:
                node.remove()
            return None
        return self._server.scene.add_gaussian_splats(
            name, **self._attributes(gaussians), scale=self._unit, visible=self._visible
        )

    def _attributes(self, gaussians: Gaussians) -> dict[str, np.ndarray]:
        """What viser takes, in drawing units."""
        scales = np.exp(gaussians.log_scales - np.float32(np.log(self._unit)))
        return {
            "centers": gaussians.means / np.float32(self._unit),
            "covariances": np.clip(covariances(gaussians.quats, scales), -HALF_MAX, HALF_MAX),
            "rgbs": gaussians.rgbs,
            "opacities": gaussians.opacities[:, None],
        }
