"""Save and load splats in the PLY layout of INRIA's 3D Gaussian splatting, which most viewers read.

Vertex properties, all float32: `x y z nx ny nz f_dc_0..2 f_rest_0.. opacity scale_0..2 rot_0..3`. `f_rest` holds all
coefficients of red, then of green, then of blue; opacity is a logit, scales are logarithms, rotations wxyz. Coordinates
are those of the rig's world.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from recon.ply_header import check_memory
from recon.splats.splats import Splats
from trajectories.errors import InputError
from trajectories.files import whole

REQUIRED = (
    *("x", "y", "z", "f_dc_0", "f_dc_1", "f_dc_2", "opacity"),
    *("scale_0", "scale_1", "scale_2", "rot_0", "rot_1", "rot_2", "rot_3"),
)
REST_BY_DEGREE = (0, 9, 24, 45)
"""Number of f_rest properties of degrees 0 to 3."""


def save_splats(splats: Splats, path: Path | str) -> None:
    """Write splats; an existing file is replaced once the new one is complete."""
    from plyfile import PlyData, PlyElement

    columns = {name: splats.means[:, axis] for axis, name in enumerate("xyz")}
    columns |= dict.fromkeys(("nx", "ny", "nz"), torch.zeros(len(splats)))
    columns |= {f"f_dc_{c}": splats.sh[:, 0, c] for c in range(3)}
    rest = splats.sh[:, 1:].transpose(1, 2).flatten(1)
    columns |= {f"f_rest_{i}": rest[:, i] for i in range(rest.shape[1])}
    columns["opacity"] = splats.logit_opacities
    columns |= {f"scale_{axis}": splats.log_scales[:, axis] for axis in range(3)}
    columns |= {f"rot_{i}": splats.quats[:, i] for i in range(4)}
    vertices = np.empty(len(splats), dtype=[(name, "<f4") for name in columns])
    for name, values in columns.items():
        vertices[name] = values.detach().cpu().numpy()
    with whole(path) as temporary:
        PlyData([PlyElement.describe(vertices, "vertex")], byte_order="<").write(str(temporary))


def load_splats(path: Path | str) -> Splats:
    """Read splats; properties outside the layout are ignored.

    Raises:
        InputError: the file is missing, is not a PLY in this layout or ends early, has spherical harmonics above
            degree 3, or more splats than fit in memory.
    """
    from plyfile import PlyData, PlyElementParseError, PlyParseError

    if not Path(path).is_file():
        raise InputError(f"There is no splat file {path}; check the path.")
    check_memory(path)
    try:
        vertices = PlyData.read(str(path))["vertex"]
        names = [prop.name for prop in vertices.properties]
        missing = [name for name in REQUIRED if name not in names]
        if missing:
            raise ValueError(f"it has no {', '.join(missing)}")
        rest = sum(name.startswith("f_rest_") for name in names)
        if rest not in REST_BY_DEGREE:
            raise ValueError(f"its {rest} f_rest properties fit no spherical harmonics of degree 0 to 3")
        K = 1 + rest // 3

        def stack(*wanted: str) -> torch.Tensor:
            return torch.from_numpy(np.stack([np.asarray(vertices[name], np.float32) for name in wanted], axis=1))

        sh = stack("f_dc_0", "f_dc_1", "f_dc_2")[:, None]
        if rest:
            higher = stack(*(f"f_rest_{i}" for i in range(rest))).unflatten(1, (3, K - 1)).transpose(1, 2)
            sh = torch.cat([sh, higher], dim=1)
        return Splats(
            means=stack("x", "y", "z"),
            quats=stack("rot_0", "rot_1", "rot_2", "rot_3"),
            log_scales=stack("scale_0", "scale_1", "scale_2"),
            logit_opacities=stack("opacity")[:, 0],
            sh=sh.contiguous(),
        )
    except PlyElementParseError as error:
        raise InputError(f"{path} is damaged ({error}); copy it again.") from error
    except (PlyParseError, KeyError, ValueError, UnicodeDecodeError) as error:
        raise InputError(
            f"{path} does not hold Gaussian splats in INRIA's PLY layout ({error}); write it again in that layout, "
            "with spherical harmonics up to degree 3."
        ) from error
