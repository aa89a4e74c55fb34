"""The page in one file: its size, and what headless Chromium shows of it without the net."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from recon.splats import Splats
from trajectories import InputError
from trajectories.rigs import make_rig
from viewer.html import write_html
from viewer.screenshot import DRAWING, FLAGS, chromium_path

N = 300


def ball() -> Splats:
    """A red ball around the default rigs' target."""
    directions = torch.randn(N, 3, generator=torch.Generator().manual_seed(0))
    return Splats(
        means=0.6 * directions / directions.norm(dim=1, keepdim=True) + torch.tensor([0.0, 0.0, 0.6]),
        quats=torch.tensor([[1.0, 0, 0, 0]]).repeat(N, 1),
        log_scales=torch.full((N, 3), float(np.log(0.08))),
        logit_opacities=torch.full((N,), 3.0),
        sh=((torch.tensor([0.9, 0.05, 0.05]) - 0.5) / 0.28209479).repeat(N, 1)[:, None],
    )


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    path = tmp_path_factory.mktemp("html") / "scene.html"
    write_html(ball(), path, make_rig("orbit", 2, 3), lambda view, frame: np.full((8, 8, 3), 80 * frame, np.uint8))
    return path


def test_one_file_that_names_no_other(page):
    assert [path.name for path in page.parent.iterdir()] == ["scene.html"]
    text = page.read_text()
    assert 500_000 < len(text) < 1_500_000
    assert "__VISER_EMBED_DATA__" in text and "https://" not in text and "src=" not in text.split("<script", 1)[0]


@pytest.mark.timeout(600)  # software drawing on a busy machine
def test_it_opens_from_the_file_without_the_net(page):
    playwright = pytest.importorskip("playwright.sync_api")
    try:
        chromium = chromium_path()
    except InputError:
        pytest.skip("Chromium is not installed.")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=chromium, args=list(FLAGS))
        shown = browser.new_context(offline=True, viewport={"width": 480, "height": 320}).new_page()
        requests: list[str] = []
        shown.on("request", lambda request: requests.append(request.url))
        shown.goto(page.as_uri())
        shown.wait_for_function(DRAWING, timeout=120_000)
        for _ in range(120):
            if red_pixels(shown.screenshot(timeout=120_000)) > 300:
                break
            shown.wait_for_timeout(500)
        else:
            raise AssertionError("The red ball does not show.")
        browser.close()
    assert not [url for url in requests if url.startswith("http")]


def red_pixels(png: bytes) -> int:
    image = np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)
    return int(((image[..., 0] > 140) & (image[..., 1] < 80) & (image[..., 2] < 80)).sum())
