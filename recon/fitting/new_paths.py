"""Measure new camera paths: a short second fit leaves out one video, and is compared with its frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from recon.capture import Capture
from recon.fitting.fitting import fit
from recon.fitting.quality import evaluate
from recon.fitting.settings import FitSettings
from recon.starting_points import initial_points
from trajectories.cameras import Cameras
from trajectories.coverage import distance_to_nearest

MIN_VIDEOS = 4
"""With fewer videos, a fit without one of them says little about a fit with all."""
DROP = 3.0
"""Frames are good down to this many dB below the frame nearest to the cameras."""
NEAR = 10.0
"""That frame must be within this many degrees, or nothing is known near the cameras."""


def typical_video(capture: Capture) -> str | None:
    """The video whose mean angle to the nearest camera of another video is the median; None for too few videos.

    Photos, which are videos of one frame, are held out one by one already and count as too few.
    """
    names = list(dict.fromkeys(capture.videos))
    videos = np.array(capture.videos)
    if len(names) < MIN_VIDEOS or min(map(capture.videos.count, names)) < 2:
        return None
    angles = []
    for name in names:
        cameras, others = capture.cameras[videos == name], capture.cameras[videos != name]
        # Rounded, so that the order of equal videos does not depend on rounding errors.
        angles.append(round(float(distance_to_nearest(cameras.centers, others).angle.mean()), 3))
    return names[int(np.argsort(angles, kind="stable")[len(names) // 2])]


def measure_new_paths(
    capture: Capture,
    settings: FitSettings,
    *,
    generator: torch.Generator,
    show_progress: bool = False,
    device: torch.device | str = "cpu",
) -> dict[str, Any] | None:
    """Fit all videos but one, with `settings.new_paths` of the steps, and compare the splats with that video.

    Args:
        capture: posed frames; the starting points are found again, without the video that is left out.
        settings: of the whole fit.
        generator: source of all random numbers; a CPU generator.
        show_progress: show a progress bar.
        device: device of the fit.

    Returns:
        As in metrics.json: `video`, `steps`; `psnr`, `ssim`, `degrees`, `meters` and `per_frame` of the left-out
        video, with the distances to the nearest fitted camera; `held_out`, the same fit between its own frames; and
        `good_within`, from `good_within`. None for fewer than four videos, or if `settings.new_paths` is 0.
    """
    video = typical_video(capture) if settings.new_paths else None
    if video is None:
        return None
    left_out = [index for index, name in enumerate(capture.videos) if name == video]
    others = capture.subset([index for index in range(len(capture)) if index not in left_out])
    steps = max(1, round(settings.new_paths * settings.steps))
    result = fit(
        others,
        initial_points(others, generator=generator),
        replace(settings, steps=steps, hold_out=settings.hold_out or 8),
        generator=generator,
        show_progress=show_progress,
        device=device,
        label=f"fitting without {video}",
    )
    measured = evaluate(result.splats, capture, left_out, settings.background)
    fitted: Cameras = others.cameras
    distance = distance_to_nearest(capture.cameras[np.array(left_out)].centers, fitted)
    for each, degrees, meters in zip(measured["per_frame"], distance.angle.tolist(), distance.meters.tolist()):
        each |= {"degrees": round(degrees, 3), "meters": round(meters, 4)}
    between = {name: result.metrics["held_out"][name] for name in ("psnr", "ssim")}
    psnrs = [each["psnr"] for each in measured["per_frame"]]
    within = good_within(distance.angle, distance.meters, psnrs)
    return {
        "video": video,
        "steps": steps,
        "psnr": measured["psnr"],
        "ssim": measured["ssim"],
        "degrees": float(distance.angle.mean()),
        "meters": float(distance.meters.mean()),
        "held_out": between,
        "good_within": within,
        "per_frame": measured["per_frame"],
    }


def good_within(
    degrees: Sequence[float] | np.ndarray, meters: Sequence[float] | np.ndarray, psnrs: Sequence[float]
) -> dict[str, float] | None:
    """The distance from the nearest camera within which no view is more than DROP dB worse than the nearest view.

    The reference is a view of the same video, because generated videos contradict each other even from one place.

    Args:
        degrees: (N,) angles at the subject between each view and its nearest camera.
        meters: (N,) distances of the same views.
        psnrs: (N,) their PSNR in dB.

    Returns:
        the largest angle and the largest distance among these views, as `degrees` and `meters`, and the PSNR of the
        nearest view, as `psnr`; None if no view is within NEAR degrees.
    """
    order = np.argsort(degrees, kind="stable")
    sorted_degrees, sorted_psnrs = np.asarray(degrees)[order], np.asarray(psnrs)[order]
    if sorted_degrees[0] > NEAR:
        return None
    good = int(np.argmin(np.append(sorted_psnrs >= sorted_psnrs[0] - DROP, False)))
    return {
        "degrees": float(sorted_degrees[good - 1]),
        "meters": float(np.asarray(meters)[order[:good]].max()),
        "psnr": float(sorted_psnrs[0]),
    }
