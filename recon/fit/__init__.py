"""Fitting splats to posed frames."""

import sys
from types import ModuleType

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


class _Fit(ModuleType):
    __call__ = staticmethod(fit)  # `recon.fit` names this package and the function, whichever is imported first


sys.modules[__name__].__class__ = _Fit
