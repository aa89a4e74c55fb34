"""Conversion of released files to a model folder that samples."""

import json
import os
import re
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import cvd3d.weights.conversion as conversion
from cvd3d.model import from_released
from cvd3d.sampling import load_pipeline
from cvd3d.weights.conversion import choose_sources, convert
from cvd3d.weights.inspection import inspect
from cvd3d.weights.registry import register, registered
from trajectories import InputError, make_rig

pytestmark = pytest.mark.slow

NEEDED = ("sd", "motion-module", "motion-lora", "camera-control", "cross-view")


@pytest.fixture
def sources(released):
    """`sources(**other)`: the sources of the shared files, with others replaced."""

    def make(**other):
        given = {name: str(released[name]) for name in NEEDED}
        return choose_sources({**given, **{name.replace("_", "-"): str(path) for name, path in other.items()}}, {})

    return make


def test_added_files_become_a_model_that_samples(released, tmp_path):
    register([inspect(released[name]) for name in NEEDED])
    made = convert(choose_sources({}, registered()), tmp_path / "models" / "cvd")
    assert [path.name for path in (tmp_path / "models").iterdir()] == ["cvd"]
    loaded = load_pipeline(tmp_path / "models" / "cvd")
    network = from_released(
        released["sd"] / "unet", released["motion-module"], released["camera-control"], released["cross-view"],
        motion_lora=released["motion-lora"],
    ).state_dict()  # fmt: skip
    for state in (made.unet.state_dict(), loaded.unet.state_dict()):
        assert state.keys() == network.keys() and all(torch.equal(state[name], network[name]) for name in state)
    assert (loaded.config.steps, loaded.config.guidance) == (25, 8.5)
    rig = make_rig("circle", 2, 2, width=16, height=16)
    videos = [
        pipeline("a red cube", rig, num_inference_steps=2, progress=False, generator=torch.Generator().manual_seed(0))
        for pipeline in (made, loaded)
    ]
    assert videos[0].videos.shape == (2, 2, 16, 16, 3) and videos[0].videos.std() > 0
    np.testing.assert_array_equal(videos[0].videos, videos[1].videos)


def test_the_scheduler_has_the_official_timesteps_and_noise():
    scheduler = conversion.released_scheduler()
    scheduler.set_timesteps(25)
    assert scheduler.timesteps.tolist() == list(range(961, 0, -40))
    betas = np.linspace(0.00085, 0.012, 1000)
    np.testing.assert_allclose(scheduler.alphas_cumprod.numpy(), np.cumprod(1 - betas), rtol=1e-4)
    assert scheduler.final_alpha_cumprod == 1 and scheduler.config.prediction_type == "epsilon"


def test_half_is_half_as_large_and_loads_in_single_precision(sources, tmp_path):
    whole = convert(sources(), tmp_path / "whole").unet.state_dict()
    convert(sources(), tmp_path / "half", half=True)
    sizes = [sum(f.stat().st_size for f in (tmp_path / name).rglob("*.safetensors")) for name in ("whole", "half")]
    assert 0.45 < sizes[1] / sizes[0] < 0.55
    loaded = load_pipeline(tmp_path / "half")
    assert {part.dtype for part in (loaded.unet, loaded.vae, loaded.text_encoder)} == {torch.float32}
    for name, tensor in loaded.unet.state_dict().items():
        assert torch.equal(tensor, whole[name].half().float() if tensor.is_floating_point() else whole[name])


def test_the_model_records_its_sources(sources, released, tmp_path):
    convert(sources(), tmp_path / "cvd", half=True)
    origins = json.loads((tmp_path / "cvd" / "sources.json").read_text())
    assert origins["float16"] and origins["files"]["cross_view"] == {
        "file": "CVD.ckpt", "sha256": inspect(released["cross-view"]).sha256,
    }  # fmt: skip
    assert set(origins["files"]) == {
        "sd/unet", "sd/vae", "sd/text_encoder", "motion_module", "camera_control", "cross_view", "motion_lora",
    }  # fmt: skip


def test_the_adapter_is_used_only_with_the_original_unet(released):
    entries = register([inspect(released[name]) for name in (*NEEDED, "image-lora")])
    own = choose_sources({}, entries)
    assert own.unet == released["sd"] / "unet"
    assert own.motion_lora == released["motion-lora"] and own.image_lora is None
    assert choose_sources({"motion-lora": "none"}, entries).motion_lora is None
    assert choose_sources({"image-lora": "registered"}, entries).image_lora == released["image-lora"]
    tuned = choose_sources({"unet": "tuned.safetensors"}, entries)
    assert str(tuned.unet) == "tuned.safetensors" and tuned.motion_lora is None
    assert choose_sources({"unet": "x", "motion-lora": "registered"}, entries).motion_lora == released["motion-lora"]


