import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from trajectories import InputError, look_at
from trajectories.rotations import inverse, nearest_rotation

coordinate = st.floats(-100, 100)
point = st.tuples(coordinate, coordinate, coordinate).map(np.array)


def assert_rotation(R, tolerance=1e-6):
    np.testing.assert_allclose(np.swapaxes(R, -1, -2) @ R, np.broadcast_to(np.eye(3), R.shape), atol=tolerance)
    np.testing.assert_allclose(np.linalg.det(R), 1.0, atol=tolerance)


@given(position=point, target=point, up=point)
def test_look_at_is_a_rotation_that_looks_at_the_target(position, target, up):
    distance = np.linalg.norm(target - position)
    assume(distance > 1e-6 and np.linalg.norm(up) > 1e-6)
    c2w = look_at(position, target, up)
    assert_rotation(c2w[:3, :3], 1e-12)
    np.testing.assert_allclose(c2w[:3, 2], (target - position) / distance, atol=1e-9)
    np.testing.assert_array_equal(c2w[:3, 3], position)
    assert -c2w[:3, 1] @ up >= -1e-6 * np.linalg.norm(up)


@given(position=point, target=point)
def test_the_horizon_is_level(position, target):
    assume(np.linalg.norm((target - position)[:2]) > 1e-3)
    c2w = look_at(position, target)
    assert abs(c2w[2, 0]) < 1e-9
    assert c2w[2, 1] <= 0


@given(height=st.floats(1e-3, 1e3), lean=st.floats(0, 1e-3), sign=st.sampled_from([-1, 1]))
def test_looking_straight_or_almost_straight_up_and_down(height, lean, sign):
    assert_rotation(look_at([lean * height, 0.0, sign * height], [0.0, 0.0, 0.0])[:3, :3], 1e-12)


def test_by_hand():
    # From -y, looking along +y: right is +x, down is -z.
    np.testing.assert_allclose(look_at([0, -4, 0], [0, 0, 0])[:3, :3], [[1, 0, 0], [0, 0, 1], [0, -1, 0]], atol=1e-15)
    # From above, looking down: the top of the image is +y.
    np.testing.assert_allclose(look_at([0, 0, 2], [0, 0, 0])[:3, :3], np.diag([1.0, -1.0, -1.0]), atol=1e-15)


def test_arguments_broadcast():
    positions = np.array([[[1.0, 0, 0], [0, 1.0, 0]], [[0, 0, 1.0], [1.0, 1.0, 1.0]]])
    c2w = look_at(positions, [0.0, 0.0, 0.0])
    assert c2w.shape == (2, 2, 4, 4)
    np.testing.assert_allclose(c2w[1, 0], look_at([0, 0, 1.0], [0, 0, 0]))


def test_invalid_targets_and_up_directions():
    with pytest.raises(InputError, match="is at the point"):
        look_at([[0, 0, 0], [1, 2, 3]], [1, 2, 3])
    with pytest.raises(InputError, match="up direction"):
        look_at([0, 0, 0], [1, 0, 0], [0, 0, 0])


@given(seed=st.integers(0, 2**32 - 1))
def test_the_inverse(random_cameras, seed):
    c2w = random_cameras(seed, 4).c2w
    np.testing.assert_allclose(inverse(c2w) @ c2w, np.broadcast_to(np.eye(4), (4, 4, 4)), atol=1e-12)


@given(seed=st.integers(0, 2**32 - 1), noise=st.floats(0, 1e-2))
def test_the_nearest_rotation_is_a_rotation_and_close(random_cameras, seed, noise):
    R = random_cameras(seed, 4).R
    rounded = R + noise * np.random.default_rng(seed).uniform(-1, 1, R.shape)
    assert_rotation(nearest_rotation(rounded), 1e-12)
    np.testing.assert_allclose(nearest_rotation(rounded), R, atol=4 * noise + 1e-12)
