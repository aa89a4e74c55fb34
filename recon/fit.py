"""Fitting splats to posed frames of something that stands still."""

from __future__ import annotations

import hashlib
import json
import os
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from recon.capture import Capture
from recon.checkpoints import load_checkpoint, save_checkpoint
from recon.metrics import photometric_loss, psnr, ssim
from recon.points import PointCloud
from recon.progress import progress_bar
from recon.render import render
from recon.splats import Splats, from_points
from recon.views import extent
from trajectories.cameras import Cameras
from trajectories.errors import InputError

CHECKPOINT_FILE = "fit.pt"
METRICS_FILE = "metrics.json"
KEEP_EVERY = 100
"""Steps between the states in memory that a fit falls back to after a value that is not finite."""
MAX_SETBACKS = 5


@dataclass(frozen=True)
class FitSettings:
    """What a fit may be told. The rates are gsplat's (examples/simple_trainer.py), for Adam."""

    steps: int = 2000
    """Optimisation steps, one frame each."""
    sh_degree: int = 2
    """Degree of the spherical harmonics; they come in one degree at a time over the first half of the steps."""
    means_rate: float = 1.6e-4
    """Learning rate of the centres, in scene scales; it falls to a hundredth over the fit."""
    scales_rate: float = 5e-3
    """Learning rate of the logarithms of the scales."""
    quats_rate: float = 1e-3
    """Learning rate of the rotations."""
    opacities_rate: float = 5e-2
    """Learning rate of the logits of the opacities."""
    sh0_rate: float = 2.5e-3
    """Learning rate of the base colors."""
    shN_rate: float = 2.5e-3 / 20
    """Learning rate of the higher spherical harmonics."""
    densify: Literal["default", "mcmc", "none"] = "default"
    """gsplat's strategy: clone, split and prune by gradient; relocate (MCMC); or leave the splats as they come."""
    refine_every: int = 100
    """Steps between densifications; they run from a tenth to six tenths of the fit."""
    grow_grad2d: float = 2e-4
    """A splat whose mean image-plane gradient is larger grows ('default' only)."""
    cap: int = 100_000
    """No more splats once there are so many."""
    ssim_weight: float = 0.2
    """Weight w of the loss (1 - w) L1 + w (1 - SSIM)."""
    hold_out: int = 8
    """Every so many frames, one is kept out of the fit and measured; 0 keeps none out."""
    coarse_until: float = 0.0
    """Up to this fraction of the steps, frames are fitted at half their width and height: four times as fast."""
    background: tuple[float, float, float] | None = None
    """RGB behind the splats; None draws another at each step, which makes the splats cover all that is seen."""
    checkpoint_every: int = 500
    """Steps between checkpoints."""

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise InputError(f"The fit has {self.steps} steps; give at least 1.")
        if not 0 <= self.sh_degree <= 3:
            raise InputError(f"The degree of the spherical harmonics is {self.sh_degree}; give 0, 1, 2 or 3.")
        if self.densify not in ("default", "mcmc", "none"):
            raise InputError(f"The densification {self.densify!r} is unknown; give 'default', 'mcmc' or 'none'.")
        if not 0.0 <= self.coarse_until <= 1.0:
            raise InputError(f"coarse_until is {self.coarse_until:g}; give a fraction of the steps, 0 to 1.")
        if self.hold_out < 0 or self.hold_out == 1:
            raise InputError(f"hold_out is {self.hold_out}; give 2 or more, or 0 to fit all frames.")

    def rates(self, scene_scale: float) -> dict[str, float]:
        """Learning rates by parameter name."""
        return {
            "means": self.means_rate * scene_scale,
            "scales": self.scales_rate,
            "quats": self.quats_rate,
            "opacities": self.opacities_rate,
            "sh0": self.sh0_rate,
            "shN": self.shN_rate,
        }


@dataclass(frozen=True)
class FitResult:
    """Fitted splats and how good they are."""

    splats: Splats
    """On the CPU, detached."""
    metrics: dict[str, Any]
    """As in metrics.json: `splats`, `steps`, and for `held_out` and `training` frames `psnr`, `ssim`, `per_frame`."""


def settings_for(capture: Capture) -> FitSettings:
    """Settings for a capture: more steps for more pixels, within a few minutes on two CPU cores."""
    pixels = capture.cameras.width * capture.cameras.height
    if pixels <= 192 * 192:
        return FitSettings(steps=1500)
    # A large frame starts at half size, where a step costs a quarter and shapes are found all the same.
    return FitSettings(steps=2000, coarse_until=0.5 if pixels > 200_000 else 0.0)


