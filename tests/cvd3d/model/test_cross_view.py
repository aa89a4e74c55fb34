import pytest
import torch
from torch.nn import functional as F

from cvd3d.model.cross_view import CrossViewModule


@pytest.fixture
def new():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return CrossViewModule(16, heads=2, norm_num_groups=4).requires_grad_(False)


@pytest.fixture
def module(new, randomize):
    return randomize(new)


def inputs(V, T, h, w, seed=0):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(V, T, 16, h, w, generator=generator)
    return x, -5 * torch.rand(V, T, h * w, h * w, generator=generator)


def slow(module, x, partners, bias):
    """One video, one frame, one head and one query at a time."""

    def attention(layer, z, context, mask):
        q, k, v = layer.to_q(z), layer.to_k(context), layer.to_v(context)
        rows = []
        for n in range(len(z)):
            heads = []
            for i in range(2):
                part = slice(8 * i, 8 * i + 8)
                scores = torch.stack([q[n, part] @ k[m, part] / 8**0.5 + mask[n, m] for m in range(len(k))])
                heads.append(scores.softmax(0) @ v[:, part])
            rows.append(torch.cat(heads))
        return layer.to_out(torch.stack(rows))

    V, T, C, h, w = x.shape
    out = x.clone()
    for t in range(T):
        y = []
        for v in range(V):
            groups = x[v, t].reshape(4, C // 4, h, w)
            mean, variance = groups.mean((1, 2, 3), keepdim=True), groups.var((1, 2, 3), correction=0, keepdim=True)
            normal = ((groups - mean) / (variance + 1e-6).sqrt()).reshape(C, h * w).T
            y.append(module.proj_in(normal * module.norm.weight + module.norm.bias))
        for norm, layer in ((module.norm1, module.attn1), (module.norm2, module.attn2)):
            z = [norm(row) for row in y]
            y = [y[v] + attention(layer, z[v], z[partners[v]], bias[v, t]) for v in range(V)]
        for v in range(V):
            up, gate = module.ff.net[0].proj(module.norm3(y[v])).chunk(2, dim=-1)
            last = y[v] + module.ff.net[2](up * F.gelu(gate))
            if partners[v] >= 0:
                out[v, t] += module.proj_out(last).T.reshape(C, h, w)
    return out


def test_a_new_module_is_the_identity(new):
    x, bias = inputs(2, 3, 4, 6)
    assert torch.equal(new(x, torch.tensor([1, 0]), bias), x)


@pytest.mark.parametrize(
    ("T", "h", "w", "partners"), [(2, 2, 3, [1, 0]), (1, 3, 2, [1, 2, 0]), (3, 1, 1, [2, 2, 1]), (2, 2, 2, [1, 0, -1])]
)
def test_it_agrees_with_a_slow_loop_for_any_partners(module, T, h, w, partners):
    x, bias = inputs(len(partners), T, h, w)
    out = module(x, torch.tensor(partners), bias)
    assert (out - x).abs().max() > 0.1
    assert torch.allclose(out, slow(module, x, partners, bias), atol=1e-5)


def test_a_video_without_a_partner_is_unchanged(module):
    x, bias = inputs(3, 2, 2, 3)
    out = module(x, torch.tensor([1, 0, -1]), bias)
    assert torch.equal(out[2], x[2])
    assert torch.allclose(out[:2], module(x[:2], torch.tensor([1, 0]), bias[:2]), atol=1e-6)


def test_swapping_the_videos_swaps_the_results(module):
    x, bias = inputs(2, 2, 3, 4)
    partners = torch.tensor([1, 0])
    assert torch.allclose(module(x.flip(0), partners, bias.flip(0)), module(x, partners, bias).flip(0), atol=1e-6)


def test_a_video_attends_to_its_partner_at_the_same_frame_only(module):
    x, bias = inputs(4, 3, 2, 2)
    partners = torch.tensor([1, 0, 3, 2])
    changed = x.clone()
    changed[1, 2] = x[1, 0].flip(0)
    difference = (module(changed, partners, bias) - module(x, partners, bias)).abs().amax(dim=(2, 3, 4))
    assert (difference > 1e-5).tolist() == [[False, False, True]] * 2 + [[False] * 3] * 2


def test_the_scale_multiplies_the_change(module):
    x, bias = inputs(2, 2, 2, 3)
    partners = torch.tensor([1, 0])
    assert torch.equal(module(x, partners, bias, scale=0.0), x)
    whole, half = module(x, partners, bias) - x, module(x, partners, bias, scale=0.5) - x
    assert torch.allclose(half, 0.5 * whole, atol=1e-6)
