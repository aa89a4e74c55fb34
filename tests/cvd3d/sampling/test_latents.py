import pytest
import torch
from diffusers import AutoencoderKL

from cvd3d.model.autoencoder import SmallAutoencoder
from cvd3d.sampling.latents import decode, encode, latent_factor


@pytest.fixture(params=["small", "kl"])
def vae(request):
    if request.param == "small":
        return SmallAutoencoder(4, channels=(8, 8), patch=2)
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2,
        block_out_channels=(8, 8), latent_channels=4, norm_num_groups=4,
    )  # fmt: skip


def test_frames_keep_their_video_and_their_place_in_it(vae):
    z = torch.randn(2, 4, 3, 4, 6)
    videos = decode(vae, z, chunk=4)
    factor = latent_factor(vae)
    assert videos.shape == (2, 3, 4 * factor, 6 * factor, 3) and videos.dtype == torch.float32
    assert videos.min() >= 0 and videos.max() <= 1
    alone = decode(vae, z[1:, :, 2:], chunk=4)
    assert torch.allclose(videos[1, 2], alone[0, 0], atol=1e-5)


def test_the_released_autoencoder_is_scaled_and_answers_in_minus_one_to_one(vae):
    if isinstance(vae, SmallAutoencoder):
        pytest.skip("the small one keeps its own scale")
    z = torch.randn(1, 4, 1, 4, 4)
    with torch.no_grad():
        frame = (vae.decode(z[:, :, 0] / 0.18215).sample / 2 + 0.5).clamp(0, 1)
    assert torch.allclose(decode(vae, z, chunk=16)[0, 0], frame[0].movedim(0, -1), atol=1e-5)


def test_frames_are_encoded_as_the_autoencoder_does(vae):
    frames = torch.rand(5, 8, 12, 3)
    z = encode(vae, frames, chunk=2)
    factor = latent_factor(vae)
    assert z.shape == (4, 5, 8 // factor, 12 // factor) and z.dtype == torch.float32
    picture = frames[3:4].movedim(-1, 1)
    with torch.no_grad():
        small = isinstance(vae, SmallAutoencoder)
        alone = vae.encode_frames(picture) if small else vae.encode(picture * 2 - 1).latent_dist.mean * 0.18215
    assert torch.allclose(z[:, 3], alone[0], atol=1e-5)
