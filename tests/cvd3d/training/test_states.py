import pytest
import torch
from torch import nn

from cvd3d.training import states
from cvd3d.training.states import Average, load_state, save_state, trainable
from trajectories import InputError


def test_the_average_by_hand():
    """The decays are 1/10 and then the given 0.15, since 2/11 is larger."""
    parameter = nn.Parameter(torch.tensor([1.0]))
    average = Average({"p": parameter}, decay=0.15)
    value = 1.0
    for step, (decay, now) in enumerate([(0.1, 2.0), (0.15, 5.0), (0.15, -1.0)]):
        parameter.data.fill_(now)
        average.update(step)
        value = decay * value + (1 - decay) * now
    assert parameter.item() == -1.0
    average.apply()
    assert parameter.item() == pytest.approx(value)


def test_a_long_average_hardly_moves():
    parameter = nn.Parameter(torch.zeros(1))
    average = Average({"p": parameter}, decay=0.998)
    parameter.data.fill_(1.0)
    average.update(100_000)
    average.apply()
    assert parameter.item() == pytest.approx(0.002, rel=1e-3)


def test_the_named_parameters_are_trained_and_the_others_frozen():
    module = nn.ModuleDict({"motion": nn.Linear(2, 2), "motion_merge": nn.Linear(2, 2), "pose": nn.Linear(2, 2)})
    chosen = trainable([module, nn.Linear(1, 1)], ("motion", "pose.bias"), ("merge",))
    assert list(chosen) == ["0.motion.weight", "0.motion.bias", "0.pose.bias"]
    assert [name for name, p in module.named_parameters() if p.requires_grad] == [name[2:] for name in chosen]


def test_a_state_comes_back_in_parts(tmp_path, monkeypatch):
    monkeypatch.setattr(states, "PART", 1000)
    path = tmp_path / "states" / "stage"
    assert load_state(path) is None
    for step in (3, 4):
        save_state(path, {"step": step, "p": torch.arange(1000)})
        parts = list(path.parent.glob("*.part"))
        assert len(parts) > 5 and all(part.stat().st_size <= 1000 for part in parts)  # the old parts are deleted
        state = load_state(path)
        assert state["step"] == step and state["p"].equal(torch.arange(1000))


def test_an_interrupted_write_leaves_the_old_state(tmp_path, monkeypatch):
    path = tmp_path / "stage"
    save_state(path, {"step": 3})

    def fails(path, content):
        raise KeyboardInterrupt

    monkeypatch.setattr(states, "write_text", fails)
    with pytest.raises(KeyboardInterrupt):
        save_state(path, {"step": 4})
    assert load_state(path)["step"] == 3


@pytest.mark.parametrize("fault", ["cut", "gone", "listless"])
def test_a_state_that_is_not_complete_is_refused(tmp_path, fault):
    path = tmp_path / "stage"
    save_state(path, {"step": 3})
    (part,) = tmp_path.glob("*.part")
    if fault == "cut":
        part.write_bytes(part.read_bytes()[:-1])
    elif fault == "gone":
        part.unlink()
    else:
        (tmp_path / "stage.json").write_text("{}")
    with pytest.raises(InputError, match=r"stage\.json: the parts of this state are not complete"):
        load_state(path)


def test_a_state_of_a_gpu_is_loaded_on_the_cpu(tmp_path, monkeypatch):
    path = tmp_path / "stage"
    save_state(path, {"step": 3})
    real, asked = torch.load, []
    monkeypatch.setattr(torch, "load", lambda *args, **options: asked.append(options) or real(*args, **options))
    load_state(path)
    assert asked == [{"map_location": "cpu", "weights_only": True}]
