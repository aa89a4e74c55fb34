"""Pairs from filmed clips, encoded as they are drawn: posed ones are folded, any others warped (paper, section 3.3)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import Tensor
from torch.nn import functional as F

from cvd3d.model.autoencoder import SmallAutoencoder
from cvd3d.sampling.latents import encode, latent_factor
from cvd3d.training.batches import Batch
from cvd3d.training.clips import Clip, find_clips, framed
from cvd3d.training.homography import Warp, sample_homographies, warp_frames
from recon.capture import read_video
from trajectories import Cameras, InputError
from trajectories.formats.realestate10k import read_poses

STRIDE = 2  # at most every other frame of a posed clip is left out
ENCODED_AT_ONCE = 16


@dataclass(frozen=True)
class ClipShape:
    """What all pairs of a run share."""

    vae: SmallAutoencoder | AutoencoderKL
    side: int
    """Pixels of the square frames."""
    frames: int
    """T of each video."""
    text_dropout: float
    """Share of empty captions."""

    def latents(self, frames: np.ndarray) -> Tensor:
        """(C, T, h, w) of uint8 frames (T, side, side, 3)."""
        return encode(self.vae, torch.from_numpy(frames).float() / 255, ENCODED_AT_ONCE).cpu()

    def words(self, clip: Clip, generator: torch.Generator) -> str:
        """The clip's caption, or none."""
        return "" if float(torch.rand((), generator=generator)) < self.text_dropout else clip.caption


class FoldedClips:
    """RealEstate10K clips, folded in the middle: one video runs back from the middle frame, the other on from it.

    Both start at the same camera, as the paper's pairs do, and show one resting scene at every instant.
    """

    def __init__(self, folder: Path, framing: ClipShape) -> None:
        """Look through the folder.

        Args:
            folder: clips and pose files of the same names, at any depth.
            framing: of the pairs.

        Raises:
            InputError: no usable clip; those left out are told with why.
        """
        self.shape = framing
        self.poses = {path.stem: path for path in sorted(Path(folder).rglob("*.txt"))}

        def why_not(path: Path, frames: int) -> str | None:
            if path.stem not in self.poses:
                return f"there is no pose file {path.stem}.txt"
            cameras, _ = read_poses(self.poses[path.stem], 1, 1)
            if len(cameras.c2w) != frames:
                return f"it has {frames} frames and its pose file {len(cameras.c2w)} poses"
            if frames < 2 * framing.frames - 1:
                return f"it has {frames} frames; {2 * framing.frames - 1} are needed to fold it"
            return None

        self.clips = find_clips(folder, why_not, beside=False)

    def draw(self, count: int, generator: torch.Generator) -> Batch:
        """`count` pairs of folded clips."""
        latents, prompts, poses, lenses = [], [], [], []
        T, side = self.shape.frames, self.shape.side
        for index in torch.randint(len(self.clips), (count,), generator=generator).tolist():
            clip = self.clips[index]
            indices = fold(clip.frames, T, generator)
            video = read_video(clip.path)
            height, width = video.shape[1:3]
            cameras, _ = read_poses(self.poses[clip.path.stem], width, height)
            frames, cut = framed(video[indices.ravel()], side, cameras[indices.ravel()])
            assert cut is not None
            latents += self.shape.latents(frames).unflatten(1, (2, T)).unbind(1)
            prompts += [self.shape.words(clip, generator)] * 2
            poses += list(cut.c2w.reshape(2, T, 4, 4))
            lenses += list(cut.K.reshape(2, T, 3, 3))
        return Batch(torch.stack(latents), prompts, Cameras(np.stack(poses), np.stack(lenses), side, side))


class WarpedClips:
    """Any clips with captions: one video is the clip, the other the same clip under a growing homography."""

    def __init__(self, folder: Path, framing: ClipShape, warp: Warp) -> None:
        """Look through the folder.

        Raises:
            InputError: no usable clip; those left out are told with why.
        """
        self.shape, self.warp = framing, warp

        def why_not(path: Path, frames: int) -> str | None:
            return None if frames >= framing.frames else f"it has {frames} frames; {framing.frames} are needed"

        self.clips = find_clips(folder, why_not, beside=True)

    def draw(self, count: int, generator: torch.Generator) -> Batch:
        """`count` pairs of a clip and its warped copy."""
        latents, prompts, homographies, visible = [], [], [], []
        T, side = self.shape.frames, self.shape.side
        for index in torch.randint(len(self.clips), (count,), generator=generator).tolist():
            clip = self.clips[index]
            stride = (
                int(torch.randint(1, (clip.frames - 1) // max(T - 1, 1) + 1, (), generator=generator)) if T > 1 else 1
            )
            start = int(torch.randint(clip.frames - stride * (T - 1), (), generator=generator))
            frames, _ = framed(read_video(clip.path)[start : start + stride * (T - 1) + 1 : stride], side)
            H = sample_homographies(self.warp, T, side, side, generator)
            warped, seen = warp_frames(frames, H)
            latents += [self.shape.latents(frames), self.shape.latents(warped)]
            prompts += [self.shape.words(clip, generator)] * 2
            homographies += [H, np.linalg.inv(H)]
            visible += [torch.ones(T, side, side), torch.from_numpy(seen).float()]
        return Batch(
            torch.stack(latents),
            prompts,
            homographies=np.stack(homographies),
            size=(side, side),
            weights=latents_seen(torch.stack(visible), latent_factor(self.shape.vae)),
        )


def fold(frames: int, length: int, generator: torch.Generator) -> np.ndarray:
    """(2, length) frames of a clip for a pair: back from the middle one, and on from it (CVD.md, section 2).

    Args:
        frames: of the clip; 2 length - 1 at least.
        length: T of each video.
        generator: draws the start.
    """
    whole = 2 * length - 1
    if frames < whole:
        raise InputError(f"A clip of {frames} frames cannot be folded into two of {length}; {whole} are needed.")
    stride = min(frames // whole, STRIDE)
    span = min(frames, (whole - 1) * stride + 1)
    start = int(torch.randint(frames - span + 1, (), generator=generator))
    indices = np.linspace(start, start + span - 1, whole).round().astype(int)
    return np.stack([indices[length - 1 :: -1], indices[length - 1 :]])


def latents_seen(visible: Tensor, factor: int) -> Tensor:
    """(V, T, H, W) masks of pixels to (V, 1, T, h, w) of latents: one pixel that is not seen hides its latent."""
    hidden = F.max_pool2d(1 - visible, factor)
    return (1 - hidden).unsqueeze(1)
