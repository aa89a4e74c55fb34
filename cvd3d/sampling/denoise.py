"""One denoising prediction for all videos: split it into network calls, and average their outputs."""

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

MASK_MEMORY = 2 << 30  # bytes of cached masks; older masks are computed again when needed


@dataclass(frozen=True)
class Job:
    """A pair of videos or a single unpaired video, in one window, with one text."""

    videos: tuple[int, ...]
    window: int
    text: int


def jobs_of(matchings: Sequence[Tensor], windows: int, texts: int) -> dict[Job, int]:
    """The jobs of a pass, with the weight of each output in the average.

    A video that is unpaired in one matching and paired in another is not computed alone.
    """
    units: dict[tuple[int, ...], int] = {}
    paired = {v for partners in matchings for v, p in enumerate(partners.tolist()) if p >= 0}
    for partners in matchings:
        for v, p in enumerate(partners.tolist()):
            if v < p or (p < 0 and v not in paired):
                unit = (v,) if p < 0 else (v, p)
                units[unit] = units.get(unit, 0) + 1
    return {Job(unit, w, g): n for g in range(texts) for w in range(windows) for unit, n in units.items()}


def chunks(jobs: Sequence[Job], videos: int) -> list[list[Job]]:
    """Split the jobs into network calls of at most `videos` videos, but at least one job each."""
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
    """Apply the network to all videos of a rig; features of the cameras are computed once for all steps."""

    def __init__(
        self,
        unet: CollaborativeUNet,
        cameras: Cameras,
        size: tuple[int, int],
        text: Tensor,
        windows: Sequence[slice],
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
            text: (1 or 2, L, D) features of the prompt; with guidance, first those of the negative prompt.
            windows: windows in time, all of the same length.
            weights: (windows, T) weight of each window's output.
            generator: draws the epipolar lines of cameras at the same position.
            guidance: scale of classifier-free guidance.
            scale: strength of the cross-view modules.
            videos_per_call: the largest number of videos in a network call.
        """
        self.unet, self.cameras, self.size, self.windows = unet, cameras, size, windows
        self.text = text.to(unet.device, unet.dtype)
        self.weights = torch.from_numpy(weights).float().to(unet.device)
        self.guidance, self.scale, self.videos_per_call = guidance, scale, videos_per_call
        V, T = cameras.shape
        self.angles = unet.line_angles((V, V, T), generator)
        self.poses = [unet.encode_cameras(cameras[:, window], *size) for window in windows]
        self._masks: OrderedDict[tuple[int, int, int], dict[tuple[int, int], Tensor]] = OrderedDict()

    def calls(self, matchings: Sequence[Tensor]) -> list[list[Job]]:
        """The network calls of one pass."""
        return chunks(list(jobs_of(matchings, len(self.windows), len(self.text))), self.videos_per_call)

    def __call__(
        self, z: Tensor, t: Tensor, matchings: Sequence[Tensor], after_call: Callable[[float], None]
    ) -> Tensor:
        """The guided prediction, averaged over matchings (paper, Theorem A.3) and, by weight, over windows.

        Args:
            z: (V, C, T, h, w) noisy latents.
            t: the timestep.
            matchings: (V,) partners of each matching.
            after_call: called after each network call with the fraction of the pass that it computed.

        Returns:
            (V, C, T, h, w) float32.
        """
        counts = jobs_of(matchings, len(self.windows), len(self.text))
        jobs = list(counts)
        length = self.windows[0].stop - self.windows[0].start
        outputs = z.new_zeros((len(jobs), 2, z.shape[1], length, *z.shape[-2:]), dtype=torch.float32)
        row = {job: i for i, job in enumerate(jobs)}
        calls = chunks(jobs, self.videos_per_call)
        for number, call in enumerate(calls):
            if number % processes.count() == processes.rank():
                out = self._call(z, t, call)
                for job in call:
                    outputs[row[job], : len(job.videos)] = out[: len(job.videos)]
                    out = out[len(job.videos) :]
            after_call(1 / len(calls))
        processes.add_up(outputs)
        predictions = torch.zeros((len(self.text), *z.shape), dtype=torch.float32, device=z.device)
        totals = z.new_zeros(z.shape[0], dtype=torch.float32)
        for job, output in zip(jobs, outputs):
            window = self.windows[job.window]
            weight = counts[job] * self.weights[job.window, window].view(-1, 1, 1)
            for v, part in zip(job.videos, output):
                predictions[job.text, v, :, window] += weight * part
                if job.text == 0 and job.window == 0:
                    totals[v] += counts[job]
        predictions /= totals.view(-1, 1, 1, 1, 1)
        if len(self.text) == 1:
            return predictions[0]
        uncond, cond = predictions
        return uncond + self.guidance * (cond - uncond)

    def _call(self, z: Tensor, t: Tensor, jobs: Sequence[Job]) -> Tensor:
        """(videos of all jobs, C, window, h, w) float32, in the order of the jobs."""
        rows = [(v, job) for job in jobs for v in job.videos]
        sample = torch.stack([z[v, :, self.windows[job.window]] for v, job in rows]).to(self.unet.dtype)
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
        template = next((mask for mask in masks if mask is not None), {})
        biases = {
            size: torch.stack([torch.zeros_like(like) if mask is None else mask[size] for mask in masks])
            for size, like in template.items()
        }
        return ViewGeometry(pose, torch.tensor(partners, device=self.unet.device), biases)

    def _mask(self, query: int, key: int, window: int) -> dict[tuple[int, int], Tensor]:
        entry = query, key, window
        if entry not in self._masks:
            frames = self.windows[window]
            mask = self.unet.epipolar_biases(
                self.cameras[query, frames], self.cameras[key, frames], *self.size, self.angles[query, key, frames]
            )
            capacity = MASK_MEMORY // sum(bias.nbytes for bias in mask.values())
            while len(self._masks) >= max(capacity, 2 * self.videos_per_call):
                self._masks.popitem(last=False)
            self._masks[entry] = mask
        self._masks.move_to_end(entry)
        return self._masks[entry]
