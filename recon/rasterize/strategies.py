"""gsplat's own densification, DefaultStrategy and MCMCStrategy, on a CPU as on a GPU.

Use it like this (parameters and optimizers as gsplat wants them: the same names in both, one parameter group each;
names `means`, `quats`, `scales` (log), `opacities` (logit), and any others)::

    densification = Densification(default_strategy(refine_start_iter=500), parameters, optimizers, generator)
    for step in range(steps):
        images, alphas, meta = rasterization(..., packed=densification.packed, absgrad=densification.absgrad)
        densification.before_backward(step, meta)
        loss.backward()
        ...  # optimizers step, gradients are cleared
        densification.after_backward(step, meta)

`parameters` and `optimizers` are changed in place: read `parameters["means"]` anew in each step.

Two things are mended here, both without touching gsplat's files. Its strategies call two CUDA kernels, for which
tensors on a CPU get the versions below. And DefaultStrategy of gsplat 1.5.3 never resets opacities (its condition reads
`step % self.reset_every == 0 & step > 0`, which is always false), so `Densification` does; where gsplat has done it
already, doing it again changes nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from gsplat.strategy import DefaultStrategy, MCMCStrategy, ops
from torch import Tensor

from recon.rasterize.reference import rotation_matrices


@dataclass
class CappedDefaultStrategy(DefaultStrategy):
    """gsplat's DefaultStrategy with the cap that its MCMCStrategy has: of too many, those of largest gradient grow."""

    cap_max: int = 1_000_000
    """Never more Gaussians than this."""

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
            # Each one that grows becomes two, and only what is larger than the limit grows.
            self.grow_grad2d = float(gradients.sort(descending=True).values[room])
        try:
            grown: tuple[int, int] = super()._grow_gs(params, optimizers, state, step)
        finally:
            self.grow_grad2d = limit
        return grown


def default_strategy(**options: Any) -> CappedDefaultStrategy:
    """gsplat's DefaultStrategy, ready for tensors on a CPU; options are its fields and `cap_max`."""
    serve_cpu_tensors()
    return CappedDefaultStrategy(**options)


def mcmc_strategy(**options: Any) -> MCMCStrategy:
    """gsplat's MCMCStrategy, ready for tensors on a CPU; options are its fields."""
    serve_cpu_tensors()
    return MCMCStrategy(**options)


@dataclass
class Densification:
    """A strategy at work on one set of parameters.

    Attributes:
        strategy: a DefaultStrategy or MCMCStrategy.
        parameters: by name; replaced in place when Gaussians come and go.
        optimizers: by the same names, one parameter group each.
        generator: every random draw comes from it; torch's global generator is left as it was.
        scene_scale: the scene's size in world units, to which DefaultStrategy's thresholds are relative.
        packed: what `rasterization` is called with.
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
        serve_cpu_tensors()
        self.strategy.check_sanity(self.parameters, self.optimizers)
        if not self.state:
            scale = {"scene_scale": self.scene_scale} if isinstance(self.strategy, DefaultStrategy) else {}
            self.state = self.strategy.initialize_state(**scale)

    @property
    def absgrad(self) -> bool:
        """Whether `rasterization` must be called with absgrad."""
        return getattr(self.strategy, "absgrad", False)

    def before_backward(self, step: int, meta: dict[str, Any]) -> None:
        """To be called between `rasterization` and `loss.backward()`."""
        self.strategy.step_pre_backward(self.parameters, self.optimizers, self.state, step, meta)

    def after_backward(self, step: int, meta: dict[str, Any]) -> None:
        """To be called after `loss.backward()`: counts, and at its steps adds, moves or removes Gaussians."""
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

    Each is (..., 3, 3), or with `triu` the six numbers (..., 6) of its upper triangle, or None when not asked for.
    """
    rotations = rotation_matrices(quats)
    results: list[Tensor | None] = []
    for wanted, lengths in ((compute_covar, scales), (compute_preci, 1 / scales)):
        if not wanted:
            results.append(None)
            continue
        half = rotations * lengths[..., None, :]
        full = half @ half.transpose(-1, -2)
        results.append(full[..., [0, 0, 0, 1, 1, 2], [0, 1, 2, 1, 2, 2]] if triu else full)
    return results[0], results[1]


def compute_relocation(opacities: Tensor, scales: Tensor, ratios: Tensor, binoms: Tensor) -> tuple[Tensor, Tensor]:
    """Opacity and scale of each of n equal Gaussians that together look like one (MCMC paper, equation 9).

    Kheradmand et al., "3D Gaussian Splatting as Markov Chain Monte Carlo", 2024. The binomials alternate in sign, so
    the sum is taken in float64.

    Args:
        opacities: (N,).
        scales: (N, 3).
        ratios: (N,) integers n, taken as 1 to n_max.
        binoms: (n_max, n_max), binoms[i, k] = i choose k.

    Returns:
        New opacities (N,) and scales (N, 3).
    """
    n_max = len(binoms)
    n = ratios.clamp(1, n_max).long()
    old = opacities.double()
    new = 1 - (1 - old) ** (1 / n)
    # The sum over i <= n of (i - 1 choose k): rows 0 to n - 1 of the table, added up.
    choices = binoms.double().cumsum(0)[n - 1]
    k = torch.arange(n_max, dtype=torch.float64, device=opacities.device)
    terms = choices * (1 - 2 * (k % 2)) / (k + 1).sqrt() * new[:, None] ** (k + 1)
    factor = old / terms.sum(-1)
    return new.to(opacities.dtype), (factor[:, None] * scales).to(scales.dtype)


def serve_cpu_tensors() -> None:
    """Let gsplat's strategies use the functions above for tensors on a CPU, and its own kernels on CUDA."""
    for ours in (quat_scale_to_covar_preci, compute_relocation):
        theirs = getattr(ops, ours.__name__)
        if not hasattr(theirs, "cpu_version"):
            setattr(ops, ours.__name__, _by_device(theirs, ours))


def _by_device(on_cuda: Callable[..., Any], on_cpu: Callable[..., Any]) -> Callable[..., Any]:
    """A function that picks one of two by the device of its first tensor."""

    def choose(*arguments: Any, **named: Any) -> Any:
        first = next(value for value in (*arguments, *named.values()) if isinstance(value, Tensor))
        return (on_cuda if first.is_cuda else on_cpu)(*arguments, **named)

    choose.cpu_version = on_cpu  # type: ignore[attr-defined]
    return choose
