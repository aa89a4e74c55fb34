"""The video diffusion network, `CollaborativeUNet`."""

from __future__ import annotations

import inspect
import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from diffusers import UNetMotionModel
from diffusers.configuration_utils import register_to_config
from diffusers.models.attention_processor import AttnProcessor
from torch import Tensor, nn

from cvd3d.model.camera_control import PoseEncoder, plucker
from cvd3d.model.cross_view import CrossViewModule
from cvd3d.model.epipolar import epipolar_bias, homography_bias
from cvd3d.model.motion import MotionModule
from trajectories import Cameras, InputError

POSE_FRAMES = ("world", "first")
SMALL_LATENTS = 16  # up to this side, plain matrix products are faster than fused attention


@dataclass(frozen=True)
class ViewGeometry:
    """Camera inputs of the network for V videos of T frames and their partners; the same at every denoising step."""

    pose: tuple[Tensor, ...]
    """One (V, T, C_i, h_i, w_i) feature map per resolution; empty if the cameras are not known."""
    partners: Tensor
    """(V,) index of each video's partner; -1 for none."""
    biases: dict[tuple[int, int], Tensor] = field(default_factory=dict)
    """(V, T, N, N) float32 epipolar bias to the partner per resolution (h_i, w_i); empty if no video has a partner."""


@dataclass
class _Call:
    """Arguments of the current forward pass for the modules inside the blocks; diffusers' blocks pass only features."""

    geometry: ViewGeometry | None = None
    motion: bool = True
    scale: float = 1.0


class SpaceTimeModule(nn.Module):
    """A motion module followed by a cross-view module; it replaces AnimateDiff's motion module."""

    def __init__(self, motion: MotionModule, cross_view: CrossViewModule, resolution: int) -> None:
        super().__init__()
        self.motion = motion
        self.cross_view = cross_view
        self.resolution = resolution
        self.call = _Call()

    def forward(self, hidden_states: Tensor, num_frames: int, **_: Any) -> Tensor:
        """Map hidden_states (V*T, C, h, w), as diffusers' blocks pass them, to the same shape."""
        call, geometry = self.call, self.call.geometry
        x = hidden_states.unflatten(0, (-1, num_frames))
        if call.motion:
            x = self.motion(x, geometry.pose[self.resolution] if geometry is not None and geometry.pose else None)
        if geometry is not None and geometry.biases and call.scale != 0.0:
            x = self.cross_view(x, geometry.partners, geometry.biases[tuple(x.shape[-2:])], call.scale)
        return x.flatten(0, 1)


