"""Whether something moves: from the option, the prompt's words, or the capture's times."""

import json

import numpy as np
import pytest

from cvd3d.cli import main
from cvd3d.sampling import DEFAULT_MODEL
from cvd3d.scene.chain import read_scene
from cvd3d.scene.moves import MOTION_WORDS, capture_moves, prompt_moves, recorded_moves, shared_instants, vocabulary
from cvd3d.training.world.captions import PARTICIPLES, VERBS, VOCABULARY
from cvd3d.videos import write_image
from recon.capture import Capture, ImageFile
from trajectories import make_rig
from trajectories.formats.nerfstudio import Transforms, write_transforms


def model(folder, kind, words):
    (folder / "tokenizer").mkdir(parents=True)
    content = {"model": {"type": kind, "vocab": {word: i for i, word in enumerate(words)}}}
    (folder / "tokenizer" / "tokenizer.json").write_text(json.dumps(content))
    return folder


@pytest.fixture
def words_of_a_zoo(tmp_path):
    return model(tmp_path / "zoo", "WordLevel", ["a", "lion", "running"])


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("a red cube and a blue ball on green grass", False),
        ("A BOUNCING ball", True),
        ("a car that drives, at night", True),
        ("a lion running", False),  # "running" is not in the default model's vocabulary
        ("a driveway", False),
        ("", False),
    ],
)
def test_auto_looks_for_words_of_motion_in_the_default_models_vocabulary(prompt, expected):
    assert prompt_moves("auto", prompt) is expected


def test_auto_uses_the_vocabulary_of_the_given_model(words_of_a_zoo, tmp_path):
    assert prompt_moves("auto", "a running lion", words_of_a_zoo)
    assert not prompt_moves("auto", "a bouncing lion", words_of_a_zoo)
    for subwords in (model(tmp_path / "clip", "BPE", ["a</w>", "ru", "nning</w>"]), tmp_path / "no tokenizer.json"):
        assert vocabulary(subwords) is None
        assert prompt_moves("auto", "a lion walking", subwords) and not prompt_moves("auto", "a lion", subwords)


def test_yes_and_no_override_the_prompt():
    assert prompt_moves("yes", "a cube") and not prompt_moves("no", "a bouncing cube")


def test_every_motion_of_the_training_is_a_motion_word():
    assert {word for words in (*PARTICIPLES.values(), *VERBS.values()) for word in words} <= MOTION_WORDS


@pytest.mark.skipif(not (DEFAULT_MODEL / "tokenizer").is_dir(), reason="the default model is not there")
def test_the_vocabulary_of_the_default_model_is_that_of_its_captions():
    assert set(VOCABULARY) <= vocabulary()


def capture(times, moving=True):
    cameras = make_rig("orbit", 1, len(times), width=8, height=8).cameras[0]
    cameras = cameras if moving else cameras[np.zeros(len(times), dtype=int)]
    return Capture(cameras, times, ("a",) * len(times), (ImageFile("a.png"),) * len(times))


@pytest.mark.parametrize(
    ("times", "instants"),
    [
        ([0.0, 0.0, 1.0, 1.0], [0.0, 1.0]),  # two synchronized cameras
        ([0.0, 1.0, 2.0, 3.0], []),  # one moving camera
        ([0.0, 0.0, 0.0, 0.0], [0.0]),  # photos of a static scene
    ],
)
def test_a_capture_moves_where_cameras_share_several_instants(times, instants):
    assert shared_instants(capture(times)) == instants
    assert capture_moves("auto", capture(times)) == (len(instants) > 1)
    assert capture_moves("yes", capture(times)) and not capture_moves("no", capture(times))
    assert shared_instants(capture(times, moving=False)) == []  # one position gives no parallax


def test_a_fit_uses_the_recorded_value_by_default():
    assert recorded_moves("auto", {"prompt": "a cube", "moves": True})
    assert not recorded_moves("no", {"prompt": "a cube", "moves": True})
    assert recorded_moves("auto", {"prompt": "a bouncing ball"})  # a scene made before the value was recorded
    assert not recorded_moves("auto", {"capture": "clip.mp4"}) and recorded_moves("yes", {"capture": "clip.mp4"})


@pytest.mark.slow
def test_the_value_is_recorded_and_decides_whether_splats_move(drawing, tmp_path):
    words = ["--views", "3", "--frames", "4", "--size", "32", "32", "--out", str(tmp_path / "a"), "--fit.steps", "4"]
    main(["scene", "a blue ball on grass", *words, "--moves", "yes", "--still-below", "0"])
    assert (tmp_path / "a" / "motion.safetensors").exists() and read_scene(tmp_path / "a")["asked"]["moves"] is True
    main(["fit", str(tmp_path / "a"), "--steps", "3", "--moves", "no"])
    scene = read_scene(tmp_path / "a")
    assert not (tmp_path / "a" / "motion.safetensors").exists()
    assert scene["asked"]["moves"] is True
    assert [scene["stages"][name]["options"]["moves"] for name in ("points", "fit")] == [False, False]


@pytest.mark.slow
def test_synchronized_cameras_are_fitted_as_moving(drawn_scene, tmp_path):
    words = ["scene", "--from", str(drawn_scene), "--fit.steps", "3"]
    main([*words, "--out", str(tmp_path / "a")])
    main([*words, "--out", str(tmp_path / "b"), "--moves", "no"])
    assert [read_scene(tmp_path / name)["asked"]["moves"] for name in "ab"] == [True, False]


@pytest.mark.slow
def test_one_camera_can_be_fitted_as_moving(tmp_path, drawn_scene):
    """No instant has two views, so there are no starting points of a single instant."""
    rig = make_rig("orbit", 1, 4, width=24, height=24)
    (tmp_path / "clip").mkdir()
    names = tuple(f"{t}.png" for t in range(4))
    for t, name in enumerate(names):
        write_image(np.full((24, 24, 3), t / 4, dtype=np.float32), tmp_path / "clip" / name)
    write_transforms(Transforms(names, rig.cameras[0], rig.times), tmp_path / "clip" / "transforms.json")
    words = ["scene", "--from", str(tmp_path / "clip"), "--out", str(tmp_path / "a"), "--fit.steps", "3"]
    main([*words, "--moves", "yes"])
    assert read_scene(tmp_path / "a")["stages"]["fit"]["options"]["moves"] is True
