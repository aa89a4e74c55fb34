"""Fit splats to posed frames of a still or moving scene."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch
from torch import Tensor

from recon.capture import Capture
from recon.checkpoint import load_checkpoint, save_checkpoint
from recon.fitting.frames import Frames
from recon.fitting.optimization import Optimization
from recon.fitting.pruning import pruned
from recon.fitting.quality import evaluate, held_out_frames
from recon.fitting.settings import FitSettings
from recon.points import PointCloud, thinned
from recon.progress import progress_bar
from recon.scene_files import METRICS_FILE
from recon.splats import MovingSplats, Splats, from_points
from recon.starting_points.far_shell import far_limit
from trajectories.cameras import Cameras
from trajectories.errors import InputError
from trajectories.files import write_text
from trajectories.geometry import extent

CHECKPOINT_FILE = "fit.pt"
SNAPSHOT_EVERY = 100
"""Steps between snapshots in memory, which a fit returns to after a value that is not finite."""
MAX_ROLLBACKS = 5
MAX_EVALUATED = 32
"""Maximum number of fitted frames that are used for evaluation and motion review."""


@dataclass(frozen=True)
class FitResult:
    """Fitted splats and their metrics."""

    splats: Splats | MovingSplats
    """On the CPU, detached."""
    metrics: dict[str, Any]
    """As in metrics.json: `splats`, `pruned`, `moving`, `steps`; `psnr`, `ssim` and `per_frame` for `held_out` and
    `training` frames; and `confidence`, the final weight of each fitted frame."""


def fit(
    capture: Capture,
    points: PointCloud,
    settings: FitSettings,
    *,
    generator: torch.Generator,
    folder: Path | None = None,
    on_step: Callable[[int, Splats | MovingSplats], None] | None = None,
    show_progress: bool = False,
    device: torch.device | str = "cpu",
    confidence: Sequence[float] | None = None,
    label: str = "fitting splats",
) -> FitResult:
    """Fit splats to the frames of a capture.

    With `settings.knots`, splats move over the capture's times; otherwise all frames are treated as one instant.

    Args:
        capture: posed frames, at least two, from different positions.
        points: starting points of the splats.
        settings: see `FitSettings`, and `settings_for`.
        generator: source of all random numbers; a CPU generator.
        folder: where to write a checkpoint and metrics.json; an interrupted fit continues from its checkpoint and gives
            the same result.
        on_step: called after each step with its number (from 1) and the splats, which share memory with the fit.
        show_progress: show a progress bar.
        device: device of the fit.
        confidence: (N,) initial weight of each frame; by default all weights are 1.
        label: the words next to the progress bar.

    Raises:
        InputError: there is one frame, all cameras are in one place, an image does not open, there are fewer than two
            points, or the splats do not fit in memory.
        FloatingPointError: values are still not finite after several halvings of the learning rate.
    """
    capture.check_parallax()
    _check_memory(settings)
    held_out = held_out_frames(len(capture), settings.hold_out)
    training = [index for index in range(len(capture)) if index not in held_out]
    initial = torch.ones(len(capture)) if confidence is None else torch.as_tensor(confidence, dtype=torch.float32)
    frames = Frames(capture, settings.frame_memory, device, points if settings.depth_weight else None)
    start = from_points(thinned(points, settings.cap, generator), settings.sh_degree, generator)
    scale = scene_scale(capture.cameras)
    limit = far_limit(capture.cameras, points.positions)
    run = Optimization(start, settings, scale, limit, capture.times, training, initial, generator, device)
    fingerprint = _fingerprint(capture, points, settings, initial)
    checkpoint = folder / CHECKPOINT_FILE if folder else None
    if checkpoint and (state := load_checkpoint(checkpoint, fingerprint)):
        run.restore(state)
    snapshot, rollbacks = run.state(), 0
    sample = training[:: -(-len(training) // MAX_EVALUATED)]
    with progress_bar(show_progress) as bar:
        task = bar.add_task(label, total=settings.steps, completed=run.step, status="")
        while run.step < settings.steps:
            if not run.order:
                order = torch.randperm(len(training), generator=generator)
                run.order = [training[place] for place in order.tolist()]
            target = frames[run.order.pop()]
            if run.step < settings.coarse_until * settings.steps:
                target = target.halved()
            loss, fault = run.advance(target)
            if fault:
                rollbacks += 1
                if rollbacks > MAX_ROLLBACKS:
                    raise FloatingPointError(f"{fault} is not finite at step {run.step}, even at a low learning rate.")
                rate = run.rate / 2
                run.restore(snapshot)
                run.rate = snapshot["rate"] = rate
                warnings.warn(
                    f"{fault} was not finite, so the fit went back to step {run.step} with half the learning rate.",
                    stacklevel=2,
                )
                continue
            run.review_motion(frames[frame] for frame in sample)
            if run.step % SNAPSHOT_EVERY == 0:
                snapshot = run.state()
            if checkpoint and run.step % settings.checkpoint_every == 0:
                save_checkpoint({**run.state(), "fingerprint": fingerprint}, checkpoint)
            if on_step:
                on_step(run.step, run.splats())
            if run.step % 10 == 0:
                bar.update(task, status=f"loss {loss:.4f}, {len(run.parameters['means'])} splats")
            bar.update(task, completed=run.step)
    fitted, weights = run.splats(), run.confidence.weights().tolist()
    splats = pruned(fitted, (frames[frame] for frame in training), settings.prune) if settings.prune else fitted
    metrics = {
        "steps": settings.steps,
        "splats": len(splats),
        "pruned": len(fitted) - len(splats),
        "moving": len(splats.moving) if isinstance(splats, MovingSplats) else 0,
        "held_out": evaluate(splats, capture, held_out, settings.background),
        "training": evaluate(splats, capture, sample, settings.background),
        "confidence": {str(frame): round(weights[frame], 4) for frame in training},
    }
    if folder:
        write_text(folder / METRICS_FILE, json.dumps(metrics, indent=2) + "\n")
    return FitResult(splats.to("cpu"), metrics)


def scene_scale(cameras: Cameras) -> float:
    """gsplat's scene scale in meters: 1.1 times the radius of the cameras."""
    return 1.1 * extent(cameras)


def _check_memory(settings: FitSettings) -> None:
    """Refuse a cap of splats that do not fit in this machine's memory."""
    floats = 11 + 3 * (settings.sh_degree + 1) ** 2 + 7 * settings.knots
    # Parameters, gradients, two moments and the snapshot; twice, since densification copies the tensors.
    most = int(psutil.virtual_memory().total // (4 * floats * 10))
    if settings.cap > most:
        raise InputError(
            f"The cap of {settings.cap} splats needs more than this machine's memory; give at most {most}, or fewer if "
            "other programs are running."
        )


def _fingerprint(capture: Capture, points: PointCloud, settings: FitSettings, confidence: Tensor) -> str:
    digest = hashlib.sha256(json.dumps(asdict(settings), sort_keys=True).encode())
    cameras = capture.cameras
    for array in (cameras.c2w, cameras.K, capture.times, points.positions, points.colors, confidence.numpy()):
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