def test_what_is_missing_is_named(released):
    entries = register([inspect(released[name]) for name in ("sd", "motion-module")])
    with pytest.raises(InputError, match=r"Not registered yet: CameraCtrl .*, CVD \(--cross-view\), .*domain adapter"):
        choose_sources({}, entries)
    entries = register([inspect(released[name]) for name in NEEDED if name != "motion-lora"])
    with pytest.raises(InputError, match=r"domain adapter .*--motion-lora none converts without it"):
        choose_sources({}, entries)


def test_registered_files_that_are_missing_or_changed_are_refused(own):
    entries = register([inspect(own[name]) for name in NEEDED])
    vae = own["sd"] / "vae" / "config.json"
    vae.write_text(vae.read_text() + " ")
    with pytest.raises(InputError, match=r"config\.json has changed since it was added.*weights add .*sd'"):
        choose_sources({}, entries)
    register([inspect(own["sd"])])
    os.rename(own["cross-view"], own["cross-view"].with_name("moved.ckpt"))
    with pytest.raises(InputError, match=r"CVD\.ckpt was registered but no longer exists"):
        choose_sources({}, registered())


@pytest.mark.parametrize(
    ("place", "other", "words"),
    [
        ("cross-view", "camera-control", r"CameraCtrl\.ckpt is CameraCtrl's .*; expected CVD's cross-view modules"),
        ("motion-lora", "cross-view", r"CVD\.ckpt is CVD's cross-view modules; expected a LoRA"),
        ("sd", "cross-view", "There is no folder .*; give a diffusers folder"),
    ],
)
def test_a_file_of_another_kind_is_reported_and_nothing_is_written(released, tmp_path, place, other, words):
    given = {**{name: str(released[name]) for name in NEEDED}, place: str(released[other])}
    with pytest.raises(InputError, match=words):
        convert(choose_sources(given, {}), tmp_path / "models" / "cvd")
    assert not (tmp_path / "models").exists()


def test_a_write_that_fails_leaves_the_old_model(sources, tmp_path, monkeypatch):
    out = tmp_path / "cvd"
    convert(sources(), out)
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    with pytest.raises(InputError, match="already exists; give another --out, or --force"):
        convert(sources(), out)

    def fails(*args):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(conversion, "_origins", fails)
        with pytest.raises(KeyboardInterrupt):
            convert(sources(), out, force=True)
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*")} == before
    assert [path.name for path in out.parent.iterdir() if path.name.startswith(".")] == []
    convert(sources(), out, force=True)
    assert [path.name for path in out.parent.iterdir() if path.name.startswith(".")] == []
    assert (out / "sources.json").stat().st_mtime_ns != before[out / "sources.json"]


def test_other_files_and_folders_are_not_replaced(own, sources, tmp_path):
    (tmp_path / "notes").write_text("x")
    with pytest.raises(InputError, match="notes is a file"):
        convert(sources(), tmp_path / "notes", force=True)
    (own["sd"] / "model_index.json").write_text('{"_class_name": "StableDiffusionPipeline"}')
    with pytest.raises(InputError, match="contains something other than a cvd3d model"):
        convert(sources(), own["sd"], force=True)


def test_too_little_disk_space_is_reported_before_writing(sources, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: shutil._ntuple_diskusage(1, 1, 1000))
    with pytest.raises(InputError, match=r"The model needs 0\.0 GB and the disk of .* has 0\.0 GB left.*--half"):
        convert(sources(), tmp_path / "cvd")
    assert not (tmp_path / "cvd").exists()


@pytest.fixture
def fine_tune(tmp_path, small_network, official, parts):
    """A single file of a UNet, an autoencoder and a text encoder with SD's original names; and their tensors."""
    unet = official(small_network(seed=11))["unet"]
    own = parts(seed=12)
    vae, text = own.vae.state_dict(), own.text_encoder.state_dict()
    tensors = {f"model.diffusion_model.{ldm_unet(key)}": tensor for key, tensor in unet.items()}
    for key, tensor in vae.items():
        name = ldm_autoencoder(key)
        # SD's original file has the attention's linear layers as convolutions.
        tensors[f"first_stage_model.{name}"] = (
            tensor[..., None, None] if ".attn_1." in name and tensor.ndim == 2 else tensor
        )
    for key, tensor in text.items():
        tensors[f"cond_stage_model.transformer.text_model.{key.removeprefix('text_model.')}"] = tensor
    save_file({key: tensor.contiguous() for key, tensor in tensors.items()}, tmp_path / "tuned.safetensors")
    return tmp_path / "tuned.safetensors", unet, vae, text


