"""The stages by themselves: what each writes, and which changes give it another fingerprint."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from cvd3d.scene.chain import Place, fingerprint
from cvd3d.scene.stages import (
    Footage,
    check_parallax,
    dataset_stage,
    fit_stage,
    import_stage,
    plan_stage,
    splat_stages,
    write_videos,
)
from recon.capture import load_capture
from recon.scene_folder import SceneFolder
from trajectories import InputError, load_rig, make_rig, save_rig
from trajectories.formats.nerfstudio import read_transforms


@pytest.fixture
def rig():
    return make_rig("circle", 2, 3, width=16, height=12)


@pytest.fixture
def run(tmp_path):
    """`run(stage)`: what the stage returns; its output goes into the scene folder at once."""
    return lambda stage: stage.make(Place(tmp_path, tmp_path, tmp_path / "checkpoints"))


def test_the_plan_is_the_rig(rig, run, tmp_path):
    assert run(plan_stage(rig)) == {}
    assert np.array_equal(load_rig(tmp_path / "rig.json").cameras.c2w, rig.cameras.c2w)


def test_every_part_of_a_rig_changes_the_plan(rig):
    others = [
        make_rig("circle", 3, 3, width=16, height=12),
        make_rig("circle", 2, 4, width=16, height=12),
        make_rig("circle", 2, 3, width=16, height=16),
        make_rig("orbit", 2, 3, width=16, height=12),
        replace(rig, times=rig.times * 2),
        replace(rig, names=("left", "right")),
    ]
    assert len({fingerprint(plan_stage(each), "") for each in (rig, *others)}) == 7


def test_videos_are_written_as_frames_and_as_films(rig, tmp_path):
    folder = SceneFolder(tmp_path)
    videos = np.linspace(0, 1, 2 * 3)[:, None, None, None] * np.ones((6, 12, 16, 3))
    write_videos(videos.reshape(2, 3, 12, 16, 3), rig, folder)
    with Image.open(tmp_path / "images" / "cam01" / "00002.png") as image:
        assert image.size == (16, 12) and np.asarray(image).min() == 255
    assert sorted(path.name for path in (tmp_path / "videos").iterdir()) == ["cam00.mp4", "cam01.mp4"]


def test_the_dataset_names_every_frame_with_its_time_and_video(rig, run, tmp_path):
    save_rig(rig, tmp_path / "rig.json")
    run(dataset_stage())
    dataset = read_transforms(tmp_path / "transforms.json")
    assert dataset.file_paths[4] == "images/cam01/00001.png"
    assert dataset.times[4] == rig.times[1] and dataset.videos[4] == "cam01"
    assert np.allclose(dataset.cameras.c2w[4], rig.cameras.c2w[1, 1])


def test_an_import_scales_large_frames_down(rig, run, tmp_path):
    source = tmp_path / "source"
    save_rig(rig, source / "rig.json")
    write_videos(np.full((2, 3, 12, 16, 3), 0.5), rig, SceneFolder(source))
    capture = load_capture(source)
    stage = import_stage(capture, source, None, longest_side=8)
    assert run(stage) == {"frames": 6, "size_of_capture": [16, 12], "size": [8, 6]}
    dataset = read_transforms(tmp_path / "transforms.json")
    with Image.open(tmp_path / dataset.file_paths[0]) as image:
        assert image.size == (8, 6)
    assert fingerprint(stage, "") != fingerprint(import_stage(capture, source, None, longest_side=9), "")


def test_options_of_the_splats_change_their_stages():
    def marks(seed=0, moves=False, **given):
        return tuple(fingerprint(stage, "") for stage in splat_stages(seed, Footage(True, moves), given, None))

    points, fit = marks()
    for other in (marks(seed=1), marks(moves=True)):
        assert other[0] != points and other[1] != fit
    assert marks(steps=5)[0] == points and marks(steps=5)[1] != fit


def test_a_fit_that_its_settings_refuse_is_refused_before_it_starts():
    with pytest.raises(InputError, match="give at least 1"):
        fit_stage(0, Footage(False), {"steps": 0}, None)


def test_cameras_in_one_place_have_no_parallax(rig):
    check_parallax(rig, moves=True)
    still = make_rig("static", 1, 3, width=16, height=12)
    for moves, sentence in ((False, "all cameras"), (True, "something in the prompt moves")):
        with pytest.raises(InputError, match=f"no parallax: {sentence}"):
            check_parallax(still, moves)
