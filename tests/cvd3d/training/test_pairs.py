"""`cvd3d train-pairs` on synthetic clips and the tiny trained model."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from cvd3d.commands.train_pairs import TrainPairs
from cvd3d.sampling import load_pipeline
from cvd3d.training import loop
from cvd3d.training.pairs import PairTraining, train_pairs
from cvd3d.training.states import has_state
from cvd3d.videos import write_video
from trajectories import InputError, make_rig
from trajectories.formats.realestate10k import write_poses

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def training(tmp_path_factory):
    """Six steps on one posed and one captioned clip."""
    folder = tmp_path_factory.mktemp("clips")
    frames = np.random.default_rng(0).random((6, 32, 32, 3))
    for kind in ("posed", "captioned"):
        (folder / kind).mkdir()
        write_video(frames, folder / kind / "clip.mp4", 8.0)
    cameras = make_rig("orbit", 1, 6, width=32, height=32).cameras[0]
    write_poses(cameras, np.arange(6) / 8, folder / "posed" / "clip.txt")
    (folder / "captioned" / "clip.txt").write_text("a red cube")
    return PairTraining(
        posed=folder / "posed", captioned=folder / "captioned", side=32, frames=2, steps=6, pairs=2, accumulate=2,
        learning_rate=1e-2, posed_share=0.5,
    )  # fmt: skip


def weights(model):
    return {name: value.clone() for name, value in load_pipeline(model).unet.state_dict().items()}


def test_only_the_cross_view_modules_learn_and_the_model_samples(trained, training, tmp_path):
    before = weights(trained / "model")
    model = train_pairs(tmp_path / "run", trained / "model", training)
    after = weights(model)
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed and all(".cross_view." in name for name in changed)
    with Image.open(tmp_path / "run" / "previews" / "000006.png") as preview:
        assert preview.size == (64, 64)  # two frames of two videos
    assert has_state(tmp_path / "run" / "pairs")
    rig = make_rig("circle", 2, 2, width=32, height=32)
    videos = load_pipeline(model)("a red cube", rig, num_inference_steps=1, progress=False).videos
    assert videos.shape == (2, 2, 32, 32, 3) and np.isfinite(videos).all()


def test_a_killed_training_resumes_to_the_same_weights(trained, training, tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "SAVE_EVERY", 2)
    uninterrupted = weights(train_pairs(tmp_path / "a", trained / "model", training))

    def dies(self, step, **values):
        if step == 4:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(loop.Log, "add", dies)
        with pytest.raises(KeyboardInterrupt):
            train_pairs(tmp_path / "b", trained / "model", training)
    resumed = weights(train_pairs(tmp_path / "b", trained / "model", training))
    assert all(torch.equal(uninterrupted[name], resumed[name]) for name in uninterrupted)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"posed": None, "captioned": None}, "There are no training clips"),
        ({"posed_share": 1.0}, "The share of posed clips is 1.0"),
        ({"pairs": 3}, "3 pairs per step cannot be divided into 2 batches on 1 processes"),
        ({"pairs": 0}, "The number for pairs is 0; give at least 1"),
        ({"learning_rate": -1e-4}, "The learning rate is -0.0001; give a number above 0"),
        ({"learning_rate": float("nan")}, "The learning rate is nan"),
        ({"side": 40}, "The size of the frames is 40 pixels; give a multiple of 16"),
    ],
)
def test_options_that_do_not_fit_are_refused(trained, training, tmp_path, options, words):
    with pytest.raises(InputError, match=words):
        train_pairs(tmp_path / "run", trained / "model", replace(training, **options))
    assert not (tmp_path / "run").exists()


def test_a_run_folder_belongs_to_one_training(trained, training, tmp_path):
    train_pairs(tmp_path / "run", trained / "model", replace(training, steps=1))
    with pytest.raises(InputError, match=r"training\.json belongs to a training with other options"):
        train_pairs(tmp_path / "run", trained / "model", training)


def test_the_command_has_the_defaults_of_the_library():
    assert TrainPairs(posed=Path("clips")).training() == PairTraining(posed=Path("clips"))