def ldm_unet(key, layers=2):
    """SD's original name of a UNet's tensor, with consecutively numbered blocks (`layers` layers in each level)."""
    for ours, ldm in (
        ("norm1", "in_layers.0"), ("conv1", "in_layers.2"), ("time_emb_proj", "emb_layers.1"),
        ("norm2", "out_layers.0"), ("conv2", "out_layers.3"), ("conv_shortcut", "skip_connection"),
    ):  # fmt: skip
        if ".resnets." in key:
            key = key.replace(f".{ours}.", f".{ldm}.")
    for ours, ldm in (
        ("conv_in.", "input_blocks.0.0."), ("conv_norm_out.", "out.0."), ("conv_out.", "out.2."),
        ("time_embedding.linear_1.", "time_embed.0."), ("time_embedding.linear_2.", "time_embed.2."),
        ("mid_block.resnets.0.", "middle_block.0."), ("mid_block.attentions.0.", "middle_block.1."),
        ("mid_block.resnets.1.", "middle_block.2."),
    ):  # fmt: skip
        if key.startswith(ours):
            return ldm + key.removeprefix(ours)
    side, i, kind, j, rest = re.fullmatch(r"(down|up)_blocks\.(\d)\.(\w+)\.(\d)\.(.*)", key).groups()
    i, j = int(i), int(j)
    if kind == "downsamplers":
        return f"input_blocks.{(i + 1) * (layers + 1)}.0.op.{rest.removeprefix('conv.')}"
    if kind == "upsamplers":
        # After the attention, if the level has one; the coarsest has none.
        return f"output_blocks.{i * (layers + 1) + layers}.{2 if i else 1}.{rest}"
    block = f"input_blocks.{1 + i * (layers + 1) + j}" if side == "down" else f"output_blocks.{i * (layers + 1) + j}"
    return f"{block}.{0 if kind == 'resnets' else 1}.{rest}"


def ldm_autoencoder(key, levels=2):
    """SD's original name of an autoencoder's tensor."""
    for ours, ldm in (
        (r"down_blocks\.(\d)\.resnets\.(\d)", r"down.\1.block.\2"), (r"(\d)\.downsamplers\.0", r"\1.downsample"),
        (r"up_blocks\.(\d)\.resnets\.(\d)", r"up.\1.block.\2"), (r"(\d)\.upsamplers\.0", r"\1.upsample"),
        (r"mid_block\.resnets\.0", "mid.block_1"), (r"mid_block\.resnets\.1", "mid.block_2"),
        (r"mid_block\.attentions\.0", "mid.attn_1"), ("group_norm", "norm"), (r"to_([qkv])\.", r"\1."),
        (r"to_out\.0", "proj_out"), ("conv_shortcut", "nin_shortcut"), ("conv_norm_out", "norm_out"),
        (r"(down|up)_blocks", r"\1"),
    ):  # fmt: skip
        key = re.sub(ours, ldm, key)
    return re.sub(r"decoder\.up\.(\d)", lambda match: f"decoder.up.{levels - 1 - int(match.group(1))}", key)


def test_a_fine_tunes_single_file_replaces_the_other_parts(fine_tune, released, sources, tmp_path):
    path, unet, vae, text = fine_tune
    entry = inspect(path)
    assert entry.item == "unet" and entry.sizes["block_out_channels"] == [32, 64, 64]
    assert (entry.sizes["layers_per_block"], entry.sizes["cross_attention_dim"]) == (2, 24)
    register([inspect(released["cross-view"]), entry])
    made = convert(sources(unet=path, motion_lora="none"), tmp_path / "tuned")
    state = made.unet.state_dict()
    assert all(torch.equal(state[key], tensor) for key, tensor in unet.items())
    for part, own in ((made.vae, vae), (made.text_encoder, text)):
        assert all(torch.equal(tensor, own[name]) for name, tensor in part.state_dict().items())


def test_a_fine_tune_whose_parts_do_not_match_is_refused(fine_tune, sources, tmp_path):
    path = fine_tune[0]
    tensors = load_file(path)
    key = "cond_stage_model.transformer.text_model.final_layer_norm.weight"
    for changed, words in (
        ({k: t for k, t in tensors.items() if k != key}, "final_layer_norm.weight is missing"),
        (tensors | {key: torch.ones(32)}, r"final_layer_norm.weight has the shape \(32,\)"),
    ):
        save_file(changed, path)
        with pytest.raises(InputError, match=words):
            convert(sources(unet=path, motion_lora="none"), tmp_path / "tuned")


def test_sources_of_another_text_width_are_refused(sources, released, small_network, write_official, tmp_path):
    folder = tmp_path / "wide"
    folder.mkdir()
    wide = write_official(folder, small_network(cross_attention_dim=32))
    with pytest.raises(InputError, match="takes text features of width 32 and the text encoder gives 24"):
        convert(sources(unet=wide["sd"] / "unet", motion_lora="none"), tmp_path / "cvd")
