"""The whole network: which inputs affect which outputs, saving and loading, and the sizes of the released networks."""

import inspect
import json

import numpy as np
import pytest
import torch
from diffusers.models.attention_processor import AttnProcessor2_0

from cvd3d.model.unet import CollaborativeUNet, default_partners
from trajectories import InputError
from trajectories.cameras import Cameras

UNPAIRED = torch.full((2,), -1)


@pytest.fixture(scope="module")
def new(tiny_unet):
    return tiny_unet()


@pytest.fixture(scope="module")
def network(tiny_unet, randomize):
    return randomize(tiny_unet())


def inputs(V, T, h=4, w=6, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(V, 4, T, h, w, generator=generator), torch.randn(V, 5, 16, generator=generator)


def test_new_cross_view_modules_do_not_change_the_network(tiny_unet, randomize, around):
    network = randomize(tiny_unet())
    for place in network.space_time_modules():
        torch.nn.init.zeros_(place.cross_view.proj_out.weight)
        torch.nn.init.zeros_(place.cross_view.proj_out.bias)
    z, text = inputs(2, 3)
    cameras = around(0, 2, 3)
    assert torch.equal(network(z, 500, text, cameras), network(z, 500, text, cameras, partners=UNPAIRED))


def test_a_new_network_ignores_motion_cameras_and_partners(new, around):
    z, text = inputs(2, 3)
    assert torch.equal(new(z, 500, text, around(0, 2, 3)), new(z, 500, text, motion=False))


def test_without_motion_frames_are_independent(network):
    z, text = inputs(2, 3)
    order = torch.tensor([2, 0, 1])
    out = network(z, 500, text, motion=False)
    assert torch.allclose(network(z[:, :, order], 500, text, motion=False), out[:, :, order], atol=1e-4)
    assert not torch.allclose(network(z[:, :, order], 500, text), network(z, 500, text)[:, :, order], atol=1e-2)


@pytest.mark.slow
def test_partners_and_cameras_affect_a_randomized_network(network, around):
    z, text = inputs(2, 3)
    cameras = around(0, 2, 3)
    other = z.clone()
    other[1] += 1
    for options, reaches in (({}, True), ({"scale": 0.0}, False), ({"partners": UNPAIRED}, False)):
        change = network(other, 500, text, cameras, **options)[0] - network(z, 500, text, cameras, **options)[0]
        assert (change.abs().max() > 1e-3) == reaches
    elsewhere = network(z, 500, text, around(1, 2, 3), partners=UNPAIRED) - network(
        z, 500, text, cameras, partners=UNPAIRED
    )
    assert elsewhere.abs().max() > 1e-3


def test_geometry_may_be_computed_before(network, around):
    z, text = inputs(3, 2, 4, 6)
    cameras = around(0, 3, 2)
    partners = torch.tensor([2, 0, 1])
    geometry = network.geometry(cameras, partners, 4, 6)
    assert {size: bias.shape for size, bias in geometry.biases.items()} == {
        (4, 6): (3, 2, 24, 24),
        (2, 3): (3, 2, 6, 6),
    }
    assert all(bias.dtype == torch.float32 for bias in geometry.biases.values())
    assert torch.equal(network(z, 500, text, geometry), network(z, 500, text, cameras, partners=partners))


def test_an_odd_last_video_has_no_partner(network, around):
    z, text = inputs(3, 2)
    cameras = around(0, 3, 2)
    out = network(z, 500, text, cameras)
    assert torch.allclose(out[:2], network(z[:2], 500, text[:2], cameras[:2]), atol=1e-4)
    assert torch.allclose(out[2:], network(z[2:], 500, text[2:], cameras[2:]), atol=1e-4)
    assert default_partners(5).tolist() == [1, 0, 3, 2, -1]
    assert default_partners(4).tolist() == [1, 0, 3, 2]
    assert default_partners(1).tolist() == [-1]


def test_videos_may_have_different_timesteps(network, around):
    z, text = inputs(2, 2)
    cameras = around(0, 2, 2)
    both = network(z, torch.tensor([900, 10]), text, cameras, partners=UNPAIRED)
    for v, t in enumerate((900, 10)):
        alone = network(z[v : v + 1], t, text[v : v + 1], cameras[v : v + 1])
        assert torch.allclose(both[v], alone[0], atol=1e-4)


@pytest.mark.parametrize(("V", "T", "h", "w"), [(2, 1, 4, 4), (2, 2, 4, 6), (1, 3, 6, 4), (3, 1, 2, 8)])
def test_any_number_of_videos_and_frames_of_any_shape(network, around, V, T, h, w):
    z, text = inputs(V, T, h, w)
    out = network(z, 500, text, around(0, V, T, width=w * 8, height=h * 8))
    assert out.shape == z.shape and torch.isfinite(out).all()


def test_plain_products_and_the_fused_attention_agree(tiny_unet, randomize):
    small, z, text = randomize(tiny_unet()), *inputs(2, 2)
    out = small(z, 500, text)
    small.set_attn_processor(AttnProcessor2_0())
    assert torch.allclose(small(z, 500, text), out, atol=1e-4)


def test_random_lines_come_from_the_generator_alone(new, around):
    cameras = around(0, 2, 3)
    same = Cameras(cameras.c2w[[0, 0]], cameras.K[[0, 0]], 96, 64)
    c2w = same.c2w.copy()
    c2w[1, 1:] = cameras.c2w[1, 1:]
    pair = Cameras(c2w, same.K, 96, 64)  # the same at frame 0 only

    def masks(seed):
        generator = None if seed is None else torch.Generator().manual_seed(seed)
        return new.geometry(pair, None, 4, 6, generator).biases[4, 6]

    assert torch.equal(masks(1), masks(1))
    assert not torch.equal(masks(1)[:, 0], masks(2)[:, 0])
    assert torch.equal(masks(1)[:, 1:], masks(2)[:, 1:])
    rows = (masks(None)[0, 0].reshape(4, 6, 4, 6) == 0).all(dim=-1)
    assert torch.equal(rows, torch.eye(4, dtype=torch.bool)[:, None].expand(4, 6, 4))  # horizontal


def test_the_official_half_pixel_is_an_option(tiny_unet, around):
    query, key = around(0, 2)
    ours, official = (
        tiny_unet(mask_pixel_offset=offset).epipolar_biases(query, key, 4, 6, np.array(0.0))[4, 6]
        for offset in (0.0, -0.5)
    )
    assert 0 < (ours - official).abs().max() < 2


@pytest.mark.slow
def test_the_round_trip_is_exact_to_the_bit(network, around, tmp_path):
    network.save_pretrained(tmp_path)
    options = json.loads((tmp_path / "config.json").read_text())
    assert options.pop("_class_name") == "CollaborativeUNet"
    assert set(options) == set(inspect.signature(CollaborativeUNet.__init__).parameters) - {"self"}
    back = CollaborativeUNet.from_pretrained(tmp_path).requires_grad_(False)
    mine, theirs = network.state_dict(), back.state_dict()
    assert mine.keys() == theirs.keys() and all(torch.equal(mine[name], theirs[name]) for name in mine)
    z, text = inputs(2, 2)
    cameras = around(0, 2, 2)
    assert torch.equal(back(z, 500, text, cameras), network(z, 500, text, cameras))


@pytest.mark.slow
def test_the_sizes_of_the_released_networks():
    """CVD.md, 1.1 and 1.4; counted on a device without memory."""
    with torch.device("meta"):
        network = CollaborativeUNet()
    places = network.space_time_modules()
    assert [place.cross_view.proj_in.in_features for place in places] == [
        *(320, 320, 640, 640, 1280, 1280, 1280, 1280),
        *(1280, 1280, 1280, 1280, 1280, 1280, 640, 640, 640, 320, 320, 320),
    ]
    assert [place.resolution for place in places] == [0, 0, 1, 1, 2, 2, 3, 3, 3, 3, 3, 2, 2, 2, 1, 1, 1, 0, 0, 0]

    def parameters(*fragments):
        return [p for name, p in network.named_parameters() if all(f in name for f in fragments)]

    cross_view, merges, encoder = parameters(".cross_view."), parameters("qkv_merge"), parameters("pose_encoder.")
    assert len(cross_view) == 520 and len(merges) == 40
    assert sum(p.numel() for p in cross_view) == pytest.approx(417.1376e6, abs=50)
    assert sum(p.numel() for p in merges) == pytest.approx(18.96e6, abs=5e3)
    assert sum(p.numel() for p in encoder) == pytest.approx(199.262e6, abs=5e2)
    assert not parameters("mid_block", "motion_modules") and not parameters("mid_block", "cross_view")


def test_feature_sizes_match_the_blocks(network, around, monkeypatch):
    sizes_given = []
    for module in network.space_time_modules():
        monkeypatch.setattr(
            module, "forward", lambda x, num_frames, m=module: sizes_given.append((m.resolution, *x.shape[2:])) or x
        )
    z, text = inputs(1, 1, 4, 6)
    network(z, 500, text, around(0, 1, 1))
    sizes = network.resolutions(4, 6)
    assert len(sizes_given) == 6 and all((h, w) == sizes[level] for level, h, w in sizes_given)
    assert np.array_equal(sizes, [(4, 6), (2, 3)])


def test_cameras_of_another_aspect_ratio_than_the_latents_are_refused(network, around):
    z, text = inputs(2, 3, 4, 8)
    with pytest.raises(InputError, match="The cameras' images are 96x64 and the latents 8x4; they must have the same"):
        network(z, 500, text, around(0, 2, 3))
