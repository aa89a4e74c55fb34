import numpy as np
import torch

from recon.fitting.depth import depth_loss, visible_points
from trajectories.cameras import Cameras

CAMERA = Cameras(np.eye(4), np.array([[32.0, 0, 32], [0, 32, 32], [0, 0, 1]]), 64, 64)


def test_points_that_a_camera_sees():
    near, hidden, beside = [0.0, 0, 2], [0.02, 0, 4], [2.0, 0, 4]
    behind, outside = [0.0, 0, -1], [9.0, 0, 4]
    points = visible_points(CAMERA, np.array([near, hidden, beside, behind, outside]))
    np.testing.assert_allclose(points, [[32, 32, 2], [48, 32, 4]])
    assert visible_points(CAMERA, np.zeros((0, 3))).shape == (0, 3)


def test_the_loss_is_the_difference_of_inverse_depths():
    depth = torch.full((4, 6), 2.0)
    depth[3, 5] = 0.0  # nothing is drawn there
    points = torch.tensor([[0.5, 0.5, 4.0], [5.5, 3.5, 4.0], [6.5, 0.5, 2.0]])
    torch.testing.assert_close(depth_loss(depth, points, 3.0), torch.tensor(3.0 * (0.25 + 0.25 + 0) / 3))
    assert depth_loss(depth, points[:0], 3.0) == 0


def test_no_gradient_where_nothing_is_drawn():
    depth = torch.zeros(2, 2, requires_grad=True)
    depth_loss(depth, torch.tensor([[0.5, 0.5, 4.0]]), 1.0).backward()
    assert depth.grad.isfinite().all() and (depth.grad == 0).all()
