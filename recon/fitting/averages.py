"""What an optimizer remembers of one parameter, such as Adam's moments: to copy it and to put it back."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor


def averages(optimizer: torch.optim.Optimizer, parameter: torch.nn.Parameter) -> dict[str, Tensor]:
    """A copy of it by name; empty before the first step."""
    return {key: value.clone() for key, value in optimizer.state[parameter].items()}


def set_averages(optimizer: torch.optim.Optimizer, parameter: torch.nn.Parameter, values: Mapping[str, Tensor]) -> None:
    """Put copies of what `averages` gave in the place of what is remembered, on the parameter's device.

    The count of steps stays on the CPU, where Adam wants it, unless it is fused.
    """
    fused = optimizer.param_groups[0]["fused"]
    optimizer.state.pop(parameter, None)
    if values:
        optimizer.state[parameter] = {
            key: value.clone().to("cpu" if key == "step" and not fused else parameter.device)
            for key, value in values.items()
        }
