"""The state of a fit and one optimization step."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from recon.fitting.confidence import Confidence
from recon.fitting.densification import make_densification
from recon.fitting.depth import depth_loss
from recon.fitting.exposure import Exposures
from recon.fitting.frames import TargetFrame
from recon.fitting.metrics import photometric_loss
from recon.fitting.motion_review import MotionReview
from recon.fitting.optimizer_state import optimizer_state, set_optimizer_state
from recon.fitting.parameters import first_not_finite, keep_within, parameters_from, splats_from
from recon.fitting.regularization import regularization
from recon.fitting.schedule import FitSchedule
from recon.fitting.settings import FitSettings
from recon.render import rasterized
from recon.splats import MovingSplats, Splats
from recon.starting_points.far_shell import FarLimit


class Optimization:
    """The parameters, optimizers and other state of a fit at one step.

    Args:
        splats: the initial splats.
        settings: see `FitSettings`.
        scale: scene scale in meters.
        limit: the sphere that all splats stay in.
        times: (N,) seconds of all frames of the capture; splats move within this time range.
        fitted: the indices of the fitted frames.
        confidence: (N,) initial weight of each frame.
        generator: source of all random numbers; a CPU generator.
        device: device of the fit.
    """

    def __init__(
        self,
        splats: Splats,
        settings: FitSettings,
        scale: float,
        limit: FarLimit,
        times: np.ndarray,
        fitted: Sequence[int],
        confidence: Tensor,
        generator: torch.Generator,
        device: torch.device | str,
    ) -> None:
        self.settings, self.scale, self.limit, self.generator = settings, scale, limit, generator
        self.span = float(times.min()), float(times.max())
        self.schedule = FitSchedule(settings, scale)
        self.parameters = parameters_from(splats, settings.knots, device)
        keep_within(self.parameters, limit)
        rates = self.schedule.rates(0)
        self.optimizers: dict[str, torch.optim.Optimizer] = {
            name: torch.optim.Adam([parameter], lr=rates[name], eps=1e-15, fused=True)
            for name, parameter in self.parameters.items()
        }
        self.densification = make_densification(self.schedule, self.parameters, self.optimizers, generator)
        stop = self.schedule.refine_stop
        review = MotionReview(max(1, stop // 2), stop, settings.still_below)
        self.motion_review, self.motion = review if settings.knots else None, review.initialize_state()
        self.confidence = Confidence(confidence, settings.confidence == "learnt")
        self.exposures = Exposures(fitted, settings.exposure_rate, device) if settings.exposure else None
        self.step, self.rate = 0, 1.0
        self.order: list[int] = []
        """Fitted frames that remain in this epoch."""

    def splats(self) -> Splats | MovingSplats:
        """The current splats; they share memory with the parameters."""
        detached = {name: parameter.detach() for name, parameter in self.parameters.items()}
        return self._splats(detached, self.settings.sh_degree)

    def advance(self, target: TargetFrame) -> tuple[float, str | None]:
        """Do one optimization step on a frame.

        Returns:
            the loss, and the name of a value that is not finite, or None. If a value is not finite, only the state of
            the random generator has changed.
        """
        settings = self.settings
        image, depth, meta = self._render(target)
        if self.exposures:
            image = self.exposures.apply(image, target.frame)
        error = photometric_loss(image, target.image, settings.ssim_weight)
        loss = self.confidence.weight(target.frame) * error + regularization(self.parameters, settings)
        if depth is not None and target.points is not None:
            loss = loss + settings.depth_weight * depth_loss(depth, target.points, self.scale)

        if self.densification:
            self.densification.before_backward(self.step, meta)
        loss.backward()
        value = float(loss.detach())
        fault = first_not_finite(self.parameters, value)
        if fault:
            self._clear_gradients()
            return value, fault
        if self.motion_review:
            self.motion_review.step_post_backward(self.parameters, self.motion, self.step)

        self._step_optimizers()
        self._clear_gradients()
        self.confidence.update(target.frame, float(error.detach()))
        if self.densification:
            self.densification.after_backward(self.step, meta)
        # The noise of MCMC would carry faint splats of the sky away without end.
        keep_within(self.parameters, self.limit)
        self.step += 1
        return value, None

    def review_motion(self, targets: Iterable[TargetFrame]) -> None:
        """Run the `MotionReview` with `targets` if it is due after this step."""
        review = self.motion_review
        if review and review.is_due(self.step):
            splats = self.splats()
            assert isinstance(splats, MovingSplats)
            review.review(self.parameters, self.optimizers, self.motion, self.step, splats, targets)

    def state(self) -> dict[str, Any]:
        """A copy of everything that the next step depends on: tensors and plain values."""
        return {
            "step": self.step,
            "rate": self.rate,
            "order": list(self.order),
            **_copies(self.motion),
            "parameters": {name: parameter.detach().clone() for name, parameter in self.parameters.items()},
            "optimizers": {
                name: optimizer_state(optimizer, self.parameters[name]) for name, optimizer in self.optimizers.items()
            },
            "densification": _copies(self.densification.state) if self.densification else {},
            "exposures": self.exposures.state() if self.exposures else {},
            "losses": self.confidence.losses.clone(),
            "generator": self.generator.get_state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Restore a copy that `state` returned."""
        self.step, self.rate, self.order = state["step"], state["rate"], list(state["order"])
        device = self.parameters["means"].device
        self.motion = _copies({name: state[name] for name in self.motion}, device)
        for name, optimizer in self.optimizers.items():
            parameter = torch.nn.Parameter(state["parameters"][name].clone().to(device))
            self.parameters[name] = parameter
            optimizer.param_groups[0]["params"] = [parameter]
            optimizer.state.clear()
            set_optimizer_state(optimizer, parameter, state["optimizers"][name])
        if self.densification:
            self.densification.state.update(_copies(state["densification"], device))
        if self.exposures:
            self.exposures.restore(state["exposures"])
        self.confidence.losses = state["losses"].clone()
        self.generator.set_state(state["generator"])

    def _splats(self, parameters: Mapping[str, Tensor], degree: int) -> Splats | MovingSplats:
        return splats_from(parameters, self.span, self.motion["moving"], degree)

    def _render(self, target: TargetFrame) -> tuple[Tensor, Tensor | None, dict[str, Any]]:
        """The render (H, W, 3) from a frame's camera, its depth (H, W) if the loss needs it, and gsplat's meta."""
        settings = self.settings
        height, width = target.image.shape[:2]
        if settings.background is None:
            backgrounds = torch.rand(1, 3, generator=self.generator).to(target.image.device)
        else:
            backgrounds = torch.tensor([settings.background], device=target.image.device)
        splats = self._splats(self.parameters, self.schedule.sh_degree(self.step))
        with_depth = settings.depth_weight > 0
        images, _, meta = rasterized(
            splats.at(target.time) if isinstance(splats, MovingSplats) else splats,
            target.viewmat[None],
            target.K[None],
            width,
            height,
            backgrounds=backgrounds,
            render_mode="RGB+ED" if with_depth else "RGB",
            absgrad=bool(self.densification and self.densification.absgrad),
        )
        return images[0, ..., :3], images[0, ..., 3] if with_depth else None, meta

    def _step_optimizers(self) -> None:
        rates = self.schedule.rates(self.step)
        for name, optimizer in self.optimizers.items():
            optimizer.param_groups[0]["lr"] = self.rate * rates[name]
            optimizer.step()
        if self.exposures:
            self.exposures.advance(self.rate * self.schedule.exposure_decay(self.step))

    def _clear_gradients(self) -> None:
        for optimizer in self.optimizers.values():
            optimizer.zero_grad(set_to_none=True)
        if self.exposures:
            self.exposures.clear()


def _copies(state: Mapping[str, Any], device: torch.device | None = None) -> dict[str, Any]:
    """A copy of a running state, with its tensors moved to `device` if it is not None."""
    return {
        key: value.detach().clone().to(device) if isinstance(value, Tensor) else value for key, value in state.items()
    }
