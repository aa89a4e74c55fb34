"""The released weights of the paper's model, and where they are published."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Hub:
    """Files on the Hugging Face hub."""

    repository: str
    files: tuple[str, ...]

    @property
    def page(self) -> str:
        """The repository's page."""
        return f"https://huggingface.co/{self.repository}"


@dataclass(frozen=True)
class Item:
    """One of the released weights."""

    name: str
    """The name of its option of `cvd3d weights convert`."""
    title: str
    role: str
    """What it does in the model."""
    published: str
    """The page that it is published on."""
    license: str
    size: str
    """Approximate size of the download."""
    needed: bool = True
    """False if it is optional."""
    hub: Hub | None = None
    """Where it is on the Hugging Face hub, if it is there."""

    @property
    def address(self) -> str:
        """The page, and the name of the file on it if it is a single file."""
        return f"{self.published}  {self.hub.files[0]}" if self.hub and len(self.hub.files) == 1 else self.published


STABLE_DIFFUSION = Hub(
    "stable-diffusion-v1-5/stable-diffusion-v1-5",
    (
        "unet/config.json", "unet/diffusion_pytorch_model.safetensors",
        "vae/config.json", "vae/diffusion_pytorch_model.safetensors",
        "text_encoder/config.json", "text_encoder/model.safetensors",
        "tokenizer/merges.txt", "tokenizer/vocab.json", "tokenizer/special_tokens_map.json",
        "tokenizer/tokenizer_config.json",
    ),
)  # fmt: skip
MOTION = Hub("guoyww/animatediff", ("v3_sd15_mm.ckpt",))
ADAPTER = Hub("guoyww/animatediff", ("v3_sd15_adapter.ckpt",))
CAMERA = Hub("hehao13/CameraCtrl", ("CameraCtrl.ckpt",))
REAL_ESTATE = Hub("hehao13/CameraCtrl", ("RealEstate10K_LoRA.ckpt",))

# Sizes of the float32 tensors; "+" marks checkpoints that may also contain the optimizer's state.
_ITEMS = (
    Item(
        "sd", "Stable Diffusion 1.5", "images from text; a diffusers folder",
        STABLE_DIFFUSION.page, "CreativeML OpenRAIL-M", "4.3 GB", hub=STABLE_DIFFUSION,
    ),
    Item(
        "motion-module", "AnimateDiff v3 motion module", "motion that is consistent over time",
        MOTION.page, "see its publishers", "1.7 GB", hub=MOTION,
    ),
    Item(
        "motion-lora", "AnimateDiff v3 domain adapter", "merged into SD 1.5",
        ADAPTER.page, "see its publishers", "97 MB", hub=ADAPTER,
    ),
    Item(
        "camera-control", "CameraCtrl", "control of the camera paths",
        CAMERA.page, "MIT", "0.9 GB +", hub=CAMERA,
    ),
    Item(
        "cross-view", "CVD", "videos that are consistent with each other",
        "https://drive.google.com/file/d/1z6cR3PbqnrlVjXJJlk6AYxdl8z18hvtL",
        "none published", "1.7 GB +",
    ),
    Item(
        "image-lora", "RealEstate10K LoRA", "the look of RealEstate10K's rooms and houses",
        REAL_ESTATE.page, "MIT", "385 MB", needed=False, hub=REAL_ESTATE,
    ),
    Item(
        "unet", "a fine-tune of SD 1.5", "another style; a file, or a UNet folder",
        "by its author", "by its author", "2-7 GB", needed=False,
    ),
)  # fmt: skip
ITEMS = {item.name: item for item in _ITEMS}
