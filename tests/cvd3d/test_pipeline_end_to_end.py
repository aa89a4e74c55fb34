"""The whole chain from a prompt or a capture to splats, through the command line."""

import json
import shutil
import socket

import av
import numpy as np
import pytest
from PIL import Image

from cvd3d.cli import main
from cvd3d.sampling import DEFAULT_MODEL
from cvd3d.sampling.request import Request
from cvd3d.scene.chain import read_scene
from cvd3d.videos import write_video
from recon.capture import load_capture
from recon.points import load_points
from recon.scene_folder import SceneFolder
from recon.splats.ply import load_splats
from trajectories.formats.colmap import ColmapModel, write_model
from trajectories.formats.nerfstudio import read_transforms
from trajectories.formats.realestate10k import write_poses
from trajectories.rig_file import load_rig
from trajectories.rigs import make_rig

pytestmark = pytest.mark.slow

WHOLE = ["images", "metrics.json", "points.ply", "rig.json", "scene.json", "splats.ply", "transforms.json", "videos"]


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture
def scene(drawn_scene, tmp_path):
    """A copy of the small scene that a test may change."""
    return shutil.copytree(drawn_scene, tmp_path / "first")


def test_a_prompt_becomes_a_whole_scene_folder(drawn_scene):
    assert sorted(path.name for path in drawn_scene.iterdir()) == WHOLE
    rig = load_rig(drawn_scene / "rig.json")
    planned = make_rig("circle", 2, 4, width=48, height=48)
    np.testing.assert_array_equal(rig.cameras.c2w, planned.cameras.c2w)
    for name in rig.names:
        frames = sorted(path.name for path in (drawn_scene / "images" / name).iterdir())
        assert frames == ["00000.png", "00001.png", "00002.png", "00003.png"]
        with av.open(str(drawn_scene / "videos" / f"{name}.mp4")) as video:
            stream = video.streams.video[0]
            assert (stream.width, stream.height, float(stream.average_rate)) == (48, 48, 8.0)
            assert sum(1 for _ in video.decode(video=0)) == 4
    splats = load_splats(drawn_scene / "splats.ply")
    assert len(splats) > 100 and bool(splats.means.isfinite().all())
    record = read_scene(drawn_scene)
    assert list(record["stages"]) == ["plan", "sample", "dataset", "points", "fit"]
    assert record["asked"]["prompt"].startswith("a red cube") and record["asked"]["seed"] == 0
    assert record["stages"]["sample"]["options"]["weights"] == "drawn"
    assert record["stages"]["fit"]["facts"]["splats"] == len(splats)


def test_the_dataset_has_the_cameras_times_and_points_of_the_rig(drawn_scene):
    rig, dataset = load_rig(drawn_scene / "rig.json"), read_transforms(drawn_scene / "transforms.json")
    np.testing.assert_array_equal(dataset.cameras.c2w, rig.cameras.c2w.reshape(-1, 4, 4))
    np.testing.assert_array_equal(dataset.cameras.K, rig.cameras.K.reshape(-1, 3, 3))
    np.testing.assert_array_equal(dataset.times, np.tile(rig.times, 2))
    assert dataset.videos == ("cam00",) * 4 + ("cam01",) * 4
    assert dataset.ply_file_path == "points.ply" and len(load_points(drawn_scene / "points.ply")) > 20


def test_nerfstudio_itself_reads_the_scene_in_our_frame(drawn_scene):
    parser = pytest.importorskip(
        "nerfstudio.data.dataparsers.nerfstudio_dataparser",
        reason="nerfstudio is not installed (.ci/run does it: pip install --no-deps nerfstudio==1.1.5 and its like)",
    )
    config = parser.NerfstudioDataParserConfig(
        data=drawn_scene, orientation_method="none", center_method="none", auto_scale_poses=False, eval_mode="all"
    )
    outputs = config.setup().get_dataparser_outputs(split="train")
    rig = load_rig(drawn_scene / "rig.json")
    assert outputs.image_filenames == [
        drawn_scene / f"images/{name}/{t:05d}.png" for name in rig.names for t in range(4)
    ]
    opengl = rig.cameras.c2w.reshape(-1, 4, 4)[:, :3] * [1.0, -1.0, -1.0, 1.0]
    np.testing.assert_allclose(outputs.cameras.camera_to_worlds.numpy(), opengl, atol=1e-6)
    K = rig.cameras.K.reshape(-1, 3, 3)
    for name, (i, j) in {"fx": (0, 0), "fy": (1, 1), "cx": (0, 2), "cy": (1, 2)}.items():
        np.testing.assert_allclose(getattr(outputs.cameras, name).numpy()[:, 0], K[:, i, j], rtol=1e-6)
    assert outputs.cameras.width.unique().tolist() == [48] and outputs.dataparser_scale == 1.0


