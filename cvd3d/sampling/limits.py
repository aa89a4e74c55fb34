"""Check the size and length of a rig's videos against the model's configuration, before loading the model."""

from __future__ import annotations

from pathlib import Path

from cvd3d.sampling.windows import split_into_windows
from trajectories.errors import InputError
from trajectories.files import read_json
from trajectories.rig import Rig


def check_rig(rig: Rig, factor: int, levels: int, frames: int, window_overlap: int | None) -> None:
    """Refuse a rig that a network does not support.

    Args:
        rig: the cameras.
        factor: image width in pixels per latent.
        levels: number of resolutions of the network; each halves the previous one.
        frames: the largest number of frames in a network call.
        window_overlap: see `split_into_windows`.

    Raises:
        InputError: an image size that the coarsest resolution does not divide, or videos that are too long.
    """
    width, height = rig.cameras.width, rig.cameras.height
    coarsest = factor * 2 ** (levels - 1)
    if width % coarsest or height % coarsest:
        raise InputError(f"The rig's images are {width}x{height}; this model needs multiples of {coarsest} pixels.")
    split_into_windows(rig.frames, frames, window_overlap)


def check_rig_for(model: Path, rig: Rig, window_overlap: int | None) -> None:
    """Apply `check_rig` with the configs of a model folder; if they are missing, loading the model reports it.

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
