"""Settings of a fit: each of them changes the fingerprint of its checkpoint."""

from dataclasses import fields, replace
from types import SimpleNamespace

import numpy as np
import torch

from recon.fitting.fitting import _fingerprint
from recon.fitting.settings import FitSettings

OTHER = {"densify": "mcmc", "confidence": "learnt", "background": (0.0, 0.0, 0.0), "coarse_until": 0.5, "sh_degree": 0}
OTHER |= {"prune": 0.5, "new_paths": 0.5}


def other(field):
    """A valid value that is not the default."""
    value = OTHER.get(field.name, field.default)
    if value is not field.default:
        return value
    return not value if isinstance(value, bool) else 2 if value is None else value + 2


def test_every_setting_changes_the_fingerprint():
    cameras = SimpleNamespace(c2w=np.eye(4), K=np.eye(3))
    capture = SimpleNamespace(cameras=cameras, times=np.zeros(1))
    points = SimpleNamespace(positions=np.zeros((1, 3)), colors=np.zeros((1, 3)))
    changed = [replace(FitSettings(), **{field.name: other(field)}) for field in fields(FitSettings)]
    prints = {_fingerprint(capture, points, settings, torch.ones(1)) for settings in (FitSettings(), *changed)}
    assert len(prints) == 1 + len(fields(FitSettings))
