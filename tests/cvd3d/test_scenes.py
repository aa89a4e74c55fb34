"""Scenes in Python."""

import inspect
import subprocess
import sys

import pytest

import cvd3d
from cvd3d.commands.scene import Scene
from recon.scene_folder import SceneFolder
from trajectories import InputError, make_rig
from trajectories.rig_file import save_rig


@pytest.fixture
def made(monkeypatch):
    """The commands that `make_scene` runs; they do nothing."""
    scenes = []
    monkeypatch.setattr(Scene, "make", lambda self: scenes.append(self))
    return scenes


def test_a_prompt_and_options(made, tmp_path):
    scene = cvd3d.make_scene(
        "a red cube", tmp_path, rig="orbit", views=3, quality="draft", sampling={"steps": 2}, fit={"steps": 5}
    )
    assert isinstance(scene, SceneFolder) and scene.path == tmp_path
    (command,) = made
    assert (command.prompt, command.cameras.rig, command.cameras.views) == ("a red cube", "orbit", 3)
    assert (command.sampling.steps, command.fit.given()) == (2, {"quality": "draft", "steps": 5})


def test_the_defaults_are_those_of_the_command_line(made):
    cvd3d.make_scene("a red cube")
    assert made == [Scene("a red cube")]
    assert set(inspect.signature(cvd3d.make_scene).parameters) >= {"capture", "poses", "seed", "moves", "force"}


def test_a_rig_that_was_made_in_python(made, tmp_path):
    rig = make_rig("orbit", 3, 2)
    cvd3d.make_scene("a red cube", tmp_path, rig=rig)
    assert made[0].cameras.build() is rig
    assert made[0]._recorded()["rig"] == str(tmp_path / "rig.json")
    with pytest.raises(InputError, match="A rig and views were given"):
        cvd3d.make_scene("a red cube", tmp_path, rig=rig, views=3)
    save_rig(rig, tmp_path / "other.json")
    cvd3d.make_scene("a red cube", tmp_path, rig=tmp_path / "other.json")
    assert made[1].cameras.build().views == 3


def test_options_that_do_not_exist(made):
    with pytest.raises(InputError, match="sampling has no option 'step'; did you mean 'steps'"):
        cvd3d.make_scene("a red cube", sampling={"step": 2})


def test_loading_a_folder_without_a_scene(tmp_path):
    with pytest.raises(InputError, match="is not a scene folder"):
        cvd3d.load_scene(tmp_path)


@pytest.mark.slow
def test_the_names_load_what_they_need():
    code = (
        "import sys, cvd3d\n"
        "assert not {'torch', 'numpy'} & set(sys.modules)\n"
        "from cvd3d.sampling import CollaborativePipeline\n"
        "assert CollaborativePipeline.__name__ == 'CollaborativePipeline'\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
