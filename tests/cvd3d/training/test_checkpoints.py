import pytest
import torch
from torch import nn

from cvd3d.training.checkpoints import Average, load_state, save_state, trainable


def test_the_average_by_hand():
    """Decays of 1/10, 2/11 and then the given 0.15."""
    parameter = nn.Parameter(torch.tensor([1.0]))
    average = Average({"p": parameter}, decay=0.15)
    value = 1.0
    for step, (decay, now) in enumerate([(0.1, 2.0), (0.15, 5.0), (0.15, -1.0)]):
        parameter.data.fill_(now)
        average.update(step)
        value = decay * value + (1 - decay) * now
    assert parameter.item() == -1.0
    average.restore()
    assert parameter.item() == pytest.approx(value)


def test_a_long_average_hardly_moves():
    parameter = nn.Parameter(torch.zeros(1))
    average = Average({"p": parameter}, decay=0.998)
    parameter.data.fill_(1.0)
    average.update(100_000)
    average.restore()
    assert parameter.item() == pytest.approx(0.002, rel=1e-3)


def test_the_named_parameters_learn_and_the_others_are_frozen():
    module = nn.ModuleDict({"motion": nn.Linear(2, 2), "motion_merge": nn.Linear(2, 2), "pose": nn.Linear(2, 2)})
    chosen = trainable([module, nn.Linear(1, 1)], ("motion", "pose.bias"), ("merge",))
    assert list(chosen) == ["0.motion.weight", "0.motion.bias", "0.pose.bias"]
    assert [name for name, p in module.named_parameters() if p.requires_grad] == [name[2:] for name in chosen]


def test_a_state_comes_back_and_an_interrupted_write_leaves_the_old_one(tmp_path, monkeypatch):
    path = tmp_path / "states" / "stage.pt"
    assert load_state(path) is None
    save_state(path, {"step": 3, "p": torch.arange(3)})

    def fails(state, part):
        part.write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(torch, "save", fails)
    with pytest.raises(OSError, match="disk full"):
        save_state(path, {"step": 4})
    state = load_state(path)
    assert state["step"] == 3 and state["p"].tolist() == [0, 1, 2]
