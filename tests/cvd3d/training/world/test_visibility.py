import numpy as np

from cvd3d.training.world.scenes import Object, World
from cvd3d.training.world.visibility import visible_share
from trajectories.cameras import Cameras, intrinsics_from_fov
from trajectories.rotations import look_at


def cameras(*eyes, side=64):
    poses = np.stack([look_at(np.array(eye, dtype=float), np.array([0.0, 0.0, 0.42])) for eye in eyes])
    return Cameras(poses, intrinsics_from_fov(np.radians(50), side, side), side, side)


def cube(x, y):
    return Object("cube", "red", (x, y), 0.0, 1.0)


def test_the_share_of_a_face_on_cube():
    # A face of 0.84 m at 4.58 m fills 0.84 / (2 tan 25 deg 4.58) of the side.
    share = visible_share(World((cube(0, 0),)), cameras((0, -5, 0.42), side=512)[0])
    np.testing.assert_allclose(share, [(0.84 / (2 * np.tan(np.radians(25)) * 4.58)) ** 2], rtol=0.02)


def test_what_stands_behind_is_not_seen():
    world = World((cube(0, -1), cube(0, 1)))
    front, back = visible_share(world, cameras((0, -6, 0.42), (0, 6, 0.42)))
    assert front[0] > 0.01 and front[1] == 0
    assert back[1] > 0.01 and back[0] == 0


def test_what_is_out_of_the_picture_is_not_seen():
    world = World((cube(0, 0), cube(0, -20)))
    assert visible_share(world, cameras((0, -5, 0.42)))[0, 1] == 0


def test_the_time_counts():
    thing = Object("ball", "red", (0, 0), 0.0, 1.0, "driving")
    view = cameras((0, -5, 0.42))[0]
    shares = visible_share(World((thing,)), view, 0.0), visible_share(World((thing,)), view, 1.0)
    assert shares[0] > 0 and shares[0] != shares[1]
