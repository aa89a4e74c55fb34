"""A fit that leaves out one video, and how far from the cameras its splats are good."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from recon.capture import Capture, Pixels
from recon.fitting.new_paths import good_within, measure_new_paths, typical_video
from recon.fitting.settings import FitSettings
from trajectories import make_rig


@pytest.fixture(scope="module")
def capture():
    """Four videos of two frames, in which colors vary slowly with the direction."""
    rig = make_rig("circle", views=4, frames=2, width=48, height=48)
    cameras = rig.cameras.reshape(-1)
    x, y = np.meshgrid(np.arange(48) + 0.5, np.arange(48) + 0.5)
    directions = cameras.rays(np.stack([x.ravel(), y.ravel()], axis=1), unit=True)[1]
    frames = np.round(127.5 + 127.5 * np.sin(9 * directions)).astype(np.uint8).reshape(8, 48, 48, 3)
    names = tuple(name for name in rig.names for _ in range(2))
    return Capture(cameras, np.tile(rig.times, 4), names, tuple(map(Pixels, frames)))


def test_good_within_by_hand():
    # In order of their angles: 30, 27, 26 and 29 dB; the third is more than 3 dB below the first.
    degrees, meters, psnrs = [20, 5, 10, 40], [1.0, 2.0, 0.5, 9.0], [26, 30, 27, 29]
    assert good_within(degrees, meters, psnrs) == {"degrees": 10, "meters": 2, "psnr": 30}
    assert good_within(degrees, meters, [28, 30, 27, 29]) == {"degrees": 40, "meters": 9, "psnr": 30}


def test_nothing_is_known_if_no_view_is_near_the_cameras():
    assert good_within([11, 12], [1, 2], [30, 30]) is None


@pytest.mark.slow
def test_the_typical_video_is_left_out_and_measured(capture):
    video = typical_video(capture)
    assert video in capture.videos
    settings = FitSettings(steps=8, densify="none", sh_degree=0, new_paths=0.5)
    measured = measure_new_paths(capture, settings, generator=torch.Generator().manual_seed(0))
    assert measured["video"] == video and measured["steps"] == 4
    assert [each["video"] for each in measured["per_frame"]] == [video, video]
    assert 0 < measured["degrees"] < 60
    assert measured["psnr"] == pytest.approx(np.mean([each["psnr"] for each in measured["per_frame"]]))
    again = measure_new_paths(capture, settings, generator=torch.Generator().manual_seed(0))
    assert again == measured


def test_too_few_videos_photos_and_zero_steps_are_not_measured(capture):
    assert typical_video(capture.subset(range(6))) is None
    assert typical_video(capture.subset([0, 2, 4, 6])) is None
    off = replace(FitSettings(), new_paths=0.0)
    assert measure_new_paths(capture, off, generator=torch.Generator()) is None
