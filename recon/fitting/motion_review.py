"""Remove the paths of splats whose motion does not improve the renders."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from recon.fitting.frames import TargetFrame
from recon.fitting.optimizer_state import optimizer_state, set_optimizer_state
from recon.fitting.parameters import PATHS
from recon.render import rasterized
from recon.splats import MovingSplats, Splats


@dataclass(frozen=True)
class MotionReview:
    """Zeroes and then removes the paths of splats whose motion does not reduce the error of the renders.

    It is used like gsplat's strategies: the settings are its fields, and the running state is an argument. The review
    at `zero_step`, while splats are still added and removed, sets paths to zero and keeps them zero, also those of
    splats derived from them. The review at `remove_step` removes the paths.
    """

    zero_step: int
    """The step at which useless paths are set to zero."""
    remove_step: int
    """The step at which useless paths are removed; from then on no splats may be added or removed."""
    min_benefit: float = 0.01
    """Splats lose their paths if motion reduces color errors, in [0, 1], by less than this."""

    def initialize_state(self) -> dict[str, Any]:
        """The running state: `moving`, the indices (M,) of the splats with paths; None while all have paths."""
        return {"moving": None}

    def step_post_backward(self, params: dict[str, torch.nn.Parameter], state: dict[str, Any], step: int) -> None:
        """Call this between `loss.backward()` and the optimizers' step: it keeps zero paths zero."""
        if state["moving"] is not None or step < self.zero_step:
            return
        still = ~params["shifts"].detach().flatten(1).any(dim=1)
        for name in PATHS:
            gradient = params[name].grad
            assert gradient is not None
            gradient[still] = 0.0

    def is_due(self, step: int) -> bool:
        """Whether to call `review` after this many steps."""
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
        """Call this after a step that is due, after splats were added and removed.

        Args:
            params: replaced in place when paths are removed.
            optimizers: by the same names, one parameter group each.
            state: from `initialize_state`.
            step: number of completed steps.
            splats: the splats of `params`, all with paths.
            targets: frames from all viewpoints and times.
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
    """The reduction of color errors due to the motion of each splat.

    The length of a path is a poor criterion: splats on uniform ground can move far without a visible effect, and in a
    rough fit visible motion may explain nothing. So the frames are rendered with all motion and without motion. A
    splat's benefit is the mean difference of the errors over the pixels that show it, weighted by its share in each
    pixel's color.

    Args:
        splats: N Gaussians, all with paths.
        targets: frames from all viewpoints and times.

    Returns:
        (N,) mean reduction of color errors; 0 for splats that no frame shows.
    """
    still = splats.frozen(torch.ones_like(splats.moving, dtype=torch.bool)).rest
    sums = torch.zeros(len(splats), 2, device=splats.shifts.device)
    for target in targets:
        now = splats.at(target.time)
        with torch.no_grad():
            errors = [(_image(each, target) - target.image).abs().amax(dim=-1) for each in (still, now)]
        # The gradient of an image's sum with respect to a splat's color is the sum of its shares in the pixels.
        colors = torch.zeros(len(splats), 3, device=sums.device, requires_grad=True)
        image = _image(now, target, colors)
        (gradient,) = torch.autograd.grad((image[..., 0] * (errors[0] - errors[1]) + image[..., 1]).sum(), colors)
        sums += gradient[:, :2]
    # Splats that cover less than a thousandth of a pixel have almost no benefit.
    return sums[:, 0] / sums[:, 1].clamp_min(1e-3)


def _zero_paths(
    params: dict[str, torch.nn.Parameter], optimizers: dict[str, torch.optim.Optimizer], still: Tensor
) -> None:
    """Set the paths of some splats and their optimizer states to zero."""
    for name in PATHS:
        params[name].data[still] = 0.0
        for value in optimizers[name].state[params[name]].values():
            if value.ndim:
                value[still] = 0.0


def _keep_paths(
    params: dict[str, torch.nn.Parameter], optimizers: dict[str, torch.optim.Optimizer], moves: Tensor
) -> None:
    """Remove the paths of all other splats and their optimizer states."""
    for name in PATHS:
        optimizer, old = optimizers[name], params[name]
        new = params[name] = torch.nn.Parameter(old.detach()[moves])
        values = optimizer_state(optimizer, old)
        optimizer.state.clear()
        optimizer.param_groups[0]["params"] = [new]
        set_optimizer_state(
            optimizer, new, {key: value[moves] if value.ndim else value for key, value in values.items()}
        )


def _image(splats: Splats, target: TargetFrame, colors: Tensor | None = None) -> Tensor:
    """(H, W, 3) render of splats from a frame's camera, with their own or other colors (N, 3)."""
    height, width = target.image.shape[:2]
    return rasterized(splats, target.viewmat[None], target.K[None], width, height, colors=colors)[0][0]
