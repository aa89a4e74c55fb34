import ast
import json
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import recon.scene_files
from recon.points import PointCloud, save_points
from recon.scene_folder import SceneFolder
from recon.splats import MovingSplats, Splats
from recon.splats.motion_file import save_motion
from recon.splats.ply import save_splats
from trajectories import InputError, make_rig, save_rig
from trajectories.formats.nerfstudio import Transforms, write_transforms

ROOT = Path(__file__).parents[2]
NAMES = [value for name, value in vars(recon.scene_files).items() if name.endswith("_FILE")]


def still(count=3):
    return Splats(*(torch.ones(count, *shape) for shape in ((3,), (4,), (3,), (), (1, 3))))


def moving(splats, count):
    tensors = (torch.zeros(count, 4, *end) for end in ((3,), (3,), ()))
    return MovingSplats(splats, torch.arange(count), *tensors, 0.0, 1.0)


@pytest.fixture
def folder(tmp_path):
    """Two videos of two frames and one point; red encodes the video, green the frame."""
    rig = make_rig("orbit", 2, 2, width=16, height=12)
    scene = SceneFolder(tmp_path / "tiny")
    for v, name in enumerate(rig.names):
        scene.frame(name, 0).parent.mkdir(parents=True)
        for t in range(2):
            Image.new("RGB", (16, 12), (v, t, 9)).save(scene.frame(name, t))
    paths = tuple(f"images/{name}/{t:05d}.png" for name in rig.names for t in range(2))
    videos = tuple(name for name in rig.names for _ in range(2))
    write_transforms(
        Transforms(paths, rig.cameras.reshape(-1), np.tile(rig.times, 2), videos), scene.path / "transforms.json"
    )
    save_points(PointCloud([[0, 0, 1]], [[1, 0, 0]], "by hand"), scene.path / "points.ply")
    return scene


def paths(source):
    """The last path components of all strings of a module, and the first components of those that are paths."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value.split("/")[-1]
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div) and isinstance(node.right, ast.Constant):
            yield f"{node.right.value}/"
        if isinstance(node, ast.JoinedStr) and isinstance(node.values[0], ast.Constant):
            yield "".join(node.values[0].value.partition("/")[:2])


def test_a_second_module_with_a_name_is_found():
    source = 'def f(a):\n    return a / "rig.json", a / "images" / "x", f"videos/{a}.mp4"'
    assert {"rig.json", "images/", "videos/"} <= set(paths(source))


@pytest.mark.slow
def test_each_name_is_in_one_module():
    """Only transforms.json has a second module: the reader of nerfstudio's format, a lower layer."""
    home, folders = "recon/scene_files.py", ("images/", "videos/", "checkpoints/")
    known = defaultdict(set)
    for package in ("trajectories", "recon", "viewer", "cvd3d"):
        for path in (ROOT / package).rglob("*.py"):
            for name in {*NAMES, *folders} & set(paths(path.read_text())):
                known[name].add(str(path.relative_to(ROOT)))
    assert len(NAMES) == 10 and set(NAMES) <= set(known)
    assert known.pop("transforms.json") == {home, "trajectories/formats/nerfstudio.py"}
    assert all(modules == {home} for modules in known.values()), dict(known)


def test_naming_the_files_loads_no_library():
    code = (
        "import sys, recon.scene_files, recon.scene_folder\n"
        "print(sorted({'numpy', 'torch', 'trajectories'} & set(sys.modules)))"
    )
    answer = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"


def test_files_of_frames_and_videos():
    scene = SceneFolder(Path("scenes/first"))
    assert scene.frame("cam01", 7) == Path("scenes/first/images/cam01/00007.png")
    assert scene.video("cam01") == Path("scenes/first/videos/cam01.mp4")
    files = [str(scene.frame("cam01", t)) for t in (2, 10, 100)]
    assert files == sorted(files)


def test_missing_files_are_named(tmp_path):
    scene = SceneFolder(tmp_path)
    for part, name in {
        "rig": "transforms.json", "frames": "transforms.json", "capture": "transforms.json", "points": "points.ply",
        "splats": "splats.ply", "rest": "splats.ply",
    }.items():  # fmt: skip
        with pytest.raises(InputError, match=f"has no {name} yet"):
            getattr(scene, part)
    assert scene.asked == {} and not scene.has_cameras and scene.title == tmp_path.name


