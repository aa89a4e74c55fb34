"""Parameter names in the released weight files (see CVD.md), and detection of the kind of file from its keys."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from torch import Size, Tensor, nn

UNET, MOTION_MODULE, CAMERA_CONTROL, CROSS_VIEW, LORA = (
    "unet", "motion module", "camera control", "cross-view", "LoRA",
)  # fmt: skip
LDM_UNET = "model.diffusion_model."  # the prefix in SD's original single-file layout

DESCRIPTIONS = {
    UNET: "an SD 1.5 UNet",
    MOTION_MODULE: "AnimateDiff motion modules",
    CAMERA_CONTROL: "CameraCtrl's pose encoder and its projections",
    CROSS_VIEW: "CVD's cross-view modules",
    LORA: "a LoRA",
}

_MODULE = re.compile(r"(?P<block>.*)\.motion_modules\.(?P<index>\d+)\.(?P<module>motion|cross_view)\.(?P<rest>.*)")
_BLOCK = "transformer_blocks.0."
_LAYERS = (("attn1.", "attention_blocks.0."), ("attn2.", "attention_blocks.1."), ("norm1.", "norms.0."),
           ("norm2.", "norms.1."), ("norm3.", "ff_norm."), ("ff.", "ff."))  # fmt: skip


def official_name(name: str) -> tuple[str, str]:
    """The kind of file that holds a parameter of `CollaborativeUNet`, and its key there."""
    if name.startswith("pose_encoder."):
        return CAMERA_CONTROL, _pose_encoder(name.removeprefix("pose_encoder."))
    if (match := _MODULE.fullmatch(name)) is None:
        return UNET, name
    block, index, module, rest = match.group("block", "index", "module", "rest")
    if module == "cross_view":
        return CROSS_VIEW, f"{block}.epi_modules.{index}.epi_transformer.{_transformer(rest)}"
    prefix = f"{block}.motion_modules.{index}.temporal_transformer."
    if rest.startswith("qkv_merge."):
        return CAMERA_CONTROL, f"{prefix}{_BLOCK}attention_blocks.0.processor.{rest}"
    return MOTION_MODULE, prefix + _transformer(rest)


def official_shapes(network: nn.Module) -> dict[str, dict[str, tuple[str, Size]]]:
    """For each kind of file: key -> (our name, shape) of every parameter of a `CollaborativeUNet`."""
    files: dict[str, dict[str, tuple[str, Size]]] = {}
    for name, parameter in network.named_parameters():
        kind, key = official_name(name)
        files.setdefault(kind, {})[key] = name, parameter.shape
    return files


def lora_target(key: str) -> tuple[str, str] | None:
    """The official name of the weight that a LoRA key changes, and "down" or "up"; None for other keys."""
    match = re.fullmatch(r"(.*)\.processor\.to_(q|k|v|out)_lora\.(down|up)\.weight", key)
    if match is None:
        return None
    attention, layer, side = match.groups()
    return f"{attention}.to_{layer}{'.0' if layer == 'out' else ''}.weight", side


def lora_halves(tensors: Mapping[str, Tensor]) -> tuple[dict[str, dict[str, Tensor]], list[str]]:
    """The "up" and "down" matrices of each weight that a LoRA changes, by the weight's official name.

    Returns:
        The complete pairs, and the names that are not LoRA keys or whose other matrix is missing.
    """
    halves: dict[str, dict[str, Tensor]] = {}
    unknown = []
    for key, tensor in tensors.items():
        target = lora_target(key)
        if target is None:
            unknown.append(key)
        else:
            halves.setdefault(target[0], {})[target[1]] = tensor
    incomplete = [weight for weight, half in halves.items() if half.keys() != {"up", "down"}]
    return {weight: half for weight, half in halves.items() if weight not in incomplete}, unknown + incomplete


def is_table(key: str) -> bool:
    """Whether a key names a constant table (positional encoding, coordinates) that the network computes itself."""
    return key.endswith((".pos_encoder.pe", ".pos_encoder.coords"))


def recognize(keys: Iterable[str]) -> str | None:
    """The kind of file that has these keys, or None."""
    keys = list(keys)
    if any("_lora.down.weight" in key for key in keys):
        return LORA
    if any(".epi_modules." in key for key in keys):
        return CROSS_VIEW
    if any(key.startswith("encoder_") or key.endswith(("qkv_merge.weight", "qkv_merge.bias")) for key in keys):
        return CAMERA_CONTROL
    if any(key.startswith((LDM_UNET, "conv_in.", "down_blocks.0.resnets.")) for key in keys):
        return UNET
    if any(".temporal_transformer." in key for key in keys):
        return MOTION_MODULE
    return None


def _transformer(rest: str) -> str:
    """The official name of a parameter inside a temporal or an epipolar transformer."""
    inner = rest.removeprefix(_BLOCK)
    for ours, official in _LAYERS:
        if inner.startswith(ours):
            name = _BLOCK + official + inner.removeprefix(ours)
            return name.replace("to_out.weight", "to_out.0.weight").replace("to_out.bias", "to_out.0.bias")
    return rest


def _pose_encoder(rest: str) -> str:
    if rest.startswith("conv_in."):
        return f"encoder_{rest}"
    if rest.startswith("resnets."):
        return rest.replace("resnets.", "encoder_down_conv_blocks.", 1)
    scale, index, layer = re.fullmatch(r"temporal\.(\d+)\.(\d+)\.(.*)", rest).groups()  # type: ignore[union-attr]
    for ours, official in (("attn1.", "attention_blocks.0."), ("norm1.", "norms.0."), ("norm2.", "ff_norm.")):
        if layer.startswith(ours):
            layer = official + layer.removeprefix(ours)
    layer = re.sub(r"to_out\.(weight|bias)", r"to_out.0.\1", layer)
    return f"encoder_down_attention_blocks.{scale}.{index}.{layer}"


def listed(names: Sequence[str], most: int) -> str:
    """The first `most` names, and the number of the others."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
