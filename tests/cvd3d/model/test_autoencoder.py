import pytest
import torch

from cvd3d.model.autoencoder import SmallAutoencoder


@pytest.fixture
def autoencoder(randomize):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return randomize(SmallAutoencoder(4, channels=(8, 12), patch=2)).eval().requires_grad_(False)


def test_the_sizes_follow_from_the_patch_and_the_levels(autoencoder):
    frames = torch.rand(3, 3, 16, 24)
    latents = autoencoder.encode_frames(frames)
    assert autoencoder.scale_factor == 4
    assert latents.shape == (3, 4, 4, 6)
    assert autoencoder.decode_frames(latents).shape == frames.shape
    assert SmallAutoencoder(32, (8, 8, 8), 4).scale_factor == 16


def test_the_latents_are_shifted_and_scaled_and_the_frames_are_not(autoencoder):
    frames = torch.rand(2, 3, 8, 8)
    raw = autoencoder.encode_frames(frames)
    decoded = autoencoder.decode_frames(raw)
    autoencoder.latent_mean.fill_(0.5)
    autoencoder.latent_std.fill_(2.0)
    latents = autoencoder.encode_frames(frames)
    assert torch.allclose(latents, (raw - 0.5) / 2, atol=1e-6)
    assert torch.allclose(autoencoder.decode_frames(latents), decoded, atol=1e-5)


def test_frames_do_not_depend_on_their_neighbors(autoencoder):
    frames = torch.rand(3, 3, 8, 8)
    alone = autoencoder.encode_frames(frames[1:2])
    assert torch.allclose(autoencoder.encode_frames(frames)[1:2], alone, atol=1e-6)


def test_the_round_trip_is_exact_to_the_bit_with_the_latents_statistics(autoencoder, tmp_path):
    autoencoder.latent_mean.copy_(torch.randn(4, 1, 1))
    autoencoder.save_pretrained(tmp_path)
    back = SmallAutoencoder.from_pretrained(tmp_path).state_dict()
    mine = autoencoder.state_dict()
    assert mine.keys() == back.keys() and all(torch.equal(mine[name], back[name]) for name in mine)
