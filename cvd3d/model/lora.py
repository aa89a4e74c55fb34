"""A LoRA that is added to a network's layers at run time and can be switched on and off."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from cvd3d.model.official_names import DESCRIPTIONS, LORA, lora_halves, recognize
from cvd3d.model.tensor_files import read_tensors
from trajectories import InputError


class SwitchedLora(nn.Module):
    """Adds up(down(x)) to the linear layers named in a released LoRA file (CVD.md, section 5), while `active`."""

    def __init__(self, network: nn.Module, path: str | Path) -> None:
        """Read the file and register hooks on the network's layers.

        Raises:
            InputError: the file is not a LoRA, names layers that the network does not have, or has other shapes.
        """
        super().__init__()
        tensors = read_tensors(path)
        if recognize(tensors) != LORA:
            raise InputError(f"{path} is not {DESCRIPTIONS[LORA]}.")
        self.active = True
        halves, unknown = lora_halves(tensors)
        if unknown:
            raise InputError(f"{path}: the network has no parameter for {unknown[0]}.")
        layers = dict(network.named_modules())
        for index, (weight, half) in enumerate(halves.items()):
            layer = layers.get(weight.removesuffix(".weight"))
            if not isinstance(layer, nn.Linear):
                raise InputError(f"{path}: the network has no parameter for {weight}.")
            if (half["up"].shape[0], half["down"].shape[1]) != layer.weight.shape:
                raise InputError(f"{path}: the LoRA matrices for {weight} belong to a network of another size.")
            self.register_buffer(f"up_{index}", half["up"].float(), persistent=False)
            self.register_buffer(f"down_{index}", half["down"].float(), persistent=False)
            layer.register_forward_hook(self._add(index))

    def _add(self, index: int) -> Any:
        def hook(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor | None:
            if not self.active:
                return None
            up, down = (getattr(self, f"{side}_{index}").to(inputs[0]) for side in ("up", "down"))
            return output + F.linear(F.linear(inputs[0], down), up)

        return hook
