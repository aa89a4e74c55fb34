import numpy as np
import pytest

from trajectories.rigs import make_rig
from viewer.viewpoints import SWING_ANGLE, SWING_SECONDS, UP, Viewpoint, image_share, middle_view, through_camera


def test_the_swing_turns_about_the_target_and_returns():
    start = Viewpoint(np.array([2.0, 0, 1]), np.array([0.0, 0, 1]), UP, 1.0, 0.1)
    quarter = start.swung(SWING_SECONDS / 4)
    np.testing.assert_allclose(quarter.eye, [2 * np.cos(SWING_ANGLE), 2 * np.sin(SWING_ANGLE), 1])
    np.testing.assert_allclose(start.swung(SWING_SECONDS).eye, start.eye, atol=1e-9)
    assert all(start.swings_past(start.swung(seconds).eye) for seconds in np.linspace(0, SWING_SECONDS, 20))
    for away in ([2.1, 0, 1], [2, 0, 1.1], [2 * np.cos(0.2), 2 * np.sin(0.2), 1]):
        assert not start.swings_past(np.array(away))


def test_through_a_camera_the_whole_image_or_its_width_is_visible():
    camera = make_rig("static", 1, 1).cameras[0, 0]  # square
    field = float(camera.vertical_fov)
    wide, narrow = through_camera(camera, 3.0, 2.0, 0.1), through_camera(camera, 3.0, 0.5, 0.1)
    assert wide.fov == pytest.approx(field) and np.tan(narrow.fov / 2) == pytest.approx(2 * np.tan(field / 2))
    assert image_share(camera, wide.fov, 2.0) == pytest.approx((0.5, 1.0))
    assert image_share(camera, narrow.fov, 0.5) == pytest.approx((1.0, 0.5))
    filled = through_camera(camera, 3.0, 2.0, 0.1, fill=True)
    assert image_share(camera, filled.fov, 2.0) == pytest.approx((1.0, 2.0))
    np.testing.assert_allclose(np.linalg.norm(wide.target - wide.eye), 3.0)
    np.testing.assert_array_equal(wide.up, UP)


def test_the_middle_view():
    rig = make_rig("circle", 5, 1)
    middle = middle_view(rig.cameras[:, 0])
    distances = np.linalg.norm(rig.cameras.centers[:, 0] - rig.cameras.centers[:, 0].mean(axis=0), axis=1)
    assert distances[middle] == pytest.approx(distances.min())
    assert middle_view(make_rig("static", 1, 1).cameras[:, 0]) == 0
