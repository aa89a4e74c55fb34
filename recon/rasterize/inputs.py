"""The arguments of `rasterization` that the CPU supports, validated."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor

from trajectories.errors import InputError

RENDER_MODES = ("RGB", "D", "ED", "RGB+D", "RGB+ED")
RASTERIZE_MODES = ("classic", "antialiased")
SH_DEGREES = range(5)
TUNING = ("channel_chunk", "segmented")  # these tune gsplat's kernels and do not change results


@dataclass(frozen=True)
class RasterInputs:
    """N Gaussians, C cameras and rendering options; fields as documented in `recon.rasterize.rasterization`.

    Raises:
        InputError: a shape, type or value that is not supported on a CPU.
    """

    means: Tensor
    quats: Tensor
    scales: Tensor
    opacities: Tensor
    colors: Tensor
    viewmats: Tensor
    Ks: Tensor
    width: int
    height: int
    near_plane: float
    far_plane: float
    radius_clip: float
    eps2d: float
    sh_degree: int | None
    packed: bool
    tile_size: int
    backgrounds: Tensor | None
    render_mode: str
    absgrad: bool
    rasterize_mode: str

    @classmethod
    def of(cls, arguments: Mapping[str, Any]) -> "RasterInputs":
        """Inputs from all arguments of gsplat's function; options that need CUDA must be off."""
        supported = [field.name for field in fields(cls)]
        for name, value in arguments.items():
            if name == "camera_model" and value != "pinhole":
                raise InputError(f"camera_model {value!r} is not available on a CPU; use 'pinhole' or CUDA tensors.")
            if name in supported or name in TUNING or name == "camera_model" or value is None or value is False:
                continue
            raise InputError(f"{name} is not available for rasterization on a CPU; leave it out or use CUDA tensors.")
        size = {"width": int(arguments["width"]), "height": int(arguments["height"])}
        return cls(**{name: arguments[name] for name in supported} | size)

    def __post_init__(self) -> None:
        """Validate modes and numbers first, then types, then shapes."""
        if self.rasterize_mode not in RASTERIZE_MODES:
            raise InputError(f"rasterize_mode is {self.rasterize_mode!r}; use 'classic' or 'antialiased'.")
        if self.render_mode not in RENDER_MODES:
            raise InputError(f"render_mode is {self.render_mode!r}; use one of {', '.join(RENDER_MODES)}.")
        if not 0 < self.near_plane < self.far_plane:
            raise InputError(
                f"near_plane {self.near_plane} and far_plane {self.far_plane} must be 0 < near_plane < far_plane."
            )
        if self.width < 1 or self.height < 1:
            raise InputError(
                f"the image size {self.width}x{self.height} is empty; width and height must be at least 1."
            )
        for name, value in vars(self).items():
            if not isinstance(value, Tensor):
                continue
            if value.dtype != torch.float32:
                raise InputError(f"{name} has type {value.dtype}; rasterization on a CPU takes float32.")
            if value.device.type != "cpu":
                raise InputError(f"{name} is on {value.device} while means is on the CPU; move it there.")
        self._check_geometry()
        self._check_colors()

    def _check_geometry(self) -> None:
        if self.means.dim() != 2 or self.means.shape[-1] != 3:
            raise InputError(f"means has shape {tuple(self.means.shape)}; on a CPU it must be (N, 3).")
        if self.viewmats.dim() != 3 or self.viewmats.shape[1:] != (4, 4):
            raise InputError(f"viewmats has shape {tuple(self.viewmats.shape)}; on a CPU it must be (C, 4, 4).")
        N, C = len(self.means), len(self.viewmats)
        for name, shape in {"quats": (N, 4), "scales": (N, 3), "opacities": (N,), "Ks": (C, 3, 3)}.items():
            actual = tuple(getattr(self, name).shape)
            if actual != shape:
                raise InputError(f"{name} has shape {actual}; it must be {shape}.")
        if bool((self.Ks[:, 0, 1] != 0).any()):
            raise InputError("Ks has skew, which rasterization on a CPU does not take; set Ks[:, 0, 1] to 0.")

    def _check_colors(self) -> None:
        N, C = len(self.means), len(self.viewmats)
        shape, channels = tuple(self.colors.shape), 3
        if self.sh_degree is None:
            if shape[:-1] not in ((N,), (C, N)):
                raise InputError(f"colors has shape {shape}; without sh_degree it must be ([C,] N, D).")
            channels = shape[-1]
        else:
            if self.sh_degree not in SH_DEGREES:
                raise InputError(f"sh_degree is {self.sh_degree}; rasterization takes None or 0 to {SH_DEGREES[-1]}.")
            if shape[:-2] not in ((N,), (C, N)) or shape[-1] != 3:
                raise InputError(f"colors has shape {shape}; with sh_degree it must be ([C,] N, K, 3).")
            needed = (self.sh_degree + 1) ** 2
            if shape[-2] < needed:
                raise InputError(f"colors has {shape[-2]} coefficients; sh_degree {self.sh_degree} needs {needed}.")
        if self.backgrounds is not None and self.render_mode.startswith("RGB"):
            actual = tuple(self.backgrounds.shape)
            if actual != (C, channels):
                raise InputError(f"backgrounds has shape {actual}; it must be {(C, channels)}.")
