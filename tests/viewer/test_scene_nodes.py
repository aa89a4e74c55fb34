from itertools import combinations

import numpy as np
import pytest

from viewer.scene_nodes import round_length, thumbnail, view_color, wxyz_of


def test_views_have_distinct_colors():
    colors = [np.array(view_color(v)) for v in range(24)]
    assert all(0 <= channel <= 255 for color in colors for channel in color)
    assert min(np.abs(a - b).sum() for a, b in combinations(colors, 2)) > 10


def test_wxyz_of_a_quarter_turn_about_z():
    turn = np.array([[0.0, -1, 0, 5], [1, 0, 0, 6], [0, 0, 1, 7], [0, 0, 0, 1]])
    np.testing.assert_allclose(wxyz_of(turn), [np.sqrt(0.5), 0, 0, np.sqrt(0.5)], atol=1e-12)


def test_thumbnail_keeps_the_aspect_and_small_images():
    image = np.zeros((200, 100, 3), np.float32)
    image[:100] = [2.0, 0.5, -1.0]
    small = thumbnail(image, longest=50)
    assert small.shape == (50, 25, 3) and small.dtype == np.uint8
    np.testing.assert_array_equal(small[0, 0], [255, 128, 0])
    np.testing.assert_array_equal(small[-1, -1], [0, 0, 0])
    bytes_in = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    np.testing.assert_array_equal(thumbnail(bytes_in), bytes_in)


@pytest.mark.parametrize(("length", "want"), [(0.9, 1.0), (0.012, 0.01), (35.0, 50.0), (2.2, 2.0), (8.0, 10.0)])
def test_round_length(length, want):
    assert round_length(length) == pytest.approx(want)
