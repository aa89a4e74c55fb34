"""`cvd3d export`: every format, on a scene of two cameras and a few splats."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from cvd3d.cli import main
from cvd3d.scene.exports import FORMATS
from recon.capture import load_capture
from recon.export.targets import TARGETS
from recon.splats import MovingSplats, Splats
from recon.splats.motion_file import save_motion
from recon.splats.ply import load_splats, save_splats
from trajectories.formats.nerfstudio import read_transforms
from trajectories.rig import Rig
from trajectories.rig_file import save_rig
from trajectories.rigs import make_rig

N = 60


def some_splats(degree: int, count: int = N) -> Splats:
    generator = torch.Generator().manual_seed(degree)

    def normal(*shape):
        return torch.randn(*shape, generator=generator)

    return Splats(
        means=0.4 * normal(count, 3) + torch.tensor([0, 0, 0.6]),
        quats=normal(count, 4),
        log_scales=-1.2 + 0.3 * normal(count, 3),
        logit_opacities=2.0 + normal(count),
        sh=0.4 * normal(count, (degree + 1) ** 2, 3),
    )


@pytest.fixture
def scene(tiny_folder):
    """The scene folder named tiny, with splats, and a fit that held out every third frame."""
    folder = tiny_folder
    save_splats(some_splats(1), folder / "splats.ply")
    done = {"fingerprint": "", "seconds": 1.0, "peak_memory_mb": 1.0, "facts": {}, "outputs": ["splats.ply"]}
    fit = {"fit": done | {"options": {"hold_out": 3}}}
    (folder / "scene.json").write_text(json.dumps({"format": "cvd3d scene 1", "stages": fit}))
    return folder


@pytest.fixture
def moving_scene(scene):
    """The same scene, in which every third splat moves 3 m along x from 0 to 0.125 s."""
    rest = some_splats(1)
    moving = torch.arange(0, N, 3)
    shifts = torch.linspace(-1.5, 1.5, 4)[None, :, None] * torch.tensor([1.0, 0.0, 0.0])
    M = len(moving)
    moves = MovingSplats(rest, moving, shifts.repeat(M, 1, 1), torch.zeros(M, 4, 3), torch.zeros(M, 4), 0.0, 0.125)
    save_motion(moves, scene / "motion.safetensors")
    return moves


@pytest.fixture
def export(capsys):
    """Run the command; returns its output."""

    def run(*words):
        main(["export", *map(str, words)])
        return capsys.readouterr().out

    return run


@pytest.fixture
def refused(capsys):
    """Run a command that must be refused; returns the error sentence."""

    def run(*words):
        with pytest.raises(SystemExit) as end:
            main(["export", *map(str, words)])
        err = capsys.readouterr().err.strip()
        assert end.value.code == 2 and err.startswith("cvd3d: error: ") and "\n" not in err
        return err

    return run


LOST = {
    "splat": "spherical harmonics above degree 0 (the splats have 1)",
    "dnerf": "the starting points and seconds (0 to 0.125 s become 0 to 1)",
    "colmap": "the times of the frames",
}
COMPLETE = ("ply", "compressed-ply", "spz", "gltf", "nerfstudio", "blender", "video")


@pytest.mark.parametrize("name", [*LOST, *COMPLETE])
def test_every_format_is_written_and_what_it_leaves_out_is_printed(name, scene, export):
    output = export("tiny", "--to", name)
    out = scene.parent / f"tiny{FORMATS[name].suffix}"
    assert out.exists() and f"{out.name}: {FORMATS[name].description}\n" in output
    if name in LOST:
        assert output.endswith(f"{name} has no place for {LOST[name]}.\n")
    else:
        assert "no place" not in output
    assert {path.name for path in scene.parent.iterdir()} == {"tiny", out.name}
    if out.is_dir():
        assert {path.name for path in out.iterdir()} <= set(FORMATS[name].contents)


def test_html(scene, export):
    assert "spherical harmonics above degree 0" in export("tiny", "--to", "html")
    assert (scene.parent / "tiny.html").stat().st_size > 500_000


def test_html_of_a_moving_scene_includes_the_motion_and_reports_omitted_splats(
    scene, moving_scene, export, monkeypatch
):
    assert "the motion" not in export("tiny", "--to", "html")
    monkeypatch.setattr("viewer.html.MAX_INSTANTS", 40)  # at two frames
    assert "splats beyond about 20 of 60" in export("tiny", "--to", "html", "--force")


@pytest.mark.slow
def test_mesh(scene, export):
    pytest.importorskip("open3d")
    trimesh = pytest.importorskip("trimesh")
    output = export("tiny", "--to", "mesh")
    assert "transparency, colors that change with the view and the background" in output and "y up" in output
    assert trimesh.load(scene.parent / "tiny-mesh.glb").geometry


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mesh", "video", "nerfstudio"])
def test_formats_other_than_html_do_not_import_the_viewer(name, scene):
    code = (
        "import sys, recon.export.mesh, recon.fusion\n"
        "recon.fusion.fuse = lambda splats, cameras, **options: cameras.c2w.tobytes()\n"
        "recon.export.mesh.write_mesh = lambda mesh, out, target: out.write_bytes(mesh)\n"
        f"from cvd3d.cli import main; main(['export', 'tiny', '--to', '{name}'])\n"
        "print(sorted({name.split('.')[0] for name in sys.modules} & {'viewer', 'viser'}))"
    )
    root = {"PYTHONPATH": str(Path(__file__).parents[3])}
    answer = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | root, capture_output=True, text=True, check=True
    )
    assert answer.stdout.splitlines()[-1] == "[]"


def test_every_format_has_a_test():
    assert {*LOST, *COMPLETE} | {"html", "mesh", "ply-sequence"} == set(FORMATS)


@pytest.mark.parametrize("name", ["ply", "compressed-ply", "spz", "splat", "gltf"])
def test_formats_of_one_instant_report_which_one(name, scene, moving_scene, export):
    output = export("tiny", "--to", name)
    assert "the motion (this is the middle instant, 0.0625 s)" in output.splitlines()[-1]
    if name == "ply":
        wanted = moving_scene.at(0.0625).transformed(TARGETS["web"].similarity)
        torch.testing.assert_close(load_splats("tiny.ply").means, wanted.means)


@pytest.mark.slow
def test_the_mesh_of_a_moving_scene_is_that_of_the_middle_instant(scene, moving_scene, export):
    pytest.importorskip("open3d")
    pytest.importorskip("trimesh")
    assert "the motion (this is the middle instant, 0.0625 s)" in export("tiny", "--to", "mesh")


def test_moving_splats_as_a_sequence(scene, moving_scene, export, refused):
    output = export("tiny", "--to", "ply-sequence", "--target", "unity")
    assert "no place" not in output
    assert f"Axes, as for --target unity: {TARGETS['unity'].words}." in output
    out = scene.parent / "tiny-ply-sequence"
    manifest = json.loads((out / "manifest.json").read_text())
    assert [frame["time"] for frame in manifest["frames"]] == [0.0, 0.125] and manifest["fps"] == 8
    for frame in manifest["frames"]:
        wanted = moving_scene.at(frame["time"]).transformed(TARGETS["unity"].similarity)
        torch.testing.assert_close(load_splats(out / frame["file"]).means, wanted.means)
    export("tiny", "--to", "ply-sequence", "--force")
    torch.testing.assert_close(load_splats(out / "00001.ply").means, moving_scene.at(0.125).means)
    (out / "notes.txt").touch()
    assert "contains files that are not from an export" in refused("tiny", "--to", "ply-sequence", "--force")


def test_static_splats_are_not_exported_as_a_sequence(scene, moving_scene, refused):
    none = torch.arange(0)
    still = MovingSplats(moving_scene.rest, none, *(torch.zeros(0, 4, *end) for end in ((3,), (3,), ())), 0.0, 1.0)
    for save in (lambda: save_motion(still, scene / "motion.safetensors"), (scene / "motion.safetensors").unlink):
        save()
        assert "do not move, so one file holds them; export --to ply" in refused("tiny", "--to", "ply-sequence")
        assert [path.name for path in scene.parent.iterdir()] == ["tiny"]


def test_a_video_of_a_moving_scene_shows_each_instant(scene, moving_scene, export):
    """Two videos from the same static camera: one over the rig's times, one of the middle instant only."""
    import av

    def film(name, times):
        cameras = make_rig("orbit", 1, 1, width=32, height=24).cameras
        save_rig(Rig(cameras[:, [0] * len(times)], times, ("eye",)), "eye.json")
        export("tiny", "--to", "video", "--rig", "eye.json", "--out", name)
        with av.open(name) as container:
            return [frame.to_ndarray(format="rgb24").astype(int) for frame in container.decode(video=0)]

    first, last = film("moves.mp4", [0.0, 0.125])
    middle, _ = film("middle.mp4", [0.0625, 0.06251])
    assert np.abs(first - last).mean() > 8 and np.abs(first - middle).mean() > 8


