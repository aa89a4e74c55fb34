"""The objects of the world, built from primitives: about one meter in size, on the ground z=0, centered on the z axis.

The front of an object, if it has one, faces -y; a car drives along +x.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from cvd3d.training.world.primitives import BOX, CONE, CYLINDER, ROOF, SPHERE, WHEEL, Primitives, concatenate, primitive

COLORS: dict[str, tuple[float, float, float]] = {
    "red": (0.86, 0.09, 0.09),
    "orange": (1.00, 0.48, 0.04),
    "yellow": (0.98, 0.88, 0.10),
    "green": (0.05, 0.58, 0.17),
    "blue": (0.09, 0.26, 0.90),
    "purple": (0.56, 0.14, 0.74),
    "white": (0.96, 0.96, 0.96),
    "black": (0.085, 0.085, 0.095),
}

Rgb = tuple[float, float, float]

TRUNK: Rgb = (0.40, 0.26, 0.14)
SLATE: Rgb = (0.34, 0.25, 0.23)
GLASS: Rgb = (0.62, 0.78, 0.88)
TIRE: Rgb = (0.12, 0.12, 0.13)
CARROT: Rgb = (1.00, 0.45, 0.05)


def ball(color: Rgb) -> Primitives:
    return primitive(SPHERE, (0, 0, 0.5), (0.5, 0.5, 0.5), color, striped=True)


def cube(color: Rgb) -> Primitives:
    return primitive(BOX, (0, 0, 0.42), (0.42, 0.42, 0.42), color)


def cone(color: Rgb) -> Primitives:
    return primitive(CONE, (0, 0, 0.6), (0.48, 0.48, 0.6), color, striped=True)


def cylinder(color: Rgb) -> Primitives:
    return primitive(CYLINDER, (0, 0, 0.55), (0.36, 0.36, 0.55), color, striped=True)


def tree(color: Rgb) -> Primitives:
    return concatenate(
        [
            primitive(CYLINDER, (0, 0, 0.30), (0.10, 0.10, 0.30), TRUNK),
            primitive(SPHERE, (0, 0, 0.85), (0.42, 0.42, 0.36), color),
            primitive(SPHERE, (0.22, -0.10, 0.75), (0.28, 0.28, 0.24), color),
            primitive(SPHERE, (-0.06, 0.02, 1.18), (0.27, 0.27, 0.25), color),
        ]
    )


def house(color: Rgb) -> Primitives:
    return concatenate(
        [
            primitive(BOX, (0, 0, 0.34), (0.50, 0.40, 0.34), color),
            primitive(ROOF, (0, 0, 0.90), (0.56, 0.48, 0.22), SLATE),
            primitive(BOX, (-0.2, -0.40, 0.21), (0.10, 0.02, 0.21), TRUNK),
            primitive(BOX, (0.2, -0.40, 0.40), (0.12, 0.02, 0.11), GLASS),
        ]
    )


def table(color: Rgb) -> Primitives:
    top = primitive(BOX, (0, 0, 0.66), (0.58, 0.40, 0.05), color)
    legs = [primitive(BOX, (x, y, 0.305), (0.05, 0.05, 0.305), color) for x in (-0.5, 0.5) for y in (-0.32, 0.32)]
    return concatenate([top, *legs])


def car(color: Rgb) -> Primitives:
    wheels = [primitive(WHEEL, (x, y, 0.15), (0.15, 0.05, 0.15), TIRE) for x in (-0.36, 0.36) for y in (-0.29, 0.29)]
    return concatenate(
        [
            primitive(BOX, (0, 0, 0.28), (0.60, 0.30, 0.15), color),
            primitive(BOX, (-0.08, 0, 0.51), (0.33, 0.26, 0.08), GLASS),
            primitive(BOX, (-0.08, 0, 0.61), (0.34, 0.27, 0.03), color),
            *wheels,
        ]
    )


def snowman(color: Rgb) -> Primitives:
    # The hat must differ from the body in color.
    hat = TIRE if np.mean(color) > 0.15 else COLORS["white"]
    eyes = [primitive(SPHERE, (x, -0.17, 1.07), (0.035, 0.035, 0.035), hat) for x in (-0.075, 0.075)]
    return concatenate(
        [
            primitive(SPHERE, (0, 0, 0.34), (0.40, 0.40, 0.36), color),
            primitive(SPHERE, (0, 0, 0.76), (0.28, 0.28, 0.26), color),
            primitive(SPHERE, (0, 0, 1.05), (0.20, 0.20, 0.19), color),
            primitive(SPHERE, (0, -0.23, 1.02), (0.04, 0.13, 0.04), CARROT),
            primitive(CYLINDER, (0, 0, 1.20), (0.24, 0.24, 0.02), hat),
            primitive(CYLINDER, (0, 0, 1.31), (0.15, 0.15, 0.11), hat),
            *eyes,
        ]
    )


OBJECTS: dict[str, Callable[[Rgb], Primitives]] = {
    "ball": ball,
    "cube": cube,
    "cone": cone,
    "cylinder": cylinder,
    "tree": tree,
    "house": house,
    "table": table,
    "car": car,
    "snowman": snowman,
}

CUSTOMARY_COLOR: dict[str, str] = {
    "ball": "red",
    "cube": "blue",
    "cone": "orange",
    "cylinder": "yellow",
    "tree": "green",
    "house": "white",
    "table": "orange",
    "car": "red",
    "snowman": "white",
}
"""The color of an object whose caption names none."""