def test_the_summary_names_the_stages_and_the_next_commands(scene, small_scene, drawing, capsys):
    main([*small_scene, "--out", str(scene)])
    out = capsys.readouterr().out
    for stage in ("plan", "sample", "dataset", "points", "fit"):
        assert f"{stage}: already done" in out
    assert "PSNR" in out and "SSIM" in out
    for command in ("cvd3d view", "cvd3d export", "ns-train splatfacto --data"):
        assert f"{command} {scene}" in out
    assert drawing.calls == []


def test_the_same_command_elsewhere_gives_the_same_bytes(drawn_scene, small_scene, drawing, tmp_path):
    main([*small_scene, "--out", str(tmp_path / "again")])
    first, second = contents(drawn_scene), contents(tmp_path / "again")
    assert first.keys() == second.keys()
    assert [name for name in first if first[name] != second[name]] == ["scene.json"]


@pytest.mark.parametrize(
    "changed, redone",
    [
        (["--fit.steps", "8"], ["fit"]),
        (["--seed", "1"], ["sample", "dataset", "points", "fit"]),
        (["--negative-prompt", "fog"], ["sample", "dataset", "points", "fit"]),
        (["--radius", "5"], ["plan", "sample", "dataset", "points", "fit"]),
    ],
)
def test_a_changed_option_redoes_exactly_what_depends_on_it(scene, small_scene, drawing, changed, redone):
    before = read_scene(scene)["stages"]
    main([*small_scene, "--out", str(scene), *changed])
    after = read_scene(scene)["stages"]
    assert [name for name in after if after[name] != before[name]] == redone


def test_fit_alone_changes_only_the_splats(scene):
    before = contents(scene)
    main(["fit", str(scene), "--steps", "8"])
    after = contents(scene)
    kept = {name: content for name, content in after.items() if name.startswith("fits/1/")}
    assert kept["fits/1/splats.ply"] == before["splats.ply"] and kept["fits/1/metrics.json"] == before["metrics.json"]
    changed = {name for name in after if after[name] != before.get(name)} - kept.keys()
    assert changed == {"splats.ply", "metrics.json", "scene.json"}


def test_sample_then_fit_is_the_same_as_scene(drawn_scene, small_scene, drawing, tmp_path):
    words = list(small_scene[1:-1])
    cut = words.index("--fit.steps")
    main(["sample", *words[:cut], "--out", str(tmp_path / "steps")])
    assert not (tmp_path / "steps" / "splats.ply").exists()
    main(["fit", str(tmp_path / "steps"), "--steps", words[cut + 1]])
    first, second = contents(drawn_scene), contents(tmp_path / "steps")
    assert [name for name in first if first[name] != second[name]] == ["scene.json"]


def test_the_pipeline_gets_what_was_asked_and_nothing_else(drawing, tmp_path):
    words = ["sample", "a tree", "--views", "1", "--frames", "1", "--size", "16", "16", "--out", str(tmp_path / "a")]
    main(words)
    main([*words, "--steps", "4", "--guidance", "2.5", "--negative-prompt", "fog", "--force"])
    main([*words, "--matching", "overlap", "--recurrences", "2", "--matchings", "3", "--max-memory", "1.5"])
    asked = [
        Request("a tree"),
        Request("a tree", negative_prompt="fog", steps=4, guidance=2.5),
        Request("a tree", matching="overlap", recurrences=2, matchings=3, max_memory=1.5),
    ]
    assert [request.record() for request in drawing.calls] == [request.record() for request in asked]


def test_unknown_words_are_named_and_known_ones_are_not(drawing, tmp_path, capsys):
    words = ["--views", "1", "--frames", "1", "--size", "16", "16"]
    main(["sample", "a red zeppelin and a cube", *words, "--out", str(tmp_path / "a")])
    err = capsys.readouterr().err
    assert "not in the default model's vocabulary: 'zeppelin'" in err and "cube" not in err and "--model" in err
    main(["sample", "a red cube", *words, "--out", str(tmp_path / "b")])
    assert "vocabulary" not in capsys.readouterr().err


