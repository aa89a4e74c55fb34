"""gsplat's densification strategies, DefaultStrategy and MCMCStrategy, for a CPU or a GPU.

Usage (gsplat needs the same names in parameters and optimizers, and one parameter group per optimizer; the names are
`means`, `quats`, `scales` (log), `opacities` (logit), and any others)::

    densification = Densification(default_strategy(refine_start_iter=500), parameters, optimizers, generator)
    for step in range(steps):
        images, alphas, meta = rasterization(..., packed=densification.packed, absgrad=densification.absgrad)
        densification.before_backward(step, meta)
        loss.backward()
        ...  # optimizers step, gradients are cleared
        densification.after_backward(step, meta)

`parameters` and `optimizers` are changed in place, so read `parameters["means"]` again in each step.

This module extends gsplat without changing its files. gsplat's strategies call two CUDA kernels and one slow function;
for CPU tensors, the functions below replace them. DefaultStrategy gets a cap, MCMCStrategy a growth factor.
DefaultStrategy of gsplat 1.5.3 never resets opacities (its condition `step % self.reset_every == 0 & step > 0` is
always false), so `Densification` resets them; a second reset has no effect.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from gsplat.strategy import DefaultStrategy, MCMCStrategy, mcmc, ops
from torch import Tensor

from recon.kernels import kernel
from recon.kernels.threads import even_parts, run
from recon.rasterize.reference import rotation_matrices


@dataclass
class CappedDefaultStrategy(DefaultStrategy):
    """gsplat's DefaultStrategy with a cap like that of MCMCStrategy; the largest gradients grow first."""

    grow_grad2d: float = 2e-4
    """Gaussians whose mean image-plane gradient is larger grow; a field of gsplat."""
    cap_max: int = 1_000_000
    """Maximum number of Gaussians."""

    def _grow_gs(
        self,
        params: dict[str, torch.nn.Parameter] | torch.nn.ParameterDict,
        optimizers: dict[str, torch.optim.Optimizer],
        state: dict[str, Any],
        step: int,
    ) -> tuple[int, int]:
        gradients = state["grad2d"] / state["count"].clamp_min(1)
        room = max(0, self.cap_max - len(gradients))
        limit = self.grow_grad2d
        if int((gradients > limit).sum()) > room:
            # Each Gaussian with a gradient above the limit becomes two.
            self.grow_grad2d = float(gradients.sort(descending=True).values[room])
        try:
            grown: tuple[int, int] = super()._grow_gs(params, optimizers, state, step)
        finally:
            self.grow_grad2d = limit
        return grown


@dataclass
class GrowingMCMCStrategy(MCMCStrategy):
    """gsplat's MCMCStrategy with a configurable growth factor: gsplat's 1.05 is too slow for short fits."""

    growth: float = 1.05
    """Factor by which each refinement increases the number of Gaussians, up to the cap."""

    @torch.no_grad()
    def _add_new_gs(
        self,
        params: dict[str, torch.nn.Parameter] | torch.nn.ParameterDict,
        optimizers: dict[str, torch.optim.Optimizer],
        binoms: Tensor,
    ) -> int:
        N = len(params["means"])
        added = max(0, min(self.cap_max, int(self.growth * N)) - N)
        if added:
            ops.sample_add(params, optimizers, state={}, n=added, binoms=binoms, min_opacity=self.min_opacity)
        return added


def default_strategy(**options: Any) -> CappedDefaultStrategy:
    """gsplat's DefaultStrategy with support for CPU tensors; options are its fields and `cap_max`."""
    support_cpu_tensors()
    return CappedDefaultStrategy(**options)


def mcmc_strategy(**options: Any) -> GrowingMCMCStrategy:
    """gsplat's MCMCStrategy with support for CPU tensors; options are its fields and `growth`."""
    support_cpu_tensors()
    return GrowingMCMCStrategy(**options)


