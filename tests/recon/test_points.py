import numpy as np
import pytest

from recon.points import PointCloud, load_points, save_points
from trajectories.errors import InputError


def test_round_trip_is_exact_for_eight_bit_colors(tmp_path):
    rng = np.random.default_rng(0)
    cloud = PointCloud(rng.normal(size=(50, 3)), rng.integers(0, 256, (50, 3)) / 255, "made up")
    save_points(cloud, tmp_path / "points.ply")
    back = load_points(tmp_path / "points.ply")
    np.testing.assert_array_equal(back.positions, cloud.positions)
    np.testing.assert_array_equal(back.colors, cloud.colors)
    assert back.source == "made up"
    assert [path.name for path in tmp_path.iterdir()] == ["points.ply"]


def test_sum_keeps_both_sources():
    one = PointCloud([[1, 2, 3]], [[0, 0, 0]], "first")
    two = PointCloud([[4, 5, 6]], [[1, 1, 1]], "second")
    both = one + two
    np.testing.assert_array_equal(both.positions, [[1, 2, 3], [4, 5, 6]])
    assert both.source == "first; second"


def test_points_without_colors_are_grey(tmp_path):
    header = (
        "ply\nformat ascii 1.0\nelement vertex 1\nproperty float x\nproperty float y\nproperty float z\nend_header\n"
    )
    (tmp_path / "bare.ply").write_text(header + "1 2 3\n")
    cloud = load_points(tmp_path / "bare.ply")
    np.testing.assert_array_equal(cloud.colors, [[0.5, 0.5, 0.5]])
    assert "bare.ply" in cloud.source


def test_bad_input(tmp_path):
    with pytest.raises(InputError, match="no point file"):
        load_points(tmp_path / "none.ply")
    (tmp_path / "text.ply").write_text("hello")
    with pytest.raises(InputError, match="is not a PLY"):
        load_points(tmp_path / "text.ply")
    with pytest.raises(InputError, match="not finite"):
        PointCloud([[np.nan, 0, 0]], [[0, 0, 0]], "")
    with pytest.raises(InputError, match=r"\(P, 3\)"):
        PointCloud([[0, 0]], [[0, 0, 0]], "")
