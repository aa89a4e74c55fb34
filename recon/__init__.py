"""Gaussian splats from posed frames: captures, starting points, the fit, the rasterizer and exports.

    from recon import Capture, FitSettings, fit

    result = fit(capture, points, FitSettings(), generator=torch.Generator().manual_seed(0))

Each name below loads its module on first use, so `import recon` is fast.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from recon.capture import Capture
    from recon.fitting.fitting import fit
    from recon.fitting.settings import FitSettings
    from recon.points import PointCloud
    from recon.scene_folder import SceneFolder
    from recon.splats import Box, MovingSplats, Sphere, Splats

__all__ = ["Box", "Capture", "FitSettings", "MovingSplats", "PointCloud", "SceneFolder", "Sphere", "Splats", "fit"]

_MODULES = {
    "Box": "recon.splats",
    "Capture": "recon.capture",
    "FitSettings": "recon.fitting.settings",
    "MovingSplats": "recon.splats",
    "PointCloud": "recon.points",
    "SceneFolder": "recon.scene_folder",
    "Sphere": "recon.splats",
    "Splats": "recon.splats",
    "fit": "recon.fitting.fitting",
}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(import_module(_MODULES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