def test_a_scene_that_moves_has_splats_that_move(drawing, tmp_path, capsys):
    words = ["--views", "3", "--frames", "4", "--size", "32", "32", "--fit.steps", "6", "--out", str(tmp_path / "a")]
    main(["scene", "a blue ball bouncing on grass", *words, "--still-below", "0"])
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == sorted([*WHOLE, "motion.safetensors"])
    facts = read_scene(tmp_path / "a")["stages"]["fit"]["facts"]
    assert facts["moving"] > 0 and f"{facts['moving']} of which move" in capsys.readouterr().out
    splats = SceneFolder(tmp_path / "a").splats
    rig = load_rig(tmp_path / "a" / "rig.json")
    first, last = (splats.at(float(rig.times[t])).means for t in (0, -1))
    assert (first - last).abs().max() > 0
    again = ["--quality", "draft", "--confidence", "learnt", "--exposure", "False", "--depth-weight", "0.1"]
    main(["fit", str(tmp_path / "a"), "--steps", "3", "--knots", "0", *again])
    assert not (tmp_path / "a" / "motion.safetensors").exists()
    options = read_scene(tmp_path / "a")["stages"]["fit"]["options"]
    assert {name: options[name] for name in ("quality", "confidence", "exposure", "depth_weight")} == {
        "quality": "draft", "confidence": "learnt", "exposure": False, "depth_weight": 0.1
    }  # fmt: skip


def test_a_stopped_fit_continues_where_it_stopped(scene, small_scene, drawing, monkeypatch):
    """Interrupt the fit after its first checkpoint: the same command resumes there and gives the same result."""
    import dataclasses

    from recon.fitting import fitting, settings

    often = dataclasses.make_dataclass(
        "Often", [("checkpoint_every", int, 5)], bases=(settings.FitSettings,), frozen=True
    )
    monkeypatch.setattr(settings, "settings_for", lambda *_, **__: often())
    real, steps = fitting.fit, []

    def interrupted(*args, on_step, **options):
        def count(step, splats):
            steps.append(step)
            if step == stop:
                raise KeyboardInterrupt

        return real(*args, on_step=count, **options)

    monkeypatch.setattr(fitting, "fit", interrupted)
    command = [*small_scene, "--out", str(scene), "--hold-out", "0"]
    stop = 7
    with pytest.raises(SystemExit) as end:
        main(command)
    assert end.value.code == 130 and steps == list(range(1, 8))
    stop = None
    main(command)
    assert steps[7:] == list(range(6, 13))
    continued = (scene / "splats.ply").read_bytes()
    main([*command, "--force"])
    assert (scene / "splats.ply").read_bytes() == continued
    assert sorted(path.name for path in scene.iterdir()) == sorted([*WHOLE, "fits"])


@pytest.mark.parametrize("kind", ["nerfstudio", "colmap", "realestate10k", "our own"])
def test_a_capture_becomes_the_same_kind_of_scene(drawn_scene, tmp_path, kind):
    source, out = tmp_path / "capture", tmp_path / "out"
    capture = load_capture(drawn_scene)
    poses = []
    if kind == "our own":
        source = drawn_scene
    elif kind == "nerfstudio":
        source.mkdir()
        shutil.copytree(drawn_scene / "images", source / "images")
        for name in ("transforms.json", "points.ply"):
            shutil.copyfile(drawn_scene / name, source / name)
    elif kind == "colmap":
        (source / "images").mkdir(parents=True)
        names = tuple(f"{i}.png" for i in range(len(capture)))
        for i, name in enumerate(names):
            Image.fromarray(capture.sources[i].read()).save(source / "images" / name)
        write_model(ColmapModel(names, capture.cameras), source / "sparse" / "0")
    else:
        source = tmp_path / "clip.mp4"
        clip = capture.subset(range(4))
        write_video(clip.images(), source, 8.0)
        write_poses(clip.cameras, clip.times, tmp_path / "clip.txt")
        poses = ["--poses", str(tmp_path / "clip.txt")]
    main(["scene", "--from", str(source), *poses, "--out", str(out), "--fit.steps", "3", "--longest-side", "32"])
    record = read_scene(out)
    assert list(record["stages"]) == ["import", "points", "fit"] and record["asked"]["capture"] == str(source)
    facts = record["stages"]["import"]["facts"]
    count = 4 if kind == "realestate10k" else 8
    assert facts == {"frames": count, "size_of_capture": [48, 48], "size": [32, 32]}
    taken = load_capture(out)
    np.testing.assert_allclose(taken.cameras.c2w, capture.cameras.c2w[:count], atol=1e-6)
    np.testing.assert_allclose(taken.cameras.K, capture.cameras.resized(32, 32).K[:count], rtol=1e-6)
    assert taken.images().shape == (count, 32, 32, 3)
    with_points = kind in ("nerfstudio", "our own")
    assert (out / "captured_points.ply").exists() == with_points
    if with_points:
        np.testing.assert_array_equal(load_points(out / "captured_points.ply").positions, capture.points.positions)
        # The fit starts from these points, except for a few isolated ones.
        started, captured = (set(map(tuple, each.points.positions.tolist())) for each in (taken, capture))
        assert 0.99 * len(captured) < len(captured & started)
    assert len(load_splats(out / "splats.ply")) > 10


