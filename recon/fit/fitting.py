"""Fitting splats to posed frames, of something that stands still or moves."""

from __future__ import annotations

import hashlib
import json
import os
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from recon.capture import Capture
from recon.checkpoints import load_checkpoint, save_checkpoint
from recon.fit.optimization import Optimization
from recon.fit.quality import evaluate, held_out_frames
from recon.fit.settings import FitSettings
from recon.moving import MovingSplats, settle
from recon.points import PointCloud
from recon.progress import progress_bar
from recon.splats import Splats, from_points
from recon.views import extent
from trajectories.cameras import Cameras

CHECKPOINT_FILE = "fit.pt"
METRICS_FILE = "metrics.json"
KEEP_EVERY = 100
"""Steps between the states in memory that a fit falls back to after a value that is not finite."""
MAX_SETBACKS = 5


@dataclass(frozen=True)
class FitResult:
    """Fitted splats and how good they are."""

    splats: Splats | MovingSplats
    """On the CPU, detached."""
    metrics: dict[str, Any]
    """As in metrics.json: `splats`, `steps`, and for `held_out` and `training` frames `psnr`, `ssim`, `per_frame`."""


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
) -> FitResult:
    """Fit splats to the frames of a capture.

    With `settings.knots` they move over the capture's times; without, all frames are taken as one instant.

    Args:
        capture: posed frames, at least two, from different places.
        points: where the splats start.
        settings: see `FitSettings`, and `settings_for`.
        generator: every random draw comes from it; a CPU generator.
        folder: keeps a checkpoint and metrics.json; a fit that was stopped goes on from there, to the same result.
        on_step: called after each step with its number (from 1) and the splats, which share memory with the fit.
        show_progress: draw a progress bar.
        device: where to fit.

    Raises:
        InputError: one frame, cameras in one place, an image that does not open, or fewer than two points.
        FloatingPointError: values that are not finite come back at ever smaller steps.
    """
    capture.check_parallax()
    cameras = capture.cameras
    held_out = held_out_frames(len(capture), settings.hold_out)
    training = [index for index in range(len(capture)) if index not in held_out]
    frames = torch.from_numpy(np.stack([_to_uint8(capture.image(index)) for index in range(len(capture))]))
    viewmats = torch.as_tensor(cameras.viewmats, dtype=torch.float32, device=device)
    Ks = torch.tensor(cameras.K, dtype=torch.float32, device=device)
    start = from_points(points, settings.sh_degree, generator)
    run = Optimization.start(start, settings, scene_scale(cameras), capture.times, generator, device)
    fingerprint = _fingerprint(capture, points, settings)
    checkpoint = folder / CHECKPOINT_FILE if folder else None
    if checkpoint and (state := load_checkpoint(checkpoint, fingerprint)):
        run.restore(state)
    kept, setbacks = run.state(), 0
    with progress_bar(show_progress) as bar:
        task = bar.add_task("fitting splats", total=settings.steps, completed=run.step, status="")
        while run.step < settings.steps:
            if not run.order:
                run.order = torch.randperm(len(training), generator=generator).tolist()
            index = training[run.order.pop()]
            target, K = frames[index].to(device).float() / 255.0, Ks[index]
            if run.step < settings.coarse_until * settings.steps:
                target, K = _half(target, K)
            loss, fault = run.advance(viewmats[index], K, target, float(capture.times[index]))
            if fault:
                setbacks += 1
                if setbacks > MAX_SETBACKS:
                    raise FloatingPointError(f"{fault} is not finite at step {run.step}, however small the steps.")
                rate = run.rate / 2
                run.restore(kept)
                run.rate = kept["rate"] = rate
                warnings.warn(
                    f"{fault} was not finite, so the fit went back to step {run.step} with half the learning rate.",
                    stacklevel=2,
                )
                continue
            if run.step % KEEP_EVERY == 0:
                kept = run.state()
            if checkpoint and run.step % settings.checkpoint_every == 0:
                save_checkpoint({**run.state(), "fingerprint": fingerprint}, checkpoint)
            if on_step:
                on_step(run.step, run.splats())
            if run.step % 10 == 0:
                bar.update(task, status=f"loss {loss:.4f}, {len(run.parameters['means'])} splats")
            bar.update(task, completed=run.step)
    splats = run.splats()
    if isinstance(splats, MovingSplats):
        splats = settle(splats, settings.still_below * run.scale)
    metrics = {
        "steps": settings.steps,
        "splats": len(splats),
        "moving": len(splats.moving) if isinstance(splats, MovingSplats) else 0,
        "held_out": evaluate(splats, capture, held_out, settings.background),
        "training": evaluate(splats, capture, training[:: -(-len(training) // 32)], settings.background),
    }
    if folder:
        _write_json(metrics, folder / METRICS_FILE)
    return FitResult(splats.to("cpu"), metrics)


def scene_scale(cameras: Cameras) -> float:
    """gsplat's scene scale in metres: 1.1 times the radius of the cameras."""
    return 1.1 * extent(cameras)


def _half(image: Tensor, K: Tensor) -> tuple[Tensor, Tensor]:
    """An image (H, W, 3) at half size and its intrinsics; an odd last row or column is left out."""
    pooled = torch.nn.functional.avg_pool2d(image.permute(2, 0, 1), 2).permute(1, 2, 0).contiguous()
    return pooled, K * K.new_tensor([[0.5], [0.5], [1.0]])


def _to_uint8(image: np.ndarray) -> np.ndarray:
    return np.round(image * 255.0).astype(np.uint8)


def _fingerprint(capture: Capture, points: PointCloud, settings: FitSettings) -> str:
    digest = hashlib.sha256(json.dumps(asdict(settings), sort_keys=True).encode())
    for array in (capture.cameras.c2w, capture.cameras.K, capture.times, points.positions, points.colors):
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _write_json(content: dict[str, Any], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(path.name + ".part")
    beside.write_text(json.dumps(content, indent=2) + "\n")
    os.replace(beside, path)
