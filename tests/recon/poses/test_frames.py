import numpy as np
import pytest

from recon.poses.frames import FEWEST, MOST, choose, decoded, measure
from trajectories.errors import InputError


def test_a_short_clip_gives_all_of_its_frames():
    assert choose(np.arange(16.0), np.full(16, 0.1)).tolist() == list(range(16))


def test_the_sharpest_frame_of_each_part():
    sharpness = np.tile([1.0, 5.0, 2.0, 3.0], FEWEST)
    chosen = choose(sharpness, np.full(4 * FEWEST, 0.001))
    assert len(chosen) == FEWEST and (sharpness[chosen] == 5.0).all()


def test_frames_are_chosen_where_the_camera_moves():
    motion = np.concatenate([np.zeros(100), np.full(100, 0.01)])
    chosen = choose(np.ones(200), motion)
    assert (chosen >= 100).sum() > 3 * (chosen < 100).sum() > 0


def test_a_long_walk_is_limited():
    assert len(choose(np.ones(5000), np.full(5000, 0.01))) <= MOST


def test_motion_and_sharpness_are_measured():
    noise = np.random.default_rng(0).integers(0, 255, (40, 60, 1)).astype(np.uint8)
    image = np.repeat(np.kron(noise, np.ones((4, 4, 1), np.uint8)), 3, axis=2)
    sharpness, motion = measure(iter([image, np.roll(image, 6, axis=1), np.full_like(image, 128)]))
    assert motion[0] == 0 and motion[1] == pytest.approx(6 / 240, rel=0.3)
    assert sharpness[0] > 100 * (sharpness[2] + 1e-6)


def test_a_file_that_is_no_video(tmp_path):
    (tmp_path / "walk.mp4").write_bytes(b"no video")
    with pytest.raises(InputError, match=r"walk\.mp4 does not open"):
        next(decoded(tmp_path / "walk.mp4"))
