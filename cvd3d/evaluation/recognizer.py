"""A small network that says which objects of the world, in which colors, a picture shows.

Every cell of an 8x8 grid votes for kinds and for colors. A pair of both is there if one cell votes for both: a soft AND
of the two votes, and a soft OR over the cells. So what is learnt of a color holds for all kinds.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from cvd3d.training.world.objects import COLORS, OBJECTS

KINDS, COLOR_NAMES = tuple(OBJECTS), tuple(COLORS)
PAIRS: tuple[tuple[str, str], ...] = tuple((kind, color) for kind in KINDS for color in COLOR_NAMES)
"""What the outputs stand for: a kind and a color each."""

SEEN = 25 / 128**2
"""An object is in view if this share of the pixels shows it."""
SIDE = 64  # pixels of the picture that the network sees
WEIGHTS_FILE = Path(__file__).parent / "recognizer.safetensors"


class Recognizer(nn.Module):
    """About 0.26 M weights: five convolutions on two scales and a linear vote."""

    def __init__(self) -> None:
        super().__init__()
        self.conv_in = _layer(3, 48, size=7, stride=4)
        self.body = nn.Sequential(_layer(48, 64), _layer(64, 96, stride=2), _layer(96, 96), _layer(96, 96))
        self.conv_out = nn.Conv2d(96, len(KINDS) + len(COLOR_NAMES), 1)
        assert self.conv_out.bias is not None
        nn.init.constant_(self.conv_out.bias, -3.0)  # most cells show nothing

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, 72) that each of `PAIRS` is in the picture.

        Args:
            images: (B, 3, H, W) RGB in [0, 1], of any size.
        """
        x = F.adaptive_avg_pool2d(images, SIDE) - 0.5
        votes = self.conv_out(self.body(self.conv_in(x))).flatten(2)
        kinds, colors = votes.split([len(KINDS), len(COLOR_NAMES)], dim=1)
        both = -torch.logaddexp(-kinds[:, :, None], -colors[:, None])
        return both.logsumexp(dim=-1).flatten(1)


@torch.no_grad()
def pair_logits(recognizer: Recognizer, frames: np.ndarray) -> np.ndarray:
    """Logits (..., 72) for frames (..., H, W, 3), uint8 or float in [0, 1]."""
    flat = torch.from_numpy(np.ascontiguousarray(frames.reshape(-1, *frames.shape[-3:])))
    images = flat.float().movedim(-1, 1) / (255 if frames.dtype == np.uint8 else 1)
    logits = torch.cat([recognizer(some) for some in images.split(64)])
    return logits.numpy().reshape(*frames.shape[:-3], len(PAIRS))


@cache
def load_recognizer(path: Path = WEIGHTS_FILE) -> Recognizer:
    """The recognizer with its shipped weights, on the CPU."""
    recognizer = Recognizer()
    recognizer.load_state_dict({name: tensor.float() for name, tensor in load_file(path).items()}, strict=False)
    return recognizer.eval().requires_grad_(False)


def _layer(inputs: int, outputs: int, size: int = 3, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, size, stride, padding=size // 2, bias=False), nn.BatchNorm2d(outputs), nn.SiLU()
    )
