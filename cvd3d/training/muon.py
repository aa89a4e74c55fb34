"""The optimizer: Muon for the matrices of a network, AdamW for all other parameters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from cvd3d import processes

NEWTON_SCHULZ_STEPS = 5
NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)  # maximal slope at zero (Jordan et al. 2024, "Muon")
OUTER_LAYERS = ("conv_in.", "conv_out.", "embedding", "latent_")
"""Name fragments of layers whose inputs or outputs are not features; AdamW optimizes them."""


def orthogonalized(matrices: Tensor) -> Tensor:
    """Approximately the nearest semi-orthogonal matrices, with singular values between 0.7 and 1.2.

    Args:
        matrices: (N, rows, columns).
    """
    a, b, c = NEWTON_SCHULZ
    wide = matrices.shape[-2] > matrices.shape[-1]
    x = matrices.transpose(-1, -2) if wide else matrices
    x = x / (torch.linalg.matrix_norm(x, keepdim=True) + 1e-7)
    for _ in range(NEWTON_SCHULZ_STEPS):
        gram = x @ x.transpose(-1, -2)
        x = a * x + torch.baddbmm(b * gram, gram, gram, alpha=c) @ x
    return x.transpose(-1, -2) if wide else x


class Muon(torch.optim.Optimizer):
    """Nesterov momentum with orthogonalized updates, scaled to the magnitude of AdamW's (Liu et al. 2025, 2502.16982).

    Convolutions are treated as matrices (out, in x k x k). Several processes share the orthogonalization.
    """

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        lr: float,
        momentum: float = 0.95,
        weight_decay: float = 0.01,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        """Create the optimizer.

        Args:
            parameters: with two or more dimensions.
            lr: learning rate.
            momentum: decay of the moving average of the gradients.
            weight_decay: decoupled; multiplied by the learning rate.
            dtype: precision of the orthogonalization.
        """
        self.dtype = dtype
        super().__init__(parameters, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Update every parameter that has a gradient."""
        for group in self.param_groups:
            parameters = [p for p in group["params"] if p.grad is not None]
            if not parameters:
                continue
            gradients = [p.grad for p in parameters]
            momenta = [self.state[p].setdefault("momentum", torch.zeros_like(p)) for p in parameters]
            torch._foreach_lerp_(momenta, gradients, 1 - group["momentum"])
            directions = torch._foreach_lerp(gradients, momenta, group["momentum"])
            torch._foreach_mul_(parameters, 1 - group["lr"] * group["weight_decay"])
            for p, update in zip(parameters, _shared_updates(directions, self.dtype)):
                p.add_(update.view_as(p), alpha=-0.2 * max(update.shape) ** 0.5 * group["lr"])


def _shared_updates(directions: Sequence[Tensor], dtype: torch.dtype) -> list[Tensor]:
    """The orthogonalized matrices; each process computes a part of them, batched by shape."""
    by_shape: dict[tuple[int, int], list[int]] = {}
    for index, direction in enumerate(directions):
        rows = direction.shape[0]
        by_shape.setdefault((rows, direction.numel() // rows), []).append(index)
    flat = directions[0].new_zeros(sum(direction.numel() for direction in directions))
    updates = [part.view(len(d), -1) for part, d in zip(flat.split([d.numel() for d in directions]), directions)]
    for members in by_shape.values():
        mine = members[processes.rank() :: processes.count()]
        if mine:
            stacked = torch.stack([directions[i].reshape(len(directions[i]), -1) for i in mine])
            for i, result in zip(mine, orthogonalized(stacked.to(dtype))):
                updates[i].copy_(result)
    processes.add_up(flat)
    return updates


class MuonAndAdamW:
    """Both optimizers of one network: Muon for the inner matrices, AdamW for vectors and `OUTER_LAYERS`."""

    def __init__(
        self,
        parameters: Mapping[str, nn.Parameter],
        lr: float,
        muon: bool = True,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        """Assign each parameter to one of the optimizers.

        Args:
            parameters: by name.
            lr: learning rate of both.
            muon: False uses AdamW for all parameters.
            dtype: precision of Muon's orthogonalization.
        """
        inner: list[nn.Parameter] = []
        rest: list[nn.Parameter] = []
        for name, parameter in parameters.items():
            matrix = muon and parameter.ndim > 1 and not any(fragment in name for fragment in OUTER_LAYERS)
            (inner if matrix else rest).append(parameter)
        self.optimizers: list[torch.optim.Optimizer] = []
        if inner:
            self.optimizers.append(Muon(inner, lr, dtype=dtype))
        if rest:
            self.optimizers.append(torch.optim.AdamW(rest, lr, betas=(0.9, 0.99), weight_decay=1e-2, fused=True))

    def step(self, lr: float) -> None:
        """Make one update at this learning rate and clear the gradients."""
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = lr
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)

    def state_dict(self) -> dict[str, Any]:
        """The state of both optimizers, for `load_state_dict`."""
        return {str(i): optimizer.state_dict() for i, optimizer in enumerate(self.optimizers)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the state of both optimizers for the same parameters."""
        for i, optimizer in enumerate(self.optimizers):
            optimizer.load_state_dict(state[str(i)])
