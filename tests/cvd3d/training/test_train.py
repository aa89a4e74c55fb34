"""`cvd3d train` on tiny networks and a few samples."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from cvd3d.sampling import load_pipeline
from cvd3d.training import loop
from cvd3d.training.recipe import DiffusionStage, Recipe, shortened
from cvd3d.training.train import build_networks, train
from trajectories import InputError, make_rig

pytestmark = pytest.mark.slow


def weights(run):
    return {str(p.relative_to(run / "model")): p.read_bytes() for p in sorted((run / "model").rglob("*.safetensors"))}


def test_training_leaves_a_model_that_samples(trained, recipe):
    assert len(weights(trained)) == 3
    pipeline = load_pipeline(trained / "model")
    assert pipeline.unet.config.pose_frame == "world"
    rig = make_rig("circle", 2, 2, width=128, height=128)
    videos = pipeline("a red cube", rig, num_inference_steps=1, progress=False).videos
    assert videos.shape == (2, 2, 128, 128, 3) and np.isfinite(videos).all()
    finished = {path.name for path in (trained / "states").glob("*.finished.json")}
    assert finished == {f"{stage.name}.finished.json" for stage in recipe.stages}


def test_a_finished_run_trains_nothing_again(trained, recipe, tmp_path, monkeypatch, capfd):
    run = tmp_path / "run"
    shutil.copytree(trained, run)
    shutil.rmtree(run / "model")

    def refuses(*args):
        raise AssertionError("trained again")

    monkeypatch.setattr("cvd3d.training.train._train_stage", refuses)
    train(run, recipe)
    assert weights(run) == weights(trained)
    assert "kept in float32" not in capfd.readouterr().err


def test_a_killed_run_resumes_to_the_same_weights(trained, recipe, tmp_path, monkeypatch):
    run = tmp_path / "run"
    shutil.copytree(trained / "pixels", run / "pixels")
    count = 0

    def add(self, step, **values):
        nonlocal count
        count += 1
        if count == 14:  # all stages before "motion", and one step of it
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(loop.Log, "add", add)
        with pytest.raises(KeyboardInterrupt):
            train(run, recipe)
    assert (run / "states" / "images.finished.json").exists() and not (run / "model").exists()
    train(run, recipe)
    assert weights(run) == weights(trained)


def test_training_stops_after_the_given_stage(trained, recipe, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(trained / "pixels", run / "pixels")
    train(run, recipe, until="autoencoder")
    assert {path.name for path in (run / "states").glob("*.finished.json")} == {"autoencoder.finished.json"}
    with pytest.raises(InputError, match="no stage 'color'; the stages are autoencoder, decoder, words, images"):
        train(tmp_path / "none", recipe, until="color")
    assert not (tmp_path / "none").exists()


def test_initial_networks_are_always_the_same_and_leave_the_global_generator_alone(recipe):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    (a, one), (b, two) = build_networks(recipe), build_networks(recipe)
    assert torch.equal(torch.get_rng_state(), before)
    for mine, other in ((a, b), (one.unet, two.unet), (one.text_encoder, two.text_encoder)):
        state = other.state_dict()
        assert all(torch.equal(value, state[name]) for name, value in mine.state_dict().items())


def test_the_shortened_recipe_keeps_the_stages_and_the_networks():
    whole, short = Recipe(), shortened(Recipe(), 3)
    assert [stage.name for stage in short.stages] == [stage.name for stage in whole.stages]
    assert short.unet == whole.unet and short.autoencoder == whole.autoencoder
    assert {stage.schedule.steps for stage in short.stages} == {3}
    assert all(pool.samples == 8 for pool in short.pools)


def test_the_stages_have_the_papers_order_and_the_last_trains_the_cross_view_modules_only():
    stages = [stage for stage in Recipe().stages if isinstance(stage, DiffusionStage)]
    paper = ["images", "cameras", "pairs"]
    assert [stage.name for stage in stages if stage.name in paper] == paper
    assert stages[-1].trains == (".cross_view.",) and stages[-1].pairs
    cross_view = "down_blocks.0.motion_modules.0.cross_view.proj_out.weight"
    for stage in stages[:-1]:
        learns = any(f in cross_view for f in stage.trains) and not any(f in cross_view for f in stage.freezes)
        assert not learns and not stage.pairs


def test_a_run_folder_belongs_to_one_recipe(trained, recipe):
    with pytest.raises(InputError, match=r"recipe\.json belongs to another recipe; give another --out folder"):
        train(trained, shortened(recipe, 1))


def test_a_run_with_a_time_limit_writes_a_model_and_resumes_to_the_same_weights(trained, recipe, tmp_path, capfd):
    run = tmp_path / "run"
    shutil.copytree(trained / "pixels", run / "pixels")
    runs = 0
    while not train(run, recipe, minutes=1e-9):
        runs += 1
        assert load_pipeline(run / "model").unet.config.pose_frame == "world"
    # Every run makes one step; after the last step of a stage, it starts the next one.
    assert runs == sum(stage.schedule.steps - 1 for stage in recipe.stages)
    assert weights(run) == weights(trained)


def test_a_run_may_start_from_a_model(trained, recipe, tmp_path):
    train(tmp_path / "run", recipe, start=trained / "model")
    before, after = weights(trained), weights(tmp_path / "run")
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"unet/diffusion_pytorch_model.safetensors"}


def test_a_start_model_of_other_sizes_is_refused(trained, recipe, tmp_path):
    wider = replace(recipe, unet={**recipe.unet, "block_out_channels": (32, 32)})
    with pytest.raises(InputError, match="has another CollaborativeUNet than the recipe"):
        train(tmp_path / "run", wider, start=trained / "model")
