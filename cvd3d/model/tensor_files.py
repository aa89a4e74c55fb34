"""Checkpoints of other projects, read as flat tables of named tensors; code in a pickle is never run."""

from __future__ import annotations

import json
import pickle
import zipfile
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from trajectories import InputError

SUFFIXES = (".safetensors", ".ckpt", ".pth", ".pt", ".bin")
WEIGHTS_NAMES = ("diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.fp16.safetensors", "model.safetensors")
WRAPPERS = (
    "state_dict", "unet_trainable_dict", "lora_state_dict", "pose_encoder_state_dict", "attention_processor_state_dict",
)  # fmt: skip


def read_tensors(path: str | Path) -> dict[str, Tensor]:
    """All tensors of a .safetensors, .ckpt, .pth, .pt or .bin file, or of a diffusers part's folder, by name.

    What training left beside them (step, optimizer) is skipped, and the tables in which the projects wrap their tensors
    are merged; a "module." of distributed training is taken off.

    Raises:
        InputError: a file that is missing, damaged or of another kind, that carries code, or whose numbers are not all
            finite.
    """
    path = weights_file(path)
    found = _read_safetensors(path) if path.suffix == ".safetensors" else _read_pickle(path)
    if not found:
        raise InputError(f"{path} holds no tensors; give a checkpoint's weights.")
    tensors = {name.removeprefix("module."): tensor for name, tensor in found.items()}
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not tensor.is_meta and not torch.isfinite(tensor).all():
            raise InputError(f"{path}: {name} holds numbers that are not finite; fetch the file again.")
    return tensors


def weights_file(path: str | Path) -> Path:
    """The file itself, or the weights of a diffusers part's folder.

    Raises:
        InputError: neither is there, or a kind of file that holds no weights.
    """
    path = Path(path)
    if path.is_dir():
        for name in WEIGHTS_NAMES:
            if (path / name).is_file():
                return path / name
        raise InputError(f"The folder {path} holds no weights; it should have {WEIGHTS_NAMES[0]}.")
    if not path.is_file():
        raise InputError(f"There is no file {path}.")
    if path.suffix not in SUFFIXES:
        raise InputError(f"{path} is no checkpoint by its name; its suffix must be one of {', '.join(SUFFIXES)}.")
    return path


def folder_config(path: str | Path) -> dict:
    """The config.json of a diffusers part's folder; empty for a single file.

    Raises:
        InputError: a folder whose config is missing or not JSON.
    """
    path = Path(path)
    if not path.is_dir():
        return {}
    try:
        config = json.loads((path / "config.json").read_text())
    except (OSError, ValueError):
        config = None
    if not isinstance(config, dict):
        raise InputError(f"{path / 'config.json'} is missing or is not JSON; {path} should be a diffusers folder.")
    return config


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError):
        raise InputError(f"{path} is not a whole safetensors file; fetch it again.") from None


def _read_pickle(path: Path) -> dict[str, Tensor]:
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if "global" in str(error).lower():  # torch's word for a function that the pickle wants to call
            raise InputError(
                f"{path} carries code besides its weights and was not opened; get it as safetensors."
            ) from None
        raise InputError(f"{path} is damaged or no checkpoint; fetch it again.") from None
    except (RuntimeError, EOFError, OSError, ValueError, KeyError, zipfile.BadZipFile):
        raise InputError(f"{path} is damaged or no checkpoint; fetch it again.") from None
    if not isinstance(content, dict):
        raise InputError(f"{path} holds no table of tensors but a {type(content).__name__}.")
    tables = [content[name] for name in WRAPPERS if isinstance(content.get(name), dict)] or [content]
    return {name: value for table in tables for name, value in table.items() if isinstance(value, Tensor)}
