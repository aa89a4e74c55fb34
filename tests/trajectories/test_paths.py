import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trajectories import InputError, aim, constant_speed, ease, look_at, spline, through
from trajectories.paths import EASINGS, fractions
from trajectories.rotations import rigid


def keys_uneven(seed, n):
    """Keys whose distances differ by more than a factor of ten."""
    rng = np.random.default_rng(seed)
    steps = rng.uniform(0.2, 3.0, n)
    positions = np.stack([np.cumsum(steps), rng.uniform(-1, 1, n), rng.uniform(1, 2, n)], axis=-1)
    return look_at(positions, [n, 20.0, 0.6])


def arc_lengths(path, u):
    """Lengths between successive positions u of a path, by brute force."""
    dense = np.linspace(u[:-1], u[1:], 400)
    return np.linalg.norm(np.diff(path(dense.ravel())[:, :3, 3].reshape(400, -1, 3), axis=0), axis=-1).sum(axis=0)


@pytest.mark.parametrize("easing", EASINGS)
def test_easings_increase_from_0_to_1(easing):
    s = ease(np.linspace(0, 1, 101), easing)
    assert s[0] == 0 and s[-1] == 1
    assert (np.diff(s) > 0).all()


def test_easings_by_hand():
    quarter = [float(ease(0.25, easing)) for easing in ("linear", "in", "out", "in-out")]
    assert quarter == [0.25, 0.0625, 0.4375, 0.15625]
    speed = np.diff(ease(np.array([0.0, 1e-6, 1 - 1e-6, 1.0]), "in-out"))[[0, 2]] / 1e-6
    np.testing.assert_allclose(speed, 0.0, atol=1e-5)


def test_an_unknown_easing_suggests_the_nearest():
    with pytest.raises(InputError, match="'ease-in'; did you mean 'in'"):
        ease(0.5, "ease-in")


def test_fractions_include_the_last_frame():
    np.testing.assert_array_equal(fractions(5), [0, 0.25, 0.5, 0.75, 1])
    np.testing.assert_array_equal(fractions(4, closed=True), [0, 0.25, 0.5, 0.75])
    np.testing.assert_array_equal(fractions(1), [0])


@settings(max_examples=15)
@given(seed=st.integers(0, 1000), n=st.integers(2, 6), frames=st.integers(2, 17))
def test_speed_is_constant_along_an_uneven_path(seed, n, frames):
    keys = keys_uneven(seed, n)
    asked = []

    def path(u):
        asked.append(u)
        return spline(keys, u)

    c2w = constant_speed(path, frames)
    lengths = arc_lengths(path, asked[1])
    np.testing.assert_allclose(lengths, lengths.mean(), rtol=1e-4)
    np.testing.assert_allclose(c2w[[0, -1]], keys[[0, -1]], atol=1e-9)


def test_a_camera_that_only_rotates_has_constant_speed():
    def pan(u):
        angle = 1.2 * u**3
        R = np.stack(
            [np.cos(angle), 0 * u, np.sin(angle), 0 * u, 1 + 0 * u, 0 * u, -np.sin(angle), 0 * u, np.cos(angle)]
        )
        return rigid(R.T.reshape(-1, 3, 3), [1.0, 2.0, 3.0])

    turned = constant_speed(pan, 7)[:, :3, 2]
    angles = np.arccos(np.clip(np.sum(turned[1:] * turned[:-1], axis=-1), -1, 1))
    np.testing.assert_allclose(angles, 0.2, rtol=1e-3)


def test_a_constant_path():
    pose = look_at([1.0, 2.0, 3.0], [0.0, 0.0, 0.0])
    np.testing.assert_array_equal(through([pose], 3), [pose] * 3)
    np.testing.assert_allclose(through([pose, pose], 3), [pose] * 3, atol=1e-12)


@pytest.mark.parametrize("closed", [False, True])
def test_through_has_constant_steps(closed):
    keys = look_at([[4, 0, 1], [0, 4, 1], [-4, 0, 1], [-3, -3, 1], [0, -4, 1]], [0, 0, 0.6])
    c2w = through(keys, 200, closed=closed)
    ring = np.concatenate([c2w, c2w[:1]]) if closed else c2w
    steps = np.linalg.norm(np.diff(ring[:, :3, 3], axis=0), axis=-1)
    np.testing.assert_allclose(steps, steps.mean(), rtol=1e-2)
    np.testing.assert_allclose(c2w[0], keys[0], atol=1e-9)
    if not closed:
        np.testing.assert_allclose(c2w[-1], keys[-1], atol=1e-9)


def test_through_with_keys_at_the_same_position():
    keys = look_at([[0, 0, 1], [2, 0, 1], [2, 0, 1], [4, 1, 1]], [[5, 5, 1], [5, 5, 1], [6, 0, 1], [9, 0, 1]])
    c2w = through(keys, 9)
    assert np.isfinite(c2w).all()
    np.testing.assert_allclose(c2w[-1], keys[-1], atol=1e-9)


@pytest.mark.parametrize("frames", [1, 2, 3])
def test_few_frames(frames):
    keys = keys_uneven(3, 4)
    c2w = through(keys, frames, easing="in-out")
    assert c2w.shape == (frames, 4, 4)
    np.testing.assert_allclose(c2w[0], keys[0], atol=1e-9)


def test_easing_changes_the_speed_and_not_the_path():
    line = look_at([[0, 0, 1], [8, 0, 1]], [4, 9, 1])
    x = through(line, 5, easing="in")[:, 0, 3]
    np.testing.assert_allclose(x, 8 * np.array([0, 1, 4, 9, 16]) / 16, atol=1e-6)


@given(seed=st.integers(0, 2**32 - 1))
def test_aim_looks_at_a_moving_subject_from_the_same_centers(random_cameras, seed):
    c2w = random_cameras(seed, 5).c2w
    subject = np.stack([np.linspace(20, 30, 5), np.zeros(5), np.ones(5)], axis=-1)
    aimed = aim(c2w, subject)
    np.testing.assert_array_equal(aimed[:, :3, 3], c2w[:, :3, 3])
    towards = subject - c2w[:, :3, 3]
    np.testing.assert_allclose(np.cross(aimed[:, :3, 2], towards), 0, atol=1e-9)
    assert (np.sum(aimed[:, :3, 2] * towards, axis=-1) > 0).all()
