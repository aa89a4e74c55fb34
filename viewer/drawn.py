"""The splats that a page draws: still splats, and moving splats, which are updated at every instant."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from viewer.gaussians import Gaussians, flat_gaussians, visible

if TYPE_CHECKING:
    from recon.splats import MovingSplats, Splats
    from recon.splats.ply_sequence import PlySequence


@dataclass(frozen=True, eq=False)
class DrawnSplats:
    """A copy of some or all splats of a scene; it shares no memory with the originals."""

    still: Gaussians
    """The splats that do not move."""
    moving: MovingSplats | PlySequence | None
    """The splats that move; None if there are none."""
    total: int
    """The number of splats in the scene."""

    def __len__(self) -> int:
        return len(self.still) + (0 if self.moving is None else len(self.moving))

    @property
    def means(self) -> np.ndarray:
        """(N, 3) centers; those of moving splats are at the first instant."""
        return np.concatenate([self.still.means, self.instant(-np.inf).means])

    def instant(self, seconds: float) -> Gaussians:
        """All moving splats at a time; number and order are constant, because changing a page's number is slow."""
        return self.still[:0] if self.moving is None else flat_gaussians(self.moving.at(seconds))


def drawn(splats: Splats | MovingSplats | PlySequence, limit: int) -> DrawnSplats:
    """Copy the splats to draw: at most `limit`, evenly chosen, without non-finite and invisible ones.

    The copy is cheap enough for the fit's thread. A ply-sequence is drawn whole and read during playback.
    """
    from recon.splats import MovingSplats
    from recon.splats.ply_sequence import PlySequence

    total = len(splats)
    if isinstance(splats, PlySequence):
        return DrawnSplats(flat_gaussians(splats.at(-np.inf))[:0], splats, total)
    chosen = np.arange(0, total, max(1, -(-total // limit)))
    if not isinstance(splats, MovingSplats):
        return DrawnSplats(visible(flat_gaussians(_rows(splats, chosen))), None, total)
    ids = splats.moving.cpu().numpy()
    still = visible(flat_gaussians(_rows(splats.rest, np.setdiff1d(chosen, ids))))
    moving = _moving_rows(splats, np.flatnonzero(np.isin(ids, chosen)))
    return DrawnSplats(still, moving if len(moving) else None, total)


def _moving_rows(splats: MovingSplats, rows: np.ndarray) -> MovingSplats:
    """A copy of some moving splats, without the still ones."""
    import torch

    from recon.splats import MovingSplats

    paths = {name: getattr(splats, name).detach()[rows].cpu() for name in ("shifts", "turns", "fades")}
    rest = _rows(splats.rest, splats.moving.cpu().numpy()[rows])
    return MovingSplats(rest, torch.arange(len(rows)), **paths, start=splats.start, end=splats.end)


def _rows(splats: Splats, rows: np.ndarray) -> Splats:
    """A copy of some splats, with the DC color only."""
    return replace(splats, sh=splats.sh[:, :1]).map(lambda tensor: tensor.detach()[rows].cpu())
