"""Vector lanes against numpy."""

import numpy as np
import pytest
from numba import njit

from recon.kernels.lanes import any_lane, exp_minus, fill, load, magnitude, store, total, where, workspace


@njit
def _compute(x, y, out):
    a, b = load(x, 0), load(y, 0)
    store(out, 0, a + b)
    store(out, 16, a - 2.0)
    store(out, 32, 3.0 * b)
    store(out, 48, a / b)
    store(out, 64, min(a, b))
    store(out, 80, where((a < b) & (a >= 0.0), a, b))
    store(out, 96, magnitude(a))
    store(out, 112, fill(7.0))
    return total(a), any_lane(a > 1e9), any_lane(a <= b)


@pytest.mark.slow
def test_arithmetic():
    generator = np.random.default_rng(0)
    x, y = generator.normal(size=(2, 16)).astype(np.float32)
    out = np.empty(128, np.float32)
    summed, none, any_less = _compute(x, y, out)
    chosen = np.where((x < y) & (x >= 0), x, y)
    expected = [x + y, x - 2, 3 * y, x / y, np.minimum(x, y), chosen, np.abs(x), np.full(16, 7)]
    np.testing.assert_allclose(out, np.concatenate(expected).astype(np.float32), rtol=1e-6)
    assert abs(summed - x.sum(dtype=np.float64)) < 1e-5
    assert not none
    assert any_less == (x <= y).any()


@njit
def _exponentials(x, out):
    for i in range(0, len(x), 16):
        store(out, i, exp_minus(load(x, i)))


@pytest.mark.slow
def test_exponential():
    x = np.linspace(0, 60, 16 * 4096, dtype=np.float32)
    out = np.empty_like(x)
    _exponentials(x, out)
    exact = np.exp(-x.astype(np.float64))
    near = x <= 6  # alpha is under 1/255 from 5.6 on
    assert np.abs(out / exact - 1)[near].max() < 8e-7
    assert np.abs(out / exact - 1).max() < 5e-6
    assert out[0] == 1


@njit
def _address(size):
    return workspace(size).ctypes.data


def test_a_workspace_lies_on_a_cache_line():
    assert all(_address(size) % 64 == 0 for size in (1, 16, 100, 768))
