import numpy as np
import pytest
import torch

from cvd3d.training import loop
from cvd3d.training.autoencoder_stage import train_autoencoder
from cvd3d.training.loop import Schedule
from cvd3d.training.pools import Pool
from cvd3d.training.recipe import AutoencoderStage
from cvd3d.training.train import build_networks

POOL = Pool("noise", 1, samples=6, views=1, frames=1)
STAGE = AutoencoderStage("autoencoder", "noise", Schedule(4, 2, 1e-2))


@pytest.fixture
def pixels(tmp_path):
    (tmp_path / "noise").mkdir()
    images = np.random.default_rng(0).integers(0, 256, (6, 1, 1, 32, 32, 3), dtype=np.uint8)
    np.save(tmp_path / "noise" / "000000.npy", images)
    return tmp_path


def run(recipe, pixels, stage, state):
    autoencoder, _ = build_networks(recipe)
    train_autoencoder(autoencoder, stage, POOL, pixels, state, seed=1)
    return {name: value.clone() for name, value in autoencoder.state_dict().items()}


class Killed(Exception):
    pass


@pytest.mark.slow
def test_a_killed_run_resumes_to_the_same_bits(recipe, pixels, tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "SAVE_EVERY", 2)
    uninterrupted = run(recipe, pixels, STAGE, tmp_path / "a")

    def dies(self, step, **values):
        if step == 3:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(loop.Log, "add", dies)
        with pytest.raises(Killed):
            run(recipe, pixels, STAGE, tmp_path / "b")
    resumed = run(recipe, pixels, STAGE, tmp_path / "b")
    assert all(torch.equal(uninterrupted[name], resumed[name]) for name in uninterrupted)


def test_latents_have_zero_mean_and_unit_deviation_over_the_pool(recipe, pixels, tmp_path):
    autoencoder, _ = build_networks(recipe)
    train_autoencoder(autoencoder, STAGE, POOL, pixels, tmp_path / "a", seed=1)
    frames = torch.from_numpy(POOL.load(pixels)[:, 0, 0]).movedim(-1, 1).float() / 255
    z = autoencoder.encode_frames(frames)
    assert torch.allclose(z.mean(dim=(0, 2, 3)), torch.zeros(4), atol=1e-4)
    assert torch.allclose(z.std(dim=(0, 2, 3)), torch.ones(4), atol=1e-4)


def test_the_decoders_own_stage_leaves_the_encoder_and_the_statistics(recipe, pixels, tmp_path):
    before = build_networks(recipe)[0].state_dict()
    stage = AutoencoderStage("decoder", "noise", Schedule(2, 2, 1e-2), decoder_only=True)
    after = run(recipe, pixels, stage, tmp_path / "a")
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed and all(name.startswith("decoder.") for name in changed)
