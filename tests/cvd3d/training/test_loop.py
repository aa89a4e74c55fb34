"""The schedule computed by hand, and training in several runs with a deadline."""

import pytest
import torch
from torch import nn

from cvd3d.training import loop
from cvd3d.training.loop import OutOfTime, Schedule
from cvd3d.training.states import load_state


@pytest.mark.parametrize(
    ("step", "rate"),
    [(0, 0.2), (4, 1.0), (9, 2.0), (10, 2.0), (60, 2.0), (70, 1.5), (80, 1.0), (98, 0.1), (99, 0.1)],
)
def test_the_rate_rises_is_constant_and_falls_to_a_twentieth(step, rate):
    # A warm-up of 10 steps; over the last 40 of 100, the rate falls by 1/40 per step, to 5 %.
    assert Schedule(100, 1, 2.0, warmup=10, decay=0.4).rate(step) == pytest.approx(rate)


def test_without_decay_the_rate_is_constant():
    schedule = Schedule(100, 1, 2.0, warmup=0, decay=0)
    assert {schedule.rate(step) for step in range(100)} == {2.0}


def train(state, seed=3, **options):
    """Whether `learn` finished its six steps, and the resulting parameters of the linear map."""
    torch.manual_seed(0)
    net = nn.Linear(3, 2)

    def loss(samples, generator):
        x = torch.randn(samples, 3, generator=generator)
        return {"loss": (net(x) - x[:, :2]).square().mean()}

    try:
        loop.learn(
            "a test", {"net": net}, dict(net.named_parameters()), Schedule(6, 4, 0.1), loss, state, seed, **options
        )
        finished = True
    except OutOfTime:
        finished = False
    return finished, torch.cat([p.detach().flatten() for p in net.parameters()])


def test_runs_with_a_deadline_give_the_same_bits_as_one_run(tmp_path):
    finished, uninterrupted = train(tmp_path / "uninterrupted")
    assert finished
    saved = []
    for step in range(1, 6):
        finished, averages = train(tmp_path / "runs", deadline=0.0, after_save=saved.append)
        assert not finished and load_state(tmp_path / "runs")["step"] == step
        assert torch.equal(averages[:6], load_state(tmp_path / "runs")["average"]["weight"].flatten())
    finished, last = train(tmp_path / "runs", deadline=0.0, after_save=saved.append)
    assert finished and torch.equal(last, uninterrupted)
    assert saved == [1, 2, 3, 4, 5, 6]


def test_another_seed_gives_other_parameters(tmp_path):
    assert not torch.equal(train(tmp_path / "a")[1], train(tmp_path / "b", seed=4)[1])


def test_the_batches_of_a_step_are_accumulated(tmp_path, monkeypatch):
    net, counts, logged = nn.Linear(1, 1, bias=False), [], []
    nn.init.ones_(net.weight)

    def loss(samples, generator):
        counts.append(samples)
        return {"loss": net.weight.sum() * len(counts)}

    monkeypatch.setattr(loop.Log, "add", lambda self, step, **values: logged.append(values))
    schedule = Schedule(1, 4, 0.1, warmup=0, accumulate=2)
    loop.learn("a test", {}, dict(net.named_parameters()), schedule, loss, tmp_path / "state", 0)
    assert counts == [4, 4] and logged == [{"loss": 1.5}]  # the mean of 1 and 2
