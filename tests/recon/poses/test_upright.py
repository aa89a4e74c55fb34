import numpy as np
from scipy.spatial.transform import Rotation

from recon.poses.upright import DISTANCE, upright
from trajectories.rotations import look_at


def test_cameras_of_any_world_stand_upright():
    angles = np.linspace(0, 2, 7)
    level = look_at(np.stack([3 * np.cos(angles), 3 * np.sin(angles), np.ones(7)], axis=1), np.array([0, 0, 1.0]))
    away = np.eye(4)
    away[:3, :3] = Rotation.from_rotvec([0.7, -1.2, 0.4]).as_matrix()
    away[:3, 3] = [5, -2, 9]
    points = (away[:3, :3] @ [0, 0, 1.0] + away[:3, 3])[None]
    scale, R, t = upright(away @ level, points)
    turned = R @ (away @ level)[:, :3, :3]
    np.testing.assert_allclose(turned[:, 2, 1], -1, atol=1e-9)  # the image's down is the world's down
    np.testing.assert_allclose(turned[0, :, 2], [0, 1, 0], atol=1e-9)
    np.testing.assert_allclose(scale * R @ points[0] + t, 0, atol=1e-9)
    np.testing.assert_allclose(scale, DISTANCE / 3)
