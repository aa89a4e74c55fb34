import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cvd3d.training.homography import Warp, sample_homographies, warp_frames

NONE = dict.fromkeys(("translation", "rotation", "scale", "shear", "perspective"), 0.0)


def sample(frames=5, width=96, height=64, seed=0, **deviations):
    return sample_homographies(
        Warp(**{**NONE, **deviations}), frames, width, height, torch.Generator().manual_seed(seed)
    )


def apply(H, pixel):
    x = H @ [*pixel, 1.0]
    return x[:2] / x[2]


@given(seed=st.integers(0, 2**32))
def test_they_start_at_the_identity_and_depend_on_the_seed_only(seed):
    H = sample_homographies(Warp(), 4, 96, 64, torch.Generator().manual_seed(seed))
    assert np.allclose(H[0], np.eye(3)) and np.array_equal(H, sample_homographies(
        Warp(), 4, 96, 64, torch.Generator().manual_seed(seed)
    ))  # fmt: skip
    assert np.abs(np.linalg.det(H)).min() > 0


def test_each_parameter_by_hand():
    """The parameters of seed 0 are known from the same generator."""
    n = torch.randn(9, generator=torch.Generator().manual_seed(0), dtype=torch.float64).numpy()
    moved = sample(translation=0.5)
    assert apply(moved[-1], (48, 32)) == pytest.approx((48 + 16 * n[0], 32 + 16 * n[1]))  # half heights of 32 pixels
    assert apply(moved[2], (48, 32)) == pytest.approx((48 + 8 * n[0], 32 + 8 * n[1]))  # half of the way
    turned = sample(rotation=0.1)[-1]
    angle = 0.1 * n[2]
    assert apply(turned, (58, 32)) == pytest.approx((48 + 10 * math.cos(angle), 32 + 10 * math.sin(angle)))
    scaled = sample(scale=0.1)[-1]
    assert apply(scaled, (58, 42)) == pytest.approx((48 + 10 * (1 + 0.1 * n[3]), 32 + 10 * (1 + 0.1 * n[4])))
    sheared = sample(shear=0.1)[-1]
    assert apply(sheared, (48, 42)) == pytest.approx((48 + 10 * 0.1 * n[5], 42))
    tilted = sample(perspective=0.1)[-1]
    assert apply(tilted, (80, 32)) == pytest.approx((48 + 32 / (1 + 0.1 * n[7]), 32))


def test_a_pixel_moves_to_where_the_homography_says():
    H = sample_homographies(Warp(), 6, 96, 64, torch.Generator().manual_seed(2))
    frames = np.zeros((6, 64, 96, 3), dtype=np.uint8)
    frames[:, 29:32, 49:52] = 255  # its middle is at (50.5, 30.5)
    warped, valid = warp_frames(frames, H)
    assert np.array_equal(warped[0], frames[0]) and valid[0].all()
    for frame, M in zip(warped, H):
        weight = frame[..., 0].astype(float)
        v, u = np.mgrid[:64, :96] + 0.5
        center = (u * weight).sum() / weight.sum(), (v * weight).sum() / weight.sum()
        assert center == pytest.approx(apply(M, (50.5, 30.5)), abs=0.15)


def test_pixels_outside_the_clip_are_invalid():
    shift = np.array([[1.0, 0, 10], [0, 1, 0], [0, 0, 1]])
    warped, valid = warp_frames(np.full((1, 64, 96, 3), 200, dtype=np.uint8), shift[None])
    assert not valid[0, :, :10].any() and valid[0, :, 10:].all()
    assert (warped[0, :, :10] == 0).all() and (warped[0, :, 10:] == 200).all()


def test_most_of_the_clip_stays_visible():
    shares = [
        warp_frames(np.zeros((16, 32, 32, 3), dtype=np.uint8), sample_homographies(
            Warp(), 16, 32, 32, torch.Generator().manual_seed(seed)
        ))[1].mean()
        for seed in range(60)
    ]  # fmt: skip
    assert 0.7 < np.mean(shares) < 0.95


def test_deviations_are_numbers_of_zero_or_more():
    for value in (-0.1, math.nan):
        with pytest.raises(ValueError, match="rotation is"):
            Warp(rotation=value)
