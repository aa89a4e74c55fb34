"""Which item each file is identified as, and which files are refused."""

import json
import os
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from cvd3d.model import CollaborativeUNet
from cvd3d.model.official_names import CAMERA_CONTROL, MOTION_MODULE, UNET
from cvd3d.weights.inspection import bytes_of, inspect
from trajectories import InputError

pytestmark = pytest.mark.slow

NAMES = ("sd", "motion-module", "motion-lora", "camera-control", "cross-view", "image-lora")


@pytest.mark.parametrize("name", NAMES)
def test_each_file_is_recognised_by_its_keys(released, name):
    read = []
    entry = inspect(released[name], read.append)
    assert entry.item == name and entry.path == released[name]
    assert entry.size == bytes_of(released[name]) and sum(read) == 2 * entry.size
    levels = [32, 64] if "lora" in name else [32, 64, 64]  # a LoRA covers only the levels with attention
    assert entry.sizes["block_out_channels"] == levels and entry.sizes["layers_per_block"] == 2
    assert entry.sizes.get("cross_attention_dim") == (24 if name in ("sd", "motion-lora", "image-lora") else None)


def test_a_unet_by_itself_is_a_fine_tune(released):
    entry = inspect(released["sd"] / "unet")
    assert entry.item == "unet"
    assert set(entry.stamps) == {"config.json", "diffusion_pytorch_model.safetensors"}


def test_only_what_is_used_of_a_folder_is_registered(own):
    (own["sd"] / "safety_checker").mkdir()
    (own["sd"] / "unet" / "diffusion_pytorch_model.bin").write_bytes(b"x")
    assert set(inspect(own["sd"]).stamps) == {
        "unet/config.json", "unet/diffusion_pytorch_model.safetensors", "vae/config.json",
        "vae/diffusion_pytorch_model.safetensors", "text_encoder/config.json", "text_encoder/model.safetensors",
        "tokenizer/tokenizer.json", "tokenizer/tokenizer_config.json",
    }  # fmt: skip


def test_something_else_is_refused(tmp_path):
    torch.save({"encoder.weight": torch.zeros(2)}, tmp_path / "vae.pt")
    with pytest.raises(InputError, match=r"vae\.pt is not one of the released weights: it contains encoder\.weight"):
        inspect(tmp_path / "vae.pt")


class Bomb:
    def __reduce__(self):
        return os.mkdir, ("was-run",)


def test_code_in_a_pickle_is_refused_and_not_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"unet_trainable_dict": {}, "hook": Bomb()}, tmp_path / "CVD.ckpt")
    with pytest.raises(InputError, match=r"CVD\.ckpt carries code"):
        inspect(tmp_path / "CVD.ckpt")
    assert not (tmp_path / "was-run").exists()


def test_a_truncated_file_and_one_with_nan_are_refused(own):
    path = own["cross-view"]
    content = torch.load(path)
    key = next(iter(content["unet_trainable_dict"]))
    content["unet_trainable_dict"][key][0] = float("nan")
    torch.save(content, path)
    with pytest.raises(InputError, match=rf"{key} has values that are not finite"):
        inspect(path)
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(InputError, match=r"CVD\.ckpt is damaged"):
        inspect(path)


def test_missing_and_unknown_keys_are_named(small_network, official, tmp_path):
    tensors = official(small_network())[MOTION_MODULE]
    key = "down_blocks.1.motion_modules.1.temporal_transformer.proj_in.weight"
    tensors["mid_block.motion_modules.0.temporal_transformer.proj_in.weight"] = tensors.pop(key)
    torch.save(tensors, tmp_path / "v2.ckpt")
    with pytest.raises(InputError) as error:
        inspect(tmp_path / "v2.ckpt")
    assert f"it lacks {key}" in str(error.value) and "it has the unexpected mid_block.motion" in str(error.value)


def test_a_tensor_of_another_shape_names_both(small_network, official, tmp_path):
    tensors = official(small_network())[MOTION_MODULE]
    tensors["up_blocks.0.motion_modules.0.temporal_transformer.norm.weight"] = torch.ones(96)
    torch.save(tensors, tmp_path / "mm.ckpt")
    with pytest.raises(InputError, match=r"has the shape \(96,\), and according to .* it must be \(64,\)"):
        inspect(tmp_path / "mm.ckpt")


def test_a_camera_file_without_its_projections_is_refused(small_network, official, tmp_path):
    tensors = {k: t for k, t in official(small_network())[CAMERA_CONTROL].items() if "qkv_merge" not in k}
    save_file(tensors, tmp_path / "pose_encoder.safetensors")
    with pytest.raises(InputError, match=r"CameraCtrl's pose encoder .* lacks .*qkv_merge\.weight"):
        inspect(tmp_path / "pose_encoder.safetensors")


