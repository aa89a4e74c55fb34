"""Small random files in the official layout load as one network."""

import json
import warnings

import pytest
import torch
from safetensors.torch import load_file, save_file

from cvd3d.model import CollaborativeUNet, from_released
from cvd3d.model.official_names import CAMERA_CONTROL, CROSS_VIEW, MOTION_MODULE, UNET, official_name
from trajectories import InputError

pytestmark = pytest.mark.slow

SMALL = {
    "sample_size": 32, "block_out_channels": (32, 64, 64), "attention_levels": 2, "layers_per_block": 2,
    "cross_attention_dim": 24, "motion_max_seq_length": 16, "pose_unshuffle": 2, "pose_frame": "first",
    "mask_pixel_offset": -0.5,
}  # fmt: skip
FILES = ("unet", "motion_module", "camera_control", "cross_view")


@pytest.fixture(scope="module")
def network(randomize):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        return randomize(CollaborativeUNet(**SMALL).eval().requires_grad_(False))


def write(folder, files):
    """Paths of the four files, wrapped as their authors do, by argument name."""
    control = files[CAMERA_CONTROL]
    contents = {
        "unet": files[UNET],
        "motion_module": {f"module.{key}": tensor for key, tensor in files[MOTION_MODULE].items()},
        "camera_control": {
            "epoch": 0,
            "pose_encoder_state_dict": {k: t for k, t in control.items() if k.startswith("encoder_")},
            "attention_processor_state_dict": {k: t for k, t in control.items() if "qkv_merge" in k},
        },
        "cross_view": {"global_step": 5, "unet_trainable_dict": files[CROSS_VIEW], "optimizer_state_dict": {"lr": 1.0}},
    }
    paths = {name: folder / f"{name}.ckpt" for name in contents}
    for name, content in contents.items():
        torch.save(content, paths[name])
    return paths


@pytest.fixture
def paths(network, official, tmp_path):
    return write(tmp_path, official(network))


def run(network, around, V=2, T=3):
    generator = torch.Generator().manual_seed(0)
    z, text = torch.randn(V, 4, T, 8, 8, generator=generator), torch.randn(V, 5, 24, generator=generator)
    with torch.no_grad():
        return network(z, torch.arange(V) * 100 + 5, text, around(0, V, T, width=64, height=64))


def test_the_files_give_the_network_that_they_were_made_of(network, paths, around):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loaded = from_released(**paths).requires_grad_(False)
    assert {name: loaded.config[name] for name in SMALL} == SMALL and not loaded.training
    assert torch.equal(run(loaded, around), run(network, around))


def test_a_diffusers_folder_and_safetensors_load_as_well(network, paths, around, tmp_path, official):
    folder = tmp_path / "sd"
    folder.mkdir()
    save_file(official(network)[UNET], folder / "diffusion_pytorch_model.safetensors")
    (folder / "config.json").write_text(json.dumps({"attention_head_dim": 8, "norm_num_groups": 32}))
    save_file(official(network)[CAMERA_CONTROL], tmp_path / "pruned.safetensors")
    loaded = from_released(**{**paths, "unet": folder, "camera_control": tmp_path / "pruned.safetensors"})
    loaded.requires_grad_(False)
    assert torch.equal(run(loaded, around), run(network, around))
    (folder / "config.json").write_text(json.dumps({"attention_head_dim": 4}))
    other = from_released(**{**paths, "unet": folder})
    assert other.config.num_attention_heads == 4 and not torch.equal(run(other, around), run(network, around))


def test_half_precision_files_give_a_network_in_single_precision(network, paths, around, official):
    torch.save({key: tensor.half() for key, tensor in official(network)[UNET].items()}, paths["unet"])
    loaded = from_released(**paths).requires_grad_(False)
    assert {parameter.dtype for parameter in loaded.parameters()} == {torch.float32}
    assert (run(loaded, around) - run(network, around)).abs().max() < 0.05


def test_a_network_saved_in_our_own_format_is_the_same(paths, around, tmp_path):
    loaded = from_released(**paths).requires_grad_(False)
    loaded.save_pretrained(tmp_path / "ours")
    back = CollaborativeUNet.from_pretrained(tmp_path / "ours").requires_grad_(False)
    assert torch.equal(run(back, around), run(loaded, around))
    assert "pose_encoder.conv_in.weight" in load_file(tmp_path / "ours" / "diffusion_pytorch_model.safetensors")


