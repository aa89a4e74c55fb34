import numpy as np

from recon.points import PointCloud
from recon.starting_points.far_shell import far_shell, fibonacci_sphere


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
