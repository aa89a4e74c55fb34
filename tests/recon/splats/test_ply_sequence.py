import json

import numpy as np
import pytest
import torch

from recon.export.targets import TARGETS
from recon.splats.ply import load_splats
from recon.splats.ply_sequence import load_ply_sequence, write_ply_sequence
from trajectories import InputError

TIMES = np.array([0.0, 0.5, 1.0, 2.0])


@pytest.mark.parametrize("target", TARGETS)
def test_each_file_is_its_instant_in_the_targets_axes(target, moving_splats, tmp_path):
    write_ply_sequence(moving_splats, TIMES, tmp_path / "moves", TARGETS[target])
    assert [path.name for path in tmp_path.iterdir()] == ["moves"]
    manifest = json.loads((tmp_path / "moves" / "manifest.json").read_text())
    assert {path.name for path in (tmp_path / "moves").iterdir()} == {
        "manifest.json",
        *(frame["file"] for frame in manifest["frames"]),
    }
    for frame, time in zip(manifest["frames"], TIMES, strict=True):
        assert frame["time"] == time
        back = load_splats(tmp_path / "moves" / frame["file"])
        wanted = moving_splats.at(time).transformed(TARGETS[target].similarity)
        for name, values in vars(wanted).items():
            assert torch.equal(getattr(back, name), values), name
        # The manifest's axes map our points to theirs.
        turned = manifest["unit"] * moving_splats.at(time).means.numpy() @ np.array(manifest["turn"]).T
        np.testing.assert_allclose(back.means, turned, rtol=1e-6)


def test_the_manifest(moving_splats, tmp_path):
    write_ply_sequence(moving_splats, TIMES, tmp_path / "moves", TARGETS["unity"])
    assert json.loads((tmp_path / "moves" / "manifest.json").read_text()) == {
        "format": "cvd3d splat sequence 1",
        "generator": "cvd3d",
        "splats": 7,
        "sh_degree": 2,
        "axes": "x right, y up, z forward, left-handed, meters",
        "turn": [[1, 0, 0], [0, 0, 1], [0, 1, 0]],
        "unit": 1.0,
        "fps": 2.0,
        "frames": [{"file": f"0000{n}.ply", "time": time} for n, time in enumerate(TIMES)],
    }


def test_gsply_and_plyfile_read_every_instant(moving_splats, tmp_path):
    gsply, plyfile = pytest.importorskip("gsply"), pytest.importorskip("plyfile")
    write_ply_sequence(moving_splats, TIMES, tmp_path / "moves", TARGETS["blender"])
    for n, time in enumerate(TIMES):
        path, wanted = str(tmp_path / "moves" / f"{n:05d}.ply"), moving_splats.at(time)
        np.testing.assert_array_equal(plyfile.PlyData.read(path)["vertex"]["z"], wanted.means[:, 2])
        data = gsply.plyread(path)
        np.testing.assert_array_equal(data.means, wanted.means)
        np.testing.assert_array_equal(data.quats, wanted.quats)
        np.testing.assert_array_equal(np.ravel(data.opacities), wanted.logit_opacities)
        np.testing.assert_array_equal(np.reshape(data.shN, (-1, 8, 3)), wanted.sh[:, 1:])


def test_same_bytes_and_nothing_is_overwritten(moving_splats, tmp_path):
    for name in ("a", "b"):
        write_ply_sequence(moving_splats, TIMES, tmp_path / name, TARGETS["opengl"])
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()
    with pytest.raises(InputError, match="not an empty folder"):
        write_ply_sequence(moving_splats, TIMES, tmp_path / "a", TARGETS["opengl"])


def test_a_sequence_is_read_back_instant_by_instant(moving_splats, tmp_path):
    write_ply_sequence(moving_splats, TIMES, tmp_path / "moves", TARGETS["blender"])
    back = load_ply_sequence(tmp_path / "moves")
    np.testing.assert_array_equal(back.times, TIMES)
    assert len(back) == 7
    for time, instant in ((-1.0, 0.0), (0.5, 0.5), (0.99, 0.5), (1.5, 1.0), (9.0, 2.0)):
        assert torch.equal(back.at(time).means, moving_splats.at(instant).means)


def test_other_folders_and_manifests_are_refused(moving_splats, tmp_path):
    folder, path = tmp_path / "moves", tmp_path / "moves" / "manifest.json"
    with pytest.raises(InputError, match="there is no such file"):
        load_ply_sequence(folder)
    write_ply_sequence(moving_splats, TIMES, folder, TARGETS["unity"])
    with pytest.raises(InputError, match="in the axes of another program; export without --target"):
        load_ply_sequence(folder)
    write_ply_sequence(moving_splats, TIMES, tmp_path / "ours", TARGETS["blender"])
    good = json.loads((tmp_path / "ours" / "manifest.json").read_text())
    outside = [{"file": "../a.ply", "time": 0.0}]
    backward = [{"file": "00000.ply", "time": 1.0}, {"file": "00001.ply", "time": 0.0}]
    for bad in (
        {"format": "x"},
        {"frames": []},
        {"frames": outside},
        {"frames": backward},
        {"turn": None},
        {"unit": "m"},
    ):
        path.write_text(json.dumps(good | bad))
        with pytest.raises(InputError, match=r"manifest\.json (is no manifest|are in)"):
            load_ply_sequence(folder)
    path.write_text(json.dumps(good))
    (folder / "00002.ply").unlink()
    with pytest.raises(InputError, match=r"names 00002\.ply, which is missing"):
        load_ply_sequence(folder)