@pytest.mark.parametrize("with_rig", [True, False])
def test_cameras_frames_and_points(folder, with_rig):
    rig = make_rig("orbit", 2, 2, width=16, height=12)
    if with_rig:
        save_rig(rig, folder.path / "rig.json")
    np.testing.assert_array_equal(folder.rig.cameras.c2w, rig.cameras.c2w)
    np.testing.assert_array_equal(folder.rig.cameras.K, rig.cameras.K)
    np.testing.assert_array_equal(folder.image(1, 0)[3, 3], [1, 0, 9])
    folder.frame("cam01", 1).unlink()
    assert folder.image(1, 1) is None and folder.points.source == "by hand"
    assert folder.frames.videos == ("cam00", "cam00", "cam01", "cam01") and folder.frames.points is None
    np.testing.assert_array_equal(folder.frames.times, np.tile(rig.times, 2))
    with pytest.raises(InputError, match=r"00001\.png is missing"):
        folder.capture  # noqa: B018


def test_a_capture_is_the_frames_with_the_points_there_are(folder):
    assert len(folder.capture.points) == 1 and folder.capture.image(3)[0, 0, 1] == np.float32(1) / 255
    (folder.path / "points.ply").unlink()
    assert SceneFolder(folder.path).capture.points is None


def test_frames_without_times_are_refused(folder):
    path = folder.path / "transforms.json"
    content = json.loads(path.read_text())
    for frame in content["frames"]:
        del frame["time"]
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match="does not give each frame's time and video"):
        folder.frames  # noqa: B018


def test_splats_stand_still_or_move(folder):
    save_splats(still(), folder.path / "splats.ply")
    assert isinstance(SceneFolder(folder.path).splats, Splats)
    save_motion(moving(still(), 0), folder.path / "motion.safetensors")  # no splat has a path
    assert isinstance(SceneFolder(folder.path).splats, Splats)
    save_motion(moving(still(), 2), folder.path / "motion.safetensors")
    scene = SceneFolder(folder.path)
    assert isinstance(scene.splats, MovingSplats) and scene.splats is scene.splats
    torch.testing.assert_close(scene.rest.means, torch.ones(3, 3))


@pytest.mark.parametrize("field", ["means", "sh", "logit_opacities", "shifts", "fades"])
def test_values_that_are_not_finite_are_refused(folder, field):
    splats = moving(still(), 2)
    (getattr(splats, field) if hasattr(splats, field) else getattr(splats.rest, field))[1] = torch.nan
    save_splats(splats.rest, folder.path / "splats.ply")
    save_motion(splats, folder.path / "motion.safetensors")
    with pytest.raises(InputError, match=f"has {field} that are not finite numbers"):
        folder.splats  # noqa: B018


def test_no_splats_are_refused(folder):
    save_splats(still(0), folder.path / "splats.ply")
    with pytest.raises(InputError, match="holds no splats"):
        folder.splats  # noqa: B018


@pytest.mark.parametrize("text", ["", "[]", '{"asked": 3}', "{}"])
def test_a_scene_json_that_records_nothing(tmp_path, text):
    (tmp_path / "scene.json").write_text(text)
    assert SceneFolder(tmp_path).asked == {}


def test_the_request_is_read(tmp_path):
    (tmp_path / "scene.json").write_text('{"asked": {"prompt": "a cube"}}')
    assert SceneFolder(tmp_path).asked == {"prompt": "a cube"}


def test_the_splats_of_a_named_fit(tmp_path, some_splats):
    for folder, count in ((tmp_path, 3), (tmp_path / "fits" / "quick", 5)):
        folder.mkdir(parents=True, exist_ok=True)
        save_splats(some_splats(0, count), folder / "splats.ply")
    (tmp_path / "fits" / "unfinished").mkdir()
    (tmp_path / "fits" / "quick" / "fit.json").write_text("{}")
    scene = SceneFolder(tmp_path)
    assert scene.fits == ("quick",)
    assert len(scene.splats) == 3 and len(scene.with_fit("quick").splats) == 5
    assert len(scene.with_fit("quick").with_fit(None).splats) == 3
    with pytest.raises(InputError, match=r"no fit 'high'; it has quick"):
        scene.with_fit("high")
