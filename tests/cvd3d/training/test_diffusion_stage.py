"""Batches, losses, the parameters that a stage changes, and resuming an interrupted stage to the same bits."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from cvd3d.training import diffusion_stage, loop
from cvd3d.training.batches import Batch
from cvd3d.training.diffusion_stage import Networks, diffusion_loss, draw_timesteps, train_stage
from cvd3d.training.pooled import PooledVideos
from cvd3d.training.recipe import DiffusionStage


@pytest.fixture
def stages(recipe):
    return {stage.name: stage for stage in recipe.stages if isinstance(stage, DiffusionStage)}


@pytest.fixture
def pools(recipe):
    return {pool.name: pool for pool in recipe.pools}


def scheduled(stage, **changes):
    return replace(stage, schedule=replace(stage.schedule, **changes))


def source_of(stage, pools, latents, dropout=0.0):
    pool = pools[stage.pool]
    return PooledVideos(pool, pool.load(latents), stage.frames, stage.pairs, dropout)


def batch_of(stage, pools, latents, seed=0, dropout=0.0):
    return source_of(stage, pools, latents, dropout).draw(stage.schedule.batch, torch.Generator().manual_seed(seed))


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
    """Replaces the network, records its inputs and predicts zero."""

    device = torch.device("cpu")

    def warped_geometry(self, *given):
        return given

    def __call__(self, noisy, steps, text, **options):
        self.noisy, self.steps, self.options = noisy, steps, options
        return torch.zeros_like(noisy)


def loss_and_record(networks, stage, batch, seed=0):
    parts, recorder = networks(), Recorder()
    parts = Networks(recorder, parts.text_encoder, parts.tokenizer, parts.scheduler)
    return diffusion_loss(parts, stage, batch, torch.Generator().manual_seed(seed)), recorder


@pytest.mark.slow
def test_the_two_videos_of_a_pair_share_their_timestep_but_not_their_noise(networks, stages, pools, latents):
    steps = set()
    for seed in range(5):
        batch = batch_of(stages["pairs"], pools, latents, seed)
        batch = replace(batch, latents=torch.zeros_like(batch.latents))
        _, record = loss_and_record(networks, stages["pairs"], batch, seed)
        assert record.steps[0::2].equal(record.steps[1::2])
        assert not torch.equal(record.noisy[0], record.noisy[1])
        assert record.options["partners"] is None and record.options["cameras"] is batch.cameras
        steps |= set(record.steps.tolist())
    assert len(steps) > 5
    _, alone = loss_and_record(networks, stages["motion"], batch_of(stages["motion"], pools, latents))
    assert alone.options["partners"].tolist() == [-1, -1] and alone.options["cameras"] is None


def test_the_loss_is_the_mean_square_of_v(networks, stages, pools, latents):
    batch = batch_of(stages["motion"], pools, latents)
    loss, record = loss_and_record(networks, stages["motion"], batch)
    abar = networks().scheduler.alphas_cumprod[record.steps].view(-1, 1, 1, 1, 1)
    noise = (record.noisy - abar.sqrt() * batch.latents) / (1 - abar).sqrt()
    v = abar.sqrt() * noise - (1 - abar).sqrt() * batch.latents
    assert loss.item() == pytest.approx((v.square() * batch.weights).mean().item(), rel=1e-4)


def test_pixels_outside_the_warped_clip_have_no_weight(networks, stages):
    torch.manual_seed(0)
    H = np.tile(np.eye(3), (2, 2, 1, 1))
    visible = torch.ones(2, 1, 2, 8, 8)
    visible[1, :, 1, :4] = 0
    batch = Batch(torch.randn(2, 4, 2, 8, 8), ["", ""], homographies=H, size=(128, 128), weights=visible)
    loss, record = loss_and_record(networks, stages["pairs"], batch)
    assert record.options["cameras"][0] is H and record.options["cameras"][1:4] == ((128, 128), 8, 8)
    abar = networks().scheduler.alphas_cumprod[record.steps].view(-1, 1, 1, 1, 1)
    noise = (record.noisy - abar.sqrt() * batch.latents) / (1 - abar).sqrt()
    v = (abar.sqrt() * noise - (1 - abar).sqrt() * batch.latents) * visible
    assert loss.item() == pytest.approx(v.square().mean().item(), rel=1e-3)


def test_timesteps_are_the_papers_or_its_codes(stages):
    generator = torch.Generator().manual_seed(0)
    stage = replace(stages["pairs"], timesteps="uniform")
    shared = draw_timesteps(stage, 2000, 1000, generator)
    assert shared[0::2].equal(shared[1::2]) and shared.min() < 10 and shared.max() > 990
    own = draw_timesteps(replace(stage, shared_timestep=False), 2000, 1000, generator)
    assert (own[0::2] == own[1::2]).float().mean() < 0.02
    middle = draw_timesteps(stages["pairs"], 2000, 1000, generator).float()
    assert middle.std() < shared.float().std()


def test_accumulated_batches_count_as_their_mean(networks, stages, tmp_path, monkeypatch):
    monkeypatch.setattr(
        diffusion_stage,
        "diffusion_loss",
        lambda parts, stage, weight, generator: weight * parts.unet.conv_in.weight.sum(),
    )

    class Weights:
        def __init__(self, *weights):
            self.left = list(weights)

        def draw(self, count, generator):
            return self.left.pop(0)

    stage = scheduled(stages["cameras"], steps=1)
    lines = []
    for name, accumulate, source in (("two", 2, Weights(1.0, 3.0)), ("one", 1, Weights(2.0))):
        parts = networks()
        monkeypatch.setattr(loop.Log, "add", lambda self, step, loss: lines.append(loss))
        train_stage(parts, scheduled(stage, accumulate=accumulate), source, tmp_path / name, seed=0)
        lines.append(parts.unet.conv_in.weight.clone())
    assert lines[0] == pytest.approx(lines[2]) and torch.equal(lines[1], lines[3])


@pytest.mark.slow
def test_half_precision_leaves_single_precision_weights(networks, stages, pools, latents, tmp_path):
    stage, parts = scheduled(stages["pairs"], steps=2, bf16=True), networks()
    train_stage(parts, stage, source_of(stage, pools, latents), tmp_path / "s", seed=0)
    assert {p.dtype for p in parts.unet.parameters()} == {torch.float32}
    assert all(torch.isfinite(p).all() for p in parts.unet.parameters())


def states(networks):
    return {
        f"{part}.{name}": value.clone()
        for part in ("unet", "text_encoder")
        for name, value in getattr(networks, part).state_dict().items()
    }


def learns(stage, name):
    if name.startswith("text_encoder."):
        return False
    return any(f in name for f in stage.trains) and not any(f in name for f in stage.freezes)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["images", "motion", "cameras", "pairs"])
def test_only_the_stages_parameters_change(networks, stages, pools, latents, tmp_path, name):
    # Four steps: parameters behind two zero-initialized layers get their first gradient in the third.
    stage, parts = scheduled(stages[name], steps=4), networks()
    before = states(parts)
    train_stage(parts, stage, source_of(stage, pools, latents, 0.1), tmp_path / "s", seed=0)
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
    """`kill_at(step)`: raise an exception after the update of this step, before it is saved."""

    def arrange(step):
        def add(self, at, **values):
            if at == step:
                raise Killed

        monkeypatch.setattr(loop.Log, "add", add)

    return arrange


@pytest.mark.slow
@pytest.mark.parametrize("name", ["images", "pairs"])
def test_a_killed_stage_resumes_to_the_same_bits(
    networks, stages, pools, latents, tmp_path, monkeypatch, kill_at, name
):
    stage = stages[name]

    def run(folder):
        parts = networks()
        train_stage(parts, stage, source_of(stage, pools, latents, 0.1), tmp_path / folder / "s", seed=3)
        return states(parts)

    monkeypatch.setattr(loop, "SAVE_EVERY", 2)
    uninterrupted = run("uninterrupted")
    kill_at(3)
    with pytest.raises(Killed):
        run("interrupted")
    kill_at(None)
    resumed = run("interrupted")
    assert all(torch.equal(uninterrupted[key], resumed[key]) for key in uninterrupted)
    again = run("interrupted")  # as if killed after the last step, before the stage was marked as finished
    assert all(torch.equal(uninterrupted[key], again[key]) for key in uninterrupted)
