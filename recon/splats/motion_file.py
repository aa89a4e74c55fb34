"""Save and load the paths of moving splats as a safetensors file, separate from the splats' PLY."""

from __future__ import annotations

import json
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
    """Write the paths only; the splats at rest are in another file."""
    tensors = {name: getattr(splats, name).cpu().contiguous() for name in TENSORS}
    about = {"format": FORMAT, "start": repr(splats.start), "end": repr(splats.end), "splats": str(len(splats))}
    write_bytes(path, _with_sorted_header(save(tensors, metadata=about)))


def load_motion(path: Path, rest: Splats) -> MovingSplats:
    """Read the paths of the splats `rest`.

    Raises:
        InputError: the file is missing, of another kind, or holds the paths of other splats.
    """
    try:
        with safe_open(path, "pt") as file:
            about = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in TENSORS}
            start, end, count = float(about["start"]), float(about["end"]), int(about["splats"])
    except (SafetensorError, OSError, KeyError, ValueError):
        raise InputError(f"{path} does not hold the paths of splats; run the scene's fit again.") from None
    if count != len(rest):
        raise InputError(
            f"{path} holds the paths of {count} splats, but there are {len(rest)}; run the scene's fit again."
        )
    if not _valid(tensors, count):
        raise InputError(f"{path} holds paths of inconsistent shapes; run the scene's fit again.")
    return MovingSplats(rest, **tensors, start=start, end=end)


def _with_sorted_header(content: bytes) -> bytes:
    """The same safetensors file with sorted keys: the library writes metadata in another order in each process."""
    end = 8 + int.from_bytes(content[:8], "little")
    header = json.dumps(json.loads(content[8:end]), sort_keys=True, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)  # tensors start at a multiple of 8 bytes
    return len(header).to_bytes(8, "little") + header + content[end:]


def _valid(tensors: dict[str, Tensor], count: int) -> bool:
    """Whether the tensors have the shapes of `MovingSplats` and valid splat indices."""
    moving, fades = tensors["moving"], tensors["fades"]
    M, K = len(moving), fades.shape[-1] if fades.ndim else 0
    return (
        moving.dtype == torch.long
        and all(tensors[name].shape == (M, K, 3) for name in ("shifts", "turns"))
        and (moving.shape, fades.shape) == ((M,), (M, K))
        and K >= 2
        and bool(((moving >= 0) & (moving < count)).all())
    )
