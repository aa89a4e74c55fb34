"""Loads the weight files released for SD, AnimateDiff, CameraCtrl and CVD into one `CollaborativeUNet`."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from accelerate import init_empty_weights
from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint
from torch import Tensor

from cvd3d.model.attention import sinusoidal_positions
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
from cvd3d.model.tensor_files import folder_config, read_tensors
from cvd3d.model.unet import CollaborativeUNet
from trajectories import InputError

HEADS = 8  # of every attention layer in SD 1.5, AnimateDiff, CameraCtrl and CVD; cannot be derived from the weights
FRAMES = 16  # the number of frames in the training of the motion modules and the pose encoder
NAMED = 6  # at most this many keys are listed in an error


def from_released(
    unet: str | Path,
    motion_module: str | Path,
    camera_control: str | Path,
    cross_view: str | Path,
    image_lora: str | Path | None = None,
    motion_lora: str | Path | None = None,
) -> CollaborativeUNet:
    """Build a network of the sizes found in the files, and load the files into it in float32.

    Each argument is a .safetensors, .ckpt or .pth file in its authors' layout. The pixel offset of the epipolar masks
    and the reference frame of the poses are those of the released weights' training.

    Args:
        unet: SD 1.5 or a fine-tune of it: a diffusers folder, a file with its keys, or SD's original single file.
        motion_module: AnimateDiff v3.
        camera_control: CameraCtrl: the pose encoder and the projections that merge its features.
        cross_view: CVD.
        image_lora: merged into the spatial attention layers, such as CameraCtrl's RealEstate10K LoRA.
        motion_lora: merged in the same way, such as AnimateDiff's domain adapter, or a LoRA of the motion modules.

    Raises:
        InputError: a file of another kind, a missing or unexpected key, or a tensor of another shape; the message names
            it.
    """
    paths = {UNET: unet, MOTION_MODULE: motion_module, CAMERA_CONTROL: camera_control, CROSS_VIEW: cross_view}
    files = {kind: _read(path, kind) for kind, path in paths.items()}
    for lora in (image_lora, motion_lora):
        if lora is not None:
            _merge_lora(files, lora)
    with init_empty_weights():
        network = CollaborativeUNet(**_sizes(files, paths))
    expected = official_shapes(network)
    state: dict[str, Tensor] = {}
    for kind, path in paths.items():
        tables = {key for key in files[kind] if is_table(key)}
        _check_tables(files[kind], tables, path)
        _check_keys(expected[kind].keys(), files[kind].keys() - tables, kind, path)
        for key, (name, shape) in expected[kind].items():
            tensor = files[kind][key]
            if tensor.shape != shape:
                raise InputError(
                    f"{path}: {key} has the shape {tuple(tensor.shape)}, and the network's is {tuple(shape)}; "
                    "the files belong to networks of different sizes."
                )
            state[name] = tensor.float()
    network.load_state_dict({**network.state_dict(), **state}, assign=True)
    return network.eval()


def _read(path: str | Path, kind: str) -> dict[str, Tensor]:
    """The tensors of a file of this kind; a UNet's keys in diffusers' layout."""
    tensors = read_tensors(path)
    found = recognize(tensors)
    if found != kind:
        what = "not a file that cvd3d recognizes" if found is None else DESCRIPTIONS[found]
        raise InputError(f"{path} is {what}; expected {DESCRIPTIONS[kind]}.")
    if kind == UNET and any(key.startswith(LDM_UNET) for key in tensors):
        return _from_ldm(tensors, path)
    return tensors


def _from_ldm(tensors: dict[str, Tensor], path: str | Path) -> dict[str, Tensor]:
    """Convert SD's original keys to diffusers'; the text encoder and the autoencoder of the same file are skipped."""
    downsamplers = [
        int(match.group(1))
        for key in tensors
        if (match := re.fullmatch(re.escape(LDM_UNET) + r"input_blocks\.(\d+)\.0\.op\.weight", key))
    ]
    if not downsamplers:
        raise InputError(f"{path} has SD's names but no downsampling layer; fetch it again.")
    layers = min(downsamplers) - 1  # input_blocks.0 is conv_in
    return convert_ldm_unet_checkpoint(tensors, {"layers_per_block": layers})


def _merge_lora(files: dict[str, dict[str, Tensor]], path: str | Path) -> None:
    """Add up @ down to the weights that a LoRA names, without scaling: the official files contain no alpha."""
    halves, unknown = lora_halves(_read(path, LORA))
    for weight, half in halves.items():
        holder = next((tensors for tensors in files.values() if weight in tensors), None)
        if holder is None:
            unknown.append(weight)
            continue
        up, down = half["up"].float(), half["down"].float()
        if up.shape[1] != down.shape[0] or (up.shape[0], down.shape[1]) != holder[weight].shape:
            raise InputError(
                f"{path}: the LoRA matrices for {weight} are {tuple(up.shape)} and {tuple(down.shape)}, and the weight "
                f"is {tuple(holder[weight].shape)}; the LoRA belongs to a network of another size."
            )
        holder[weight] = holder[weight].float() + up @ down
    if unknown:
        raise InputError(f"{path}: the network has no parameter for {listed(unknown, NAMED)}.")


def _sizes(files: dict[str, dict[str, Tensor]], paths: dict[str, str | Path]) -> dict[str, Any]:
    """The options of `CollaborativeUNet` derived from the weights."""
    unet, config = files[UNET], folder_config(paths[UNET])

    def shape(kind: str, key: str) -> torch.Size:
        if key not in files[kind]:
            raise InputError(f"{paths[kind]} lacks {key}; it is not a complete file of {DESCRIPTIONS[kind]}.")
        return files[kind][key].shape

    levels = _count(unet, r"down_blocks\.(\d+)\.resnets\.0\.conv1\.weight")
    attends = [f"down_blocks.{i}.attentions.0.norm.weight" in unet for i in range(levels)]
    if attends != sorted(attends, reverse=True) or not any(attends):
        raise InputError(f"{paths[UNET]}: its attention layers are at other levels than SD 1.5's.")
    heads = config.get("num_attention_heads") or config.get("attention_head_dim") or HEADS
    if not isinstance(heads, int):
        raise InputError(f"{paths[UNET]}: attention_head_dim in its config.json is {heads}; SD 1.5's is one number.")
    first = "encoder_down_attention_blocks.0.0.attention_blocks.0.pos_encoder.pe"
    positions = [files[CAMERA_CONTROL][first].shape[1]] if first in files[CAMERA_CONTROL] else [FRAMES]
    positions += [t.shape[1] for key, t in files[MOTION_MODULE].items() if is_table(key)]
    rays = shape(CAMERA_CONTROL, "encoder_conv_in.weight")[1] / 6
    return {
        "in_channels": shape(UNET, "conv_in.weight")[1],
        "out_channels": shape(UNET, "conv_out.weight")[0],
        "block_out_channels": tuple(
            shape(UNET, f"down_blocks.{i}.resnets.0.conv1.weight")[0] for i in range(levels)
        ),
        "attention_levels": sum(attends),
        "layers_per_block": _count(unet, r"down_blocks\.0\.resnets\.(\d+)\.conv1\.weight"),
        "cross_attention_dim": shape(UNET, "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.weight")[1],
        "num_attention_heads": heads,
        "motion_num_attention_heads": HEADS,
        "motion_max_seq_length": min(positions),
        "cross_view_num_attention_heads": HEADS,
        "norm_num_groups": config.get("norm_num_groups") or 32,
        "pose_unshuffle": round(rays**0.5),
        "pose_blocks_per_scale": _count(
            files[CAMERA_CONTROL], r"encoder_down_conv_blocks\.0\.(\d+)\.block1\.weight"
        ),
        "pose_frame": "first",
        "mask_pixel_offset": -0.5,
    }  # fmt: skip


def _count(tensors: dict[str, Tensor], pattern: str) -> int:
    """The number of keys that match."""
    return sum(re.fullmatch(pattern, key) is not None for key in tensors)


def _check_keys(expected: Iterable[str], found: Iterable[str], kind: str, path: str | Path) -> None:
    missing, unexpected = sorted(set(expected) - set(found)), sorted(set(found) - set(expected))
    if missing or unexpected:
        faults = [f"it lacks {listed(missing, NAMED)}"] * bool(missing)
        faults += [f"the network has no parameter for {listed(unexpected, NAMED)}"] * bool(unexpected)
        raise InputError(f"{path} is not {DESCRIPTIONS[kind]} that fit the other files: {', and '.join(faults)}.")


def _check_tables(tensors: dict[str, Tensor], tables: Iterable[str], path: str | Path) -> None:
    """Warn if a file's positional encoding differs from the sinusoidal one that the network computes."""
    for key in sorted(tables):
        table = tensors[key]
        if not key.endswith(".pe") or table.is_meta:
            continue
        if table.ndim != 3 or not torch.allclose(table.float(), sinusoidal_positions(*table.shape[1:]), atol=1e-3):
            warnings.warn(f"{path}: {key} is not the sinusoidal encoding and is ignored.", stacklevel=4)
            return
