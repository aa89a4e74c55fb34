import threading
from contextlib import closing

import numpy as np
import torch
import viser

from recon.splats import Splats
from trajectories.rigs import make_rig
from viewer.strip import GAP, MAX_ROWS, Strip, shown_views, strip_picture

from .conftest import wait_until


def test_pictures_are_in_rows_and_columns():
    red, blue = np.full((4, 6, 3), (200, 0, 0), np.uint8), np.full((4, 6, 3), (0, 0, 200), np.uint8)
    strip = strip_picture([[red, red], [blue, None]], [(1, 2, 3), (4, 5, 6)], (4, 6))
    assert strip.shape == (8 + GAP, GAP + 2 * (6 + GAP), 3)
    assert tuple(strip[0, 0]) == (1, 2, 3) and tuple(strip[-1, 0]) == (4, 5, 6)
    assert tuple(strip[0, 2 * GAP]) == (200, 0, 0) and tuple(strip[0, -1]) == (0, 0, 200)
    assert tuple(strip[-1, -1]) == (44, 44, 44)


def test_of_many_views_some_are_shown():
    assert shown_views(3) == [0, 1, 2]
    many = shown_views(100)
    assert len(many) == MAX_ROWS and (many[0], many[-1]) == (0, 99)


def test_the_strip_shows_each_video_beside_the_splats(gray_frames):
    rig = make_rig("orbit", 2, 3)
    splats = Splats(
        means=torch.tensor([[0.0, 0.0, 0.6]]),
        quats=torch.tensor([[1.0, 0, 0, 0]]),
        log_scales=torch.zeros(1, 3),
        logit_opacities=torch.full((1,), 5.0),
        sh=torch.tensor([[[1.7, -1.7, -1.7]]]),
    )
    server, lock = viser.ViserServer(port=0, verbose=False), threading.RLock()
    with closing(Strip(server, lock, rig, gray_frames, splats)) as strip:
        strip.show_frame(1)
        wait_until(lambda: 1 in strip._renders)
        with lock:
            picture = strip._picture.image
        height, width = strip._size
        middle = GAP + height + height // 2
        assert picture[middle, 2 * GAP + width // 2, 0] == 51  # view 1, frame 1: 0.2
        red = picture[middle, 3 * GAP + width + width // 2]
        assert red[0] > 150 and red[1] < 60
        wait_until(lambda: len(strip._renders) == 3)  # the other frames are rendered ahead
    server.stop()
