"""Identify a file of the released weights, check that it is complete, and read its network's sizes."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from accelerate import init_empty_weights
from torch import Size, Tensor

from cvd3d.model.official_names import (
    CAMERA_CONTROL,
    CROSS_VIEW,
    DESCRIPTIONS,
    LDM_UNET,
    LORA,
    MOTION_MODULE,
    UNET,
    is_table,
    listed,
    lora_halves,
    official_shapes,
    recognize,
)
from cvd3d.model.tensor_files import folder_config, read_tensors, weights_file
from cvd3d.model.unet import CollaborativeUNet
from cvd3d.weights.catalog import ITEMS
from cvd3d.weights.parts import (
    check_folder,
    check_together,
    is_stable_diffusion,
    load_autoencoder,
    load_text_encoder,
    load_tokenizer,
)
from cvd3d.weights.registry import Entry, stamp
from trajectories import InputError

ITEM = {MOTION_MODULE: "motion-module", CAMERA_CONTROL: "camera-control", CROSS_VIEW: "cross-view", UNET: "unet"}
GROUPS = 32  # groups of every group norm; widths are multiples of it
POSITIONS = 32  # frames of AnimateDiff v3's positional encoding; the first version has 24
NAMED = 4  # at most this many keys are named in an error

# For each level (first {}) and layer (second {}), a tensor whose first dimension is the level's width.
_BLOCK = "down_blocks.{}.motion_modules.{}.temporal_transformer."
_LEVEL = {
    UNET: "down_blocks.{}.resnets.{}.conv1.weight",
    MOTION_MODULE: _BLOCK + "norm.weight",
    CAMERA_CONTROL: _BLOCK + "transformer_blocks.0.attention_blocks.0.processor.qkv_merge.weight",
    CROSS_VIEW: "down_blocks.{}.epi_modules.{}.epi_transformer.norm.weight",
    LORA: "down_blocks.{}.attentions.{}.transformer_blocks.0.attn1.processor.to_q_lora.up.weight",
}
_LORA_TEXT = "down_blocks.0.attentions.0.transformer_blocks.0.attn2.processor.to_k_lora.down.weight"
_UNET_TEXT = "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.weight"


def inspect(path: str | Path, advance: Callable[[int], None] = lambda count: None) -> Entry:
    """Identify a file by its keys, and check that every key is present with the right shape and finite values.

    Args:
        path: a file of one of the released weights, a diffusers UNet folder, or a diffusers folder of SD 1.5.
        advance: called with the number of bytes of each read; in total twice the size of the files.

    Raises:
        InputError: not one of the released weights, or a damaged file.
    """
    path = Path(os.path.abspath(path))  # not resolved, because the hub's cache consists of links
    if path.is_dir() and is_stable_diffusion(path):
        item, files, sizes = "sd", stable_diffusion_files(path), _stable_diffusion(path)
    else:
        files = _part_files(path) if path.is_dir() else [path]
        item, sizes = _single(path)
    advance(sum(file.stat().st_size for file in files))
    stamps = {file.relative_to(path).as_posix(): stamp(file, advance) for file in files}
    return Entry(item, path, stamps, sizes)


def bytes_of(path: str | Path) -> int:
    """The total size of the files that `inspect` reads; 0 for a path that it refuses."""
    path = Path(path)
    try:
        if path.is_dir():
            files = stable_diffusion_files(path) if is_stable_diffusion(path) else _part_files(path)
            return sum(file.stat().st_size for file in files)
        return path.stat().st_size
    except (InputError, OSError):
        return 0


def stable_diffusion_files(folder: Path) -> list[Path]:
    """The files that are used of a diffusers folder of SD 1.5.

    Raises:
        InputError: a part or its weights are missing.
    """
    check_folder(folder)
    tokenizer = sorted(file for file in (folder / "tokenizer").iterdir() if file.is_file())
    return [file for part in ("unet", "vae", "text_encoder") for file in _part_files(folder / part)] + tokenizer


def _part_files(folder: Path) -> list[Path]:
    config = folder / "config.json"
    return [*([config] if config.is_file() else []), weights_file(folder)]


def _stable_diffusion(folder: Path) -> dict[str, Any]:
    """Check all parts of SD 1.5 and that they match each other."""
    item, sizes = _single(folder / "unet")
    if item != "unet":
        raise InputError(f"{folder / 'unet'} is {ITEMS[item].title}; it must be the UNet of SD 1.5.")
    heads = folder_config(folder / "unet").get("attention_head_dim", 8)
    if not isinstance(heads, int):
        raise InputError(f"{folder / 'unet'} has {heads} heads by level; SD 1.5 has one number, so this is another SD.")
    check_together(
        folder / "unet", sizes["in_channels"], sizes["cross_attention_dim"], load_autoencoder(folder / "vae"),
        load_text_encoder(folder / "text_encoder"), load_tokenizer(folder / "tokenizer"),
    )  # fmt: skip
    return sizes


def _single(path: Path) -> tuple[str, dict[str, Any]]:
    """The name of one file's item in the catalog, and the sizes of its network."""
    tensors = read_tensors(path)
    kind = recognize(tensors)
    if kind is None:
        keys = ", ".join(list(tensors)[:2])
        raise InputError(f"{path} is not one of the released weights: it contains {keys} ...; see 'cvd3d weights'.")
    if kind == LORA:
        return _which_lora(tensors, path), _lora_sizes(tensors, path)
    if kind == UNET and any(key.startswith(LDM_UNET) for key in tensors):
        return "unet", _ldm_sizes(tensors, path)
    sizes = _sizes(tensors, kind, path)
    _check_complete(tensors, kind, sizes, path)
    if kind == MOTION_MODULE:
        _check_version(tensors, path)
    return ITEM[kind], sizes


