"""Grounds, and skies with their light."""

from __future__ import annotations

from dataclasses import dataclass

from cvd3d.training.world.objects import Rgb


@dataclass(frozen=True)
class Ground:
    """A color and the second color of the one-meter tiles, RGB in [0, 1]."""

    color: Rgb
    tile: Rgb


@dataclass(frozen=True)
class Sky:
    """A vertical color gradient and the light of the sky, RGB in [0, 1]."""

    zenith: Rgb
    horizon: Rgb
    sun: Rgb
    """Light on a surface that faces the sun."""
    ambient: Rgb
    """Light on a surface that faces up; a surface that faces down gets half of it."""


GROUNDS: dict[str, Ground] = {
    "grass": Ground((0.45, 0.63, 0.26), (0.37, 0.55, 0.21)),
    "sand": Ground((0.90, 0.78, 0.54), (0.82, 0.69, 0.45)),
    "snow": Ground((0.90, 0.93, 0.97), (0.80, 0.85, 0.92)),
    "road": Ground((0.46, 0.46, 0.48), (0.39, 0.39, 0.41)),
    "dirt": Ground((0.50, 0.34, 0.21), (0.42, 0.28, 0.17)),
}

SKIES: dict[str, Sky] = {
    "clear": Sky((0.25, 0.52, 0.90), (0.76, 0.87, 0.96), (0.58, 0.57, 0.54), (0.50, 0.51, 0.54)),
    "sunset": Sky((0.42, 0.30, 0.52), (0.99, 0.62, 0.30), (0.60, 0.50, 0.42), (0.49, 0.44, 0.46)),
    "night": Sky((0.03, 0.04, 0.14), (0.13, 0.17, 0.34), (0.38, 0.39, 0.43), (0.40, 0.41, 0.48)),
    "overcast": Sky((0.55, 0.57, 0.60), (0.76, 0.77, 0.78), (0.22, 0.22, 0.22), (0.66, 0.66, 0.67)),
}
