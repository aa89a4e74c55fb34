"""Copy and restore an optimizer's state of one parameter, such as Adam's moments."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor


def optimizer_state(optimizer: torch.optim.Optimizer, parameter: torch.nn.Parameter) -> dict[str, Tensor]:
    """A copy of the optimizer's state of a parameter, by name; empty before the first step."""
    return {key: value.clone() for key, value in optimizer.state[parameter].items()}


def set_optimizer_state(
    optimizer: torch.optim.Optimizer, parameter: torch.nn.Parameter, values: Mapping[str, Tensor]
) -> None:
    """Replace the optimizer's state of a parameter by a copy of `values`, on the parameter's device.

    The step count stays on the CPU, where Adam expects it, unless Adam is fused.
    """
    fused = optimizer.param_groups[0]["fused"]
    optimizer.state.pop(parameter, None)
    if values:
        optimizer.state[parameter] = {
            key: value.clone().to("cpu" if key == "step" and not fused else parameter.device)
            for key, value in values.items()
        }
