"""Small random files in the layouts of the released weights (CVD.md's key lists)."""

import json
from types import SimpleNamespace

import pytest
import torch
from diffusers import AutoencoderKL
from safetensors.torch import save_file

from cvd3d.model import CollaborativeUNet
from cvd3d.model.official_names import CAMERA_CONTROL, CROSS_VIEW, MOTION_MODULE, UNET
from cvd3d.model.text import small_text_encoder, word_tokenizer

SMALL = {
    "block_out_channels": (32, 64, 64), "attention_levels": 2, "layers_per_block": 2, "cross_attention_dim": 24,
    "motion_max_seq_length": 16, "pose_unshuffle": 2, "pose_frame": "first", "mask_pixel_offset": -0.5,
}  # fmt: skip


@pytest.fixture(autouse=True)
def registry(tmp_path, monkeypatch):
    """The file of an empty registry for each test."""
    monkeypatch.setenv("CVD3D_WEIGHTS", str(tmp_path / "registry"))
    return tmp_path / "registry" / "weights.json"


@pytest.fixture(scope="session")
def small_network():
    """`small_network(seed, **options)`: a network in the released layout, without zero-initialized modules."""

    def make(seed=3, awake=True, **options):
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            torch.manual_seed(seed)
            network = CollaborativeUNet(**{**SMALL, **options}).eval().requires_grad_(False)
            for p in network.parameters():
                if awake and not p.any():
                    p.normal_(std=0.2)
        return network

    return make


@pytest.fixture(scope="session")
def write_official(official):
    """`write_official(folder, network)`: write the files in the authors' layouts; their paths by catalog name."""

    def write(folder, network):
        files = official(network)
        control = files[CAMERA_CONTROL]
        contents = {
            "v3_sd15_mm.ckpt": files[MOTION_MODULE],
            "CameraCtrl.ckpt": {
                "epoch": 0,
                "pose_encoder_state_dict": {k: t for k, t in control.items() if k.startswith("encoder_")},
                "attention_processor_state_dict": {k: t for k, t in control.items() if "qkv_merge" in k},
            },
            "CVD.ckpt": {"global_step": 5, "unet_trainable_dict": files[CROSS_VIEW]},
            "v3_sd15_adapter.ckpt": lora(files[UNET], lambda width: 2),
            "RealEstate10K_LoRA.ckpt": {"lora_state_dict": lora(files[UNET], lambda width: width // 2)},
        }
        for name, content in contents.items():
            torch.save(content, folder / name)
        names = ("motion-module", "camera-control", "cross-view", "motion-lora", "image-lora")
        return {"sd": stable_diffusion(folder / "sd", files[UNET]), **dict(zip(names, map(folder.joinpath, contents)))}

    return write


@pytest.fixture(scope="session")
def released(tmp_path_factory, small_network, write_official):
    """Shared files that tests must not change; paths by catalog name."""
    return write_official(tmp_path_factory.mktemp("released"), small_network())


@pytest.fixture
def own(tmp_path, small_network, write_official):
    """A separate copy of the files for a test that changes them."""
    folder = tmp_path / "own"
    folder.mkdir()
    return write_official(folder, small_network())


@pytest.fixture(scope="session")
def parts():
    """`parts(seed)`: a tiny autoencoder, text encoder and tokenizer."""
    return small_parts


def lora(unet, rank):
    """A LoRA for all spatial attention layers; the rank is a function of the width."""
    generator = torch.Generator().manual_seed(8)
    tensors = {}
    for key, weight in unet.items():
        block, _, layer = key.rpartition(".to_")
        if ".attn" in block and key.endswith(".weight"):
            name, width = layer.split(".")[0], weight.shape[0]
            for side, shape in (("down", (rank(width), weight.shape[1])), ("up", (width, rank(width)))):
                tensors[f"{block}.processor.to_{name}_lora.{side}.weight"] = 0.1 * torch.randn(
                    shape, generator=generator
                )
    return tensors


def small_parts(seed=0):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        tokenizer = word_tokenizer(["a", "red", "cube", "on", "green", "grass"], max_tokens=8)
        text_encoder = small_text_encoder(tokenizer, dim=24, layers=1, heads=2)
        vae = AutoencoderKL(
            down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2,
            block_out_channels=(8, 16), layers_per_block=1, latent_channels=4, norm_num_groups=4, sample_size=16,
            scaling_factor=0.18215,
        )  # fmt: skip
    return SimpleNamespace(tokenizer=tokenizer, text_encoder=text_encoder, vae=vae)


def stable_diffusion(folder, unet):
    """A diffusers folder with the layout of SD 1.5."""
    parts = small_parts()
    (folder / "unet").mkdir(parents=True)
    save_file(unet, folder / "unet" / "diffusion_pytorch_model.safetensors")
    config = {"_class_name": "UNet2DConditionModel", "attention_head_dim": 8, "norm_num_groups": 32}
    (folder / "unet" / "config.json").write_text(json.dumps(config))
    parts.vae.save_pretrained(folder / "vae")
    parts.text_encoder.save_pretrained(folder / "text_encoder")
    parts.tokenizer.save_pretrained(folder / "tokenizer")
    return folder
