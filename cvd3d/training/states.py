"""What a stopped training needs to go on: states in parts of at most 16 MiB, moving averages, frozen parameters."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from cvd3d import processes
from trajectories import InputError
from trajectories.files import read_json, write_bytes, write_text

PART = 16 << 20  # bytes; small enough for any way of moving files between machines


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
    def load(self, values: Mapping[str, torch.Tensor]) -> None:
        """Go on from saved averages of the same parameters."""
        for name, value in self.values.items():
            value.copy_(values[name])

    @torch.no_grad()
    def restore(self) -> None:
        """Put the averages in the parameters' place."""
        for name, value in self.values.items():
            self.parameters[name].copy_(value)


def save_state(path: Path, state: dict[str, Any]) -> None:
    """Write a state as `PATH.json`, which names its parts `PATH.DIGEST-NN.part`; the first of several processes does.

    The parts are written before the file that names them, so that a killed write leaves the old state.
    """
    if processes.rank() > 0:
        return
    buffer = io.BytesIO()
    torch.save(state, buffer)
    content = buffer.getbuffer()
    digest = hashlib.sha256(content).hexdigest()
    names = []
    for index, start in enumerate(range(0, len(content), PART)):
        names.append(f"{path.name}.{digest[:12]}-{index:02d}.part")
        write_bytes(path.with_name(names[-1]), bytes(content[start : start + PART]))
    write_text(path.with_name(f"{path.name}.json"), json.dumps({"sha256": digest, "parts": names}, indent=2) + "\n")
    for old in path.parent.glob(f"{path.name}.*-*.part"):
        if old.name not in names:
            old.unlink()


def has_state(path: Path) -> bool:
    """Whether a state was saved at `path`."""
    return path.with_name(f"{path.name}.json").exists()


def load_state(path: Path) -> dict[str, Any] | None:
    """The state saved at `path`, or None.

    Raises:
        InputError: a part is missing or cut short.
    """
    if not has_state(path):
        return None
    index = path.with_name(f"{path.name}.json")
    listed = read_json(index)
    digest, buffer = hashlib.sha256(), io.BytesIO()
    try:
        for name in listed["parts"]:
            content = path.with_name(name).read_bytes()
            digest.update(content)
            buffer.write(content)
        whole = digest.hexdigest() == listed["sha256"]
    except (OSError, KeyError, TypeError):
        whole = False
    if not whole:
        raise InputError(f"{index}: the parts of this state are not complete; copy them again, or delete this file.")
    buffer.seek(0)
    return torch.load(buffer, weights_only=True)


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