def test_a_changed_file_of_a_capture_is_noticed(drawn_scene, tmp_path):
    source, out = tmp_path / "capture", tmp_path / "out"
    shutil.copytree(drawn_scene, source)
    command = ["scene", "--from", str(source), "--out", str(out), "--fit.steps", "2"]
    main(command)
    before = read_scene(out)
    main(command)
    assert read_scene(out) == before
    Image.new("RGB", (48, 48), "red").save(source / "images" / "cam00" / "00002.png")
    main(command)
    assert (out / "images" / "cam00" / "00002.png").read_bytes() != (
        drawn_scene / "images/cam00/00002.png"
    ).read_bytes()


def test_exports(drawn_scene, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    main(["export", str(drawn_scene), "--to", "ply", "--target", "blender"])
    assert (tmp_path / "first.ply").read_bytes() == (drawn_scene / "splats.ply").read_bytes()
    main(["export", str(drawn_scene), "--to", "nerfstudio", "--out", "data/first"])
    assert "--orientation-method none" in capsys.readouterr().out
    exported, capture = load_capture(tmp_path / "data" / "first"), load_capture(drawn_scene)
    np.testing.assert_array_equal(exported.cameras.c2w, capture.cameras.c2w)
    np.testing.assert_array_equal(exported.images(), capture.images())
    np.testing.assert_array_equal(exported.points.positions, capture.points.positions)
    (tmp_path / "data" / "first" / "images" / "stale.png").write_bytes(b"x")
    main(["export", str(drawn_scene), "--to", "nerfstudio", "--out", "data/first", "--force"])
    assert not (tmp_path / "data" / "first" / "images" / "stale.png").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "first.ply"]


@pytest.fixture
def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def test_view_shows_the_page_during_the_fit_and_afterwards(scene, small_scene, drawing, monkeypatch, capsys, free_port):
    """The live page is real; only the wait for Ctrl-C at the end is replaced."""
    import viewer.app

    shown = []
    real = viewer.app.SceneViewer.show_splats

    def show_splats(self, splats):
        shown.append(len(splats))
        real(self, splats)

    monkeypatch.setattr(viewer.app.SceneViewer, "show_splats", show_splats)
    monkeypatch.setattr(viewer.app, "view_scene", lambda folder, *, port: shown.append(folder))
    main([*small_scene[:-1], "--out", str(scene), "--fit.steps", "5", "--view", "--port", str(free_port)])
    assert len(shown) == 6 and shown[-1] == scene
    assert f"http://127.0.0.1:{free_port}" in capsys.readouterr().out


@pytest.mark.skipif(
    not (DEFAULT_MODEL / "model_index.json").is_file(), reason="the default model's weights are not there"
)
def test_the_first_command_of_the_readme_on_the_default_model(tmp_path):
    folder = tmp_path / "first"
    main([
        "scene", "a red cube and a blue ball on green grass", "--rig", "circle", "--views", "2", "--frames", "4",
        "--steps", "4", "--fit.steps", "30", "--out", str(folder), "--no-view",
    ])  # fmt: skip
    assert sorted(path.name for path in folder.iterdir()) == WHOLE
    images = load_capture(folder).images()
    assert images.shape == (8, 128, 128, 3) and images.std() > 0.02
    held_out = json.loads((folder / "metrics.json").read_text())["held_out"]
    assert np.isfinite(held_out["psnr"]) and -1 <= held_out["ssim"] <= 1


def test_kept_videos_are_unchanged_and_the_others_are_sampled_again(scene, drawing, small_scene):
    before = contents(scene / "images")
    words = [*small_scene, "--out", str(scene), "--seed", "7"]
    main([*words, "--keep", "cam01"])
    assert list(drawing.calls[-1].known) == [1]
    again = len(drawing.calls)
    main([*words, "--keep", "cam01"])
    assert len(drawing.calls) == again  # everything is up to date
    after = contents(scene / "images")
    assert before.keys() == after.keys() and before["cam00/00000.png"] != after["cam00/00000.png"]
