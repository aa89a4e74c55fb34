"""Evaluate fitted splats on held out and fitted frames."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from recon.capture import Capture
from recon.fitting.metrics import psnr, ssim
from recon.render import render
from recon.splats import MovingSplats, Splats


def held_out_frames(count: int, every: int) -> list[int]:
    """The indices of the frames, of `count`, that are held out for evaluation; none unless two others remain."""
    chosen = list(range(every // 2, count, every)) if every else []
    return chosen if count - len(chosen) >= 2 else []


def evaluate(
    splats: Splats | MovingSplats,
    capture: Capture,
    frames: list[int],
    background: tuple[float, float, float] | None = None,
) -> dict[str, Any]:
    """PSNR in dB and SSIM of splats on frames of a capture: the means (None without frames) and per-frame values."""
    per_frame: list[dict[str, Any]] = []
    for index in frames:
        image = render(
            splats.at(float(capture.times[index])), capture.cameras[index : index + 1], background or (0.0, 0.0, 0.0)
        )[0].cpu()
        target = torch.from_numpy(capture.image(index))
        values = {"psnr": float(psnr(image, target)), "ssim": float(ssim(image, target))}
        per_frame.append({"frame": index, "video": capture.videos[index], **values})
    if not per_frame:
        return {"psnr": None, "ssim": None, "per_frame": []}
    means = {name: float(np.mean([each[name] for each in per_frame])) for name in ("psnr", "ssim")}
    return {**means, "per_frame": per_frame}