class CollaborativeUNet(UNetMotionModel):
    """SD's UNet with AnimateDiff's motion modules, CameraCtrl's pose encoder and CVD's cross-view modules, of any size.

    Each block has a resnet, a spatial transformer, a motion module and a cross-view module; the middle block lacks the
    last two (CVD.md, 1.1). The defaults are the sizes of the released networks.
    """

    @register_to_config
    def __init__(
        self,
        sample_size: int = 32,
        in_channels: int = 4,
        out_channels: int = 4,
        block_out_channels: tuple[int, ...] = (320, 640, 1280, 1280),
        attention_levels: int = 3,
        layers_per_block: int = 2,
        cross_attention_dim: int = 768,
        num_attention_heads: int = 8,
        motion_num_attention_heads: int = 8,
        motion_max_seq_length: int = 32,
        cross_view_num_attention_heads: int = 8,
        norm_num_groups: int = 32,
        pose_unshuffle: int = 8,
        pose_blocks_per_scale: int = 2,
        pose_frame: str = "world",
        mask_pixel_offset: float = 0.0,
    ) -> None:
        """Build the network.

        Args:
            attention_levels: number of resolutions, from the finest, with spatial transformers.
            pose_unshuffle: Plücker rays per side of each latent; 8 means one ray per pixel for SD.
            pose_frame: coordinate frame of the pose encoder's cameras: "world" for the default model, "first" (the
                first camera of each video) for the released weights.
            mask_pixel_offset: 0 for pixel centers at +0.5; -0.5 for weights trained with the official mask.

        Raises:
            InputError: `pose_frame` is neither of these.
        """
        if pose_frame not in POSE_FRAMES:
            raise InputError(f"The network's pose_frame is {pose_frame!r}; it must be 'world' or 'first'.")
        levels = len(block_out_channels)
        attends = [i < attention_levels for i in range(levels)]
        super().__init__(
            sample_size=sample_size,
            in_channels=in_channels,
            out_channels=out_channels,
            down_block_types=tuple("CrossAttnDownBlockMotion" if a else "DownBlockMotion" for a in attends),
            up_block_types=tuple("CrossAttnUpBlockMotion" if a else "UpBlockMotion" for a in reversed(attends)),
            block_out_channels=block_out_channels,
            layers_per_block=layers_per_block,
            cross_attention_dim=cross_attention_dim,
            num_attention_heads=num_attention_heads,
            motion_num_attention_heads=motion_num_attention_heads,
            motion_max_seq_length=motion_max_seq_length,
            norm_num_groups=norm_num_groups,
            use_motion_mid_block=False,
        )
        self.pose_encoder = PoseEncoder(
            tuple(block_out_channels), pose_unshuffle, pose_blocks_per_scale, motion_num_attention_heads,
            motion_max_seq_length,
        )  # fmt: skip
        for resolution, block in [*enumerate(self.down_blocks), *enumerate(reversed(self.up_blocks))]:
            channels = block_out_channels[resolution]
            block.motion_modules = nn.ModuleList(
                SpaceTimeModule(
                    MotionModule(channels, motion_num_attention_heads, motion_max_seq_length, norm_num_groups),
                    CrossViewModule(channels, cross_view_num_attention_heads, norm_num_groups),
                    resolution,
                )
                for _ in block.motion_modules
            )
        self.first_frame_line = "random"
        """Direction of the line where two cameras share their center: "random" (with a generator) or "horizontal"."""
        self._call = _Call()
        for module in self.space_time_modules():
            module.call = self._call
        if sample_size <= SMALL_LATENTS:
            self.set_attn_processor(AttnProcessor())

    def to_json_string(self) -> str:
        """Only the options of this class; those of the parent class follow from them."""
        own = {name: self.config[name] for name in inspect.signature(type(self).__init__).parameters if name != "self"}
        return json.dumps({"_class_name": type(self).__name__, **own}, indent=2) + "\n"

    def space_time_modules(self) -> list[SpaceTimeModule]:
        """All motion and cross-view modules, in the order of the state dict."""
        return [module for module in self.modules() if isinstance(module, SpaceTimeModule)]

    def resolutions(self, h: int, w: int) -> list[tuple[int, int]]:
        """The feature size (h_i, w_i) of each level for latents of h x w."""
        sizes = [(h, w)]
        for _ in self.config.block_out_channels[1:]:
            sizes.append(((sizes[-1][0] + 1) // 2, (sizes[-1][1] + 1) // 2))
        return sizes

    def encode_cameras(self, cameras: Cameras, h: int, w: int) -> tuple[Tensor, ...]:
        """Pose features of cameras (V, T) for latents of h x w.

        Raises:
            InputError: the images have another aspect ratio than the latents.
        """
        if cameras.width * h != cameras.height * w:
            raise InputError(
                f"The cameras' images are {cameras.width}x{cameras.height} and the latents {w}x{h}; they must have the "
                "same aspect ratio."
            )
        if self.config.pose_frame == "first":
            cameras = cameras.transformed(np.linalg.inv(cameras.c2w[..., :1, :, :]))
        unshuffle = self.config.pose_unshuffle
        rays = plucker(cameras, h * unshuffle, w * unshuffle).to(self.device, self.dtype)
        return self.pose_encoder(rays)

    def line_angles(self, shape: tuple[int, ...], generator: torch.Generator | None) -> np.ndarray:
        """Angles in radians of the lines' normals where two cameras share their center, for cameras of this shape.

        The lines are horizontal without a generator or if `first_frame_line` is "horizontal".
        """
        if generator is None or self.first_frame_line == "horizontal":
            return np.full(shape, np.pi / 2)
        return torch.rand(shape, generator=generator, dtype=torch.float64).numpy() * np.pi

    def epipolar_biases(
        self, query: Cameras, key: Cameras, h: int, w: int, angles: np.ndarray
    ) -> dict[tuple[int, int], Tensor]:
        """One float32 mask (..., N, N) per resolution, from `query` (...,) to `key` cameras of the same shape.

        Args:
            angles: (...,) see `line_angles`.
        """
        offset = self.config.mask_pixel_offset
        return {
            size: epipolar_bias(query, key, *size, angles, pixel_offset=offset, device=self.device)
            for size in self.resolutions(h, w)
        }

    def geometry(
        self,
        cameras: Cameras,
        partners: Tensor | None,
        h: int,
        w: int,
        generator: torch.Generator | None = None,
    ) -> ViewGeometry:
        """Pose features and masks of cameras (V, T) for latents of h x w.

        Args:
            partners: (V,) long, -1 for none; None pairs 0-1, 2-3, ..., and leaves an odd last video unpaired.
            generator: see `line_angles`.
        """
        V = cameras.shape[0]
        partners = default_partners(V) if partners is None else partners.cpu()
        pose = self.encode_cameras(cameras, h, w)
        biases = {}
        if (partners >= 0).any():
            key = cameras[torch.where(partners >= 0, partners, torch.arange(V)).numpy()]
            biases = self.epipolar_biases(cameras, key, h, w, self.line_angles(cameras.shape, generator))
        return ViewGeometry(pose, partners.to(self.device), biases)

    def warped_geometry(
        self,
        homographies: np.ndarray,
        size: tuple[int, int],
        h: int,
        w: int,
        generator: torch.Generator | None = None,
    ) -> ViewGeometry:
        """Masks for pairs of a video and its warped copy, which have no cameras.

        Args:
            homographies: (V, T, 3, 3) from each video's pixels to its partner's; 0-1, 2-3, ... are pairs.
            size: width and height of the images.
            generator: see `line_angles`.
        """
        angles = self.line_angles(homographies.shape[:2], generator)
        offset = self.config.mask_pixel_offset
        biases = {
            level: homography_bias(homographies, *size, *level, angles, pixel_offset=offset, device=self.device)
            for level in self.resolutions(h, w)
        }
        return ViewGeometry((), default_partners(len(homographies)).to(self.device), biases)

    def forward(  # type: ignore[override]
        self,
        sample: Tensor,
        timestep: Tensor | int,
        encoder_hidden_states: Tensor,
        cameras: Cameras | ViewGeometry | None = None,
        partners: Tensor | None = None,
        scale: float = 1.0,
        generator: torch.Generator | None = None,
        motion: bool = True,
    ) -> Tensor:
        """Predict the noise (or v) of V videos.

        Args:
            sample: (V, C, T, h, w) noisy latents.
            timestep: an int, or (V,).
            encoder_hidden_states: (V, L, D) text features.
            cameras: (V, T) cameras, or their `geometry`; None is AnimateDiff without cameras.
            partners: see `geometry`; used with `Cameras` only.
            scale: factor of the cross-view modules; 0 disables them.
            generator: see `line_angles`; used with `Cameras` only.
            motion: False skips the motion modules, so that every frame is independent.

        Returns:
            (V, C, T, h, w) predicted noise (or v).
        """
        if isinstance(cameras, Cameras):
            h, w = sample.shape[-2:]
            cameras = self.geometry(cameras, partners, h, w, generator)
        self._call.geometry, self._call.motion, self._call.scale = cameras, motion, scale
        text = encoder_hidden_states.repeat_interleave(sample.shape[2], dim=0)
        return super().forward(sample, timestep, text, return_dict=False)[0]


def default_partners(V: int) -> Tensor:
    """(V,) long partner indices: 0-1, 2-3, ...; -1 for an odd last video."""
    partners = torch.arange(V) ^ 1
    return torch.where(partners < V, partners, -1)
