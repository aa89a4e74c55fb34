"""Training pairs from filmed clips: folded clips with poses, and clips with warped copies (paper, section 3.3)."""

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

STRIDE = 2  # at most every other frame of a posed clip is skipped
ENCODED_AT_ONCE = 16


@dataclass(frozen=True)
class ClipShape:
    """Settings that all pairs of a run share."""

    vae: SmallAutoencoder | AutoencoderKL
    side: int
    """Side of the square frames in pixels."""
    frames: int
    """Frames T of each video."""
    text_dropout: float
    """Share of empty captions."""

    def latents(self, frames: np.ndarray) -> Tensor:
        """Encode uint8 frames (T, side, side, 3) as latents (C, T, h, w)."""
        return encode(self.vae, torch.from_numpy(frames).float() / 255, ENCODED_AT_ONCE).cpu()

    def words(self, clip: Clip, generator: torch.Generator) -> str:
        """The clip's caption, or an empty one at the rate `text_dropout`."""
        return "" if float(torch.rand((), generator=generator)) < self.text_dropout else clip.caption


class FoldedClips:
    """RealEstate10K clips folded at the middle frame: one video runs backward from it, the other forward.

    Both videos start at the same camera, as the paper's pairs do. The scene is static, so each instant shows the same
    scene in both.
    """

    def __init__(self, folder: Path, shape: ClipShape) -> None:
        """Find the usable clips and report the others with the reason.

        Args:
            folder: clips and pose files of the same names, at any depth.
            shape: settings of the pairs.

        Raises:
            InputError: no usable clip.
        """
        self.shape = shape
        self.poses = {path.stem: path for path in sorted(Path(folder).rglob("*.txt"))}

        def find_fault(path: Path, frames: int) -> str | None:
            if path.stem not in self.poses:
                return f"there is no pose file {path.stem}.txt"
            cameras, _ = read_poses(self.poses[path.stem], 1, 1)
            if len(cameras.c2w) != frames:
                return f"it has {frames} frames and its pose file {len(cameras.c2w)} poses"
            if frames < 2 * shape.frames - 1:
                return f"it has {frames} frames; {2 * shape.frames - 1} are needed to fold it"
            return None

        self.clips = find_clips(folder, find_fault, text_files=False)

    def draw(self, count: int, generator: torch.Generator) -> Batch:
        """Draw `count` pairs of folded clips."""
        latents, prompts, c2w, K = [], [], [], []
        T, side = self.shape.frames, self.shape.side
        for index in torch.randint(len(self.clips), (count,), generator=generator).tolist():
            clip = self.clips[index]
            indices = fold(clip.frames, T, generator)
            video = read_video(clip.path)
            height, width = video.shape[1:3]
            cameras, _ = read_poses(self.poses[clip.path.stem], width, height)
            frames, cropped = framed(video[indices.ravel()], side, cameras[indices.ravel()])
            assert cropped is not None
            latents += self.shape.latents(frames).unflatten(1, (2, T)).unbind(1)
            prompts += [self.shape.words(clip, generator)] * 2
            c2w += list(cropped.c2w.reshape(2, T, 4, 4))
            K += list(cropped.K.reshape(2, T, 3, 3))
        return Batch(torch.stack(latents), prompts, Cameras(np.stack(c2w), np.stack(K), side, side))


class WarpedClips:
    """Any clips with captions: one video is the clip, the other the same clip warped by a growing homography."""

    def __init__(self, folder: Path, shape: ClipShape, warp: Warp) -> None:
        """Find the usable clips and report the others with the reason.

        Raises:
            InputError: no usable clip.
        """
        self.shape, self.warp = shape, warp

        def find_fault(path: Path, frames: int) -> str | None:
            return None if frames >= shape.frames else f"it has {frames} frames; {shape.frames} are needed"

        self.clips = find_clips(folder, find_fault, text_files=True)

    def draw(self, count: int, generator: torch.Generator) -> Batch:
        """Draw `count` pairs of a clip and its warped copy."""
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
            warped, valid = warp_frames(frames, H)
            latents += [self.shape.latents(frames), self.shape.latents(warped)]
            prompts += [self.shape.words(clip, generator)] * 2
            homographies += [H, np.linalg.inv(H)]
            visible += [torch.ones(T, side, side), torch.from_numpy(valid).float()]
        return Batch(
            torch.stack(latents),
            prompts,
            homographies=np.stack(homographies),
            size=(side, side),
            weights=visible_latents(torch.stack(visible), latent_factor(self.shape.vae)),
        )


def fold(frames: int, length: int, generator: torch.Generator) -> np.ndarray:
    """(2, length) frame indices of a pair: backward and forward from a middle frame (CVD.md, section 2).

    Args:
        frames: number of frames of the clip, at least 2 length - 1.
        length: frames T of each video.
        generator: draws the start.

    Raises:
        InputError: the clip is too short.
    """
    needed = 2 * length - 1
    if frames < needed:
        raise InputError(f"A clip of {frames} frames cannot be folded into two of {length}; {needed} are needed.")
    stride = min(frames // needed, STRIDE)
    span = min(frames, (needed - 1) * stride + 1)
    start = int(torch.randint(frames - span + 1, (), generator=generator))
    indices = np.linspace(start, start + span - 1, needed).round().astype(int)
    return np.stack([indices[length - 1 :: -1], indices[length - 1 :]])


def visible_latents(visible: Tensor, factor: int) -> Tensor:
    """Pixel masks (V, T, H, W) to latent masks (V, 1, T, h, w); a latent is visible if all its pixels are."""
    hidden = F.max_pool2d(1 - visible, factor)
    return (1 - hidden).unsqueeze(1)
