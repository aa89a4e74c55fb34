"""Reads checkpoints of other projects as flat dictionaries of tensors, without executing code in a pickle."""

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
    """All tensors of a .safetensors, .ckpt, .pth, .pt or .bin file, or of the folder of a diffusers component, by name.

    Other training state (step, optimizer) is skipped. The dictionaries in which the projects wrap their tensors are
    merged, and the prefix "module." of distributed training is removed.

    Raises:
        InputError: the file is missing, damaged or of another kind, contains code, or has values that are not finite.
    """
    path = weights_file(path)
    found = _read_safetensors(path) if path.suffix == ".safetensors" else _read_pickle(path)
    if not found:
        raise InputError(f"{path} holds no tensors; give a checkpoint file with weights.")
    tensors = {name.removeprefix("module."): tensor for name, tensor in found.items()}
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not tensor.is_meta and not torch.isfinite(tensor).all():
            raise InputError(f"{path}: {name} has values that are not finite; fetch the file again.")
    return tensors


def weights_file(path: str | Path) -> Path:
    """The path itself if it is a file, or the weights file of a diffusers component's folder.

    Raises:
        InputError: neither exists, or the file's suffix is not one of a checkpoint.
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
        raise InputError(f"{path} is not a checkpoint file; its suffix must be one of {', '.join(SUFFIXES)}.")
    return path


def folder_config(path: str | Path) -> dict:
    """The config.json in the folder of a diffusers component; empty for a single file.

    Raises:
        InputError: the config is missing or not JSON.
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
        raise InputError(f"{path} is not a complete safetensors file; fetch it again.") from None


def _read_pickle(path: Path) -> dict[str, Tensor]:
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if "global" in str(error).lower():  # torch's word for a function that the pickle calls
            raise InputError(
                f"{path} carries code besides its weights and was not opened; get it as safetensors."
            ) from None
        raise InputError(f"{path} is damaged or not a checkpoint; fetch it again.") from None
    except (RuntimeError, EOFError, OSError, ValueError, KeyError, zipfile.BadZipFile):
        raise InputError(f"{path} is damaged or not a checkpoint; fetch it again.") from None
    if not isinstance(content, dict):
        raise InputError(f"{path} holds a {type(content).__name__}, not a dictionary of tensors.")
    tables = [content[name] for name in WRAPPERS if isinstance(content.get(name), dict)] or [content]
    return {name: value for table in tables for name, value in table.items() if isinstance(value, Tensor)}
