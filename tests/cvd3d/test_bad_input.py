"""Bad input: one sentence on stderr, exit status 2, and no partial files."""

import errno
import json

import numpy as np
import pytest
from PIL import Image

from cvd3d.cli import main
from recon.splats import Splats
from recon.splats.ply import save_splats
from trajectories.formats.nerfstudio import Transforms, write_transforms
from trajectories.rig_file import save_rig
from trajectories.rigs import make_rig

SCENE = ["scene", "a red cube on green grass"]


@pytest.fixture
def refused(capsys):
    """Run a command that must be refused; returns the error sentence."""

    def run(*words):
        with pytest.raises(SystemExit) as end:
            main([str(word) for word in words])
        err = capsys.readouterr().err
        assert end.value.code == 2
        last = err.strip().splitlines()[-1]
        assert last.startswith("cvd3d: error: ") and "Traceback" not in err
        return last.removeprefix("cvd3d: error: ")

    return run


@pytest.fixture
def out(tmp_path):
    return tmp_path / "scenes" / "first"


@pytest.fixture
def capture(tmp_path):
    """A nerfstudio dataset of four 32x24 frames."""
    folder = tmp_path / "capture"
    (folder / "images").mkdir(parents=True)
    rig = make_rig("static", 4, 1, width=32, height=24)
    names = tuple(f"images/{i}.png" for i in range(4))
    for name in names:
        Image.new("RGB", (32, 24), "gray").save(folder / name)
    write_transforms(Transforms(names, rig.cameras.reshape(-1)), folder / "transforms.json")
    return folder


def test_neither_a_prompt_nor_a_capture(refused, out):
    assert "give a prompt" in refused("scene", "--out", out)
    assert not out.exists()


def test_an_empty_prompt(refused, out):
    assert "The prompt is empty" in refused("scene", "  ", "--out", out)
    assert not out.exists()


def test_a_prompt_and_a_capture(refused, out, capture):
    assert "give one" in refused(*SCENE, "--from", capture, "--out", out)


def test_poses_without_a_capture(refused, out):
    assert "--poses was given without --from" in refused(*SCENE, "--poses", "poses.txt", "--out", out)


@pytest.mark.parametrize("option", [["--rig", "circle"], ["--views", "2"], ["--denoise-steps", "3"]])
def test_options_without_effect_on_a_capture(refused, out, capture, option):
    assert f"{option[0]} has no effect with --from" in refused("scene", "--from", capture, "--out", out, *option)


@pytest.mark.parametrize("option", ["--views", "--frames"])
def test_zero_views_and_zero_frames(refused, out, option):
    assert refused(*SCENE, option, "0", "--out", out) == f"The rig has 0 {option[2:]}; give at least 1."
    assert not out.exists()


@pytest.mark.parametrize(
    "option, expected",
    [
        (["--steps", "0"], "The number of steps is 0"),
        (["--guidance", "nan"], "guidance is nan"),
        (["--max-memory", "0"], "max_memory is 0.0"),
        (["--radius", "inf"], "--radius is inf"),
        (["--radius", "-1"], "radius is -1"),
        (["--fov", "180"], "180 degrees"),
        (["--fps", "0"], "fps is 0"),
        (["--size", "0", "64"], "0x64"),
        (["--model", "nowhere"], "no model folder nowhere"),
        (["--fit.steps", "0"], "The fit has 0 steps"),
        (["--densify", "often"], "often"),
        (["--easing", "bouncy"], "bouncy"),
        (["--spread", "0.3"], "spread"),
    ],
)
def test_options_out_of_range(refused, out, option, expected):
    assert expected in refused(*SCENE, "--out", out, *option)
    assert not out.exists()


@pytest.mark.parametrize("typed, meant", [("orbti", "orbit"), ("Circle", "circle"), ("hemi", "upper_hemi")])
def test_an_unknown_rig_gets_the_nearest_name(refused, out, typed, meant):
    sentence = refused(*SCENE, "--rig", typed, "--out", out)
    assert f"There is no rig '{typed}'; did you mean '{meant}'?" in sentence
    assert not out.exists()


@pytest.mark.slow
def test_a_rig_file_with_a_pose_that_is_no_rotation(refused, out, tmp_path):
    path = tmp_path / "rig.json"
    save_rig(make_rig("circle", 2, 3), path)
    content = json.loads(path.read_text())
    content["views"][1]["c2w"][2][0][0] += 0.5
    path.write_text(json.dumps(content))
    sentence = refused(*SCENE, "--rig", path, "--out", out)
    assert "rig.json: view 'cam01', frame 2" in sentence and "rotation" in sentence
    assert not out.exists()


