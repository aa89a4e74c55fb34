"""What a model can take, told from its folder before anything heavy is loaded."""

from __future__ import annotations

from pathlib import Path

from cvd3d.sampling.windows import windows
from trajectories.errors import InputError
from trajectories.files import read_json
from trajectories.rig import Rig


def check_rig(rig: Rig, factor: int, levels: int, frames: int, window_overlap: int | None) -> None:
    """Refuse a rig that a network cannot take.

    Args:
        rig: the cameras.
        factor: pixels on a side of one latent.
        levels: resolutions of the network, each half the one before.
        frames: the most that it takes at once.
        window_overlap: see `windows`.

    Raises:
        InputError: images that do not fall into whole features, or videos that are too long.
    """
    width, height = rig.cameras.width, rig.cameras.height
    coarsest = factor * 2 ** (levels - 1)
    if width % coarsest or height % coarsest:
        raise InputError(f"The rig's images are {width}x{height}; this model needs multiples of {coarsest} pixels.")
    windows(rig.frames, frames, window_overlap)


def check_rig_for(model: Path, rig: Rig, window_overlap: int | None) -> None:
    """`check_rig` with what the configs of a model folder say; a folder without them is left to the loader.

    Raises:
        InputError: as `check_rig`.
    """
    try:
        unet, vae = read_json(model / "unet" / "config.json"), read_json(model / "vae" / "config.json")
        halvings = len(vae["channels"] if "channels" in vae else vae["block_out_channels"]) - 1
        levels, frames = len(unet["block_out_channels"]), unet["motion_max_seq_length"]
    except (InputError, KeyError, TypeError):
        return
    check_rig(rig, vae.get("patch", 1) * 2**halvings, levels, frames, window_overlap)
