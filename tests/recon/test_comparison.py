import numpy as np
import pytest
from PIL import Image

from recon.comparison import compare, draw_views
from recon.flights import Flight
from recon.render import render
from trajectories.errors import InputError
from trajectories.rigs import make_rig


def test_two_sets_of_splats_from_the_same_cameras(tmp_path, some_splats):
    cameras = make_rig("static", 2, 1, width=40, height=24, target=(0, 0, 0), radius=3.0).cameras.reshape(-1)
    flight = Flight(cameras, np.zeros(2))
    one, two = some_splats(1), some_splats(2)
    views = compare(one, two, flight)
    errors = (render(one, cameras) - render(two, cameras)).numpy().astype(np.float64)
    for view, error in zip(views, errors):
        assert view.between == pytest.approx(-10 * np.log10((error**2).mean()), abs=1e-3)
    assert compare(one, one, flight)[0].between == 120  # the largest value
    draw_views(views, ("A", "B"), tmp_path / "a.png")
    sheet = np.asarray(Image.open(tmp_path / "a.png"))
    assert sheet.shape == (2 * (24 + 16) + 4, 3 * 40 + 2 * 4, 3)
    np.testing.assert_array_equal(sheet[16:40, 44:84], np.rint(views[0].second * 255))
    with pytest.raises(InputError, match=r"ends in '\.bmp'; use \.png, \.jpg, \.webp"):
        draw_views(views, ("A", "B"), tmp_path / "a.bmp")
