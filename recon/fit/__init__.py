"""Fitting splats to posed frames."""

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from recon.fit.fitting import CHECKPOINT_FILE, FitResult, fit, scene_scale
    from recon.fit.quality import evaluate, held_out_frames
    from recon.fit.settings import QUALITIES, FitSettings, settings_for

__all__ = [
    "CHECKPOINT_FILE",
    "QUALITIES",
    "FitResult",
    "FitSettings",
    "evaluate",
    "fit",
    "held_out_frames",
    "scene_scale",
    "settings_for",
]


def __getattr__(name: str) -> Any:
    """Load a name when it is first asked for: the settings alone, as for `cvd3d fit --help`, need no torch."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = {"QUALITIES": "settings", "FitSettings": "settings", "settings_for": "settings"}
    home |= {"evaluate": "quality", "held_out_frames": "quality"}
    return getattr(import_module(f"{__name__}.{home.get(name, 'fitting')}"), name)


class _Fit(ModuleType):
    def __call__(self, *args: Any, **options: Any) -> Any:
        """`recon.fit` names this package and the function, whichever is imported first."""
        return self.fit(*args, **options)


sys.modules[__name__].__class__ = _Fit
