import numpy as np
import pytest

from recon.flights import along, find_subject, plan_flight, reframed, viewpoints
from trajectories.errors import InputError
from trajectories.rig import Rig
from trajectories.rigs import make_rig

FILM = {"seconds": 2.0, "fps": 4.0, "size": (32, 18)}


@pytest.fixture
def rig():
    return make_rig("circle", 2, 4, width=16, height=12, radius=3.0, target=(1.0, 2.0, 0.5))


def test_an_orbit_goes_once_around_what_the_cameras_look_at(rig, some_splats):
    flight = plan_flight(some_splats(0), rig, "orbit", **FILM)
    offsets = flight.cameras.centers - [1, 2, 0.5]
    assert flight.cameras.shape == (8,) and (flight.cameras.width, flight.cameras.height) == (32, 18)
    np.testing.assert_allclose(np.ptp(offsets[:, 2]), 0, atol=1e-9)
    steps = np.diff(np.unwrap(np.arctan2(offsets[:, 1], offsets[:, 0])))
    np.testing.assert_allclose(steps, np.pi / 4)  # the last frame is one step before the first
    np.testing.assert_allclose(flight.cameras.vertical_fov, np.radians(50))


def test_a_spiral_stays_close_to_the_middle_camera_and_looks_at_the_subject(rig, some_splats):
    flight = plan_flight(some_splats(0), rig, "spiral", **FILM)
    subject = find_subject(some_splats(0), rig)
    away = np.linalg.norm(flight.cameras.centers - flight.cameras.centers[0], axis=1)
    assert away[0] == 0 and 0.2 < away.max() <= subject.reach + 1e-9 <= 0.25 * subject.distance + 1e-6
    pixels, _ = flight.cameras.project(subject.target[None])
    np.testing.assert_allclose(pixels[:, 0], [[16, 9]] * 8, atol=1e-6)


def test_without_cameras_the_subject_is_where_the_visible_splats_are(some_splats):
    splats = some_splats(0, 100)
    splats.means[:60] += 500.0  # a faint far shell
    splats.logit_opacities[:60] = -9.0
    subject = find_subject(splats, None)
    np.testing.assert_allclose(subject.target, splats.means[60:].median(dim=0).values.numpy(), atol=0.3)
    assert subject.distance < 5


def test_along_a_camera_keeps_its_poses_timing_and_vertical_field_of_view(rig):
    cameras = along(rig, rig.names[1], 7, 40, 24)
    np.testing.assert_allclose(cameras.c2w[::2], rig.cameras.c2w[1], atol=1e-9)
    np.testing.assert_allclose(
        cameras.K[0], [[2 * rig.cameras.K[0, 0, 0, 0], 0, 20], [0, 2 * rig.cameras.K[0, 0, 1, 1], 12], [0, 0, 1]]
    )
    wide = reframed(rig.cameras, 40, 24)
    np.testing.assert_allclose(wide.vertical_fov, rig.cameras.vertical_fov)
    assert along(Rig(rig.cameras[:, :1], [0.0], rig.names), rig.names[0], 3, 16, 12).shape == (3,)


def test_moving_splats_play_forward_and_back_on_a_closed_path(moving_splats, rig):
    times = plan_flight(moving_splats, rig, "orbit", seconds=8.0, fps=1.0, size=(8, 8)).times
    np.testing.assert_allclose(times, [0, 1, 2, 1, 0, 1, 2, 1])  # the splats move for 2 s
    times = plan_flight(moving_splats, rig, rig.names[0], seconds=4.0, fps=1.0, size=(8, 8)).times
    np.testing.assert_allclose(times, rig.times)


def test_viewpoints_are_spread_over_the_frames(rig, moving_splats):
    seen = viewpoints(moving_splats, rig, 3)
    np.testing.assert_allclose(seen.times, [0, 0, rig.times[-1]])
    np.testing.assert_array_equal(seen.cameras.c2w, rig.cameras.c2w.reshape(-1, 4, 4)[[0, 4, 7]])
    assert viewpoints(moving_splats, None, 5).cameras.size == 5


def test_unknown_paths_and_impossible_films(rig, some_splats):
    with pytest.raises(InputError, match="no path 'cam7'; the paths are orbit, spiral, cam00, cam01"):
        plan_flight(some_splats(0), rig, "cam7", **FILM)
    with pytest.raises(InputError, match="the paths are orbit, spiral"):
        plan_flight(some_splats(0), None, "cam00", **FILM)
    with pytest.raises(InputError, match="seconds is 0"):
        plan_flight(some_splats(0), None, "orbit", **{**FILM, "seconds": 0.0})
