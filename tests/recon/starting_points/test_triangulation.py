import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from recon.starting_points.triangulation import track_quality, triangulate
from trajectories.cameras import Cameras, intrinsics_from_fov
from trajectories.rotations import look_at


def ring(N=5, radius=4.0):
    angles = np.linspace(0, 1.2, N)
    positions = np.stack([radius * np.cos(angles), radius * np.sin(angles), 1 + 0.3 * angles], axis=1)
    c2w = np.array([look_at(position, np.zeros(3)) for position in positions])
    return Cameras(c2w, intrinsics_from_fov(0.9, 160, 120), 160, 120)


def observe(cameras, points):
    """Every point in every view."""
    xy, _ = cameras.project(points)
    N, P = xy.shape[:2]
    return np.repeat(np.arange(N), P), xy.reshape(-1, 2), np.tile(np.arange(P), N)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
def test_exact_observations_give_back_the_points(seed):
    cameras = ring()
    points = np.random.default_rng(seed).uniform(-1, 1, (7, 3))
    views, pixels, tracks = observe(cameras, points)
    np.testing.assert_allclose(triangulate(cameras, views, pixels, tracks, 7), points, atol=1e-6)


def test_refinement_lowers_the_reprojection_error():
    cameras, rng = ring(), np.random.default_rng(0)
    points = rng.uniform(-1, 1, (40, 3))
    views, pixels, tracks = observe(cameras, points)
    pixels = pixels + rng.normal(scale=0.5, size=pixels.shape)

    def squares(found):
        return sum(
            ((cameras.project(found)[0][v] - pixels[views == v][np.argsort(tracks[views == v])]) ** 2).sum()
            for v in range(cameras.size)
        )

    midpoint = triangulate(cameras, views, pixels, tracks, 40, iterations=0)
    refined = triangulate(cameras, views, pixels, tracks, 40)
    nudged = refined + 1e-3
    assert squares(refined) < squares(midpoint)
    assert squares(refined) < squares(nudged)


def test_track_quality_by_hand():
    # Two cameras 2 apart look along z at a point 1 in front of their middle: the rays make a right angle.
    c2w = np.tile(np.eye(4), (2, 1, 1))
    c2w[:, 0, 3] = [-1, 1]
    cameras = Cameras(c2w, np.diag([100.0, 100.0, 1.0]), 10, 10)
    views, tracks = np.array([0, 1]), np.array([0, 0])
    pixels = np.array([[100.0, 0.0], [-100.0, 3.0]])
    error, parallax = track_quality(cameras, views, pixels, tracks, np.array([[0.0, 0.0, 1.0]]))
    np.testing.assert_allclose(error, [3.0])
    np.testing.assert_allclose(parallax, [np.pi / 2])
    behind, _ = track_quality(cameras, views, pixels, tracks, np.array([[0.0, 0.0, -1.0]]))
    assert np.isinf(behind[0])
