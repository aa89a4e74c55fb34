"""The state of a fit and its single step."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from recon.fit.averages import averages, set_averages
from recon.fit.confidence import Confidence
from recon.fit.depth import depth_loss
from recon.fit.exposure import Exposures
from recon.fit.frames import TargetFrame
from recon.fit.metrics import photometric_loss
from recon.fit.motion_review import use_of_motion
from recon.fit.settings import FitSettings
from recon.render import rasterized
from recon.splats import Splats
from recon.splats.moving import MovingSplats, settled

if TYPE_CHECKING:
    from recon.rasterize.strategies import Densification

PATHS = ("shifts", "turns", "fades")
"""The parameters of which only moving splats have some."""


class Optimization:
    """A fit at one of its steps.

    Args:
        splats: where it starts.
        settings: see `FitSettings`.
        scale: scene scale in metres.
        times: (N,) seconds of all frames of the capture, between which splats move.
        fitted: the frames that are fitted.
        confidence: (N,) how much each frame counts from the start.
        generator: every random draw comes from it; a CPU generator.
        device: where to fit.
    """

    def __init__(
        self,
        splats: Splats,
        settings: FitSettings,
        scale: float,
        times: np.ndarray,
        fitted: Sequence[int],
        confidence: Tensor,
        generator: torch.Generator,
        device: torch.device | str,
    ) -> None:
        self.settings, self.scale, self.generator = settings, scale, generator
        self.start_time, self.end_time = float(times.min()), float(times.max())
        self.parameters = _parameters(splats, settings.knots, device)
        self.base_rates = settings.rates(scale)
        self.optimizers: dict[str, torch.optim.Optimizer] = {
            name: torch.optim.Adam([parameter], lr=self.base_rates[name], eps=1e-15, fused=True)
            for name, parameter in self.parameters.items()
        }
        self.densification = self._densification()
        self.confidence = Confidence(confidence, settings.confidence == "learnt")
        self.exposures = Exposures(fitted, settings.exposure_rate, device) if settings.exposure else None
        self.step, self.rate = 0, 1.0
        self.order: list[int] = []
        """Fitted frames that are still to come in this round."""
        self.moving: Tensor | None = None
        """(M,) the splats that have paths, once it is settled which; until then all have."""

    def splats(self) -> Splats | MovingSplats:
        """The splats as they are; they share memory with the parameters."""
        p = {name: parameter.detach() for name, parameter in self.parameters.items()}
        sh = torch.cat([p["sh0"], p["shN"]], dim=1)
        rest = Splats(p["means"], p["quats"], p["scales"], p["opacities"], sh)
        return self._moving(rest, p) if self.settings.knots else rest

    def advance(self, target: TargetFrame) -> tuple[float, str | None]:
        """One step, towards a frame.

        Returns:
            the loss, and the name of what was not finite; then nothing has changed but the random generator.
        """
        settings = self.settings
        image, depth, meta = self._render(target)
        if self.exposures:
            image = self.exposures.apply(image, target.frame)
        error = photometric_loss(image, target.image, settings.ssim_weight)
        loss = self.confidence.weight(target.frame) * error + self._regularisation()
        if depth is not None and target.seen is not None:
            loss = loss + settings.depth_weight * depth_loss(depth, target.seen, self.scale)
        if self.densification:
            self.densification.before_backward(self.step, meta)
        loss.backward()
        value = float(loss.detach())
        fault = self._fault(value)
        if fault:
            self._clear_gradients()
            return value, fault
        if settings.knots and self.moving is None and self.step >= self.calm_step:
            self._hold_still()
        fall = 0.01 ** (self.step / settings.steps)
        for name, optimizer in self.optimizers.items():
            decay = fall if name in ("means", "shifts", "turns") else 1.0
            optimizer.param_groups[0]["lr"] = self.base_rates[name] * self.rate * decay
            optimizer.step()
        if self.exposures:
            self.exposures.advance(self.rate * fall**0.5)
        self._clear_gradients()
        self.confidence.saw(target.frame, float(error.detach()))
        if self.densification:
            self.densification.after_backward(self.step, meta)
        self.step += 1
        return value, None

    @property
    def refine_stop(self) -> int:
        """The step from which on no splats come and go."""
        return max(1, self.settings.steps * 6 // 10)

    @property
    def calm_step(self) -> int:
        """The step at which paths that are of no use are first taken away, while splats come and go."""
        return max(1, self.refine_stop // 2)

    def review_motion(self, targets: Iterable[TargetFrame]) -> None:
        """At its two steps, look at `targets` for what need not move; at others do nothing."""
        if self.settings.knots and self.step == self.refine_stop:
            self.settle(targets)
        elif self.settings.knots and self.step == self.calm_step:
            self.calm(targets)

    def calm(self, targets: Iterable[TargetFrame]) -> None:
        """Let those splats stand still whose motion `targets` do not need: they and what they become, by zero paths."""
        _, moves = self._let_stand_still(targets)
        for name in PATHS:
            self.parameters[name].data[~moves] = 0.0
            for value in self.optimizers[name].state[self.parameters[name]].values():
                if value.ndim:
                    value[~moves] = 0.0

    def settle(self, targets: Iterable[TargetFrame]) -> None:
        """The same for good: only splats that move keep paths, and none may come or go any more."""
        splats, moves = self._let_stand_still(targets)
        self.moving = splats.moving
        for name in PATHS:
            optimizer, old = self.optimizers[name], self.parameters[name]
            new = self.parameters[name] = torch.nn.Parameter(getattr(splats, name))
            values = averages(optimizer, old)
            optimizer.state.clear()
            optimizer.param_groups[0]["params"] = [new]
            set_averages(optimizer, new, {key: value[moves] if value.ndim else value for key, value in values.items()})

    def _let_stand_still(self, targets: Iterable[TargetFrame]) -> tuple[MovingSplats, Tensor]:
        """The splats, of which only some move after this, and (N,) bool, which."""
        splats = self.splats()
        assert isinstance(splats, MovingSplats) and self.moving is None
        moves = use_of_motion(splats, targets) > self.settings.still_below
        splats = settled(splats, moves)
        p, rest = self.parameters, splats.rest
        for name, tensor in (("means", rest.means), ("quats", rest.quats), ("opacities", rest.logit_opacities)):
            p[name].data.copy_(tensor)
        return splats, moves

    def _hold_still(self) -> None:
        """Keep zero paths zero between `calm` and `settle`."""
        still = ~self.parameters["shifts"].detach().flatten(1).any(dim=1)
        for name in PATHS:
            gradient = self.parameters[name].grad
            assert gradient is not None
            gradient[still] = 0.0

    def state(self) -> dict[str, Any]:
        """A copy of everything that the next step depends on: tensors and plain values."""
        return {
            "step": self.step,
            "rate": self.rate,
            "order": list(self.order),
            "moving": _copy(self.moving),
            "parameters": {name: parameter.detach().clone() for name, parameter in self.parameters.items()},
            "optimizers": {
                name: averages(optimizer, self.parameters[name]) for name, optimizer in self.optimizers.items()
            },
            "densification": {key: _copy(value) for key, value in self.densification.state.items()}
            if self.densification
            else {},
            "exposures": self.exposures.state() if self.exposures else {},
            "losses": self.confidence.losses.clone(),
            "generator": self.generator.get_state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go back, or on, to what `state` gave."""
        self.step, self.rate, self.order = state["step"], state["rate"], list(state["order"])
        self.moving = _copy(state["moving"])
        for name, optimizer in self.optimizers.items():
            device = self.parameters[name].device
            parameter = torch.nn.Parameter(state["parameters"][name].clone().to(device))
            self.parameters[name] = parameter
            optimizer.param_groups[0]["params"] = [parameter]
            optimizer.state.clear()
            set_averages(optimizer, parameter, state["optimizers"][name])
        if self.densification:
            device = self.parameters["means"].device
            for key, value in state["densification"].items():
                value = _copy(value)
                self.densification.state[key] = value.to(device) if isinstance(value, Tensor) else value
        if self.exposures:
            self.exposures.restore(state["exposures"])
        self.confidence.losses = state["losses"].clone()
        self.generator.set_state(state["generator"])

    def _densification(self) -> Densification | None:
        from recon.rasterize.strategies import Densification, default_strategy, mcmc_strategy

        settings = self.settings
        if settings.densify == "none":
            return None
        start, every = settings.steps // 10, settings.refinement_interval
        schedule = {
            "refine_start_iter": start,
            "refine_stop_iter": self.refine_stop,
            "refine_every": every,
            "cap_max": settings.cap,
        }
        if settings.densify == "mcmc":
            # Two thirds of the refinements fill the cap, the others find better places.
            rounds = max(1, (self.refine_stop - start) * 2 // (3 * every))
            growth = max(1.05, (settings.cap / len(self.parameters["means"])) ** (1 / rounds))
            strategy = mcmc_strategy(**schedule, growth=growth)
        else:
            # Opacity resets need thousands of steps to heal, more than these fits have.
            options = {"grow_grad2d": settings.grow_grad2d, "absgrad": settings.absgrad}
            strategy = default_strategy(**schedule, **options, reset_every=2 * settings.steps)
        return Densification(strategy, self.parameters, self.optimizers, self.generator, self.scale, packed=False)

    def _moving(self, rest: Splats, p: Mapping[str, Tensor]) -> MovingSplats:
        moving = torch.arange(len(rest), device=rest.means.device) if self.moving is None else self.moving
        return MovingSplats(rest, moving, p["shifts"], p["turns"], p["fades"], self.start_time, self.end_time)

    def _render(self, target: TargetFrame) -> tuple[Tensor, Tensor | None, dict[str, Any]]:
        """The image (H, W, 3) and, where its loss is wanted, the depth (H, W) that a frame sees, and gsplat's meta."""
        p, settings = self.parameters, self.settings
        height, width = target.image.shape[:2]
        if settings.background is None:
            backgrounds = torch.rand(1, 3, generator=self.generator).to(target.image.device)
        else:
            backgrounds = torch.tensor([settings.background], device=target.image.device)
        # All degrees are in by half of the steps.
        degree = min(settings.sh_degree, 2 * (settings.sh_degree + 1) * self.step // settings.steps)
        sh = torch.cat([p["sh0"], p["shN"][:, : (degree + 1) ** 2 - 1]], dim=1)
        splats: Splats = Splats(p["means"], p["quats"], p["scales"], p["opacities"], sh)
        if settings.knots:
            splats = self._moving(splats, p).at(target.time)
        with_depth = settings.depth_weight > 0
        images, _, meta = rasterized(
            splats,
            target.viewmat[None],
            target.K[None],
            width,
            height,
            backgrounds=backgrounds,
            render_mode="RGB+ED" if with_depth else "RGB",
            absgrad=bool(self.densification and self.densification.absgrad),
        )
        return images[0, ..., :3], images[0, ..., 3] if with_depth else None, meta

    def _regularisation(self) -> Tensor | float:
        p, settings = self.parameters, self.settings
        loss: Tensor | float = 0.0
        usual = 0.01 if settings.densify == "mcmc" else 0.0
        if opacity_reg := usual if settings.opacity_reg is None else settings.opacity_reg:
            loss = loss + opacity_reg * p["opacities"].sigmoid().mean()
        if scale_reg := usual if settings.scale_reg is None else settings.scale_reg:
            loss = loss + scale_reg * p["scales"].exp().mean()
        return loss

    def _fault(self, loss: float) -> str | None:
        for name, parameter in self.parameters.items():
            gradient = parameter.grad
            # A sum is not finite if one of its terms is not, and takes a tenth of the time to look at.
            if gradient is None or np.isfinite(float(gradient.sum())):
                continue
            if not bool(gradient.isfinite().all()):
                return f"the gradient of {name}"
        for name, parameter in self.parameters.items():
            if not np.isfinite(loss) and not bool(parameter.isfinite().all()):
                return name
        return None if np.isfinite(loss) else "the loss"

    def _clear_gradients(self) -> None:
        for optimizer in self.optimizers.values():
            optimizer.zero_grad(set_to_none=True)
        if self.exposures:
            self.exposures.clear()


def _parameters(splats: Splats, knots: int, device: torch.device | str) -> dict[str, torch.nn.Parameter]:
    """What is optimised, by the names that gsplat's strategies know."""
    tensors = {
        "means": splats.means,
        "scales": splats.log_scales,
        "quats": splats.quats,
        "opacities": splats.logit_opacities,
        "sh0": splats.sh[:, :1],
        "shN": splats.sh[:, 1:],
    }
    if knots:
        N = len(splats)
        tensors |= {
            "shifts": torch.zeros(N, knots, 3),
            "turns": torch.zeros(N, knots, 3),
            "fades": torch.zeros(N, knots),
        }
    return {name: torch.nn.Parameter(tensor.clone().to(device)) for name, tensor in tensors.items()}


def _copy(value: Any) -> Any:
    return value.detach().clone() if isinstance(value, Tensor) else value
