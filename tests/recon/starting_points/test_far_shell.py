import numpy as np

from recon.points import PointCloud
from recon.starting_points.far_shell import FAR_RADII, far_limit, far_shell, fibonacci_sphere


def test_directions_are_even():
    directions = fibonacci_sphere(500)
    np.testing.assert_allclose(np.linalg.norm(directions, axis=1), 1)
    np.testing.assert_allclose(directions.mean(axis=0), 0, atol=1e-2)
    np.testing.assert_allclose(directions.T @ directions / 500, np.eye(3) / 3, atol=1e-2)


def test_the_shell_is_the_sky(world):
    # The ground is measured densely, so only the sky is left.
    x, y = np.meshgrid(np.arange(-40, 40, 0.25), np.arange(-40, 40, 0.25))
    ground = np.stack([x.ravel(), y.ravel(), np.zeros(x.size)], axis=1)
    shell = far_shell(world.capture.cameras, world.capture.images(), PointCloud(ground, 0 * ground, ""))
    assert len(shell) > 50 and "far shell" in shell.source
    center = world.capture.cameras.centers.mean(axis=0)
    assert (shell.positions[:, 2] > center[2]).all()
    np.testing.assert_allclose(np.median(shell.colors, axis=0), [0.5, 0.7, 0.95], atol=0.01)
    assert np.linalg.norm(shell.positions - center, axis=1).min() > 40


def test_no_shell_where_everything_is_measured(world):
    around = world.capture.cameras.centers.mean(axis=0) + 20 * fibonacci_sphere(4000)
    shell = far_shell(world.capture.cameras, world.capture.images(), PointCloud(around, 0 * around, ""))
    assert len(shell) == 0


def test_the_limit_is_a_multiple_of_the_typical_distance(world):
    cameras = world.capture.cameras
    center = cameras.centers.mean(axis=0)
    # Of 100 points, 40 are very far away: the median is 12 m.
    distances = np.repeat([12.0, 5000.0], [60, 40])
    limit = far_limit(cameras, center + distances[:, None] * fibonacci_sphere(100))
    np.testing.assert_allclose(limit.center, center)
    np.testing.assert_allclose(limit.radius, FAR_RADII * 12)
    # Without points, the cameras' focus point, about 4 m away, gives the scale.
    assert 3 * FAR_RADII < far_limit(cameras, np.zeros((0, 3))).radius < 5 * FAR_RADII


def test_the_shell_stays_within_the_limit_of_points_that_are_very_far_away(world):
    cameras = world.capture.cameras
    center = cameras.centers.mean(axis=0)
    x, y = np.meshgrid(np.arange(-40, 40, 0.5), np.arange(-40, 40, 0.5))
    ground = np.stack([x.ravel(), y.ravel(), np.zeros(x.size)], axis=1)
    astray = center - 1e6 * np.abs(fibonacci_sphere(1000))  # two percent of all points, below the ground
    positions = np.concatenate([ground, astray])
    shell = far_shell(cameras, world.capture.images(), PointCloud(positions, 0 * positions, ""))
    farthest = np.linalg.norm(shell.positions - center, axis=1).max()
    np.testing.assert_allclose(farthest, far_limit(cameras, positions).radius, rtol=1e-5)
