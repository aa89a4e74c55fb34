"""Export splats in the format of antimatter15's web viewer (https://github.com/antimatter15/splat, convert.py).

A splat takes 32 bytes: position and scale as three float32 each, red, green, blue and opacity as one byte each, and the
quaternion wxyz as one byte each, 128 (q + 1). The color does not depend on the view.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from recon.splats import SH_C0, Splats
from trajectories.files import write_bytes

ROW = np.dtype([("position", "<f4", 3), ("scale", "<f4", 3), ("rgba", "u1", 4), ("quat", "u1", 4)])


def write_splat(splats: Splats, path: Path | str) -> None:
    """Write splats without spherical harmonics above degree 0; an existing file is replaced.

    Large and opaque splats come first, because viewers draw a file while it loads.
    """
    splats = splats.map(lambda tensor: tensor.detach().cpu().double())
    opacities = splats.logit_opacities.sigmoid()
    weight = splats.log_scales.sum(dim=1).exp() * opacities
    rgba = np.concatenate([0.5 + SH_C0 * splats.sh[:, 0].numpy(), opacities.numpy()[:, None]], axis=1)
    quats = splats.quats.numpy()
    rows = np.empty(len(splats), dtype=ROW)
    rows["position"] = splats.means.numpy()
    rows["scale"] = splats.log_scales.exp().numpy()
    rows["rgba"] = np.clip(np.round(rgba * 255), 0, 255)
    rows["quat"] = np.clip(np.round(quats / np.linalg.norm(quats, axis=1, keepdims=True) * 128 + 128), 0, 255)
    write_bytes(path, rows[np.argsort(-weight.numpy(), kind="stable")].tobytes())