def test_a_rig_file_that_is_missing_or_contradicted(refused, out, tmp_path):
    path = tmp_path / "rig.json"
    assert "there is no such file" in refused(*SCENE, "--rig", path, "--out", out)
    save_rig(make_rig("circle", 2, 3), path)
    assert "--views cannot change the rig file" in refused(*SCENE, "--rig", path, "--views", "3", "--out", out)


def test_cameras_without_parallax(refused, out):
    assert "stand in one place" in refused(*SCENE, "--rig", "static", "--views", "1", "--out", out)
    sentence = refused("scene", "a ball bouncing", "--rig", "orbit", "--views", "1", "--out", out)
    assert "something in the prompt moves" in sentence
    assert not out.exists()


def test_an_output_folder_that_is_not_a_scene(refused, out):
    out.mkdir(parents=True)
    (out / "thesis.tex").write_text("x")
    assert "is not a scene folder" in refused(*SCENE, "--out", out)
    assert [path.name for path in out.iterdir()] == ["thesis.tex"]


def test_an_output_folder_inside_the_capture(refused, capture):
    before = sorted(capture.rglob("*"))
    for out in (capture, capture / "scene"):
        assert "overlap" in refused("scene", "--from", capture, "--out", out)
    assert sorted(capture.rglob("*")) == before


def test_a_missing_capture(refused, out, tmp_path):
    assert "There is no capture at" in refused("scene", "--from", tmp_path / "nowhere", "--out", out)
    assert not out.exists()


@pytest.mark.slow
def test_photos_without_cameras_and_without_texture(refused, out, capture):
    (capture / "transforms.json").unlink()
    assert "the cameras were not found: too few matches" in refused("scene", "--from", capture, "--out", out)
    assert not out.exists()


def test_a_capture_with_an_image_that_does_not_open(refused, out, capture):
    (capture / "images" / "2.png").write_bytes(b"not a picture")
    sentence = refused("scene", "--from", capture, "--out", out)
    assert "2.png does not open" in sentence
    assert not out.exists()


def test_a_capture_with_a_truncated_image(refused, out, capture):
    """The header is valid, so the error occurs only when the pixels are read, in the middle of the import."""
    path = capture / "images" / "2.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (24, 32, 3), dtype=np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:-400])
    assert "2.png does not open" in refused("scene", "--from", capture, "--out", out)
    assert not out.exists()


def test_a_capture_with_frames_of_different_sizes(refused, out, capture):
    Image.new("RGB", (16, 16)).save(capture / "images" / "3.png")
    sentence = refused("scene", "--from", capture, "--out", out)
    assert "3.png is 16x16 but its camera is for 32x24" in sentence
    assert not out.exists()


def change_frames(capture, change):
    path = capture / "transforms.json"
    content = json.loads(path.read_text())
    content["frames"] = change(content["frames"])
    path.write_text(json.dumps(content))


def test_a_capture_of_one_image(refused, out, capture):
    change_frames(capture, lambda frames: frames[:1])
    assert "The capture has one frame" in refused("scene", "--from", capture, "--out", out)
    assert not out.exists()


def test_a_capture_from_one_place(refused, out, capture):
    change_frames(capture, lambda frames: [{**frames[0], "file_path": frame["file_path"]} for frame in frames])
    assert "All 4 cameras stand in one place" in refused("scene", "--from", capture, "--out", out)
    assert not out.exists()


def test_a_capture_without_overlap(refused, out, capture):
    """Two cameras that face away from each other, a hundred meters apart."""

    def back_to_back(frames):
        poses = np.diag([1.0, -1.0, -1.0, 1.0]), np.diag([-1.0, -1.0, 1.0, 1.0])
        poses[0][2, 3], poses[1][2, 3] = 50.0, -50.0
        return [{**frame, "transform_matrix": pose.tolist()} for frame, pose in zip(frames, poses)]

    change_frames(capture, back_to_back)
    sentence = refused("scene", "--from", capture, "--out", out)
    assert sentence.startswith("No two of the 2 cameras see the same place")
    assert not out.exists()


def test_a_capture_of_which_one_image_is_left(refused, out, capture):
    for n in (0, 1, 3):
        (capture / "images" / f"{n}.png").unlink()
    assert "3 of the 4 images that" in refused("scene", "--from", capture, "--out", out)
    assert not out.exists()


