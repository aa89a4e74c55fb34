import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from recon.starting_points.triangulation import fundamental, pixel_rays, track_quality, triangulate
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


def test_fundamental_matrix_of_a_sideways_step_by_hand():
    # K = I and a step of 1 along x: x2 = x1 - (1/z, 0), so epipolar lines are rows: y1 = y2.
    c2w = np.tile(np.eye(4), (2, 1, 1))
    c2w[1, 0, 3] = 1.0
    F = fundamental(Cameras(c2w, np.eye(3), 2, 2), 0, 1)
    np.testing.assert_allclose(F / F[2, 1], [[0, 0, 0], [0, 0, -1], [0, 1, 0]], atol=1e-12)


def test_fundamental_matrix_vanishes_on_projections():
    cameras = ring()
    points = np.random.default_rng(1).uniform(-1, 1, (20, 3))
    xy, _ = cameras.project(points)
    x1, x2 = (np.concatenate([xy[i], np.ones((20, 1))], axis=1) for i in (1, 4))
    np.testing.assert_allclose(((x1 @ fundamental(cameras, 1, 4).T) * x2).sum(axis=1), 0, atol=1e-9)


def test_pixel_rays_meet_what_was_projected():
    cameras = ring()
    points = np.random.default_rng(2).uniform(-1, 1, (6, 3))
    views, pixels, tracks = observe(cameras, points)
    to_points = points[tracks] - cameras.centers[views]
    expected = to_points / np.linalg.norm(to_points, axis=1, keepdims=True)
    np.testing.assert_allclose(pixel_rays(cameras, views, pixels), expected, atol=1e-12)


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
