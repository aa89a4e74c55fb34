"""The `cvd3d weights` command."""

import shutil

import huggingface_hub
import pytest
import torch
from safetensors.torch import load_file, save_file

from cvd3d.cli import main
from cvd3d.weights.catalog import ITEMS
from cvd3d.weights.registry import registered

pytestmark = pytest.mark.slow

NEEDED = ("sd", "motion-module", "motion-lora", "camera-control", "cross-view")


@pytest.fixture
def weights(capsys, monkeypatch):
    """Run `cvd3d weights` with arguments; returns its output."""
    monkeypatch.setenv("COLUMNS", "200")

    def run(*words):
        main(["weights", *map(str, words)])
        return capsys.readouterr().out

    return run


@pytest.fixture
def refused(capsys):
    """As `weights`, for arguments that must be refused; returns the error sentence."""

    def run(*words, status=2):
        with pytest.raises(SystemExit) as end:
            main(["weights", *map(str, words)])
        err = capsys.readouterr().err
        assert end.value.code == status and "Traceback" not in err
        return err.strip()

    return run


def test_without_a_subcommand_it_lists_the_weights_and_their_pages(weights, registry):
    out = weights()
    for item in ITEMS.values():
        assert all(words in out for words in (item.name, item.title, item.size, item.license, item.address))
    assert f"nothing is registered in {registry}" in out and "no list of official sha256 checksums" in out
    nxt = out.split("Next:")[1]
    assert "cvd3d weights fetch       # sd, motion-module, motion-lora, camera-control" in nxt
    assert "cvd3d weights add FILE    # CVD, from https://drive.google.com" in nxt
    assert weights("list") == out


def test_from_files_to_a_model(weights, released, tmp_path):
    out = weights("add", *(released[name] for name in NEEDED))
    for name in NEEDED:
        assert f"{released[name]}: {ITEMS[name].title}, " in out and registered()[name].sha256 in out
    assert "cvd3d weights convert --out models/cvd" in out
    out = weights()
    assert out.count("✓") == 5 and str(released["cross-view"]) in out and "weights convert" in out
    model = tmp_path / "models" / "cvd"
    out = weights("convert", "--out", model, "--half")
    assert f"  cross-view      {released['cross-view']}" in out and "  image-lora      none" in out
    assert f"cvd3d weights test --model {model}" in out
    assert f'cvd3d scene "a castle in a forest" --model {model} --size 64 64 --radius 1 --fov 59.6' in out
    out = weights("test", "--model", model)
    assert out.count("the output changes by") == 3 and "all change the output" in out


def test_one_refused_file_leaves_all_unregistered(refused, own, tmp_path):
    (tmp_path / "notes.txt").write_text("x")
    output = refused("add", own["motion-module"], tmp_path / "notes.txt")
    assert output.splitlines()[-1].startswith("cvd3d: error: ") and "notes.txt is not a checkpoint file" in output
    assert "No file was given" in refused("add")
    assert registered() == {}


def test_a_missing_file_is_listed_as_missing(weights, own):
    weights("add", own["cross-view"])
    shutil.move(own["cross-view"], own["cross-view"].with_name("moved.ckpt"))
    out = weights()
    assert "CVD.ckpt was registered but no longer exists" in out and "✓" not in out
    assert f"cvd3d weights add {own['cross-view']}" in out.split("Next:")[1]


def test_fetch_registers_and_prints_what_remains(weights, released, monkeypatch):
    def download(repository, name):
        return str(released["cross-view"].parent / name)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    out = weights("fetch", "motion-module", "motion-lora", "camera-control")
    assert out.count(", sha256 ") == 3 and set(registered()) == {"motion-module", "motion-lora", "camera-control"}
    assert "cvd3d weights fetch       # sd" in out.split("Next:")[1]


def test_a_module_without_effect_gives_exit_status_one(weights, refused, released, tmp_path):
    content = torch.load(released["cross-view"])
    for key, tensor in content["unet_trainable_dict"].items():
        if ".proj_out." in key:
            tensor.zero_()
    torch.save(content, tmp_path / "fresh.ckpt")
    given = [word for name in NEEDED if name != "cross-view" for word in (f"--{name}", released[name])]
    weights("convert", "--out", tmp_path / "cvd", *given, "--cross-view", tmp_path / "fresh.ckpt")
    output = refused("test", "--model", tmp_path / "cvd", status=1)
    assert output == "cvd3d: The partner has no effect: the cross-view modules are zero, as before training."


def test_weights_with_nan_are_refused_by_convert(refused, own, tmp_path):
    path = own["sd"] / "unet" / "diffusion_pytorch_model.safetensors"
    tensors = load_file(path)
    tensors["conv_in.bias"][0] = float("nan")
    save_file(tensors, path)
    given = [word for name in NEEDED for word in (f"--{name}", own[name])]
    assert "conv_in.bias has values that are not finite" in refused("convert", "--out", tmp_path / "cvd", *given)
    assert not (tmp_path / "cvd").exists()
