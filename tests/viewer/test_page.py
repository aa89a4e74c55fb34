"""The page in headless Chromium; one test does everything, to start the browser once."""

import io
from contextlib import closing

import numpy as np
import pytest
import torch
from PIL import Image

from recon.points import PointCloud, save_points
from recon.splats import Splats
from recon.splats.ply import save_splats
from trajectories import InputError
from trajectories.rig_file import save_rig
from trajectories.rigs import make_rig
from viewer import screenshot
from viewer.app import open_scene

SIZE = (1140, 500)


def ball(n: int) -> Splats:
    """A red ball around the default rigs' target."""
    directions = torch.randn(n, 3, generator=torch.Generator().manual_seed(0))
    red = torch.tensor([0.9, 0.05, 0.05])
    return Splats(
        means=0.6 * directions / directions.norm(dim=1, keepdim=True) + torch.tensor([0.0, 0.0, 0.6]),
        quats=torch.tensor([[1.0, 0, 0, 0]]).repeat(n, 1),
        log_scales=torch.full((n, 3), float(np.log(0.08))),
        logit_opacities=torch.full((n,), 3.0),
        sh=((red - 0.5) / 0.28209479).repeat(n, 1)[:, None],
    )


@pytest.fixture
def scene(tmp_path):
    rig = make_rig("orbit", 3, 6)
    save_rig(rig, tmp_path / "rig.json")
    for v, name in enumerate(rig.names):
        (tmp_path / "images" / name).mkdir(parents=True)
        for t in range(rig.frames):
            Image.new("RGB", (128, 128), (40 * t, 80 * v, 250)).save(tmp_path / "images" / name / f"{t:05d}.png")
    splats = ball(300)
    save_points(PointCloud(splats.means.numpy(), np.full((300, 3), 0.5), "a test"), tmp_path / "points.ply")
    save_splats(splats, tmp_path / "splats.ply")
    return tmp_path


def canvas_of(page) -> np.ndarray:
    """(H, W, 3) pixels of the page, left of its panel."""
    png = page.screenshot(timeout=60_000)
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))[:, : SIZE[0] - 620].astype(int)


def red_pixels(image: np.ndarray) -> int:
    return int(((image[..., 0] > 140) & (image[..., 1] < 80) & (image[..., 2] < 80)).sum())


def blue_pixels(image: np.ndarray, red: int) -> int:
    return int(((image[..., 2] > 200) & (np.abs(image[..., 0] - red) < 25)).sum())


def drag_to_the_end(page, thumb) -> None:
    box = thumb.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 100, y, steps=3)
    page.mouse.move(x + 200, y)
    page.mouse.up()


def wait_for(page, condition) -> None:
    for _ in range(240):
        if condition():
            return
        page.wait_for_timeout(250)
    raise AssertionError("The condition did not become true on the page within 60 s.")


@pytest.mark.browser
@pytest.mark.timeout(600)  # 25 s of software rendering, and much longer on a busy machine
def test_the_page_shows_the_scene_and_responds_to_its_controls(scene, tmp_path):
    pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    try:
        screenshot.chromium_path()
    except InputError as missing:
        pytest.skip(str(missing))
    with closing(open_scene(scene, port=0)) as viewer, screenshot.open_page(viewer.url, wait=0.5, size=SIZE) as page:
        # The page draws the splats, and the frames in the frustums.
        wait_for(page, lambda: viewer.visitors and viewer.visitors[0].ready)
        visitor = viewer.visitors[0]
        wait_for(page, lambda: red_pixels(canvas_of(page)) > 2000)
        page.get_by_text("More").click()
        wait_for(page, lambda: page.get_by_text("300 splats drawn.").is_visible())
        page.get_by_text("More").click()

        # "Overview" ends the swing and shows the cameras with their frames.
        page.keyboard.press("O")
        overview = viewer.overview.viewpoint.eye
        wait_for(page, lambda: np.allclose(visitor.client.camera.position, overview, atol=1e-3))
        wait_for(page, lambda: blue_pixels(canvas_of(page), 120) > 100)  # frame 3 has a red of 120
        before = canvas_of(page)

        # The slider moves all videos and cameras.
        drag_to_the_end(page, page.get_by_role("slider").first)
        wait_for(page, lambda: viewer.clock.panel.frame.value == 5)
        wait_for(page, lambda: page.get_by_text("0.62 s of 0.62 s").is_visible())
        wait_for(page, lambda: (np.abs(canvas_of(page) - before).max(axis=-1) > 40).sum() > 200)
        after = canvas_of(page)
        assert blue_pixels(after, 120) < 50

        # A button moves the client to a camera, the frame of which is shown.
        page.get_by_role("button", name=viewer.cameras.rig.names[1]).click()
        center = viewer.cameras.rig.cameras.centers[1, 5]
        wait_for(page, lambda: np.allclose(visitor.client.camera.position, center, atol=1e-3))
        wait_for(page, lambda: red_pixels(canvas_of(page)) > 1.5 * red_pixels(after))  # the drawn view has changed, too
        wait_for(page, lambda: page.locator(".cvd3d .frame").count() == 1)
        assert visitor.visit.view == 1

        # Play starts the clock and pause stops it.
        page.get_by_role("button", name="Play").click()
        wait_for(page, lambda: viewer.clock.panel.frame.value not in (5, 0))
        page.get_by_role("button", name="Pause").click()
        wait_for(page, lambda: not viewer.clock.playback.playing)
        held = viewer.clock.frame
        wait_for(page, lambda: viewer.clock.panel.frame.value == held)

        page.screenshot(path=str(tmp_path / "page.png"), timeout=60_000)
        assert (tmp_path / "page.png").stat().st_size > 10_000


def test_a_missing_chromium_is_reported(monkeypatch, tmp_path):
    monkeypatch.setattr(screenshot.shutil, "which", lambda name: None)
    with pytest.raises(InputError, match="install it"):
        screenshot.chromium_path()
