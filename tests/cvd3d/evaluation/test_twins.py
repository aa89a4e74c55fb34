import numpy as np
import pytest

from cvd3d.evaluation.studio import twins_of
from cvd3d.evaluation.twins import MORE_VIEWS, SYNCHRONY, TWIN_DIFFERENCE, twin_difference
from trajectories import make_rig


def test_the_difference_of_constant_videos():
    videos = np.stack([np.full((2, 4, 4, 3), value) for value in (0.0, 0.2, 0.6)])
    # Pairs differ by 0.2, 0.6 and 0.4.
    assert twin_difference(videos) == pytest.approx((0.04 + 0.36 + 0.16) / 3)
    assert twin_difference(videos[[1, 1]]) == 0


def test_twins_have_the_first_path():
    rig = make_rig("circle", 3, 4)
    twins = twins_of(rig, 5)
    assert twins.cameras.shape == (5, 4)
    for v in range(5):
        np.testing.assert_array_equal(twins.cameras.c2w[v], rig.cameras.c2w[0])


def test_the_ratio_of_off_and_on():
    rows = TWIN_DIFFERENCE.rows([{"on": 0.001, "off": 0.010}, {"on": 0.003, "off": 0.014}])
    assert [row.value for row in rows] == pytest.approx([0.002, 0.012, 6.0])
    assert [row.reached for row in rows] == [True, None, True]


def test_more_views_are_compared_with_two():
    rows = MORE_VIEWS.rows([{"2": 0.01, "4": 0.02, "8": 0.0105}])
    assert [row.value for row in rows] == pytest.approx([0.01, 0.02, 0.0105, 1.05])
    assert rows[-1].reached
    assert not MORE_VIEWS.rows([{"2": 0.01, "4": 0.01, "8": 0.0115}])[-1].reached


@pytest.mark.slow
def test_cross_view_modules_are_switched(studio):
    case = TWIN_DIFFERENCE.cases()[0]
    values = TWIN_DIFFERENCE.take(case, studio).values
    assert values["on"] > 0 and values["off"] > 0 and values["on"] != values["off"]
    assert TWIN_DIFFERENCE.take(case, studio).values == values


def test_everything_moves_in_synchrony(studio):
    assert all(case.world.objects[0].action in ("bouncing", "driving") for case in SYNCHRONY.cases())
    values = SYNCHRONY.take(SYNCHRONY.cases()[0], studio).values
    assert SYNCHRONY.rows([values])[0].value == values["on"] > 0
