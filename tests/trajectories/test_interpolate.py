import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation, Slerp

from trajectories import InputError, geodesic, look_at, spline
from trajectories.rotations import rigid

seeds = st.integers(0, 2**32 - 1)


def keys_around(n, seed=0):
    """Key poses on a wobbling ring, looking inwards."""
    rng = np.random.default_rng(seed)
    angle = 2 * np.pi * np.arange(n) / n
    ring = np.stack([4 * np.cos(angle), 4 * np.sin(angle), 1.5 + rng.uniform(-0.5, 0.5, n)], axis=-1)
    return look_at(ring + rng.uniform(-0.3, 0.3, (n, 3)), [0.0, 0.0, 0.6])


def assert_poses(c2w):
    R = c2w[..., :3, :3]
    np.testing.assert_allclose(np.swapaxes(R, -1, -2) @ R, np.broadcast_to(np.eye(3), R.shape), atol=1e-9)


def test_a_quarter_turn_half_way():
    turned = rigid(Rotation.from_euler("z", 90, degrees=True).as_matrix(), [2.0, 0.0, 4.0])
    half = geodesic(np.eye(4), turned, 0.5)
    s = np.sqrt(0.5)
    np.testing.assert_allclose(half, [[s, -s, 0, 1], [s, s, 0, 0], [0, 0, 1, 2], [0, 0, 0, 1]], atol=1e-15)


@given(seed=seeds)
def test_the_geodesic_equals_scipys_slerp_and_a_straight_line(random_cameras, seed):
    a, b = random_cameras(seed, 2).c2w
    u = np.linspace(0, 1, 7)
    c2w = geodesic(a, b, u)
    slerp = Slerp([0, 1], Rotation.from_matrix([a[:3, :3], b[:3, :3]]))(u).as_matrix()
    np.testing.assert_allclose(c2w[:, :3, :3], slerp, atol=1e-9)
    np.testing.assert_allclose(c2w[:, :3, 3], a[:3, 3] + u[:, None] * (b - a)[:3, 3], atol=1e-12)
    np.testing.assert_allclose(c2w[[0, -1]], [a, b], atol=1e-9)


def test_the_geodesic_broadcasts(random_cameras):
    a, b = random_cameras(0, 5).c2w, random_cameras(1, 5).c2w
    grid = geodesic(a, b, np.array([[0.0], [0.3], [1.0]]))
    assert grid.shape == (3, 5, 4, 4)
    np.testing.assert_allclose(grid[1, 2], geodesic(a[2], b[2], 0.3), atol=1e-12)


@pytest.mark.parametrize("closed", [False, True])
@pytest.mark.parametrize("n", [2, 3, 4, 9])
def test_the_spline_passes_through_its_keys(n, closed):
    keys = keys_around(n) if n > 2 else keys_around(5)[:2]
    u = np.arange(n) / (n if closed else n - 1)
    np.testing.assert_allclose(spline(keys, u, closed=closed), keys, atol=1e-9)


@pytest.mark.parametrize("closed", [False, True])
@settings(max_examples=15)
@given(seed=st.integers(0, 1000), n=st.integers(3, 8))
def test_the_spline_is_smooth_at_keys_and_at_the_seam(closed, seed, n):
    keys = keys_around(n, seed)
    spans = n if closed else n - 1
    h = 1e-5
    # At the seam of a closed path, "before" is the end of the path.
    knots = np.arange(0 if closed else 1, spans) / spans
    early = np.where(knots == 0, 1.0, knots)
    first, after, last, before = np.split(
        spline(keys, np.concatenate([knots, knots + h, early, early - h]), closed=closed), 4
    )
    np.testing.assert_allclose(first, last, atol=1e-9)
    # A second derivative of some hundreds leaves a difference of that times h.
    np.testing.assert_allclose((after - first) / h, (last - before) / h, atol=0.05)


def test_a_closed_ring_is_round():
    """Four keys on a circle: the path stays close to it, also at the seam."""
    keys = look_at(4 * np.array([[1.0, 0, 0], [0, 1, 0], [-1, 0, 0], [0, -1, 0]]), [0, 0, 0.1])
    path = spline(keys, np.linspace(0, 1, 101), closed=True)
    radius = np.linalg.norm(path[:, :2, 3], axis=-1)
    assert radius.min() > 0.95 * 4 and radius.max() < 1.05 * 4
    assert_poses(path)


def test_few_keys(random_cameras):
    a, b = keys_around(5)[:2]
    u = np.linspace(0, 1, 5)
    np.testing.assert_allclose(spline([a, b], u), geodesic(a, b, u), atol=1e-9)
    np.testing.assert_array_equal(spline([a], u), np.stack([a] * 5))
    assert spline([a, b], 0.5).shape == (4, 4)


def test_knots_place_the_keys():
    keys = keys_around(4)
    knots = np.array([0.0, 0.1, 0.7, 1.0])
    np.testing.assert_allclose(spline(keys, knots, knots=knots), keys, atol=1e-9)


@pytest.mark.parametrize("knots", [[0, 0.5, 1], [0, 0.7, 0.3, 1], [0.1, 0.2, 0.3, 1], [0, 0.2, 0.3, 2]])
def test_knots_that_do_not_fit(knots):
    with pytest.raises(InputError, match="knots must be 4 increasing"):
        spline(keys_around(4), 0.5, knots=knots)


def test_no_keys():
    with pytest.raises(InputError, match="key poses"):
        spline(np.zeros((0, 4, 4)), 0.5)