def held_out_frames(count: int, every: int) -> list[int]:
    """Which of `count` frames are measured and not fitted; none unless two others stay."""
    chosen = list(range(every // 2, count, every)) if every else []
    return chosen if count - len(chosen) >= 2 else []


def fit(
    capture: Capture,
    points: PointCloud,
    settings: FitSettings,
    *,
    generator: torch.Generator,
    folder: Path | None = None,
    on_step: Callable[[int, Splats], None] | None = None,
    show_progress: bool = False,
    device: torch.device | str = "cpu",
) -> FitResult:
    """Fit splats to the frames of a capture, all of them at one instant or of something that stands still.

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
    run = _Run.start(start, settings, scene_scale(cameras), generator, device)
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
            loss, fault = run.advance(viewmats[index], K, target)
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
    splats = run.splats().to("cpu")
    metrics = {
        "steps": settings.steps,
        "splats": len(splats),
        "held_out": evaluate(run.splats(), capture, held_out, settings.background),
        "training": evaluate(run.splats(), capture, training[:: -(-len(training) // 32)], settings.background),
    }
    if folder:
        _write_json(metrics, folder / METRICS_FILE)
    return FitResult(splats, metrics)


def evaluate(
    splats: Splats, capture: Capture, frames: list[int], background: tuple[float, float, float] | None = None
) -> dict[str, Any]:
    """PSNR in dB and SSIM of splats against frames of a capture: their means, None without frames, and each frame's."""
    per_frame: list[dict[str, Any]] = []
    for index in frames:
        image = render(splats, capture.cameras[index : index + 1], background or (0.0, 0.0, 0.0))[0].cpu()
        target = torch.from_numpy(capture.image(index))
        values = {"psnr": float(psnr(image, target)), "ssim": float(ssim(image, target))}
        per_frame.append({"frame": index, "video": capture.videos[index], **values})
    if not per_frame:
        return {"psnr": None, "ssim": None, "per_frame": []}
    means = {name: float(np.mean([each[name] for each in per_frame])) for name in ("psnr", "ssim")}
    return {**means, "per_frame": per_frame}


def scene_scale(cameras: Cameras) -> float:
    """gsplat's scene scale in metres: 1.1 times the radius of the cameras."""
    return 1.1 * extent(cameras)


@dataclass
class _Run:
    """A fit at one of its steps."""

    settings: FitSettings
    parameters: dict[str, torch.nn.Parameter]
    optimizers: dict[str, torch.optim.Optimizer]
    base_rates: dict[str, float]
    densification: Any
    generator: torch.Generator
    step: int = 0
    rate: float = 1.0
    order: list[int] = field(default_factory=list)

    @classmethod
    def start(
        cls,
        splats: Splats,
        settings: FitSettings,
        scale: float,
        generator: torch.Generator,
        device: torch.device | str,
    ) -> _Run:
        from recon.rasterize.strategies import Densification, default_strategy, mcmc_strategy

        tensors = {
            "means": splats.means,
            "scales": splats.log_scales,
            "quats": splats.quats,
            "opacities": splats.logit_opacities,
            "sh0": splats.sh[:, :1],
            "shN": splats.sh[:, 1:],
        }
        parameters = {name: torch.nn.Parameter(tensor.clone().to(device)) for name, tensor in tensors.items()}
        rates = settings.rates(scale)
        optimizers: dict[str, torch.optim.Optimizer] = {
            name: torch.optim.Adam([parameters[name]], lr=rates[name], eps=1e-15, fused=True) for name in parameters
        }
        schedule = {
            "refine_start_iter": settings.steps // 10,
            "refine_stop_iter": settings.steps * 6 // 10,
            "refine_every": settings.refine_every,
        }
        densification = None
        if settings.densify == "mcmc":
            strategy = mcmc_strategy(cap_max=settings.cap, **schedule)
            densification = Densification(strategy, parameters, optimizers, generator, packed=False)
        elif settings.densify == "default":
            # Opacity resets need thousands of steps to heal, more than these fits have.
            options = {"grow_grad2d": settings.grow_grad2d, "reset_every": 2 * settings.steps}
            densification = Densification(
                default_strategy(**schedule, **options), parameters, optimizers, generator, scale, packed=False
            )
        return cls(settings, parameters, optimizers, rates, densification, generator)

    def splats(self) -> Splats:
        """The splats as they are; they share memory with the parameters."""
        p = {name: parameter.detach() for name, parameter in self.parameters.items()}
        sh = torch.cat([p["sh0"], p["shN"]], dim=1)
        return Splats(p["means"], p["quats"], p["scales"], p["opacities"], sh)

    def advance(self, viewmat: Tensor, K: Tensor, target: Tensor) -> tuple[float, str | None]:
        """One step.

        Returns:
            the loss, and the name of what was not finite; then nothing has changed but the random generator.
        """
        from recon.rasterize import rasterization

        p, settings = self.parameters, self.settings
        height, width = target.shape[:2]
        background = settings.background
        if background is None:
            backgrounds = torch.rand(1, 3, generator=self.generator).to(target.device)
        else:
            backgrounds = torch.tensor([background], device=target.device)
        # All degrees are in by half of the steps.
        degree = min(settings.sh_degree, 2 * (settings.sh_degree + 1) * self.step // settings.steps)
        images, _, meta = rasterization(
            p["means"],
            p["quats"],
            p["scales"].exp(),
            p["opacities"].sigmoid(),
            torch.cat([p["sh0"], p["shN"][:, : (degree + 1) ** 2 - 1]], dim=1),
            viewmat[None],
            K[None],
            width,
            height,
            sh_degree=degree,
            packed=False,
            backgrounds=backgrounds,
        )
        loss = photometric_loss(images[0], target, settings.ssim_weight)
        if settings.densify == "mcmc":
            loss = loss + 0.01 * p["opacities"].sigmoid().mean() + 0.01 * p["scales"].exp().mean()
        if self.densification:
            self.densification.before_backward(self.step, meta)
        loss.backward()
        value = float(loss.detach())
        fault = self._fault(value)
        if fault:
            self._clear_gradients()
            return value, fault
        for name, optimizer in self.optimizers.items():
            decay = 0.01 ** (self.step / settings.steps) if name == "means" else 1.0
            optimizer.param_groups[0]["lr"] = self.base_rates[name] * self.rate * decay
            optimizer.step()
        self._clear_gradients()
        if self.densification:
            if settings.densify == "default" and len(p["means"]) >= settings.cap:
                # gsplat's DefaultStrategy knows no cap, but it can be told that its time is over.
                self.densification.strategy.refine_stop_iter = 0
            self.densification.after_backward(self.step, meta)
        self.step += 1
        return value, None

    def state(self) -> dict[str, Any]:
        """A copy of everything that the next step depends on: tensors and plain values."""
        optimizers = {}
        for name, optimizer in self.optimizers.items():
            optimizers[name] = {key: _copy(value) for key, value in optimizer.state[self.parameters[name]].items()}
        return {
            "step": self.step,
            "rate": self.rate,
            "order": list(self.order),
            "parameters": {name: parameter.detach().clone() for name, parameter in self.parameters.items()},
            "optimizers": optimizers,
            "densification": {key: _copy(value) for key, value in self.densification.state.items()}
            if self.densification
            else {},
            "generator": self.generator.get_state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go back, or on, to what `state` gave."""
        self.step, self.rate, self.order = state["step"], state["rate"], list(state["order"])
        for name, optimizer in self.optimizers.items():
            device = self.parameters[name].device
            parameter = torch.nn.Parameter(state["parameters"][name].clone().to(device))
            self.parameters[name] = parameter
            optimizer.param_groups[0]["params"] = [parameter]
            optimizer.state.clear()
            values = {key: _copy(value) for key, value in state["optimizers"][name].items()}
            if values:
                optimizer.state[parameter] = {
                    key: value.to(device) if isinstance(value, Tensor) else value for key, value in values.items()
                }
        if self.densification:
            device = self.parameters["means"].device
            for key, value in state["densification"].items():
                value = _copy(value)
                self.densification.state[key] = value.to(device) if isinstance(value, Tensor) else value
        self.generator.set_state(state["generator"])

    def _fault(self, loss: float) -> str | None:
        for name, parameter in self.parameters.items():
            if parameter.grad is not None and not bool(parameter.grad.isfinite().all()):
                return f"the gradient of {name}"
        for name, parameter in self.parameters.items():
            if not np.isfinite(loss) and not bool(parameter.isfinite().all()):
                return name
        return None if np.isfinite(loss) else "the loss"

    def _clear_gradients(self) -> None:
        for optimizer in self.optimizers.values():
            optimizer.zero_grad(set_to_none=True)


def _copy(value: Any) -> Any:
    return value.detach().clone() if isinstance(value, Tensor) else value


def _half(image: Tensor, K: Tensor) -> tuple[Tensor, Tensor]:
    """An image (H, W, 3) at half size and its intrinsics; an odd last row or column is left out."""
    pooled = torch.nn.functional.avg_pool2d(image.permute(2, 0, 1), 2).permute(1, 2, 0).contiguous()
    return pooled, K * K.new_tensor([[0.5], [0.5], [1.0]])


def _to_uint8(image: np.ndarray) -> np.ndarray:
    return np.round(image * 255.0).astype(np.uint8)


def _fingerprint(capture: Capture, points: PointCloud, settings: FitSettings) -> str:
    digest = hashlib.sha256(json.dumps(asdict(settings), sort_keys=True).encode())
    for array in (capture.cameras.c2w, capture.cameras.K, points.positions, points.colors):
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _write_json(content: dict[str, Any], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(path.name + ".part")
    beside.write_text(json.dumps(content, indent=2) + "\n")
    os.replace(beside, path)
