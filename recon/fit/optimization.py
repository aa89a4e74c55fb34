"""The state of a fit and its single step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from recon.fit.settings import FitSettings
from recon.metrics import photometric_loss
from recon.moving import MovingSplats
from recon.splats import Splats


@dataclass
class Optimization:
    """A fit at one of its steps."""

    settings: FitSettings
    parameters: dict[str, torch.nn.Parameter]
    optimizers: dict[str, torch.optim.Optimizer]
    base_rates: dict[str, float]
    densification: Any
    generator: torch.Generator
    scale: float
    """Scene scale in metres."""
    start_time: float
    end_time: float
    """Seconds between which splats move."""
    step: int = 0
    rate: float = 1.0
    order: list[int] = field(default_factory=list)

    @classmethod
    def start(
        cls,
        splats: Splats,
        settings: FitSettings,
        scale: float,
        times: np.ndarray,
        generator: torch.Generator,
        device: torch.device | str,
    ) -> Optimization:
        """The first step of a fit that starts from splats, of a scene of that scale, to frames at times in seconds."""
        from recon.rasterize.strategies import Densification, default_strategy, mcmc_strategy

        tensors = {
            "means": splats.means,
            "scales": splats.log_scales,
            "quats": splats.quats,
            "opacities": splats.logit_opacities,
            "sh0": splats.sh[:, :1],
            "shN": splats.sh[:, 1:],
        }
        if settings.knots:
            N, K = len(splats), settings.knots
            tensors |= {"shifts": torch.zeros(N, K, 3), "turns": torch.zeros(N, K, 3), "fades": torch.zeros(N, K)}
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
        first, last = float(times.min()), float(times.max())
        return cls(settings, parameters, optimizers, rates, densification, generator, scale, first, last)

    def splats(self) -> Splats | MovingSplats:
        """The splats as they are; they share memory with the parameters."""
        p = {name: parameter.detach() for name, parameter in self.parameters.items()}
        sh = torch.cat([p["sh0"], p["shN"]], dim=1)
        rest = Splats(p["means"], p["quats"], p["scales"], p["opacities"], sh)
        return self._moving(rest, p) if self.settings.knots else rest

    def _moving(self, rest: Splats, p: Mapping[str, Tensor]) -> MovingSplats:
        every = torch.arange(len(rest), device=rest.means.device)
        return MovingSplats(rest, every, p["shifts"], p["turns"], p["fades"], self.start_time, self.end_time)

    def advance(self, viewmat: Tensor, K: Tensor, target: Tensor, time: float) -> tuple[float, str | None]:
        """One step, towards an image (H, W, 3) seen at a time in seconds.

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
        sh = torch.cat([p["sh0"], p["shN"][:, : (degree + 1) ** 2 - 1]], dim=1)
        splats: Splats = Splats(p["means"], p["quats"], p["scales"], p["opacities"], sh)
        if settings.knots:
            splats = self._moving(splats, p).at(time)
        images, _, meta = rasterization(
            splats.means,
            splats.quats,
            splats.log_scales.exp(),
            splats.logit_opacities.sigmoid(),
            splats.sh,
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
        if settings.knots:
            loss = loss + settings.stillness * p["shifts"].abs().mean() / self.scale
        if self.densification:
            self.densification.before_backward(self.step, meta)
        loss.backward()
        value = float(loss.detach())
        fault = self._fault(value)
        if fault:
            self._clear_gradients()
            return value, fault
        for name, optimizer in self.optimizers.items():
            decay = 0.01 ** (self.step / settings.steps) if name in ("means", "shifts", "turns") else 1.0
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
