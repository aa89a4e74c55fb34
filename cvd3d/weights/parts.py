"""Load and check the parts of a diffusers folder of SD 1.5 other than the UNet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL
from safetensors import SafetensorError
from torch import nn
from transformers import AutoTokenizer, CLIPTextModel, PreTrainedTokenizerBase

from cvd3d.sampling.quiet import quiet
from trajectories import InputError

PARTS = ("unet", "vae", "text_encoder", "tokenizer")


def is_stable_diffusion(path: Path) -> bool:
    """Whether the folder looks like a diffusers pipeline."""
    return (path / "unet").is_dir() or (path / "model_index.json").is_file()


def check_folder(folder: Path) -> None:
    """Refuse a folder that lacks a part.

    Raises:
        InputError: no folder, or missing parts, which are named.
    """
    if not folder.is_dir():
        raise InputError(f"There is no folder {folder}; give a diffusers folder of SD 1.5.")
    missing = [part for part in PARTS if not (folder / part).is_dir()]
    if missing:
        raise InputError(f"{folder} lacks {', '.join(missing)}; give a complete diffusers folder of SD 1.5.")


def load_autoencoder(folder: Path) -> AutoencoderKL:
    """Load SD's autoencoder from its folder, in float32.

    Raises:
        InputError: another kind of part, a damaged file, missing tensors, or values that are not finite.
    """
    names = {file.name for file in folder.glob("*.safetensors")}
    variant = None if "diffusion_pytorch_model.safetensors" in names else "fp16"
    return _checked(AutoencoderKL, folder, variant=variant)


def load_text_encoder(folder: Path) -> CLIPTextModel:
    """Load SD's text encoder from its folder, in float32.

    Raises:
        InputError: as `load_autoencoder`.
    """
    return _checked(CLIPTextModel, folder).float()


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """Load SD's tokenizer from its folder.

    Raises:
        InputError: the tokenizer cannot be loaded.
    """
    try:
        with quiet():
            return AutoTokenizer.from_pretrained(folder)
    except Exception as error:  # the tokenizers library raises plain exceptions
        raise InputError(f"The tokenizer in {folder} cannot be loaded: {_first_line(error)}") from None


def _checked(kind: Any, folder: Path, **options: Any) -> Any:
    try:
        with quiet():
            part, report = kind.from_pretrained(folder, output_loading_info=True, use_safetensors=True, **options)
    except (OSError, ValueError, TypeError, RuntimeError, SafetensorError) as error:
        raise InputError(f"{folder} is not a complete {kind.__name__}: {_first_line(error)}") from None
    if report["missing_keys"]:
        raise InputError(f"{folder} lacks {sorted(report['missing_keys'])[0]}; fetch it again.")
    check_finite(part, folder)
    return part.eval().requires_grad_(False)


def check_together(
    unet: Path,
    in_channels: int,
    text_width: int,
    vae: AutoencoderKL,
    text_encoder: CLIPTextModel,
    tokenizer: PreTrainedTokenizerBase,
) -> None:
    """Refuse parts of different models.

    Raises:
        InputError: the UNet's input sizes differ from the autoencoder's or text encoder's, or the tokenizer has more
            tokens than the text encoder.
    """
    for what, taken, given in (
        ("latents of {} channels and the autoencoder", in_channels, vae.config.latent_channels),
        ("text features of width {} and the text encoder", text_width, text_encoder.config.hidden_size),
    ):
        if taken != given:
            raise InputError(f"{unet} takes {what.format(taken)} gives {given}; they are of different models.")
    tokens, embedded = len(tokenizer), text_encoder.config.vocab_size
    if tokens > embedded:
        raise InputError(
            f"The tokenizer next to {unet} has {tokens} tokens and the text encoder {embedded}; they are of different "
            "models."
        )


def check_finite(part: nn.Module, path: Path) -> None:
    """Refuse weights with values that are not finite.

    Raises:
        InputError: names the first such tensor.
    """
    for name, tensor in part.state_dict().items():
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise InputError(f"{path}: {name} has values that are not finite; fetch the file again.")


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
