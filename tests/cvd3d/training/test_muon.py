"""Muon compared with plain arithmetic on singular values."""

import numpy as np
import pytest
import torch
from torch import nn

from cvd3d.training.muon import Muon, MuonAndAdamW, orthogonalized

LR, MOMENTUM, DECAY = 0.1, 0.95, 0.01


def seeded(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def reference(matrix):
    """Five steps of x -> 3.4445 x - 4.775 x³ + 2.0315 x⁵ on the singular values, after division by their norm."""
    U, s, Vt = np.linalg.svd(matrix.astype(np.float64), full_matrices=False)
    s = s / np.linalg.norm(s)
    for _ in range(5):
        s = 3.4445 * s - 4.7750 * s**3 + 2.0315 * s**5
    return (U * s) @ Vt


@pytest.mark.parametrize("shape", [(20, 7), (7, 20), (12, 12)], ids=["tall", "wide", "square"])
def test_singular_values_are_near_one(shape):
    matrices = seeded(3, *shape)
    result = orthogonalized(matrices)
    values = torch.linalg.svdvals(result)
    assert result.shape == matrices.shape
    assert values.min() > 0.6 and values.max() < 1.3
    for given, made in zip(matrices, result):
        np.testing.assert_allclose(made, reference(given.numpy()), atol=1e-4)


def test_two_steps_by_hand():
    start, first, second = (seeded(4, 6, seed=seed) for seed in range(3))
    parameter = nn.Parameter(start.clone())
    optimizer = Muon([parameter], LR, MOMENTUM, DECAY)
    expected, momentum = start.numpy().astype(np.float64), np.zeros((4, 6))
    for gradient in (first, second):
        parameter.grad = gradient.clone()
        optimizer.step()
        momentum = 0.95 * momentum + 0.05 * gradient.numpy()
        direction = 0.05 * gradient.numpy() + 0.95 * momentum
        expected = expected * (1 - 0.1 * 0.01) - 0.1 * 0.2 * 6**0.5 * reference(direction)
        np.testing.assert_allclose(parameter.detach(), expected, atol=1e-5)


def test_convolutions_count_as_matrices_of_their_outputs():
    start, gradient = seeded(6, 2, 3, 3, seed=1), seeded(6, 2, 3, 3, seed=2)
    convolution, matrix = nn.Parameter(start.clone()), nn.Parameter(start.reshape(6, 18).clone())
    convolution.grad, matrix.grad = gradient.clone(), gradient.reshape(6, 18).clone()
    Muon([convolution], LR).step()
    Muon([matrix], LR).step()
    np.testing.assert_array_equal(convolution.detach().reshape(6, 18), matrix.detach())
    assert not torch.equal(convolution, start)


def test_a_parameter_without_a_gradient_is_unchanged():
    trained, unused = nn.Parameter(seeded(3, 3)), nn.Parameter(seeded(3, 3))
    trained.grad = torch.ones(3, 3)
    Muon([trained, unused], LR).step()
    assert torch.equal(unused, seeded(3, 3)) and not torch.equal(trained, seeded(3, 3))


def test_adamw_optimizes_vectors_and_outer_layers():
    names = ("mid.weight", "mid.bias", "conv_in.weight", "token_embedding.weight")
    parameters = {name: nn.Parameter(torch.zeros(4) if name.endswith("bias") else torch.zeros(4, 4)) for name in names}

    def owners(**options):
        optimizers = MuonAndAdamW(parameters, 1e-3, **options).optimizers
        return [(type(each).__name__, len(each.param_groups[0]["params"])) for each in optimizers]

    assert owners() == [("Muon", 1), ("AdamW", 3)]
    assert owners(muon=False) == [("AdamW", 4)]
