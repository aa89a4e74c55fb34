"""The parts of a diffusers folder of SD 1.5 beside its UNet, loaded whole or refused."""

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
    """Whether the folder has the shape of a diffusers pipeline."""
    return (path / "unet").is_dir() or (path / "model_index.json").is_file()


def check_folder(folder: Path) -> None:
    """Refuse a folder that lacks a part.

    Raises:
        InputError: no folder, or parts are missing; by name.
    """
    if not folder.is_dir():
        raise InputError(f"There is no folder {folder}; give a diffusers folder of SD 1.5.")
    missing = [part for part in PARTS if not (folder / part).is_dir()]
    if missing:
        raise InputError(f"{folder} lacks {', '.join(missing)}; give a whole diffusers folder of SD 1.5.")


def load_autoencoder(folder: Path) -> AutoencoderKL:
    """SD's autoencoder from its part's folder, in float32.

    Raises:
        InputError: another kind of part, a damaged file, missing tensors, or numbers that are not finite.
    """
    names = {file.name for file in folder.glob("*.safetensors")}
    variant = None if "diffusion_pytorch_model.safetensors" in names else "fp16"
    return _checked(AutoencoderKL, folder, variant=variant)


def load_text_encoder(folder: Path) -> CLIPTextModel:
    """SD's text encoder from its part's folder, in float32.

    Raises:
        InputError: as `load_autoencoder`.
    """
    return _checked(CLIPTextModel, folder).float()


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """SD's tokenizer from its part's folder.

    Raises:
        InputError: it does not load.
    """
    try:
        with quiet():
            return AutoTokenizer.from_pretrained(folder)
    except Exception as error:  # the tokenizers library raises plain exceptions
        raise InputError(f"{folder} is not a tokenizer that loads: {_first_line(error)}") from None


def _checked(kind: Any, folder: Path, **options: Any) -> Any:
    try:
        with quiet():
            part, said = kind.from_pretrained(folder, output_loading_info=True, use_safetensors=True, **options)
    except (OSError, ValueError, TypeError, RuntimeError, SafetensorError) as error:
        raise InputError(f"{folder} is not a whole {kind.__name__}: {_first_line(error)}") from None
    if said["missing_keys"]:
        raise InputError(f"{folder} lacks {sorted(said['missing_keys'])[0]}; fetch it again.")
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
        InputError: names the UNet's file and what it takes, or the sizes of tokenizer and text encoder.
    """
    for what, taken, given in (
        ("latents of {} channels and the autoencoder", in_channels, vae.config.latent_channels),
        ("text {} wide and the text encoder", text_width, text_encoder.config.hidden_size),
    ):
        if taken != given:
            raise InputError(f"{unet} takes {what.format(taken)} gives {given}; they are of different models.")
    words, known = len(tokenizer), text_encoder.config.vocab_size
    if words > known:
        raise InputError(
            f"The tokenizer beside {unet} has {words} words and the text encoder knows {known}; they are of different "
            "models."
        )


def check_finite(part: nn.Module, path: Path) -> None:
    """Refuse weights with numbers that are not finite.

    Raises:
        InputError: names the first.
    """
    for name, tensor in part.state_dict().items():
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise InputError(f"{path}: {name} holds numbers that are not finite; fetch the file again.")


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