def test_an_older_motion_module_causes_a_warning(small_network, official, tmp_path):
    tensors = official(small_network())[MOTION_MODULE]
    shorter = {k: t[:, :24].contiguous() if k.endswith("pe") else t for k, t in tensors.items()}
    save_file(shorter, tmp_path / "mm_sd_v15.safetensors")
    with pytest.warns(UserWarning, match="positions for 24 frames; AnimateDiff v3 has 32"):
        assert inspect(tmp_path / "mm_sd_v15.safetensors").item == "motion-module"


def test_full_size_files_are_recognised_by_their_shapes(official, tmp_path):
    with torch.device("meta"):
        files = official(CollaborativeUNet())
    for kind, name in ((MOTION_MODULE, "motion-module"), (CAMERA_CONTROL, "camera-control"), (UNET, "unet")):
        torch.save(files[kind], tmp_path / f"{name}.ckpt")
        entry = inspect(tmp_path / f"{name}.ckpt")
        assert entry.item == name and entry.sizes["block_out_channels"] == [320, 640, 1280, 1280]


def test_other_loras_are_refused(tmp_path):
    spatial = "down_blocks.{}.attentions.0.transformer_blocks.0.attn1.processor.to_q_lora.{}.weight"
    temporal = spatial.replace("attentions.0", "motion_modules.0.temporal_transformer")
    mixed = {}
    for level, rank in ((0, 4), (1, 8)):
        mixed |= {
            spatial.format(level, "up"): torch.ones(64, rank),
            spatial.format(level, "down"): torch.ones(rank, 64),
        }
    half = {spatial.format(0, "up"): torch.ones(64, 4)}
    zoom = {temporal.format(0, "up"): torch.ones(64, 4), temporal.format(0, "down"): torch.ones(4, 64)}
    for tensors, words in (
        (mixed, r"is a LoRA of ranks 4, 8: neither"),
        (
            half | {spatial.format(0, "down").replace("to_q", "to_k"): torch.ones(4, 64)},
            "is not a complete LoRA: unknown or without its other half",
        ),
        (zoom, "is a LoRA of motion modules"),
    ):
        torch.save(tensors, tmp_path / "lora.ckpt")
        with pytest.raises(InputError, match=words):
            inspect(tmp_path / "lora.ckpt")


def test_a_folder_of_stable_diffusion_must_be_whole(own):
    folder = own["sd"]
    shutil.rmtree(folder / "vae")
    with pytest.raises(InputError, match=r"sd lacks vae; give a complete diffusers folder of SD 1\.5"):
        inspect(folder)


@pytest.mark.parametrize(("part", "kind"), [("vae", "AutoencoderKL"), ("text_encoder", "CLIPTextModel")])
def test_the_parts_of_a_folder_are_checked(own, part, kind):
    path = next((own["sd"] / part).glob("*.safetensors"))
    whole = load_file(path)
    name = next(iter(sorted(whole)))
    for tensors, words in (
        ({k: t for k, t in whole.items() if k != name}, f"{part} (lacks|is not a complete {kind}).*"),
        (whole | {name: torch.full_like(whole[name], float("inf"))}, "has values that are not finite"),
    ):
        save_file(tensors, path, metadata={"format": "pt"})
        with pytest.raises(InputError, match=words):
            inspect(own["sd"])
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(InputError, match=rf"{part} is not a complete {kind}"):
        inspect(own["sd"])


def test_parts_of_different_models_are_refused(own, small_network, official):
    unet = own["sd"] / "unet"
    (unet / "config.json").write_text(json.dumps({"attention_head_dim": [5, 10, 20, 20]}))
    with pytest.raises(InputError, match="so this is another SD"):
        inspect(own["sd"])
    (unet / "config.json").write_text("{}")
    weights = unet / "diffusion_pytorch_model.safetensors"
    save_file(official(small_network(cross_attention_dim=32))[UNET], weights)
    with pytest.raises(InputError, match="unet takes text features of width 32 and the text encoder gives 24"):
        inspect(own["sd"])
    shutil.copyfile(own["motion-module"], unet / "v3.ckpt")
    weights.unlink()
    with pytest.raises(InputError, match="unet holds no weights"):
        inspect(own["sd"])
    save_file(official(small_network())[MOTION_MODULE], weights)
    with pytest.raises(InputError, match="unet is AnimateDiff v3 motion module"):
        inspect(own["sd"])