def _sizes(tensors: Mapping[str, Tensor], kind: str, path: Path) -> dict[str, Any]:
    """The options of `CollaborativeUNet` that follow from the shapes of the tensors."""
    widths, layers = _levels(tensors, kind)
    if not widths or any(width % GROUPS for width in widths):
        raise InputError(f"{path} cannot be read as {DESCRIPTIONS[kind]}: it lacks {_LEVEL[kind].format(0, 0)}.")
    sizes: dict[str, Any] = {"block_out_channels": widths, "layers_per_block": layers}
    try:
        if kind == UNET:
            sizes["attention_levels"] = sum(
                f"down_blocks.{i}.attentions.0.norm.weight" in tensors for i in range(len(widths))
            )
            sizes["in_channels"] = tensors["conv_in.weight"].shape[1]
            sizes["out_channels"] = tensors["conv_out.weight"].shape[0]
            sizes["cross_attention_dim"] = tensors[_UNET_TEXT].shape[1]
        if kind == CAMERA_CONTROL:
            sizes["pose_unshuffle"] = round((tensors["encoder_conv_in.weight"].shape[1] / 6) ** 0.5)
            sizes["pose_blocks_per_scale"] = sum(
                re.fullmatch(r"encoder_down_conv_blocks\.0\.\d+\.block1\.weight", key) is not None for key in tensors
            )
    except KeyError as missing:
        raise InputError(
            f"{path} is incomplete: it has the names of {DESCRIPTIONS[kind]} but lacks {missing.args[0]}."
        ) from None
    return sizes


def _levels(tensors: Mapping[str, Tensor], kind: str) -> tuple[list[int], int]:
    """The width of each level, and the number of layers of the first level."""
    name, layers = _LEVEL[kind], 0
    widths: list[int] = []
    while (key := name.format(len(widths), 0)) in tensors:
        widths.append(tensors[key].shape[0])
    while name.format(0, layers) in tensors:
        layers += 1
    return widths, layers


def _check_complete(tensors: Mapping[str, Tensor], kind: str, sizes: dict[str, Any], path: Path) -> None:
    """Compare all keys and shapes with those of a network of these sizes."""
    expected = _expected(kind, sizes)
    found = {key for key in tensors if not is_table(key)}
    missing, unexpected = sorted(expected.keys() - found), sorted(found - expected.keys())
    if missing or unexpected:
        faults = [f"it lacks {listed(missing, NAMED)}"] * bool(missing)
        faults += [f"it has the unexpected {listed(unexpected, NAMED)}"] * bool(unexpected)
        raise InputError(f"{path} has the names of {DESCRIPTIONS[kind]}, but {', and '.join(faults)}.")
    for key, shape in expected.items():
        if tensors[key].shape != shape:
            raise InputError(
                f"{path}: {key} has the shape {tuple(tensors[key].shape)}, and according to the file's other tensors "
                f"it must be {tuple(shape)}; fetch the file again."
            )