@pytest.mark.slow
def test_a_capture_without_texture_is_reported_and_fitted(out, capture, capsys):
    (capture / "images" / "3.png").unlink()
    main(["scene", "--from", str(capture), "--out", str(out), "--fit.steps", "5"])
    warnings = " ".join(capsys.readouterr().err.split())
    assert "1 of the 4 images that" in warnings and "the other 3 are used" in warnings
    assert "the fit starts from random points; give points (points.ply) or images with more overlap" in warnings
    assert (out / "splats.ply").is_file()


def test_a_capture_with_a_pose_that_is_no_rotation(refused, out, capture):
    path = capture / "transforms.json"
    content = json.loads(path.read_text())
    content["frames"][1]["transform_matrix"][0][0] += 1.0
    path.write_text(json.dumps(content))
    assert "transforms.json: frame 1 (images/1.png)" in refused("scene", "--from", capture, "--out", out)
    assert not out.exists()


def test_a_video_that_does_not_open(refused, out, tmp_path):
    (tmp_path / "clip.mp4").write_bytes(b"")
    assert "does not open" in refused("scene", "--from", tmp_path / "clip.mp4", "--out", out)
    assert not out.exists()


def test_a_disk_that_fills(refused, out, drawing, monkeypatch):
    """The disk fills while the frames are written; only the finished plan is kept."""
    import cvd3d.scene.stages

    written = []
    write_image = cvd3d.scene.stages.write_image

    def fills(image, path):
        if len(written) == 3:
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        written.append(path)
        write_image(image, path)

    monkeypatch.setattr(cvd3d.scene.stages, "write_image", fills)
    sentence = refused(*SCENE, "--views", "2", "--frames", "2", "--size", "16", "16", "--out", out)
    assert sentence == f"The disk that holds {out} is full; free some space and run the same command again."
    assert sorted(path.name for path in out.iterdir()) == ["rig.json", "scene.json"]


def test_a_disk_that_fills_outside_a_scene(refused, tmp_path, monkeypatch):
    import plyfile
    import torch

    def full(self, path):
        with open(path, "wb") as file:
            file.write(b"ply")
        raise OSError(errno.ENOSPC, "No space left on device")

    folder = tmp_path / "scene"
    folder.mkdir()
    (folder / "scene.json").write_text(json.dumps({"format": "cvd3d scene 1", "stages": {}}))
    save_splats(Splats(*(torch.ones(1, *shape) for shape in ((3,), (4,), (3,), (), (1, 3)))), folder / "splats.ply")
    monkeypatch.setattr(plyfile.PlyData, "write", full)
    assert refused("export", folder, "--to", "ply", "--out", tmp_path / "a.ply") == (
        f"The disk that holds {tmp_path / 'a.ply'} is full; free some space and run the same command again."
    )
    assert [path.name for path in tmp_path.iterdir()] == ["scene"]


def test_commands_on_a_folder_that_is_no_scene(refused, tmp_path):
    for words in (["fit"], ["export", "--to", "ply"]):
        assert "is not a scene folder" in refused(*words, tmp_path)
    assert "is not a scene folder" in refused("view", tmp_path)


def test_an_export_of_missing_splats_or_to_an_existing_folder(refused, tmp_path, capture):
    folder = tmp_path / "scene"
    folder.mkdir()
    (folder / "scene.json").write_text(json.dumps({"format": "cvd3d scene 1", "stages": {}}))
    assert "has no splats.ply yet" in refused("export", folder, "--to", "ply")
    (folder / "transforms.json").write_text("{}")
    words = ["export", folder, "--to", "nerfstudio", "--out", capture]
    assert "already exists" in refused(*words)
    (capture / "notes.txt").write_text("x")
    assert "contains files that are not from an export" in refused(*words, "--force")
    assert (capture / "notes.txt").exists()


@pytest.mark.parametrize(
    "option, expected",
    [
        (["--learning-rate", "-1"], "The learning rate is -1.0; give a number above 0."),
        (["--size", "100"], "The size of the frames is 100 pixels; give a multiple of 16."),
        (["--warp.rotation", "-1"], "The warp's rotation is -1 degrees; give a standard deviation of 0 or more."),
        (["--warp.scale", "nan"], "The warp's scale is nan; give a standard deviation of 0 or more."),
    ],
)
def test_training_pairs_with_numbers_out_of_range(refused, tmp_path, option, expected):
    assert refused("train-pairs", "--posed", tmp_path, "--out", tmp_path / "run", *option) == expected
    assert not (tmp_path / "run").exists()


def test_a_training_of_no_steps(refused, tmp_path):
    assert "--steps is 0" in refused("train", "--out", tmp_path / "run", "--steps", "0")
    assert not (tmp_path / "run").exists()
