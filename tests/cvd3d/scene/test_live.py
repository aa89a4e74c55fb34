"""The page that shows a fit while it runs: what it displays, and when it closes."""

import numpy as np
import pytest

from cvd3d.scene.live import live_page
from cvd3d.videos import write_image
from recon.points import PointCloud, save_points
from recon.scene_files import frame_path
from trajectories import make_rig, save_rig


class Page:
    """A fake viewer that records its calls."""

    url = "http://127.0.0.1:1234"
    made = None

    def __init__(self, port):
        Page.made, self.port, self.calls = self, port, []

    def __getattr__(self, name):
        return lambda *given: self.calls.append((name, *given))


@pytest.fixture
def page(monkeypatch):
    """`page()`: the last opened page."""
    monkeypatch.setattr("viewer.app.SceneViewer", Page)
    return lambda: Page.made


@pytest.fixture
def scene(tmp_path):
    """A scene folder of two videos of three gray frames, with two starting points."""
    rig = make_rig("circle", 2, 3, width=16, height=16)
    save_rig(rig, tmp_path / "rig.json")
    for path in (tmp_path / frame_path(name, t) for name in rig.names for t in range(3)):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_image(np.full((16, 16, 3), 0.5), path)
    save_points(PointCloud(np.eye(3)[:2], np.eye(3)[:2], "a test"), tmp_path / "points.ply")
    return tmp_path


def test_the_cameras_and_points_are_shown_and_then_every_step(page, scene, capsys):
    with live_page(1234) as watch:
        on_step = watch(scene)
        for step in (1, 2):
            on_step(step, f"splats of step {step}")
        assert page().port == 1234
        (_, rig, frames), (_, points) = page().calls[:2]
        assert rig.names == ("cam00", "cam01") and frames(1, 2).shape == (16, 16, 3) and len(points) == 2
        assert page().calls[2:] == [("show_splats", "splats of step 1"), ("show_splats", "splats of step 2")]
    assert [name for name, *_ in page().calls[:2]] == ["show_rig", "show_points"] and page().calls[-1] == ("close",)
    assert capsys.readouterr().out == "The fit is shown at http://127.0.0.1:1234\n"


def test_a_capture_without_points_shows_its_cameras(page, scene):
    (scene / "points.ply").unlink()
    with live_page(0) as watch:
        watch(scene)
        assert [name for name, *_ in page().calls] == ["show_rig"]


def test_the_page_closes_when_the_fit_fails(page):
    with pytest.raises(KeyboardInterrupt), live_page(0):
        raise KeyboardInterrupt
    assert page().calls == [("close",)]
