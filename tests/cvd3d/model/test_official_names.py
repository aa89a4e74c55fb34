"""Names compared with the layout of the released files, written out by hand for each kind of key."""

from collections import Counter

import pytest
import torch
from accelerate import init_empty_weights

from cvd3d.model.official_names import (
    CAMERA_CONTROL,
    CROSS_VIEW,
    LORA,
    MOTION_MODULE,
    UNET,
    is_table,
    lora_target,
    official_name,
    recognize,
)
from cvd3d.model.unet import CollaborativeUNet

PLACE = "down_blocks.1.motion_modules.0."
TEMPORAL = PLACE + "temporal_transformer."
EPIPOLAR = "up_blocks.3.epi_modules.2.epi_transformer."


@pytest.mark.parametrize(
    ("ours", "kind", "official"),
    [
        ("conv_in.weight", UNET, "conv_in.weight"),
        ("mid_block.attentions.0.proj_in.bias", UNET, "mid_block.attentions.0.proj_in.bias"),
        (PLACE + "motion.norm.weight", MOTION_MODULE, TEMPORAL + "norm.weight"),
        (PLACE + "motion.proj_out.bias", MOTION_MODULE, TEMPORAL + "proj_out.bias"),
        (
            PLACE + "motion.transformer_blocks.0.attn2.to_out.0.weight",
            MOTION_MODULE,
            TEMPORAL + "transformer_blocks.0.attention_blocks.1.to_out.0.weight",
        ),
        (
            PLACE + "motion.transformer_blocks.0.norm2.bias",
            MOTION_MODULE,
            TEMPORAL + "transformer_blocks.0.norms.1.bias",
        ),
        (
            PLACE + "motion.transformer_blocks.0.norm3.weight",
            MOTION_MODULE,
            TEMPORAL + "transformer_blocks.0.ff_norm.weight",
        ),
        (
            PLACE + "motion.transformer_blocks.0.ff.net.0.proj.weight",
            MOTION_MODULE,
            TEMPORAL + "transformer_blocks.0.ff.net.0.proj.weight",
        ),
        (
            PLACE + "motion.qkv_merge.weight",
            CAMERA_CONTROL,
            TEMPORAL + "transformer_blocks.0.attention_blocks.0.processor.qkv_merge.weight",
        ),
        ("up_blocks.3.motion_modules.2.cross_view.proj_in.weight", CROSS_VIEW, EPIPOLAR + "proj_in.weight"),
        (
            "up_blocks.3.motion_modules.2.cross_view.attn1.to_out.bias",
            CROSS_VIEW,
            EPIPOLAR + "transformer_blocks.0.attention_blocks.0.to_out.0.bias",
        ),
        (
            "up_blocks.3.motion_modules.2.cross_view.norm2.weight",
            CROSS_VIEW,
            EPIPOLAR + "transformer_blocks.0.norms.1.weight",
        ),
        (
            "up_blocks.3.motion_modules.2.cross_view.ff.net.2.weight",
            CROSS_VIEW,
            EPIPOLAR + "transformer_blocks.0.ff.net.2.weight",
        ),
        ("pose_encoder.conv_in.bias", CAMERA_CONTROL, "encoder_conv_in.bias"),
        (
            "pose_encoder.resnets.2.0.in_conv.weight",
            CAMERA_CONTROL,
            "encoder_down_conv_blocks.2.0.in_conv.weight",
        ),
        (
            "pose_encoder.temporal.3.1.attn1.to_out.weight",
            CAMERA_CONTROL,
            "encoder_down_attention_blocks.3.1.attention_blocks.0.to_out.0.weight",
        ),
        (
            "pose_encoder.temporal.3.1.norm1.bias",
            CAMERA_CONTROL,
            "encoder_down_attention_blocks.3.1.norms.0.bias",
        ),
        (
            "pose_encoder.temporal.3.1.norm2.bias",
            CAMERA_CONTROL,
            "encoder_down_attention_blocks.3.1.ff_norm.bias",
        ),
        (
            "pose_encoder.temporal.0.0.ff.net.0.proj.bias",
            CAMERA_CONTROL,
            "encoder_down_attention_blocks.0.0.ff.net.0.proj.bias",
        ),
    ],
)
def test_names(ours, kind, official):
    assert official_name(ours) == (kind, official)
    assert recognize(["conv_in.weight", official] if kind == UNET else [official]) == kind


@pytest.mark.slow
def test_at_full_size_every_file_has_the_number_of_tensors_of_the_released_ones():
    with init_empty_weights():
        network = CollaborativeUNet()
    names = [official_name(name) for name, _ in network.named_parameters()]
    assert len(set(names)) == len(names)
    # AnimateDiff's 560 and CameraCtrl's 150 + 40 less their positional encodings (40 and 8).
    assert Counter(kind for kind, _ in names) == {UNET: 686, MOTION_MODULE: 520, CAMERA_CONTROL: 182, CROSS_VIEW: 520}
    sizes = Counter()
    for name, parameter in network.named_parameters():
        sizes[official_name(name)[0]] += parameter.numel()
    assert sizes[CROSS_VIEW] == 417_137_600  # CVD.md: 417.1376 M
    assert all(parameter.device == torch.device("meta") for parameter in network.parameters())


def test_a_loras_target():
    block = "mid_block.attentions.0.transformer_blocks.0.attn2"
    assert lora_target(f"{block}.processor.to_k_lora.up.weight") == (f"{block}.to_k.weight", "up")
    assert lora_target(f"{block}.processor.to_out_lora.down.weight") == (f"{block}.to_out.0.weight", "down")
    assert (
        lora_target(f"{block}.to_k.weight") is None and recognize([f"{block}.processor.to_k_lora.down.weight"]) == LORA
    )


def test_tables_and_unknown_keys():
    assert is_table(TEMPORAL + "transformer_blocks.0.attention_blocks.0.pos_encoder.pe")
    assert is_table(EPIPOLAR + "transformer_blocks.0.attention_blocks.0.pos_encoder.coords")
    assert not is_table("conv_in.weight")
    assert recognize(["encoder.conv_in.weight", "decoder.conv_in.weight"]) is None
