import numpy as np
import pytest
import torch

import cvd3d.evaluation.splats as measures
from cvd3d.evaluation.cases import DEFAULT_RIG
from cvd3d.evaluation.splats import LEFT_OUT, WALK_AROUND, capture_of
from cvd3d.evaluation.studio import Studio
from cvd3d.training.world.film import film
from recon.points import PointCloud
from recon.splats import from_points
from trajectories import make_rig
from trajectories.heading import heading_turn

pytestmark = pytest.mark.slow


@pytest.fixture
def two_specks(monkeypatch):
    """In place of a fit: black specks far away, so that pictures of them are black; remembers what was fitted."""
    fits = []

    def fitted(capture, generated, quality):
        fits.append((len(capture), generated, quality))
        points = PointCloud(np.array([[0.0, 0.0, -1e4], [0.0, 1.0, -1e4]]), np.zeros((2, 3)), "two specks")
        return from_points(points, 0, torch.Generator().manual_seed(0))

    monkeypatch.setattr(measures, "fitted", fitted)
    return fits


def test_videos_become_a_capture():
    rig = make_rig("circle", 2, 3, width=8, height=8)
    videos = np.arange(2 * 3 * 8 * 8 * 3, dtype=np.uint8).reshape(2, 3, 8, 8, 3)
    capture = capture_of(videos, rig)
    assert capture.videos == ("cam00",) * 3 + ("cam01",) * 3
    np.testing.assert_array_equal(capture.times, [*rig.times, *rig.times])
    np.testing.assert_array_equal(capture.sources[4].read(), videos[1, 1])
    np.testing.assert_array_equal(capture.cameras.c2w[4], rig.cameras.c2w[1, 1])


def test_one_video_is_left_out(studio, two_specks):
    case = LEFT_OUT.cases()[0]
    values = LEFT_OUT.take(case, studio).values
    assert two_specks == [(8, True, "draft"), (8, True, "draft"), (8, False, "draft")]
    frames = film(case.world, studio.rig("circle", 5))[-1] / 255.0
    expected = np.mean([-10 * np.log10(np.mean(frame**2)) for frame in frames])
    assert values["true"] == pytest.approx(expected, abs=1e-3)


def test_the_rows_of_left_out_videos():
    rows = LEFT_OUT.rows([{"on": 27.0, "off": 22.0, "true": 32.0}, {"on": 25.0, "off": 23.0, "true": 34.0}])
    assert [row.value for row in rows] == [26.0, 22.5, 33.0, 3.5, 7.0]
    assert [row.reached for row in rows] == [True, None, None, False, False]


def test_the_walk_goes_all_round_at_two_heights(studio, two_specks):
    found = WALK_AROUND.take(WALK_AROUND.cases()[0], studio)
    assert all(len(found.values[name]) == 48 for name in ("generated", "true"))
    assert not any(found.values["generated"][0])  # black pictures show nothing
    assert found.picture.shape == (4 * 32, 12 * 32, 3)


def test_the_walk_looks_for_objects_in_the_frame_of_the_fitted_rig(studio, two_specks, monkeypatch):
    share, rig, used = measures.visible_share, Studio.rig, []

    def turned_rig(self, name, *args, **options):
        return rig(self, name, *args, **({"azimuth": 0.7} if name == DEFAULT_RIG else {}), **options)

    monkeypatch.setattr(measures, "visible_share", lambda world, cameras: used.append(cameras) or share(world, cameras))
    monkeypatch.setattr(Studio, "rig", turned_rig)
    WALK_AROUND.take(WALK_AROUND.cases()[0], studio)
    turn = heading_turn(studio.rig(DEFAULT_RIG, 4).cameras)
    assert not np.allclose(turn, np.eye(4))
    circle = studio.rig("static", 24, 1, elevation=np.radians(10.0)).cameras[:, 0]
    assert np.allclose(used[0].c2w, turn @ circle.c2w)


def test_the_share_of_right_pictures():
    values = {"generated": [[True, True], [True, False], [True], []], "true": [[True]] * 4}
    assert [row.value for row in WALK_AROUND.rows([values])] == [0.75, 1.0]
