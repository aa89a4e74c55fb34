"""The HTML file of a scene: its size, its messages, and its rendering in headless Chromium without a network."""

import base64
import io
import re
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch
import zstandard
from PIL import Image

from recon.splats import MovingSplats, Splats
from trajectories import InputError
from trajectories.rigs import make_rig
from viewer.html import max_splats, write_html
from viewer.screenshot import DRAWING, FLAGS, chromium_path
from viewer.splat_nodes import MOVING, STILL

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
    write_html(
        ball(),
        path,
        make_rig("orbit", 2, 3),
        lambda view, frame: np.full((8, 8, 3), 80 * frame, np.uint8),
        title="</script> ball",
    )
    return path


def test_the_file_refers_to_no_other_file(page):
    assert [path.name for path in page.parent.iterdir()] == ["scene.html"]
    text = page.read_text()
    assert 500_000 < len(text) < 1_500_000
    assert "__VISER_EMBED_DATA__" in text and "https://" not in text and "src=" not in text.split("<script", 1)[0]


def test_moving_splats_are_sent_at_every_frame_and_still_ones_once(tmp_path):
    rig, rest, M = make_rig("orbit", 1, 5), ball(), 100
    rest.means += 0.01 * torch.randn(N, 3, generator=torch.Generator().manual_seed(1))
    shifts = torch.randn(M, 4, 3, generator=torch.Generator().manual_seed(2))
    turns, fades = torch.zeros(M, 4, 3), torch.zeros(M, 4)
    moving = MovingSplats(rest, torch.arange(M), shifts, turns, fades, rig.times[0], rig.times[-1])
    write_html(moving, tmp_path / "moves.html", rig)
    messages = recorded(tmp_path / "moves.html")
    assert [time for time, message in messages if message["type"] == "GaussianSplatsMessage"] == [0, 0]
    updates = [(time, m) for time, m in messages if m["type"] == "SceneNodeUpdateMessage" and m["name"] == MOVING]
    assert [time for time, _ in updates] == pytest.approx(rig.times[1:])
    assert not [m for _, m in messages if m["type"] == "SceneNodeUpdateMessage" and m["name"] == STILL]


def test_large_moving_scenes_are_thinned():
    rig = make_rig("orbit", 1, 10)
    rest = ball()
    moving = MovingSplats(rest, torch.arange(1), *(torch.zeros(1, 4, *end) for end in ((3,), (3,), ())), 0.0, 1.0)
    assert (max_splats(rest, rig), max_splats(moving, None), max_splats(moving, rig)) == (500_000, 500_000, 200_000)


def recorded(page: Path) -> list[tuple[float, dict]]:
    """The messages of a page with their times in seconds."""
    scene = base64.b64decode(
        max(re.findall(r"[A-Za-z0-9+/=]{1000,}", page.read_text().split("__VISER_EMBED_DATA__")[1]), key=len)
    )
    content = zstandard.ZstdDecompressor().decompress(scene[8:])
    size = int.from_bytes(content[:8], "little")
    return msgspec.msgpack.decode(content[8 : 8 + size])["messages"]


@pytest.mark.browser
@pytest.mark.timeout(600)  # software rendering on a busy machine
def test_the_file_opens_without_a_network(page):
    playwright = pytest.importorskip("playwright.sync_api")
    try:
        chromium = chromium_path()
    except InputError:
        pytest.skip("Chromium is not installed.")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=chromium, args=list(FLAGS))
        shown = browser.new_context(offline=True, viewport={"width": 960, "height": 540}).new_page()
        requests: list[str] = []
        shown.on("request", lambda request: requests.append(request.url))
        shown.goto(page.as_uri())
        shown.wait_for_selector("#cvd3d-chips button", timeout=120_000)
        assert shown.title() == "</script> ball"
        shown.wait_for_function(DRAWING, timeout=120_000)
        for _ in range(120):
            if red_pixels(shown.screenshot(timeout=120_000)) > 300:
                break
            shown.wait_for_timeout(500)
        else:
            raise AssertionError("The red ball does not show.")
        shown.keyboard.press("2")
        shown.wait_for_selector("#cvd3d-chips button[aria-pressed] >> text=cam01", timeout=120_000)
        assert shown.locator("#cvd3d-frame").is_visible()
        browser.close()
    assert not [url for url in requests if url.startswith("http")]


def red_pixels(png: bytes) -> int:
    image = np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)
    return int(((image[..., 0] > 140) & (image[..., 1] < 80) & (image[..., 2] < 80)).sum())