def test_paths_that_are_not_finite_are_refused(scene, moving_scene, refused):
    moving_scene.turns[1, 2, 0] = torch.inf
    save_motion(moving_scene, scene / "motion.safetensors")
    assert "has turns that are not finite numbers" in refused("tiny", "--to", "ply")


def test_the_help_names_formats_and_targets(capsys):
    with pytest.raises(SystemExit):
        main(["export", "--help"])
    output = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert all(f"{name}: {known.description}" in output for name, known in FORMATS.items())
    assert all(f"{name}: {target.words}" in output for name, target in TARGETS.items())


@pytest.mark.parametrize("target", list(TARGETS))
def test_targets_turn_the_splats(target, scene, export):
    output = export("tiny", "--to", "ply", "--target", target)
    assert f"Axes, as for --target {target}: {TARGETS[target].words}." in output
    expected, back = some_splats(1).transformed(TARGETS[target].similarity), load_splats("tiny.ply")
    torch.testing.assert_close(back.means, expected.means)
    torch.testing.assert_close(back.sh, expected.sh)


def test_without_a_target_splats_have_the_axes_that_their_viewers_expect(scene, export):
    """Our (x, y, z) is (x, -z, y) in INRIA's axes, which have y down and z forward."""
    x, y, z = some_splats(1).means.T
    assert "Axes, as for --target web: x right, y down, z forward" in export("tiny", "--to", "ply")
    torch.testing.assert_close(load_splats("tiny.ply").means, torch.stack([x, -z, y], dim=1))
    for name in ("compressed-ply", "splat"):
        assert "x right, y down, z forward" in export("tiny", "--to", name)
    assert "Axes, as for --target opengl: x right, y up, z backward" in export("tiny", "--to", "gltf")
    assert "specification prescribes the axes of opengl" in export("tiny", "--to", "spz", "--target", "unity")


