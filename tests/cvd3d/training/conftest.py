import numpy as np
import pytest

from cvd3d.training.loop import Schedule
from cvd3d.training.pools import Pool
from cvd3d.training.recipe import (
    CROSS_VIEW,
    EVERYTHING,
    MOTION,
    POSE,
    AutoencoderStage,
    DiffusionStage,
    Recipe,
    WordsStage,
)
from cvd3d.training.train import build_networks, train


@pytest.fixture(scope="session")
def recipe():
    """The recipe's stages on tiny networks, a few samples and a few steps."""
    unet = {
        "sample_size": 8, "in_channels": 4, "out_channels": 4, "block_out_channels": (16, 32), "attention_levels": 1,
        "layers_per_block": 1, "cross_attention_dim": 16, "num_attention_heads": 2, "motion_num_attention_heads": 2,
        "motion_max_seq_length": 4, "cross_view_num_attention_heads": 2, "norm_num_groups": 8, "pose_unshuffle": 1,
        "pose_blocks_per_scale": 1,
    }  # fmt: skip
    return Recipe(
        pools=(Pool("images", 1, samples=4, views=1, frames=1), Pool("pairs", 2, samples=3, views=2, frames=4)),
        autoencoder={"latent_channels": 4, "channels": (8, 8, 8), "patch": 4},
        unet=unet,
        text_layers=1,
        text_heads=2,
        stages=(
            AutoencoderStage("autoencoder", "images", Schedule(4, 2, 1e-2)),
            AutoencoderStage("decoder", "images", Schedule(2, 2, 1e-2), decoder_only=True),
            WordsStage("words", Schedule(2, 2, 1e-2, optimizer="adamw")),
            DiffusionStage(
                "images", "images", Schedule(4, 2, 1e-2), 1, EVERYTHING, (CROSS_VIEW, MOTION, POSE), motion=False
            ),
            DiffusionStage("motion", "pairs", Schedule(2, 2, 1e-2), 2, (MOTION,), ("qkv_merge",)),
            DiffusionStage("cameras", "pairs", Schedule(2, 2, 1e-2), 2, EVERYTHING, (CROSS_VIEW,), cameras=True),
            DiffusionStage("pairs", "pairs", Schedule(4, 2, 1e-2), 2, (CROSS_VIEW,), cameras=True, pairs=True),
        ),
    )


@pytest.fixture(scope="session")
def trained(recipe, tmp_path_factory):
    """The folder of an uninterrupted run."""
    run = tmp_path_factory.mktemp("trained")
    assert train(run, recipe)
    return run


@pytest.fixture
def networks(recipe):
    """`networks()`: newly initialized networks of the recipe, always the same."""
    return lambda: build_networks(recipe)[1]


@pytest.fixture(scope="session")
def latents(recipe, tmp_path_factory):
    """A folder of synthetic latents of both pools; channels 0, 1 and 2 encode sample, video and frame."""
    folder = tmp_path_factory.mktemp("latents")
    rng = np.random.default_rng(0)
    for pool in recipe.pools:
        shape = (pool.samples, pool.views, pool.frames)
        stored = rng.normal(size=(*shape, 4, 8, 8))
        stored[..., :3, 0, 0] = np.stack(np.indices(shape), axis=-1)
        (folder / pool.name).mkdir()
        np.save(folder / pool.name / "000000.npy", stored.astype(np.float16))
    return folder
