import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from recon.splats import Splats
from viewer.gaussians import covariances, drawing_unit, flat_gaussians, visible


def splats_of(n: int, **changes) -> Splats:
    values = {
        "means": torch.arange(3.0 * n).reshape(n, 3),
        "quats": torch.tensor([[1.0, 0, 0, 0]]).repeat(n, 1),
        "log_scales": torch.full((n, 3), -3.0),
        "logit_opacities": torch.zeros(n),
        "sh": torch.zeros(n, 4, 3),
    }
    return Splats(**values | changes)


def test_the_covariance_of_an_unrotated_splat_is_diagonal():
    got = covariances(np.array([[1.0, 0, 0, 0]]), np.array([[1.0, 2.0, 3.0]]))
    np.testing.assert_allclose(got[0], np.diag([1.0, 4.0, 9.0]), atol=1e-12)


def test_the_covariance_rotates_with_the_splat():
    # A rotation by 90 degrees about z maps x to y, so the long axis x is along y afterwards.
    quarter = np.array([[np.sqrt(0.5), 0, 0, np.sqrt(0.5)]])
    np.testing.assert_allclose(
        covariances(quarter, np.array([[3.0, 1.0, 2.0]]))[0], np.diag([1.0, 9.0, 4.0]), atol=1e-12
    )
    # A rotation by 45 degrees mixes the axes: variances 9 and 1 give variance 5 and covariance (9 - 1) / 2.
    eighth = np.array([[np.cos(np.pi / 8), 0, 0, np.sin(np.pi / 8)]])
    want = np.array([[5.0, 4.0, 0.0], [4.0, 5.0, 0.0], [0.0, 0.0, 4.0]])
    np.testing.assert_allclose(covariances(eighth, np.array([[3.0, 1.0, 2.0]]))[0], want, atol=1e-12)


def test_covariance_agrees_with_scipy_and_ignores_the_length_of_the_quaternion():
    rng = np.random.default_rng(0)
    quats, scales = rng.normal(size=(20, 4)), rng.uniform(0.1, 2.0, size=(20, 3))
    R = Rotation.from_quat(np.roll(quats, -1, axis=1)).as_matrix()  # scipy's order is xyzw
    want = R @ (scales[:, :, None] ** 2 * np.swapaxes(R, 1, 2))
    np.testing.assert_allclose(covariances(quats, scales), want, atol=1e-12)


def test_the_color_is_the_dc_term():
    sh = torch.zeros(1, 4, 3)
    sh[0, 0] = torch.tensor([1.0, -0.5, 9.0])
    sh[0, 1:] = 100.0  # must not matter
    got = flat_gaussians(splats_of(1, sh=sh))
    np.testing.assert_allclose(got.rgbs[0], [0.5 + 0.28209479, 0.5 - 0.28209479 / 2, 1.0], atol=1e-6)
    assert got.opacities[0] == pytest.approx(0.5)


def test_invalid_and_transparent_splats_are_invisible_and_removed():
    splats = splats_of(5)
    splats.means[0, 1] = torch.nan
    splats.log_scales[1, 0] = torch.inf
    splats.logit_opacities[2] = -20.0
    splats.quats[3] = 0.0
    flat = flat_gaussians(splats)
    assert len(flat) == 5 and all(np.isfinite(values).all() for values in vars(flat).values())
    np.testing.assert_allclose(flat.opacities, [0, 0, 0, 0, 0.5], atol=1e-8)
    assert np.isfinite(covariances(flat.quats, np.exp(flat.log_scales))).all()
    got = visible(flat)
    assert len(got) == 1
    np.testing.assert_array_equal(got.means[0], [12, 13, 14])


@pytest.mark.parametrize("world", [1e-3, 1.0, 1e4])
def test_half_precision_is_enough_for_worlds_of_any_size(world):
    scales = world * np.array([[1e-3, 0.01, 0.1], [0.01, 0.3, 0.02]])
    unit = drawing_unit(np.log(scales))
    cov = covariances(np.array([[0.3, 0.5, -0.2, 0.7]] * 2), scales / unit)
    half = cov.astype(np.float16).astype(np.float64)
    np.testing.assert_allclose(half, cov, rtol=2e-3, atol=2e-3 * cov.max(axis=(1, 2)).min())
    assert drawing_unit(np.zeros((0, 3))) == 1.0