@dataclass
class Densification:
    """A strategy applied to one set of parameters.

    Attributes:
        strategy: a DefaultStrategy or MCMCStrategy.
        parameters: by name; replaced in place when Gaussians are added or removed.
        optimizers: by the same names, one parameter group each.
        generator: source of all random numbers; torch's global generator does not change.
        scene_scale: the scene's size in world units; DefaultStrategy's thresholds are relative to it.
        packed: the `packed` argument that `rasterization` is called with.
        state: the strategy's running sums; save and restore it with the parameters.
    """

    strategy: DefaultStrategy | MCMCStrategy
    parameters: dict[str, torch.nn.Parameter] | torch.nn.ParameterDict
    optimizers: dict[str, torch.optim.Optimizer]
    generator: torch.Generator
    scene_scale: float = 1.0
    packed: bool = True
    state: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        support_cpu_tensors()
        self.strategy.check_sanity(self.parameters, self.optimizers)
        if not self.state:
            scale = {"scene_scale": self.scene_scale} if isinstance(self.strategy, DefaultStrategy) else {}
            self.state = self.strategy.initialize_state(**scale)

    @property
    def absgrad(self) -> bool:
        """Whether `rasterization` must be called with absgrad=True."""
        return getattr(self.strategy, "absgrad", False)

    def before_backward(self, step: int, meta: dict[str, Any]) -> None:
        """Call this between `rasterization` and `loss.backward()`."""
        self.strategy.step_pre_backward(self.parameters, self.optimizers, self.state, step, meta)

    def after_backward(self, step: int, meta: dict[str, Any]) -> None:
        """Call this after `loss.backward()`: updates the sums and, at refinement steps, the set of Gaussians."""
        seed = int(torch.randint(2**62, (), generator=self.generator, device=self.generator.device))
        devices = [self.parameters["means"].device] if self.parameters["means"].is_cuda else []
        with torch.random.fork_rng(devices):
            torch.manual_seed(seed)
            arguments = (self.parameters, self.optimizers, self.state, step, meta)
            if isinstance(self.strategy, MCMCStrategy):
                self.strategy.step_post_backward(*arguments, lr=self.optimizers["means"].param_groups[0]["lr"])
                return
            self.strategy.step_post_backward(*arguments, packed=self.packed)
        if 0 < step < self.strategy.refine_stop_iter and step % self.strategy.reset_every == 0:
            ops.reset_opa(self.parameters, self.optimizers, self.state, value=2 * self.strategy.prune_opa)


def quat_scale_to_covar_preci(
    quats: Tensor, scales: Tensor, compute_covar: bool = True, compute_preci: bool = True, triu: bool = False
) -> tuple[Tensor | None, Tensor | None]:
    """Covariances R S S R^T of quaternions (..., 4) and scales (..., 3), and their inverses.

    Each is (..., 3, 3), or with `triu` the six numbers (..., 6) of its upper triangle, or None if not requested.
    """
    rotations = rotation_matrices(quats)
    results: list[Tensor | None] = []
    for requested, lengths in ((compute_covar, scales), (compute_preci, 1 / scales)):
        if not requested:
            results.append(None)
            continue
        half = rotations * lengths[..., None, :]
        full = half @ half.transpose(-1, -2)
        results.append(full[..., [0, 0, 0, 1, 1, 2], [0, 1, 2, 1, 2, 2]] if triu else full)
    return results[0], results[1]


def compute_relocation(opacities: Tensor, scales: Tensor, ratios: Tensor, binoms: Tensor) -> tuple[Tensor, Tensor]:
    """Opacity and scale of each of n equal Gaussians that together replace one (MCMC paper, equation 9).

    Kheradmand et al., "3D Gaussian Splatting as Markov Chain Monte Carlo", 2024. The binomials alternate in sign, so
    the sum is taken in float64.

    Args:
        opacities: (N,).
        scales: (N, 3).
        ratios: (N,) integers n, clamped to [1, n_max].
        binoms: (n_max, n_max), binoms[i, k] = i choose k.

    Returns:
        New opacities (N,) and scales (N, 3).
    """
    n_max = len(binoms)
    n = ratios.clamp(1, n_max).long()
    old = opacities.double()
    new = 1 - (1 - old) ** (1 / n)
    # The sum over i <= n of (i - 1 choose k): the sum of rows 0 to n - 1 of the table.
    choices = binoms.double().cumsum(0)[n - 1]
    k = torch.arange(n_max, dtype=torch.float64, device=opacities.device)
    terms = choices * (1 - 2 * (k % 2)) / (k + 1).sqrt() * new[:, None] ** (k + 1)
    factor = old / terms.sum(-1)
    return new.to(opacities.dtype), (factor[:, None] * scales).to(scales.dtype)


