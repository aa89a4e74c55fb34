"""The page in one file: its size, and what headless Chromium shows of it without the net."""

import numpy as np
import pytest
import torch

from recon.splats import Splats
from trajectories import InputError
from trajectories.rigs import make_rig
from viewer import screenshot
from viewer.html import write_html

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
def test_it_opens_offline(page):
    try:
        screenshot.chromium_path()
    except InputError:
        pytest.skip("Chromium is not installed.")
    pytest.importorskip("playwright")
    with screenshot.open_page(page.as_uri(), size=(640, 400)) as shown:
        requests = []
        shown.on("request", lambda request: requests.append(request.url))
        picture = np.asarray(screenshot_of(shown)).astype(int)
        red = (picture[..., 0] > 140) & (picture[..., 1] < 80) & (picture[..., 2] < 80)
        assert red.sum() > 300
        assert not [url for url in requests if url.startswith("http")]


def screenshot_of(shown):
    import io

    from PIL import Image

    return Image.open(io.BytesIO(shown.screenshot(timeout=60_000))).convert("RGB")
