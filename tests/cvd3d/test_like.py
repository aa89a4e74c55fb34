"""Options that a scene takes from another one."""

import json
from pathlib import Path

import pytest

from cvd3d.cli import _parse, main
from cvd3d.commands.like import recorded

FIT = {"seed": 3, "generated": True, "moves": False, "steps": 12, "quality": "draft", "exposure": False}


def scene(folder, asked, fit):
    record = {"fingerprint": "", "version": 1, "options": fit, "outputs": [], "seconds": 0, "peak_memory_mb": 0}
    content = {"format": "cvd3d scene 1", "asked": asked, "stages": {"fit": record | {"facts": {}}}}
    folder.mkdir()
    (folder / "scene.json").write_text(json.dumps(content))
    return str(folder)


@pytest.fixture
def prompted(tmp_path):
    options = {"seed": 3, "moves": "no", "rig": "orbit", "views": 6, "size": [64, 48], "azimuth": -45.0, "steps": 9}
    return scene(tmp_path / "prompted", {"prompt": "a red cube", "options": options}, FIT)


@pytest.fixture
def captured(tmp_path):
    options = {"seed": 4, "moves": "auto", "from": "/somewhere/clip.mp4", "poses": "/p.txt", "longest_side": 500}
    return scene(tmp_path / "captured", {"options": options}, {"seed": 4, "generated": False, "moves": False})


def test_all_options_are_those_of_the_other_scene(prompted):
    taken = _parse(["scene", "--like", prompted, "--out", "b"])
    words = "--seed 3 --moves no --rig orbit --views 6 --size 64 48 --azimuth -45 --denoise-steps 9"
    words += f" --fit.steps 12 --quality draft --exposure False --out b --like {prompted}"
    assert taken == _parse(["scene", "a red cube", *words.split()])


def test_what_is_given_replaces_them_even_by_a_default(prompted):
    taken = _parse(["scene", "a blue ball", "--seed", "0", "--quality", "normal", "--like", prompted])
    assert (taken.prompt, taken.seed, taken.fit.quality, taken.cameras.views) == ("a blue ball", 0, "normal", 6)


def test_a_capture_takes_the_fit_and_no_cameras(prompted):
    taken = _parse(["scene", "--from", "clip.mp4", "--like", prompted])
    assert (taken.prompt, taken.from_, taken.cameras.given(), taken.sampling.given()) == (
        None,
        Path("clip.mp4"),
        {},
        {},
    )
    assert (taken.seed, taken.fit.steps) == (3, 12)


def test_a_scene_of_a_capture(captured):
    taken = _parse(["scene", "--like", captured])
    assert (taken.from_, taken.poses, taken.longest_side) == (Path("/somewhere/clip.mp4"), Path("/p.txt"), 500)
    assert _parse(["scene", "a red cube", "--like", captured]).from_ is None


def test_files_are_recorded_by_their_absolute_path_and_videos_are_not(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    options = {"rig": "walk.json", "model": Path("m"), "size": (4, 5), "keep": ("a",), "known": ("b=c",)}
    assert recorded(options) == {"rig": f"{tmp_path}/walk.json", "model": f"{tmp_path}/m", "size": (4, 5)}
    assert recorded({"rig": "orbit"}) == {"rig": "orbit"}


def test_scenes_without_options_are_refused(tmp_path, capsys):
    folder = scene(tmp_path / "old", {"prompt": "a red cube"}, FIT)
    for where, expected in ((folder, "does not record its options"), (str(tmp_path), "is not a scene folder")):
        with pytest.raises(SystemExit) as end:
            main(["scene", "--like", where])
        assert end.value.code == 2 and expected in capsys.readouterr().err
