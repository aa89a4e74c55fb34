import pytest
import torch
from diffusers.models.unets.unet_motion_model import AnimateDiffTransformer3D
from torch.nn import functional as F

from cvd3d.model.motion import MotionModule


@pytest.fixture
def new():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return MotionModule(16, heads=2, max_frames=8, norm_num_groups=4).requires_grad_(False)


@pytest.fixture
def module(new, randomize):
    return randomize(new)


@pytest.fixture
def x():
    """Features whose frames have different statistics."""
    generator = torch.Generator().manual_seed(1)
    return torch.randn(2, 3, 16, 2, 3, generator=generator) * torch.tensor([1.0, 5.0, 0.2]).view(1, 3, 1, 1, 1) + 1


def theirs(module, x):
    """The class of diffusers with our weights, on features as its blocks pass them."""
    other = AnimateDiffTransformer3D(
        2, 8, in_channels=16, norm_num_groups=4, positional_embeddings="sinusoidal", num_positional_embeddings=8
    )
    other.load_state_dict({name: p for name, p in module.state_dict().items() if "qkv_merge" not in name})
    T = x.shape[1]
    return other.requires_grad_(False)(x.flatten(0, 1), num_frames=T).unflatten(0, (-1, T))


def slow(module, x, pose):
    """One video and one spatial position at a time."""
    block = module.transformer_blocks[0]
    V, T, _, h, w = x.shape
    normal = torch.stack(
        [torch.stack([F.group_norm(x[v, t][None], 4, module.norm.weight, module.norm.bias, 1e-6)[0] for t in range(T)])
         for v in range(V)]
    )  # fmt: skip
    out = x.clone()
    for v in range(V):
        for i in range(h):
            for j in range(w):
                y = module.proj_in(normal[v, :, :, i, j])[None]
                z = block.pos_embed(block.norm1(y))
                if pose is not None:
                    z = z + module.qkv_merge(z + pose[v, :, :, i, j])
                y = y + block.attn1(z)
                y = y + block.attn2(block.pos_embed(block.norm2(y)))
                y = y + block.ff(block.norm3(y))
                out[v, :, :, i, j] += module.proj_out(y[0])
    return out


def test_a_new_module_is_the_identity(new, x):
    assert torch.equal(new(x), x)


@pytest.mark.parametrize("posed", [False, True])
def test_it_agrees_with_a_slow_loop(module, x, posed):
    pose = torch.randn_like(x) if posed else None
    assert torch.allclose(module(x, pose), slow(module, x, pose), atol=1e-4)


def test_a_frame_is_normalized_by_itself(module, x):
    """Without attention, no frame affects another one."""
    for attention in (module.transformer_blocks[0].attn1, module.transformer_blocks[0].attn2):
        torch.nn.init.zeros_(attention.to_out[0].weight)
    changed = x.clone()
    changed[0, 1] = 10 * changed[0, 1] + 3
    before, after = module(x), module(changed)
    assert torch.allclose(before[0, [0, 2]], after[0, [0, 2]], atol=1e-5)
    pooled = (theirs(module, x) - theirs(module, changed)).abs()
    assert pooled[0, [0, 2]].max() > 0.1  # in the class of diffusers it does


def test_it_equals_the_diffusers_module_except_for_the_normalization(module, x):
    assert torch.allclose(module(x[:, :1]), theirs(module, x[:, :1]), atol=1e-5)
    assert (module(x) - theirs(module, x)).abs().max() > 0.05
    same = x[:, :1].expand(-1, 3, -1, -1, -1)  # equal frames have equal statistics
    assert torch.allclose(module(same), theirs(module, same), atol=1e-5)


def test_a_new_merge_ignores_the_pose(new, randomize, x):
    randomize(new)
    for p in new.qkv_merge.parameters():
        torch.nn.init.zeros_(p)
    assert torch.equal(new(x, torch.randn_like(x)), new(x))
