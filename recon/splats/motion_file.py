"""The paths of moving splats, as a safetensors file beside the splats' own."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from recon.splats.moving import MovingSplats
from recon.splats.splats import Splats
from trajectories.errors import InputError
from trajectories.files import write_bytes

FORMAT = "cvd3d motion 1"
TENSORS = ("moving", "shifts", "turns", "fades")


def save_motion(splats: MovingSplats, path: Path) -> None:
    """Write the paths, without the splats at rest."""
    tensors = {name: getattr(splats, name).cpu().contiguous() for name in TENSORS}
    about = {"format": FORMAT, "start": repr(splats.start), "end": repr(splats.end), "splats": str(len(splats))}
    write_bytes(path, save(tensors, metadata=about))


def load_motion(path: Path, rest: Splats) -> MovingSplats:
    """Read the paths of the splats `rest`.

    Raises:
        InputError: no such file, one of another kind, or the paths of other splats.
    """
    try:
        with safe_open(path, "pt") as file:
            about = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in TENSORS}
            start, end, count = float(about["start"]), float(about["end"]), int(about["splats"])
    except (SafetensorError, OSError, KeyError, ValueError):
        raise InputError(f"{path} does not hold the paths of splats; make the scene's fit again.") from None
    if count != len(rest):
        raise InputError(f"{path} holds the paths of {count} splats and there are {len(rest)}; they belong to others.")
    if not _sound(tensors, count):
        raise InputError(f"{path} holds paths that do not fit one another; make the scene's fit again.")
    return MovingSplats(rest, **tensors, start=start, end=end)


def _sound(tensors: dict[str, Tensor], count: int) -> bool:
    """Whether the tensors have the shapes of `MovingSplats` and name splats that there are."""
    moving, fades = tensors["moving"], tensors["fades"]
    M, K = len(moving), fades.shape[-1] if fades.ndim else 0
    return (
        moving.dtype == torch.long
        and all(tensors[name].shape == (M, K, 3) for name in ("shifts", "turns"))
        and (moving.shape, fades.shape) == ((M,), (M, K))
        and K >= 2
        and bool(((moving >= 0) & (moving < count)).all())
    )
