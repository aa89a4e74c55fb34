"""One prediction for all videos: which network calls it takes, and how their answers are put together."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from cvd3d import processes
from cvd3d.model.unet import CollaborativeUNet, ViewGeometry
from trajectories import Cameras

MASK_MEMORY = 2 << 30  # bytes of masks kept; an older one is computed again when it is needed


@dataclass(frozen=True)
class Job:
    """Two videos that look at each other, or one that rests, through one window, under one text."""

    videos: tuple[int, ...]
    window: int
    text: int


def jobs_of(matchings: Sequence[Tensor], windows: int, texts: int) -> dict[Job, int]:
    """What a pass has to compute, and how often each answer counts.

    A video that rests in one matching and has a partner in another needs no answer of its own.
    """
    units: dict[tuple[int, ...], int] = {}
    met = {v for partners in matchings for v, p in enumerate(partners.tolist()) if p >= 0}
    for partners in matchings:
        for v, p in enumerate(partners.tolist()):
            if v < p or (p < 0 and v not in met):
                unit = (v,) if p < 0 else (v, p)
                units[unit] = units.get(unit, 0) + 1
    return {Job(unit, w, g): n for g in range(texts) for w in range(windows) for unit, n in units.items()}


def chunks(jobs: Sequence[Job], videos: int) -> list[list[Job]]:
    """Split into network calls of at most so many videos (two where there is a pair); none is left out."""
    calls: list[list[Job]] = []
    room = 0
    for job in jobs:
        if room < len(job.videos):
            calls.append([])
            room = max(videos, len(job.videos))
        calls[-1].append(job)
        room -= len(job.videos)
    return calls


class Denoiser:
    """The network on all videos of a rig; what does not change over the steps is computed once."""

    def __init__(
        self,
        unet: CollaborativeUNet,
        cameras: Cameras,
        size: tuple[int, int],
        text: Tensor,
        cover: Sequence[slice],
        weights: np.ndarray,
        generator: torch.Generator,
        *,
        guidance: float,
        scale: float,
        videos_per_call: int,
    ) -> None:
        """Encode the cameras.

        Args:
            cameras: (V, T).
            size: height and width of the latents.
            text: (1 or 2, L, D): the prompt's features, after the negative prompt's if there is guidance.
            cover: windows in time, all of one length.
            weights: (windows, T) of each window's answer.
            generator: draws the lines of cameras in one place.
            guidance: of classifier-free guidance.
            scale: strength of the cross-view modules.
            videos_per_call: at most so many videos in one network call.
        """
        self.unet, self.cameras, self.size, self.cover = unet, cameras, size, cover
        self.text = text.to(unet.device, unet.dtype)
        self.weights = torch.from_numpy(weights).float().to(unet.device)
        self.guidance, self.scale, self.videos_per_call = guidance, scale, videos_per_call
        V, T = cameras.shape
        self.angles = unet.line_angles((V, V, T), generator)
        self.poses = [unet.encode_cameras(cameras[:, window], *size) for window in cover]
        self._masks: OrderedDict[tuple[int, int, int], dict[tuple[int, int], Tensor]] = OrderedDict()

    def calls(self, matchings: Sequence[Tensor]) -> list[list[Job]]:
        """The network calls of one pass."""
        return chunks(list(jobs_of(matchings, len(self.cover), len(self.text))), self.videos_per_call)

    def __call__(
        self, z: Tensor, t: Tensor, matchings: Sequence[Tensor], after_call: Callable[[float], None]
    ) -> Tensor:
        """The guided prediction, averaged over the matchings (paper, Theorem A.3), over windows by their weights.

        Args:
            z: (V, C, T, h, w) noisy latents.
            t: the timestep.
            matchings: the partners (V,) of each matching.
            after_call: called after each network call with the share of the pass that it was.

        Returns:
            (V, C, T, h, w) float32.
        """
        counts = jobs_of(matchings, len(self.cover), len(self.text))
        jobs = list(counts)
        length = self.cover[0].stop - self.cover[0].start
        answers = z.new_zeros((len(jobs), 2, z.shape[1], length, *z.shape[-2:]), dtype=torch.float32)
        place = {job: i for i, job in enumerate(jobs)}
        calls = chunks(jobs, self.videos_per_call)
        for number, call in enumerate(calls):
            if number % processes.count() == processes.rank():
                out = self._call(z, t, call)
                for job in call:
                    answers[place[job], : len(job.videos)] = out[: len(job.videos)]
                    out = out[len(job.videos) :]
            after_call(1 / len(calls))
        processes.add_up(answers)
        predictions = torch.zeros((len(self.text), *z.shape), dtype=torch.float32, device=z.device)
        shares = z.new_zeros(z.shape[0], dtype=torch.float32)
        for job, answer in zip(jobs, answers):
            window = self.cover[job.window]
            weight = counts[job] * self.weights[job.window, window].view(-1, 1, 1)
            for v, part in zip(job.videos, answer):
                predictions[job.text, v, :, window] += weight * part
                if job.text == 0 and job.window == 0:
                    shares[v] += counts[job]
        predictions /= shares.view(-1, 1, 1, 1, 1)
        if len(self.text) == 1:
            return predictions[0]
        free, bound = predictions
        return free + self.guidance * (bound - free)

    def _call(self, z: Tensor, t: Tensor, jobs: Sequence[Job]) -> Tensor:
        """(videos of all jobs, C, window, h, w) float32, in the jobs' order."""
        rows = [(v, job) for job in jobs for v in job.videos]
        sample = torch.stack([z[v, :, self.cover[job.window]] for v, job in rows]).to(self.unet.dtype)
        text = torch.stack([self.text[job.text] for _, job in rows])
        return self.unet(sample, t, text, cameras=self._geometry(rows), scale=self.scale).float()

    def _geometry(self, rows: Sequence[tuple[int, Job]]) -> ViewGeometry:
        levels = range(len(self.poses[0]))
        pose = tuple(torch.stack([self.poses[job.window][level][v] for v, job in rows]) for level in levels)
        partners: list[int] = []
        masks: list[dict[tuple[int, int], Tensor] | None] = []
        for i, (v, job) in enumerate(rows):
            if len(job.videos) == 1:
                partners.append(-1)
                masks.append(None)
            else:
                first = v == job.videos[0]
                partners.append(i + 1 if first else i - 1)
                masks.append(self._mask(v, job.videos[1 if first else 0], job.window))
        some = next((mask for mask in masks if mask is not None), {})
        biases = {
            size: torch.stack([torch.zeros_like(like) if mask is None else mask[size] for mask in masks])
            for size, like in some.items()
        }
        return ViewGeometry(pose, torch.tensor(partners, device=self.unet.device), biases)

    def _mask(self, query: int, key: int, window: int) -> dict[tuple[int, int], Tensor]:
        wanted = query, key, window
        if wanted not in self._masks:
            frames = self.cover[window]
            mask = self.unet.epipolar_biases(
                self.cameras[query, frames], self.cameras[key, frames], *self.size, self.angles[query, key, frames]
            )
            kept = MASK_MEMORY // sum(bias.nbytes for bias in mask.values())
            while len(self._masks) >= max(kept, 2 * self.videos_per_call):
                self._masks.popitem(last=False)
            self._masks[wanted] = mask
        self._masks.move_to_end(wanted)
        return self._masks[wanted]
