"""What the registry records of files, and how a change is detected."""

import json
import os
from pathlib import Path

import pytest

from cvd3d.weights.registry import Entry, Stamp, fault, register, registered, registry_file, stamp
from trajectories import InputError

SIZES = {"block_out_channels": [32, 64, 64], "layers_per_block": 2}


@pytest.fixture
def entry(tmp_path):
    """`entry(item, **sizes)`: a file of a few bytes as one of the released weights."""

    def make(item, **sizes):
        path = tmp_path / f"{item}.ckpt"
        path.write_bytes(item.encode())
        return Entry(item, path, {".": stamp(path)}, {**SIZES, **sizes})

    return make


def test_what_is_registered_is_read_back(entry, registry):
    assert registered() == {}
    first = entry("cross-view")
    assert register([first]) == {"cross-view": first} == registered()
    second = entry("motion-module")
    register([second])
    assert registered() == {"cross-view": first, "motion-module": second}
    assert registry_file() == registry and [path.name for path in registry.parent.iterdir()] == ["weights.json"]
    newer = Entry("cross-view", second.path, second.stamps, SIZES)
    assert register([newer])["cross-view"] == newer


def test_the_registry_is_in_the_cache_folder_by_default(monkeypatch, tmp_path):
    monkeypatch.delenv("CVD3D_WEIGHTS")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert registry_file() == tmp_path / "cache" / "cvd3d" / "weights.json"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert registry_file() == Path.home() / ".cache" / "cvd3d" / "weights.json"


def test_a_stamp_is_the_sha256(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    read = []
    state = stamp(tmp_path / "a", read.append)
    assert state.sha256 == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2, B.1
    assert state.size == 3 and read == [3]


def test_the_checksum_of_several_files_is_that_of_the_largest():
    stamps = {"config.json": Stamp(10, 0, "a"), "model.safetensors": Stamp(90, 0, "b")}
    folder = Entry("sd", Path("sd"), stamps, {})
    assert folder.size == 100 and folder.sha256 == "b"


def test_missing_or_changed_files_are_reported(entry):
    one = entry("cross-view")
    assert fault(one) is None
    os.utime(one.path, ns=(0, 0))  # copied or touched: the same bytes
    assert fault(one) is None
    one.path.write_bytes(b"cross-word")  # as long as before
    assert "has changed since it was added" in fault(one) and str(one.path) in fault(one)
    one.path.write_bytes(b"longer than before")
    assert "has changed since it was added" in fault(one)
    one.path.unlink()
    assert "was registered but no longer exists" in fault(one)


@pytest.mark.parametrize(
    ("sizes", "words"),
    [
        (
            {"block_out_channels": [320, 640, 1280, 1280]},
            "the widths of the levels: 320, 640, 1280, 1280 and 32, 64, 64",
        ),
        ({"layers_per_block": 1}, "the layers of a level: 1 and 2"),
    ],
)
def test_files_of_different_networks_are_refused_all_together(entry, sizes, words):
    before = register([entry("motion-module")])
    with pytest.raises(InputError, match=rf"CVD.*motion module.* are of different networks: {words}"):
        register([entry("camera-control"), entry("cross-view", **sizes)])
    assert registered() == before
    register([entry("motion-module", **sizes), entry("cross-view", **sizes)])  # both of the other network


def test_a_lora_is_compared_only_at_its_levels(entry):
    register([entry("sd", cross_attention_dim=24, attention_levels=2)])
    fitting = {"block_out_channels": [32, 64], "attention_levels": 2, "cross_attention_dim": 24}
    assert "motion-lora" in register([entry("motion-lora", **fitting)])
    with pytest.raises(InputError, match="the width of the text features: 32 and 24"):
        register([entry("image-lora", **{**fitting, "cross_attention_dim": 32})])
    with pytest.raises(InputError, match="the widths of the levels: 32, 96 and 32, 64"):
        register([entry("image-lora", **{**fitting, "block_out_channels": [32, 96]})])


def test_missing_files_do_not_cause_conflicts(entry):
    gone = entry("motion-module", layers_per_block=1)
    register([gone])
    gone.path.unlink()
    assert "cross-view" in register([entry("cross-view")])


def test_two_of_one_kind_are_refused(entry):
    one = entry("cross-view")
    with pytest.raises(InputError, match="are both CVD; add one of them"):
        register([one, one])
    assert registered() == {}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "not JSON"),
        ('{"format": "other"}', "is not a registry"),
        (json.dumps({"format": "cvd3d weights 1", "files": {"cross-view": {"path": "a"}}}), "is incomplete"),
    ],
)
def test_a_damaged_registry_is_reported(registry, content, words):
    registry.parent.mkdir()
    registry.write_text(content)
    with pytest.raises(InputError, match=words):
        registered()
