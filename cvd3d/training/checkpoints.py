"""What a killed run of training needs to go on: the full state, saved beside the target and renamed."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from cvd3d import processes
from trajectories import InputError
from trajectories.files import write_text


class Average:
    """An exponential moving average of parameters, with a warm-up: after n steps the decay is at most (1+n)/(10+n)."""

    def __init__(self, parameters: dict[str, nn.Parameter], decay: float) -> None:
        self.parameters = parameters
        self.decay = decay
        self.values = {name: p.detach().clone() for name, p in parameters.items()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the parameters after `step` (from 0)."""
        weight = 1 - min(self.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(list(self.values.values()), list(self.parameters.values()), weight)

    @torch.no_grad()
    def restore(self) -> None:
        """Put the averages in the parameters' place."""
        for name, value in self.values.items():
            self.parameters[name].copy_(value)


def save_state(path: Path, state: dict[str, Any]) -> None:
    """Write atomically; the first of several processes does."""
    if processes.rank() > 0:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    torch.save(state, part)
    os.replace(part, path)


def load_state(path: Path) -> dict[str, Any] | None:
    """The state saved at `path`, or None."""
    return torch.load(path, weights_only=True) if path.exists() else None


def claim(path: Path, content: dict[str, Any], otherwise: str) -> None:
    """Write what determines a run into its folder, or make sure that the folder is of no other run.

    Args:
        path: a JSON file of the run.
        content: what it says; values that JSON does not know are written as text.
        otherwise: the sentence about a file that says something else, after its path.

    Raises:
        InputError: the file says something else.
    """
    text = json.dumps(content, indent=2, default=str) + "\n"
    if not path.exists():
        write_text(path, text)
    elif path.read_text() != text:
        raise InputError(f"{path} {otherwise}")


def trainable(
    modules: Iterable[nn.Module], fragments: Iterable[str], excluded: Iterable[str]
) -> dict[str, nn.Parameter]:
    """Freeze all parameters but those whose names hold one of `fragments` and none of `excluded`; return those."""
    chosen: dict[str, nn.Parameter] = {}
    for index, module in enumerate(modules):
        for name, parameter in module.named_parameters():
            use = any(f in name for f in fragments) and not any(e in name for e in excluded)
            parameter.requires_grad_(use)
            if use:
                chosen[f"{index}.{name}"] = parameter
    return chosen
