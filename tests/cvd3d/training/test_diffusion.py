"""Batches, losses, which parameters a stage moves, and that a killed stage goes on to the same bits."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from cvd3d.training import diffusion
from cvd3d.training.diffusion import Networks, diffusion_loss, draw_batch, learning_rate, train_stage
from cvd3d.training.recipe import Recipe


@pytest.fixture
def stages(recipe):
    return {stage.name: stage for stage in recipe.stages}


@pytest.fixture
def pools(recipe):
    return {pool.name: pool for pool in recipe.pools}


def batch_of(stage, pools, latents, seed=0, dropout=0.0):
    pool = pools[stage.pool]
    return draw_batch(stage, pool, pool.load(latents), dropout, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", ["images", "motion", "pairs"])
def test_latents_and_cameras_are_of_the_same_frames(stages, pools, latents, name):
    stage, pool = stages[name], pools[stages[name].pool]
    for seed in range(8):
        batch = batch_of(stage, pools, latents, seed)
        assert len(batch.latents) == len(batch.prompts) == batch.cameras.shape[0] == (4 if stage.pairs else 2)
        assert batch.latents.shape[1:] == (4, stage.frames, 8, 8)
        marks = batch.latents[:, :3, :, 0, 0].long()  # sample, video and frame
        for v, (samples, views, frames) in enumerate(marks.tolist()):
            assert len(set(samples)) == len(set(views)) == 1
            assert len(set(np.diff(frames))) <= 1 and all(np.diff(frames) > 0)
            _, rig = pool.draw(samples[0])
            expected = rig.cameras[views[0]][frames]
            assert (batch.cameras.c2w[v] == expected.c2w).all() and (batch.cameras.K[v] == expected.K).all()
        if stage.pairs:
            assert marks[0::2, 0].equal(marks[1::2, 0]) and marks[0::2, 2].equal(marks[1::2, 2])
            assert marks[:, 1, 0].tolist() == [0, 1, 0, 1]
            assert batch.prompts[0::2] == batch.prompts[1::2]


def test_words_are_dropped_with_the_given_probability(stages, pools, latents):
    assert set(batch_of(stages["pairs"], pools, latents, dropout=1.0).prompts) == {""}
    assert "" not in batch_of(stages["pairs"], pools, latents, dropout=0.0).prompts


class Recorder:
    """Stands for the network, keeps what it is given and predicts zero."""

    def __call__(self, noisy, steps, text, **options):
        self.noisy, self.steps, self.options = noisy, steps, options
        return torch.zeros_like(noisy)


def loss_and_record(networks, stage, batch, seed=0):
    parts, recorder = networks(), Recorder()
    parts = Networks(recorder, parts.text_encoder, parts.tokenizer, parts.scheduler)
    return diffusion_loss(parts, stage, batch, torch.Generator().manual_seed(seed)), recorder


def test_the_two_videos_of_a_pair_share_their_timestep_but_not_their_noise(networks, stages, pools, latents):
    seen = set()
    for seed in range(5):
        batch = batch_of(stages["pairs"], pools, latents, seed)
        batch = replace(batch, latents=torch.zeros_like(batch.latents))
        _, record = loss_and_record(networks, stages["pairs"], batch, seed)
        assert record.steps[0::2].equal(record.steps[1::2])
        assert not torch.equal(record.noisy[0], record.noisy[1])
        assert record.options["partners"] is None and record.options["cameras"] is batch.cameras
        seen |= set(record.steps.tolist())
    assert len(seen) > 5
    _, alone = loss_and_record(networks, stages["motion"], batch_of(stages["motion"], pools, latents))
    assert alone.options["partners"].tolist() == [-1, -1] and alone.options["cameras"] is None


def test_the_loss_is_the_mean_square_of_v(networks, stages, pools, latents):
    batch = batch_of(stages["motion"], pools, latents)
    loss, record = loss_and_record(networks, stages["motion"], batch)
    abar = networks().scheduler.alphas_cumprod[record.steps].view(-1, 1, 1, 1, 1)
    noise = (record.noisy - abar.sqrt() * batch.latents) / (1 - abar).sqrt()
    v = abar.sqrt() * noise - (1 - abar).sqrt() * batch.latents
    assert loss.item() == pytest.approx(v.square().mean().item(), rel=1e-4)


def test_the_learning_rate_rises_stays_and_falls():
    stage = replace(Recipe().stages[0], steps=1000, warmup=50, learning_rate=2.0)
    assert learning_rate(stage, 0) == pytest.approx(2 / 50)
    assert learning_rate(stage, 49) == learning_rate(stage, 500) == 2.0
    assert learning_rate(stage, 750) == pytest.approx(1.0)
    assert learning_rate(stage, 999) == pytest.approx(0.1)


def states(networks):
    return {
        f"{part}.{name}": value.clone()
        for part in ("unet", "text_encoder")
        for name, value in getattr(networks, part).state_dict().items()
    }


def learns(stage, name):
    if name.startswith("text_encoder."):
        return stage.text
    return any(f in name for f in stage.trains) and not any(f in name for f in stage.freezes)


@pytest.mark.parametrize("name", ["images", "motion", "cameras", "pairs"])
def test_only_the_stages_parameters_change(networks, stages, pools, latents, tmp_path, name):
    # Four steps: what lies behind two layers that start at zero gets its first gradient in the third.
    stage, parts = replace(stages[name], steps=4), networks()
    before = states(parts)
    train_stage(parts, stage, pools[stage.pool], latents, tmp_path / "s.pt", seed=0, text_dropout=0.1)
    after = states(parts)
    changed = {key for key in before if not torch.equal(before[key], after[key])}
    assert {key for key in changed if not learns(stage, key)} == set()
    parameters = {f"unet.{key}" for key, _ in parts.unet.named_parameters()}
    meant = {key for key in parameters if learns(stage, key)}
    assert meant and changed & parameters == meant
    if name == "pairs":
        assert all(".cross_view." in key for key in meant)
    assert not any(p.requires_grad for module in (parts.unet, parts.text_encoder) for p in module.parameters())


class Killed(Exception):
    pass


@pytest.fixture
def kill_at(monkeypatch):
    """`kill_at(step)`: die after that step's update, before it is saved."""

    def arrange(step):
        def add(self, at, **values):
            if at == step:
                raise Killed

        monkeypatch.setattr(diffusion.Log, "add", add)

    return arrange


@pytest.mark.parametrize("name", ["images", "pairs"])
def test_a_killed_stage_goes_on_to_the_same_bits(
    networks, stages, pools, latents, tmp_path, monkeypatch, kill_at, name
):
    stage, pool = stages[name], pools[stages[name].pool]

    def run(folder):
        parts = networks()
        train_stage(parts, stage, pool, latents, tmp_path / folder / "s.pt", seed=3, text_dropout=0.1)
        return states(parts)

    monkeypatch.setattr(diffusion, "SAVE_EVERY", 2)
    unbroken = run("unbroken")
    kill_at(3)
    with pytest.raises(Killed):
        run("broken")
    kill_at(None)
    resumed = run("broken")
    assert all(torch.equal(unbroken[key], resumed[key]) for key in unbroken)
    again = run("broken")  # killed after the last step, before the stage was called finished
    assert all(torch.equal(unbroken[key], again[key]) for key in unbroken)
