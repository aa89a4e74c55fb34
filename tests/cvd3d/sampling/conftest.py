import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler

from cvd3d.model.autoencoder import SmallAutoencoder
from cvd3d.model.text import small_text_encoder, word_tokenizer
from cvd3d.model.unet import CollaborativeUNet
from cvd3d.sampling.pipeline import CollaborativePipeline
from trajectories import make_rig


@pytest.fixture(scope="session")
def build():
    """`build(vae=..., pose_frame=...)`: a pipeline of tiny random parts, without zero-initialized modules."""

    def make(vae=None, pose_frame="world", **options):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            tokenizer = word_tokenizer(["a", "red", "cube"], max_tokens=6)
            unet = CollaborativeUNet(
                sample_size=4, block_out_channels=(32, 64), attention_levels=1, layers_per_block=1,
                cross_attention_dim=16, num_attention_heads=4, motion_num_attention_heads=4, motion_max_seq_length=4,
                cross_view_num_attention_heads=4, norm_num_groups=8, pose_unshuffle=2, pose_blocks_per_scale=1,
                pose_frame=pose_frame,
            )  # fmt: skip
            for p in unet.parameters():
                if not p.any():
                    torch.nn.init.normal_(p, std=0.1)
            text_encoder = small_text_encoder(tokenizer, dim=16, layers=1, heads=2)
            vae = vae or SmallAutoencoder(4, channels=(8, 8), patch=2)
        scheduler = DDIMScheduler(
            beta_schedule="squaredcos_cap_v2", prediction_type="v_prediction", clip_sample=False,
            timestep_spacing="trailing",
        )  # fmt: skip
        parts = [part.eval().requires_grad_(False) for part in (vae, text_encoder, unet)]
        return CollaborativePipeline(parts[0], parts[1], tokenizer, parts[2], scheduler, **options)

    return make


@pytest.fixture(scope="session")
def pipeline(build):
    return build()


@pytest.fixture(scope="session")
def rig():
    """`rig(views, frames)`: a rig of 16x16 pixels, 4x4 latents."""

    def make(views, frames=2, width=16, height=16, name="circle"):
        return make_rig(name, views, frames, width=width, height=height)

    return make


@pytest.fixture(scope="session")
def sample():
    """`sample(pipeline, rig, seed, **options)`: videos sampled in two steps."""

    def make(pipeline, rig, seed=0, prompt="a red cube", num_inference_steps=2, **options) -> np.ndarray:
        generator = torch.Generator().manual_seed(seed)
        return pipeline(
            prompt, rig, num_inference_steps=num_inference_steps, generator=generator, progress=False, **options
        ).videos

    return make
