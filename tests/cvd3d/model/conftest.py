import numpy as np
import pytest
import torch

from cvd3d.model.unet import CollaborativeUNet
from trajectories.cameras import Cameras, intrinsics_from_fov
from trajectories.rotations import look_at

TINY = {
    "sample_size": 4, "block_out_channels": (32, 64), "attention_levels": 1, "layers_per_block": 1,
    "cross_attention_dim": 16, "num_attention_heads": 4, "motion_num_attention_heads": 4, "motion_max_seq_length": 8,
    "cross_view_num_attention_heads": 4, "norm_num_groups": 8, "pose_unshuffle": 2, "pose_blocks_per_scale": 1,
}  # fmt: skip


@pytest.fixture(scope="session")
def around():
    """Cameras (*shape,) at random positions around the origin that look at points near it, with random intrinsics."""

    def make(seed, *shape, width=96, height=64):
        rng = np.random.default_rng(seed)
        direction = rng.normal(size=(*shape, 3))
        position = rng.uniform(2, 5, (*shape, 1)) * direction / np.linalg.norm(direction, axis=-1, keepdims=True)
        c2w = look_at(position, rng.uniform(-0.5, 0.5, (*shape, 3)))
        K = np.broadcast_to(intrinsics_from_fov(np.radians(rng.uniform(35, 80)), width, height), (*shape, 3, 3)).copy()
        K[..., :2, 2] += rng.uniform(-5, 5, (*shape, 2))
        return Cameras(c2w, K, width, height)

    return make


@pytest.fixture(scope="session")
def randomize():
    """Give random values to the parameters that are initialized to zero, so that every module has an effect."""

    def randomized(module, seed=0):
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for p in module.parameters():
                if not p.any():
                    p.copy_(0.2 * torch.randn(p.shape, generator=generator))
        return module

    return randomized


@pytest.fixture(scope="session")
def tiny_unet():
    """A network with seeded weights: `tiny_unet(seed, **options)`."""

    def make(seed=0, **options):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return CollaborativeUNet(**{**TINY, **options}).eval().requires_grad_(False)

    return make