def test_the_target_blender_keeps_the_axes_of_the_scene(scene, export):
    export("tiny", "--to", "ply", "--target", "blender")
    assert (scene.parent / "tiny.ply").read_bytes() == (scene / "splats.ply").read_bytes()


def test_the_lists_of_a_dataset_are_those_of_the_fit(scene, export):
    assert "--orientation-method none" in export("tiny", "--to", "nerfstudio")
    transforms = read_transforms(scene.parent / "tiny-nerfstudio")
    assert {name: len(files) for name, files in transforms.splits.items()} == {
        "train_filenames": 3,
        "val_filenames": 1,
        "test_filenames": 1,
    }
    back, capture = load_capture("tiny-nerfstudio"), load_capture(scene)
    np.testing.assert_array_equal(back.cameras.c2w, capture.cameras.c2w)
    np.testing.assert_array_equal(back.points.positions, capture.points.positions)


def test_a_video_along_another_rig(scene, export, refused):
    import av

    save_rig(make_rig("circle", 1, 5, width=20, height=10), "flight.json")
    export("tiny", "--to", "video", "--rig", "flight.json", "--out", "clips/flight.mp4")
    with av.open("clips/flight.mp4") as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert len(frames) == 5 and frames[0].shape == (10, 20, 3) and np.std(frames) > 10
    save_rig(make_rig("static", 2, 1, width=20, height=10), "still.json")
    output = refused("tiny", "--to", "video", "--rig", "still.json", "--out", "a.mp4")
    assert "do not move" in output and not (scene.parent / "a.mp4").exists()
    assert "--rig gives the camera paths of a video" in refused("tiny", "--to", "ply", "--rig", "flight.json")


def test_bad_words(scene, refused):
    output = refused("tiny", "--to", "usd")
    assert "'usd'" in output and all(name in output for name in FORMATS)
    output = refused("tiny", "--to", "ply", "--target", "maya")
    assert "'maya'" in output and all(name in output for name in TARGETS)
    assert "the axes of colmap are fixed" in refused("tiny", "--to", "colmap", "--target", "unity")
    assert [path.name for path in scene.parent.iterdir()] == ["tiny"]


def test_existing_files_are_replaced_only_with_force(scene, export, refused):
    export("tiny", "--to", "colmap")
    assert "already exists" in refused("tiny", "--to", "colmap")
    (scene.parent / "tiny-colmap" / "images" / "stale.png").touch()
    export("tiny", "--to", "colmap", "--force")
    assert not (scene.parent / "tiny-colmap" / "images" / "stale.png").exists()
    (scene.parent / "tiny-colmap" / "notes.txt").touch()
    assert "contains files that are not from an export" in refused("tiny", "--to", "colmap", "--force")
    assert "contains files that are not from an export" in refused("tiny", "--to", "ply", "--out", "tiny", "--force")


@pytest.mark.parametrize("name", ["spz", "nerfstudio"])
def test_an_export_that_fails_leaves_what_was_there(name, scene, export, refused):
    export("tiny", "--to", name)
    out = scene.parent / f"tiny{FORMATS[name].suffix}"
    before = sorted(path.name for path in scene.parent.iterdir())
    (scene / "splats.ply").write_bytes((scene / "splats.ply").read_bytes()[:-5])
    (scene / "images" / "cam01" / "00001.png").write_bytes(b"PNG")
    assert "tiny" in refused("tiny", "--to", name, "--force")
    assert sorted(path.name for path in scene.parent.iterdir()) == before and out.exists()


def test_scenes_without_sound_splats(scene, refused):
    broken = some_splats(1)
    broken.quats[3, 2] = float("nan")
    save_splats(broken, scene / "splats.ply")
    assert "has quats that are not finite numbers" in refused("tiny", "--to", "gltf")
    save_splats(some_splats(1, 0), scene / "splats.ply")
    assert "holds no splats" in refused("tiny", "--to", "spz")
    (scene / "splats.ply").unlink()
    for name in ("ply", "ply-sequence", "video", "html", "mesh"):
        assert "has no splats.ply yet" in refused("tiny", "--to", name)
    assert [path.name for path in scene.parent.iterdir()] == ["tiny"]
