"""Options and input of the commands that take a scene folder or a file of splats."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from tyro.conf import arg

if TYPE_CHECKING:
    from recon.splat_source import SplatSource

AXES = arg(
    metavar="PROGRAM",
    help="The axes of a file, as for --target of export: 'web' has y down, 'blender' z up.",
    help_behavior_hint="(default: blender for splats.ply, web for .ply and .splat, opengl for .spz)",
)
FILES = "DIR|FILE"
RIG = arg(metavar="FILE", help_behavior_hint="(default: the scene's cameras, if it has any)")


def read_source(path: Path, axes: str | None = None, rig: Path | None = None) -> SplatSource:
    """The splats of a scene folder or file, in our axes, with the cameras of the scene or of a rig file.

    Raises:
        InputError: unknown axes, axes for a folder, or what the readers refuse.
    """
    from dataclasses import replace

    from recon.splat_source import open_splats
    from trajectories.rig_file import load_rig

    source = open_splats(path, axes)
    return source if rig is None else replace(source, rig=load_rig(rig))


def check_new(out: Path, force: bool) -> Path:
    """The path, if it does not exist or may be replaced.

    Raises:
        InputError: the file exists and `force` is not given, or it is a folder with content.
    """
    from trajectories.errors import InputError

    if out.is_dir() and any(out.iterdir()):
        raise InputError(f"{out} is a folder with content; give another --out.")
    if out.is_file() and not force:
        raise InputError(f"{out} already exists; give another --out, or --force to replace it.")
    return out


def quantiles(values: Any, shares: tuple[float, ...] = (0.05, 0.5, 0.95)) -> str:
    """The quantiles of an array, as text."""
    import numpy as np

    return "  ".join(f"{value:>9.3g}" for value in np.quantile(values, shares))
