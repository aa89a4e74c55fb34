"""Training state: moving averages, saving and loading of checkpoints in parts of at most 16 MiB, frozen parameters."""

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

PART = 16 << 20  # bytes; small enough for most ways to copy files between machines


class Average:
    """An exponential moving average of parameters with a warm-up: after n steps the decay is at most (1+n)/(10+n)."""

    def __init__(self, parameters: dict[str, nn.Parameter], decay: float) -> None:
        self.parameters = parameters
        self.decay = decay
        self.values = {name: p.detach().clone() for name, p in parameters.items()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Update the averages with the parameters after `step` (counted from 0)."""
        weight = 1 - min(self.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(list(self.values.values()), list(self.parameters.values()), weight)

    @torch.no_grad()
    def load(self, values: Mapping[str, torch.Tensor]) -> None:
        """Set the averages to saved ones of the same parameters."""
        for name, value in self.values.items():
            value.copy_(values[name])

    @torch.no_grad()
    def apply(self) -> None:
        """Set the parameters to their averages."""
        for name, value in self.values.items():
            self.parameters[name].copy_(value)


def save_state(path: Path, state: dict[str, Any]) -> None:
    """Write a state as `PATH.json`, which lists its parts `PATH.DIGEST-NN.part`; only the first process writes.

    The parts are written before the file that lists them, so that an interrupted write keeps the old state.
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
    """Whether a state is saved at `path`."""
    return path.with_name(f"{path.name}.json").exists()


def load_state(path: Path) -> dict[str, Any] | None:
    """The state saved at `path`, or None.

    Raises:
        InputError: a part is missing or truncated.
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
        complete = digest.hexdigest() == listed["sha256"]
    except (OSError, KeyError, TypeError):
        complete = False
    if not complete:
        raise InputError(f"{index}: the parts of this state are not complete; copy them again, or delete this file.")
    buffer.seek(0)
    return torch.load(buffer, map_location="cpu", weights_only=True)  # a state may come from a machine with a GPU


def claim(path: Path, content: dict[str, Any], otherwise: str) -> None:
    """Write the settings of a run to its folder, or check that the folder has the same settings.

    Args:
        path: a JSON file in the run's folder.
        content: the settings; values without a JSON type are written as text.
        otherwise: the error sentence if the file has other content, without the path at its beginning.

    Raises:
        InputError: the file has other content.
    """
    text = json.dumps(content, indent=2, default=str) + "\n"
    if not path.exists():
        write_text(path, text)
    elif path.read_text() != text:
        raise InputError(f"{path} {otherwise}")


def trainable(
    modules: Iterable[nn.Module], fragments: Iterable[str], excluded: Iterable[str]
) -> dict[str, nn.Parameter]:
    """The parameters whose names contain one of `fragments` and none of `excluded`; all others are frozen."""
    chosen: dict[str, nn.Parameter] = {}
    for index, module in enumerate(modules):
        for name, parameter in module.named_parameters():
            use = any(f in name for f in fragments) and not any(e in name for e in excluded)
            parameter.requires_grad_(use)
            if use:
                chosen[f"{index}.{name}"] = parameter
    return chosen
