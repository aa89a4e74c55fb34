import numpy as np
import pytest

from cvd3d.evaluation.flicker import FLICKER, neighbor_difference


def test_the_difference_of_neighbors():
    videos = np.zeros((2, 3, 2, 2, 3))
    videos[0, 1] = 0.3  # up and down again: two of four steps
    assert neighbor_difference(videos) == pytest.approx(2 * 0.09 / 4)


def test_flicker_is_measured_by_the_autoencoder_s_error():
    rows = FLICKER.rows([{"generated": 0.003, "autoencoder": 0.0, "error": 0.002}])
    assert [row.value for row in rows] == [0.003, 0.0, 0.002, pytest.approx(1.5)]
    assert rows[-1].reached


def test_true_renders_of_a_still_scene_do_not_flicker(studio):
    values = FLICKER.take(FLICKER.cases()[1], studio).values
    assert values["autoencoder"] < 1e-12 < values["error"]
    assert values["generated"] > 0
