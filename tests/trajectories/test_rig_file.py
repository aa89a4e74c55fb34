import hashlib
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trajectories import InputError, Rig, load_rig, make_rig, save_rig
from trajectories.rig_file import CONVENTION


def changed_file(tmp_path, change):
    """A valid rig file after `change(content)`."""
    path = tmp_path / "rig.json"
    save_rig(make_rig("orbit", 2, 3), path)
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    return path


@given(seed=st.integers(0, 2**32 - 1), views=st.integers(1, 3), frames=st.integers(1, 4))
def test_the_round_trip_is_exact_to_the_bit(random_cameras, tmp_path_factory, seed, views, frames):
    times = np.cumsum(np.random.default_rng(seed).uniform(0.01, 1, frames))
    rig = Rig(random_cameras(seed, views * frames).reshape(views, frames), times, tuple(f"v{i}" for i in range(views)))
    path = tmp_path_factory.mktemp("rigs") / "rig.json"
    save_rig(rig, path)
    back = load_rig(path)
    assert back.names == rig.names
    assert (back.cameras.width, back.cameras.height) == (rig.cameras.width, rig.cameras.height)
    for mine, theirs in ((rig.cameras.c2w, back.cameras.c2w), (rig.cameras.K, back.cameras.K), (rig.times, back.times)):
        assert mine.tobytes() == theirs.tobytes()


def test_constant_intrinsics_are_written_once_and_the_convention_is_stated(tmp_path):
    save_rig(make_rig("orbit", 2, 3), tmp_path / "rig.json")
    content = json.loads((tmp_path / "rig.json").read_text())
    assert len(content["views"][0]["K"]) == 1
    assert "camera-to-world" in content["convention"] and "OpenCV" in content["convention"]


def test_an_invalid_rotation_is_reported_with_view_and_frame(tmp_path):
    def double(content):
        content["views"][1]["c2w"][2][0][0] += 0.5

    with pytest.raises(InputError, match=r"rig.json: view 'cam01', frame 2: the pose is not a rotation"):
        load_rig(changed_file(tmp_path, double))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda c: c.pop("format"), "'format' is None"),
        (lambda c: c.update(format="cvd3d rig 2"), "'format' is 'cvd3d rig 2'; a rig file has 'cvd3d rig 1'"),
        (lambda c: c.update(convention="OpenGL"), "'convention' is 'OpenGL'"),
        (lambda c: c.pop("width"), "'width' is missing"),
        (lambda c: c.update(width="wide"), "'width' is 'wide'"),
        (lambda c: c.update(width=64.5), "'width' is 64.5; a whole number"),
        (lambda c: c.update(width=0), "image size is 0x128"),
        (lambda c: c.update(times=[0, 1]), r"view 'cam00': 'c2w' is .*2x4x4 numbers are expected"),
        (lambda c: c.update(times=[0, 2, 1]), "increasing times"),
        (lambda c: c.update(views=[]), "'views' must be a list"),
        (lambda c: c["views"][1].pop("c2w"), "view 'cam01': the field 'c2w' is missing"),
        (lambda c: c["views"][1].update(name="cam00"), "distinct names"),
        (lambda c: c["views"][0].update(K=c["views"][0]["K"] * 2), "'K' has 2 matrices"),
        (lambda c: c["views"][0]["K"][0][0].__setitem__(0, "x"), "view 'cam00': 'K'"),
        (lambda c: c["views"][0]["c2w"][1].pop(), "view 'cam00': 'c2w'"),
        (lambda c: c["views"][0]["K"][0][0].__setitem__(0, -1.0), "view 'cam00', frame 0: the intrinsics"),
        (lambda c: c["views"][0]["c2w"][1][0].__setitem__(3, float("nan")), "view 'cam00', frame 1: .*not finite"),
    ],
)
def test_errors_name_the_view_and_the_field(tmp_path, change, sentence):
    path = changed_file(tmp_path, change)
    with pytest.raises(InputError, match=sentence) as error:
        load_rig(path)
    assert str(path) in str(error.value) and "\n" not in str(error.value)


def test_invalid_json_is_reported_with_the_line(tmp_path):
    path = tmp_path / "rig.json"
    path.write_text('{\n  "format": "cvd3d rig 1",\n  "width": 12 13\n}')
    with pytest.raises(InputError, match="line 3, column 15"):
        load_rig(path)
    path.write_text("[1, 2]")
    with pytest.raises(InputError, match="holds a JSON list"):
        load_rig(path)
    path.write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(InputError, match="not a text file"):
        load_rig(path)


def test_missing_files_and_folders(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        load_rig(tmp_path / "none.json")
    with pytest.raises(InputError, match="cannot be read"):
        load_rig(tmp_path)


def test_the_convention_of_existing_files_is_still_read():
    digest = hashlib.sha256(CONVENTION.encode()).hexdigest()
    assert digest == "1c61850e4bef8ce1a854d5d249318f1507345fc5db6f27b917aba86dd84237a3"
