import numpy as np
import pytest
from matplotlib.colors import to_rgb
from PIL import Image

from cvd3d.scene.preview import _colors, draw_rig
from trajectories import InputError, make_rig


@pytest.mark.slow
@pytest.mark.parametrize(("name", "views", "frames"), [("circle", 4, 6), ("static", 1, 1), ("dome", 14, 2)])
def test_a_rig_is_drawn_in_its_colors(tmp_path, name, views, frames):
    draw_rig(make_rig(name, views, frames), tmp_path / "rig.png")
    pixels = np.asarray(Image.open(tmp_path / "rig.png").convert("RGB"))
    assert pixels.shape[1] == 1760
    for color in _colors(views):
        assert (pixels == np.round(255 * np.array(to_rgb(color)))).all(axis=-1).any(), f"{color} is missing"


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_the_same_rig_gives_the_same_bytes(tmp_path, suffix):
    rig = make_rig("orbit", 3, 4)
    for name in "ab":
        draw_rig(rig, tmp_path / f"{name}.{suffix}", target=(0, 0, 0.6))
    assert (tmp_path / f"a.{suffix}").read_bytes() == (tmp_path / f"b.{suffix}").read_bytes()


def test_an_unknown_kind_of_picture_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"ends in '\.bmp'"):
        draw_rig(make_rig("orbit", 2, 2), tmp_path / "rig.bmp")
    assert list(tmp_path.iterdir()) == []