def test_loras_are_added_to_the_weights(network, paths, around, tmp_path):
    generator = torch.Generator().manual_seed(1)
    spatial = "down_blocks.0.attentions.1.transformer_blocks.0.attn2"
    temporal = "up_blocks.0.motion_modules.2.temporal_transformer.transformer_blocks.0.attention_blocks.1"
    up, down = torch.randn(32, 4, generator=generator), torch.randn(4, 24, generator=generator)
    image = {f"{spatial}.processor.to_k_lora.up.weight": up, f"{spatial}.processor.to_k_lora.down.weight": down}
    motion = {
        f"{temporal}.processor.to_out_lora.up.weight": torch.ones(64, 1),
        f"{temporal}.processor.to_out_lora.down.weight": torch.full((1, 64), 2.0),
    }
    torch.save({"lora_state_dict": image}, tmp_path / "image.ckpt")
    torch.save(motion, tmp_path / "motion.ckpt")
    loaded = from_released(**paths, image_lora=tmp_path / "image.ckpt", motion_lora=tmp_path / "motion.ckpt")
    before, after = network.state_dict(), loaded.state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    ours = "up_blocks.0.motion_modules.2.motion.transformer_blocks.0.attn2.to_out.0.weight"
    assert changed == {f"{spatial}.to_k.weight", ours}
    assert torch.allclose(after[f"{spatial}.to_k.weight"], before[f"{spatial}.to_k.weight"] + up @ down)
    assert torch.allclose(after[ours], before[ours] + 2)


@pytest.mark.parametrize(
    ("lora", "words"),
    [
        ({"up": (32, 2), "down": (2, 25)}, r"the LoRA matrices for .*attn1\.to_q\.weight are \(32, 2\) and \(2, 25\)"),
        ({"up": (32, 2)}, r"no parameter for x_lora\.down\.weight, .*attn1\.to_q\.weight"),
    ],
)
def test_a_lora_that_does_not_fit_is_refused(paths, tmp_path, lora, words):
    key = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.processor.to_q_lora.{}.weight"
    tensors = {key.format(side): torch.zeros(shape) for side, shape in lora.items()}
    torch.save({**tensors, "x_lora.down.weight": torch.zeros(1)}, tmp_path / "lora.pt")
    with pytest.raises(InputError, match=words):
        from_released(**paths, image_lora=tmp_path / "lora.pt")


@pytest.mark.parametrize("name", FILES)
def test_a_file_of_another_kind_is_refused(paths, name):
    other = FILES[FILES.index(name) - 1]
    with pytest.raises(InputError, match=rf"{other}\.ckpt is .*; expected "):
        from_released(**{**paths, name: paths[other]})


def test_a_file_of_an_unknown_kind_is_refused(paths, tmp_path):
    torch.save({"encoder.weight": torch.zeros(2)}, tmp_path / "vae.pt")
    with pytest.raises(InputError, match="is not a file that cvd3d recognizes; expected CVD's cross-view modules"):
        from_released(**{**paths, "cross_view": tmp_path / "vae.pt"})


@pytest.mark.parametrize("kind", [UNET, MOTION_MODULE, CAMERA_CONTROL, CROSS_VIEW])
def test_missing_and_unexpected_keys_are_named(network, tmp_path, kind, official):
    files = official(network)
    key = [key for key in files[kind] if key.endswith("bias")][5]
    files[kind][key.replace("bias", "bios")] = files[kind].pop(key)
    with pytest.raises(InputError) as error:
        from_released(**write(tmp_path, files))
    words = f"it lacks {key}", "the network has no parameter for " + key.replace("bias", "bios")
    assert all(each in str(error.value) for each in words)


def test_a_whole_module_that_is_missing_is_refused(network, tmp_path, official):
    files = official(network)
    files[CROSS_VIEW] = {k: t for k, t in files[CROSS_VIEW].items() if not k.startswith("up_blocks.1.epi_modules.0.")}
    with pytest.raises(InputError, match=r"it lacks up_blocks\.1\.epi_modules\.0\.epi_transformer.* and \d+ more"):
        from_released(**write(tmp_path, files))


def test_a_tensor_of_another_shape_names_both(network, tmp_path, official):
    files = official(network)
    key = "down_blocks.1.epi_modules.0.epi_transformer.proj_in.weight"
    files[CROSS_VIEW][key] = torch.zeros(48, 48)
    with pytest.raises(InputError, match=rf"{key} has the shape \(48, 48\), and the network's is \(64, 64\)"):
        from_released(**write(tmp_path, files))


def test_another_positional_encoding_causes_a_warning(network, tmp_path, official):
    files = official(network)
    table = next(key for key in files[MOTION_MODULE] if key.endswith("pos_encoder.pe"))
    files[MOTION_MODULE][table] += 1
    with pytest.warns(UserWarning, match="is not the sinusoidal encoding"):
        from_released(**write(tmp_path, files))


def test_full_size_shapes_load_without_their_values(tmp_path):
    with torch.device("meta"):
        network = CollaborativeUNet()
    files = {kind: {} for kind in (UNET, MOTION_MODULE, CAMERA_CONTROL, CROSS_VIEW)}
    for name, parameter in network.named_parameters():
        kind, key = official_name(name)
        files[kind][key] = torch.empty(parameter.shape, device="meta")
    loaded = from_released(**write(tmp_path, files))
    assert loaded.config.block_out_channels == (320, 640, 1280, 1280) and loaded.config.cross_attention_dim == 768
    assert sum(p.numel() for p in loaded.parameters()) == sum(p.numel() for p in network.parameters())
    assert {buffer.device.type for buffer in loaded.buffers()} == {"cpu"}
