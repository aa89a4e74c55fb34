"""The parameters of a fit, with the names that gsplat's strategies expect."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from recon.splats import MovingSplats, Splats
from recon.starting_points.far_shell import FarLimit

PATHS = ("shifts", "turns", "fades")
"""The parameters of moving splats only."""


def parameters_from(splats: Splats, knots: int, device: torch.device | str) -> dict[str, torch.nn.Parameter]:
    """Copies of the tensors of N splats; with `knots`, each splat has a path of that many control points, all zero."""
    tensors = {
        "means": splats.means,
        "scales": splats.log_scales,
        "quats": splats.quats,
        "opacities": splats.logit_opacities,
        "sh0": splats.sh[:, :1],
        "shN": splats.sh[:, 1:],
    }
    if knots:
        N = len(splats)
        shapes = {"shifts": (N, knots, 3), "turns": (N, knots, 3), "fades": (N, knots)}
        tensors |= {name: torch.zeros(shapes[name]) for name in PATHS}
    return {name: torch.nn.Parameter(tensor.clone().to(device)) for name, tensor in tensors.items()}


def splats_from(
    parameters: Mapping[str, Tensor], span: tuple[float, float], moving: Tensor | None, degree: int
) -> Splats | MovingSplats:
    """The splats of parameters; they share memory, except for the spherical harmonics.

    Args:
        parameters: from `parameters_from`.
        span: first and last time in seconds, between which splats move.
        moving: (M,) indices of the splats with paths; None if all have paths.
        degree: spherical harmonics above this degree are left out.
    """
    p = parameters
    sh = torch.cat([p["sh0"], p["shN"][:, : (degree + 1) ** 2 - 1]], dim=1)
    splats = Splats(p["means"], p["quats"], p["scales"], p["opacities"], sh)
    if "shifts" not in p:
        return splats
    if moving is None:
        moving = torch.arange(len(splats), device=splats.means.device)
    return MovingSplats(splats, moving, p["shifts"], p["turns"], p["fades"], *span)


@torch.no_grad()
def keep_within(parameters: Mapping[str, torch.nn.Parameter], limit: FarLimit) -> None:
    """Move splats beyond the limit onto it and scale them, so that they look the same from its center."""
    means, scales = parameters["means"], parameters["scales"]
    center = means.new_tensor(limit.center)
    excess = (means - center).norm(dim=1) / limit.radius
    if (outside := excess > 1).any():
        means[outside] = center + (means[outside] - center) / excess[outside, None]
        scales[outside] -= excess[outside, None].log()


def first_not_finite(parameters: Mapping[str, torch.nn.Parameter], loss: float) -> str | None:
    """The name of a gradient, a parameter or the loss that is not finite; None if all are finite."""
    for name, parameter in parameters.items():
        gradient = parameter.grad
        # A sum is not finite if one of its terms is not, and is ten times as fast to check.
        if gradient is None or gradient.sum().isfinite():
            continue
        if not gradient.isfinite().all():
            return f"the gradient of {name}"
    if math.isfinite(loss):
        return None
    return next((name for name, parameter in parameters.items() if not parameter.isfinite().all()), "the loss")
