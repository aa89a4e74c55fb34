import pytest
import torch

from cvd3d.evaluation.recognizer import Recognizer
from cvd3d.evaluation.studio import Studio
from cvd3d.model.autoencoder import SmallAutoencoder
from cvd3d.model.text import small_text_encoder, word_tokenizer
from cvd3d.model.unet import CollaborativeUNet
from cvd3d.sampling.pipeline import CollaborativePipeline
from cvd3d.training.world.captions import VOCABULARY


@pytest.fixture(scope="session")
def tiny_pipeline():
    """Tiny random parts for 32x32 pixels and two frames, in which the cross-view modules do something."""
    from diffusers import DDIMScheduler

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        tokenizer = word_tokenizer(list(VOCABULARY), max_tokens=12)
        unet = CollaborativeUNet(
            sample_size=8, block_out_channels=(16, 32), attention_levels=1, layers_per_block=1,
            cross_attention_dim=16, num_attention_heads=4, motion_num_attention_heads=4, motion_max_seq_length=2,
            cross_view_num_attention_heads=4, norm_num_groups=8, pose_unshuffle=2, pose_blocks_per_scale=1,
        )  # fmt: skip
        for p in unet.parameters():
            if not p.any():
                torch.nn.init.normal_(p, std=0.1)
        text_encoder = small_text_encoder(tokenizer, dim=16, layers=1, heads=2)
        vae = SmallAutoencoder(unet.config.in_channels, channels=(8, 8), patch=2)
    scheduler = DDIMScheduler(
        beta_schedule="squaredcos_cap_v2", prediction_type="v_prediction", clip_sample=False,
        timestep_spacing="trailing",
    )  # fmt: skip
    parts = [part.eval().requires_grad_(False) for part in (vae, text_encoder, unet)]
    return CollaborativePipeline(parts[0], parts[1], tokenizer, parts[2], scheduler, steps=2)


@pytest.fixture(scope="session")
def studio(tiny_pipeline):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        recognizer = Recognizer().eval().requires_grad_(False)
    return Studio(tiny_pipeline, recognizer, fit_quality="draft", progress=False)