@torch.no_grad()
def inject_noise_to_position(
    params: dict[str, torch.nn.Parameter], optimizers: dict[str, Any], state: dict[str, Any], scaler: float
) -> None:
    """Add noise with each Gaussian's covariance to the means of faint Gaussians (MCMC paper, equation 8).

    gsplat's version also works on a CPU, but builds covariance matrices and takes a sixth of a step.
    """
    noise = torch.randn_like(params["means"])
    tensors = (params["quats"], params["scales"], params["opacities"].flatten(), noise, params["means"])
    run(_jitter, even_parts(len(noise)), *(tensor.detach().numpy() for tensor in tensors), np.float32(scaler))


@kernel
def _jitter(first, last, quats, log_scales, logits, noise, means, scaler):
    """Add R S^2 R^T noise to the means of Gaussians first..last, weighted by how faint each one is."""
    one, two = np.float32(1), np.float32(2)
    for n in range(first, last):
        if logits[n] > np.float32(-1.4):  # less than a millionth of a percent of the noise
            continue
        w, x, y, z = quats[n, 0], quats[n, 1], quats[n, 2], quats[n, 3]
        q = two / (w * w + x * x + y * y + z * z)
        xx, yy, zz, xy, xz, yz = q * x * x, q * y * y, q * z * z, q * x * y, q * x * z, q * y * z
        wx, wy, wz = q * w * x, q * w * y, q * w * z
        opacity = one / (one + np.exp(-logits[n]))
        faint = scaler / (one + np.exp(np.float32(100) * (opacity - np.float32(0.005))))
        a, b, c = faint * noise[n, 0], faint * noise[n, 1], faint * noise[n, 2]
        u = ((one - yy - zz) * a + (xy + wz) * b + (xz - wy) * c) * np.exp(two * log_scales[n, 0])
        v = ((xy - wz) * a + (one - xx - zz) * b + (yz + wx) * c) * np.exp(two * log_scales[n, 1])
        t = ((xz + wy) * a + (yz - wx) * b + (one - xx - yy) * c) * np.exp(two * log_scales[n, 2])
        means[n, 0] += (one - yy - zz) * u + (xy - wz) * v + (xz + wy) * t
        means[n, 1] += (xy + wz) * u + (one - xx - zz) * v + (yz - wx) * t
        means[n, 2] += (xz - wy) * u + (yz + wx) * v + (one - xx - yy) * t


def support_cpu_tensors() -> None:
    """Patch gsplat so that its strategies use the functions above for CPU tensors, and gsplat's kernels on CUDA."""
    for ours in (quat_scale_to_covar_preci, compute_relocation, inject_noise_to_position):
        theirs = getattr(ops, ours.__name__)
        if not hasattr(theirs, "cpu_version"):
            setattr(ops, ours.__name__, _by_device(theirs, ours))
    # This module imports the function by name.
    mcmc.inject_noise_to_position = ops.inject_noise_to_position


def _by_device(on_cuda: Callable[..., Any], on_cpu: Callable[..., Any]) -> Callable[..., Any]:
    """A function that calls one of two, depending on the device of its first tensor or of the parameter `means`."""

    def choose(*arguments: Any, **named: Any) -> Any:
        values = [*arguments, *named.values()]
        values += [value["means"] for value in values if isinstance(value, Mapping) and "means" in value]
        first = next(value for value in values if isinstance(value, Tensor))
        return (on_cuda if first.is_cuda else on_cpu)(*arguments, **named)

    choose.cpu_version = on_cpu  # type: ignore[attr-defined]
    return choose
