import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cvd3d.sampling.overlap import overlap
from trajectories import make_rig
from trajectories.cameras import Cameras, intrinsics_from_fov
from trajectories.rotations import look_at


def cameras(positions, targets, fov=60.0):
    c2w = look_at(np.array(positions, dtype=float), np.array(targets, dtype=float))[:, None]
    K = np.broadcast_to(intrinsics_from_fov(np.radians(fov), 64, 64), (*c2w.shape[:2], 3, 3))
    return Cameras(c2w, K, 64, 64)


def test_equal_cameras_overlap_fully_and_opposite_directions_do_not_overlap():
    pair = cameras([(0, 0, 1), (0, 0, 1), (0, 0, 1)], [(4, 0, 1), (4, 0, 1), (-4, 0, 1)])
    seen = overlap(pair)
    assert np.diag(seen) == pytest.approx(1.0) and seen[0, 1] == pytest.approx(1.0)
    assert seen[0, 2] == 0 and seen[1, 2] == 0


def test_views_of_opposite_sides_barely_overlap():
    seen = overlap(cameras([(-4, 0, 1), (4, 0, 1)], [(0, 0, 1), (0, 0, 1)]))
    assert seen[0, 1] < 0.1


def test_a_sideways_translation_reduces_the_overlap():
    """Cameras that look at the same point from different positions."""
    seen = overlap(cameras([(-1, 0, 1), (1, 0, 1), (4, 4, 1)], [(0, 4, 1)] * 3))
    assert 0.4 < seen[0, 1] < 0.95 and seen[0, 2] < seen[0, 1] and seen[0, 2] < seen[1, 2]


def test_the_overlap_of_parallel_cameras_decreases_with_distance():
    seen = overlap(cameras([(x, 0, 1) for x in (0, 1, 4)], [(x, 4, 1) for x in (0, 1, 4)]))
    assert 1 > seen[0, 1] > seen[1, 2] > seen[0, 2]


@given(views=st.integers(2, 7), name=st.sampled_from(["circle", "orbit", "dome", "static"]))
def test_it_is_symmetric_and_falls_around_a_ring(views, name):
    seen = overlap(make_rig(name, views, 4, width=48, height=32).cameras)
    assert seen.shape == (views, views) and np.array_equal(seen, seen.T)
    assert (seen >= 0).all() and (seen <= 1 + 1e-12).all() and np.diag(seen) == pytest.approx(1.0)