def _expected(kind: str, sizes: dict[str, Any]) -> dict[str, Size]:
    """The keys and shapes of a file of this kind, for a network of these sizes."""
    with init_empty_weights():
        network = CollaborativeUNet(**sizes)
    return {key: shape for key, (_, shape) in official_shapes(network)[kind].items()}


def _check_version(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Warn of motion modules of another version, which have the same names."""
    lengths = {tensor.shape[1] for key, tensor in tensors.items() if key.endswith(".pos_encoder.pe")}
    if lengths - {POSITIONS}:
        warnings.warn(
            f"{path} has positions for {min(lengths)} frames; AnimateDiff v3 has {POSITIONS}, so this may be an older "
            "version that CVD was not trained with.",
            stacklevel=2,
        )


def _which_lora(tensors: Mapping[str, Tensor], path: Path) -> str:
    """Which LoRA it is: the RealEstate10K LoRA's rank is half of each width, the domain adapter has one rank."""
    if any(".motion_modules." in key for key in tensors):
        raise InputError(
            f"{path} is a LoRA of motion modules, not of SD's UNet; give it to 'cvd3d weights convert' as "
            "--motion-lora."
        )
    ups = {key: tensor.shape for key, tensor in tensors.items() if key.endswith("to_q_lora.up.weight")}
    if ups and all(rank * 2 == width for width, rank in ups.values()):
        return "image-lora"
    ranks = sorted({rank for _, rank in ups.values()})
    if len(ranks) == 1:
        return "motion-lora"
    raise InputError(
        f"{path} is a LoRA of ranks {', '.join(map(str, ranks))}: neither AnimateDiff's domain adapter (one rank) nor "
        "the RealEstate10K LoRA (half of each width); give it to 'cvd3d weights convert' as --image-lora."
    )


def _lora_sizes(tensors: Mapping[str, Tensor], path: Path) -> dict[str, Any]:
    """As `_sizes`, for the levels with attention; also checks that the up and down halves are complete."""
    _, unmatched = lora_halves(tensors)
    if unmatched:
        raise InputError(
            f"{path} is not a complete LoRA: unknown or without its other half: {listed(unmatched, NAMED)}."
        )
    widths, layers = _levels(tensors, LORA)
    sizes: dict[str, Any] = {"block_out_channels": widths, "layers_per_block": layers, "attention_levels": len(widths)}
    if _LORA_TEXT in tensors:
        sizes["cross_attention_dim"] = tensors[_LORA_TEXT].shape[1]
    return sizes


def _ldm_sizes(tensors: Mapping[str, Tensor], path: Path) -> dict[str, Any]:
    """As `_sizes`, for files with SD's original names; their keys are checked when the file is converted."""
    ops = {}
    text = None
    for key, tensor in tensors.items():
        if match := re.fullmatch(re.escape(LDM_UNET) + r"input_blocks\.(\d+)\.0\.op\.weight", key):
            ops[int(match.group(1))] = tensor.shape[0]
        if text is None and key.endswith("attn2.to_k.weight"):
            text = tensor.shape[1]
    try:
        last = tensors[LDM_UNET + "middle_block.0.in_layers.2.weight"].shape[0]
        channels = tensors[LDM_UNET + "input_blocks.0.0.weight"].shape[1]
    except KeyError as missing:
        raise InputError(f"{path} has the names of SD's original file but lacks {missing.args[0]}.") from None
    if not ops or text is None:
        raise InputError(
            f"{path} has the names of SD's original file but no downsampling or no cross-attention layer; fetch it "
            "again."
        )
    return {
        "block_out_channels": [*(ops[i] for i in sorted(ops)), last], "layers_per_block": min(ops) - 1,
        "cross_attention_dim": text, "in_channels": channels,
    }  # fmt: skip
