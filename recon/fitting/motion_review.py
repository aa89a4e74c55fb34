"""Takes away the paths of splats whose motion explains nothing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from recon.fitting.averages import averages, set_averages
from recon.fitting.frames import TargetFrame
from recon.fitting.parameters import PATHS
from recon.render import rasterized
from recon.splats import MovingSplats, Splats


@dataclass(frozen=True)
class MotionReview:
    """Finds the splats whose motion does not bring the renders nearer to the frames, and makes them stand still.

    It is used as gsplat's strategies are: the knobs are its fields, and the running state is passed in. At `zero_step`,
    while splats are still added and removed, paths become zero and stay so, also those of new splats that come from
    these. At `remove_step` it looks once more, and only the splats that move keep paths.
    """

    zero_step: int
    """The step at which useless paths become zero."""
    remove_step: int
    """The step at which useless paths are removed; from then on no splats may be added or removed."""
    min_benefit: float = 0.01
    """Splats lose their paths where motion makes errors of colors, in [0, 1], smaller by less than this."""

    def initialize_state(self) -> dict[str, Any]:
        """The running state: `moving`, the indices (M,) of the splats that have paths; None while all have."""
        return {"moving": None}

    def step_post_backward(self, params: dict[str, torch.nn.Parameter], state: dict[str, Any], step: int) -> None:
        """To be called between `loss.backward()` and the optimizers' step: keeps zero paths zero."""
        if state["moving"] is not None or step < self.zero_step:
            return
        still = ~params["shifts"].detach().flatten(1).any(dim=1)
        for name in PATHS:
            gradient = params[name].grad
            assert gradient is not None
            gradient[still] = 0.0

    def is_due(self, step: int) -> bool:
        """Whether `review` has something to do after this many steps."""
        return step in (self.zero_step, self.remove_step)

    def review(
        self,
        params: dict[str, torch.nn.Parameter],
        optimizers: dict[str, torch.optim.Optimizer],
        state: dict[str, Any],
        step: int,
        splats: MovingSplats,
        targets: Iterable[TargetFrame],
    ) -> None:
        """To be called after a step that is due, when splats have been added and removed.

        Args:
            params: replaced in place when paths are removed.
            optimizers: by the same names, one parameter group each.
            state: as of `initialize_state`.
            step: how many steps are done.
            splats: the splats of `params`, all of them with paths.
            targets: frames from all places and instants.
        """
        moves = motion_benefit(splats, targets) > self.min_benefit
        splats = splats.frozen(~moves)
        rest = splats.rest
        for name, tensor in (("means", rest.means), ("quats", rest.quats), ("opacities", rest.logit_opacities)):
            params[name].data.copy_(tensor)
        if step < self.remove_step:
            _zero_paths(params, optimizers, ~moves)
        else:
            _keep_paths(params, optimizers, moves)
            state["moving"] = splats.moving


def motion_benefit(splats: MovingSplats, targets: Iterable[TargetFrame]) -> Tensor:
    """How much nearer to the frames the motion brings what is seen of each splat.

    The length of a path says little: on an even ground splats wander far, and nobody can see it; and where a fit is
    still rough, motion is seen that explains nothing. So the frames are rendered with all motion and with none. A
    splat's benefit is the mean difference of the errors of the pixels that show it, each weighted with the splat's
    share in its color.

    Args:
        splats: N Gaussians, all of them with paths.
        targets: frames from all places and instants.

    Returns:
        (N,) by how much errors of colors are less, on average; 0 for splats that no frame shows.
    """
    still = splats.frozen(torch.ones_like(splats.moving, dtype=torch.bool)).rest
    sums = torch.zeros(len(splats), 2, device=splats.shifts.device)
    for target in targets:
        now = splats.at(target.time)
        with torch.no_grad():
            errors = [(_image(each, target) - target.image).abs().amax(dim=-1) for each in (still, now)]
        # The gradient of a sum over an image to a splat's color is the sum of its shares in the pixels.
        colors = torch.zeros(len(splats), 3, device=sums.device, requires_grad=True)
        image = _image(now, target, colors)
        (gradient,) = torch.autograd.grad((image[..., 0] * (errors[0] - errors[1]) + image[..., 1]).sum(), colors)
        sums += gradient[:, :2]
    # A thousandth of a pixel is nothing.
    return sums[:, 0] / sums[:, 1].clamp_min(1e-3)


def _zero_paths(
    params: dict[str, torch.nn.Parameter], optimizers: dict[str, torch.optim.Optimizer], still: Tensor
) -> None:
    """Zero the paths of some splats, and what the optimizers remember of them."""
    for name in PATHS:
        params[name].data[still] = 0.0
        for value in optimizers[name].state[params[name]].values():
            if value.ndim:
                value[still] = 0.0


def _keep_paths(
    params: dict[str, torch.nn.Parameter], optimizers: dict[str, torch.optim.Optimizer], moves: Tensor
) -> None:
    """Remove the paths of all other splats, and what the optimizers remember of them."""
    for name in PATHS:
        optimizer, old = optimizers[name], params[name]
        new = params[name] = torch.nn.Parameter(old.detach()[moves])
        values = averages(optimizer, old)
        optimizer.state.clear()
        optimizer.param_groups[0]["params"] = [new]
        set_averages(optimizer, new, {key: value[moves] if value.ndim else value for key, value in values.items()})


def _image(splats: Splats, target: TargetFrame, colors: Tensor | None = None) -> Tensor:
    """(H, W, 3) of splats as a frame sees them, in their own colors or in others (N, 3)."""
    height, width = target.image.shape[:2]
    return rasterized(splats, target.viewmat[None], target.K[None], width, height, colors=colors)[0][0]
