"""A small network that recognizes the kinds and colors of the world's objects in an image.

Each cell of an 8x8 grid has logits for the kinds and for the colors. The logit of a pair is a soft AND of the two and a
soft OR over the cells, so the features of a color are shared by all kinds.
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
"""Kind and color of each output."""

SEEN = 25 / 128**2
"""An object is visible if it covers at least this share of the pixels."""
SIDE = 64  # width and height of the network's input in pixels
WEIGHTS_FILE = Path(__file__).parent / "recognizer.safetensors"


class Recognizer(nn.Module):
    """Five convolutions on two scales and a linear layer per cell; about 0.26 M weights."""

    def __init__(self) -> None:
        super().__init__()
        self.conv_in = _layer(3, 48, size=7, stride=4)
        self.body = nn.Sequential(_layer(48, 64), _layer(64, 96, stride=2), _layer(96, 96), _layer(96, 96))
        self.conv_out = nn.Conv2d(96, len(KINDS) + len(COLOR_NAMES), 1)
        assert self.conv_out.bias is not None
        nn.init.constant_(self.conv_out.bias, -3.0)  # most cells show no object

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, 72) of each of `PAIRS` being visible.

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
    """Load the recognizer with the shipped weights, on the CPU."""
    recognizer = Recognizer()
    recognizer.load_state_dict({name: tensor.float() for name, tensor in load_file(path).items()}, strict=False)
    return recognizer.eval().requires_grad_(False)


def _layer(inputs: int, outputs: int, size: int = 3, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, size, stride, padding=size // 2, bias=False), nn.BatchNorm2d(outputs), nn.SiLU()
    )
