import numpy as np
import pytest

from cvd3d.scene.known import known_videos
from cvd3d.videos import to_uint8, write_video
from trajectories import InputError, make_rig
from trajectories.rig_file import load_rig

pytestmark = pytest.mark.slow


def test_videos_of_a_scene_are_read_as_they_are(drawn_scene):
    from PIL import Image

    rig = load_rig(drawn_scene / "rig.json")
    known = known_videos(drawn_scene, rig, ["cam01"], [])
    assert list(known) == [1] and known[1].shape == (4, 48, 48, 3) and known[1].dtype == np.float32
    with Image.open(drawn_scene / "images" / "cam01" / "00002.png") as image:
        assert np.array_equal(to_uint8(known[1][2]), np.asarray(image))


def test_a_video_file_replaces_a_video_of_the_rig(tmp_path):
    rig = make_rig("circle", 2, 3, width=32, height=24)
    frames = np.linspace(0, 1, 5)[:, None, None, None] * np.ones((5, 24, 32, 3))
    write_video(frames, tmp_path / "clip.mp4", 8.0)
    known = known_videos(tmp_path, rig, [], [f"cam00={tmp_path / 'clip.mp4'}"])
    assert list(known) == [0] and known[0].shape == (3, 24, 32, 3)
    assert np.abs(known[0] - frames[:3]).max() < 0.05


@pytest.mark.parametrize(
    ("keep", "given", "words"),
    [
        (["cam07"], [], "The rig has no video 'cam07'; its videos are cam00, cam01"),
        (["cam00"], ["cam00=clip.mp4"], "The video 'cam00' is named twice"),
        ([], ["cam00"], "--known cam00 names no file; write it as NAME=FILE"),
        ([], ["cam00=none.mp4"], "--known cam00: there is no file none.mp4"),
        ([], ["cam00={tmp}/clip.mp4"], "has 2 frames and the rig 4; shorten the rig"),
        ([], ["cam00={tmp}/small.mp4"], "is 16x16 and the rig 48x48; scale the video first"),
    ],
)
def test_missing_or_mismatched_videos_are_refused(drawn_scene, tmp_path, keep, given, words):
    write_video(np.zeros((2, 48, 48, 3)), tmp_path / "clip.mp4", 8.0)
    write_video(np.zeros((4, 16, 16, 3)), tmp_path / "small.mp4", 8.0)
    rig = load_rig(drawn_scene / "rig.json")
    with pytest.raises(InputError, match=words):
        known_videos(drawn_scene, rig, keep, [text.format(tmp=tmp_path) for text in given])


def test_videos_of_other_cameras_cannot_be_kept(drawn_scene, tmp_path):
    with pytest.raises(InputError, match="does not have this video yet; make the scene first"):
        known_videos(tmp_path, load_rig(drawn_scene / "rig.json"), ["cam00"], [])
    other = make_rig("orbit", 2, 4, width=48, height=48)
    with pytest.raises(InputError, match="was made for other cameras; give the options of its rig, or --rig"):
        known_videos(drawn_scene, other, ["cam00"], [])
