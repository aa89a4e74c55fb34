import pytest
import torch

from recon.fitting import motion_review
from recon.fitting.motion_review import MotionReview
from recon.fitting.parameters import PATHS, parameters_from, splats_from
from recon.splats import Splats

REVIEW = MotionReview(zero_step=30, remove_step=60)
MOVES = [False, True, False]


@pytest.fixture
def parameters():
    """Three splats with paths of two control points, of which the last two are not zero."""
    N = len(MOVES)
    rest = Splats(torch.zeros(N, 3), torch.eye(4)[:N], torch.zeros(N, 3), torch.zeros(N), torch.zeros(N, 1, 3))
    found = parameters_from(rest, 2, "cpu")
    for name in PATHS:
        found[name].data[1:, 1] = 1.0
    return found


@pytest.fixture
def optimizers(parameters):
    """Adam after one step with a learning rate of zero."""
    found = {name: torch.optim.Adam([parameter], lr=0.0) for name, parameter in parameters.items()}
    for name, parameter in parameters.items():
        parameter.grad = torch.ones_like(parameter)
        found[name].step()
    return found


def review(parameters, optimizers, state, step, monkeypatch):
    monkeypatch.setattr(motion_review, "motion_benefit", lambda splats, targets: 0.1 * torch.tensor(MOVES).float())
    splats = splats_from({name: each.detach() for name, each in parameters.items()}, (0.0, 1.0), state["moving"], 0)
    REVIEW.review(parameters, optimizers, state, step, splats, [])


def test_it_is_due_twice():
    assert [step for step in range(100) if REVIEW.is_due(step)] == [30, 60]


def test_zero_paths_get_no_gradient_between_the_two_steps(parameters, optimizers):
    state = REVIEW.initialize_state()
    for step, moving, kept in ((29, None, [1, 1, 1]), (60, torch.tensor([1]), [1, 1, 1]), (30, None, [0, 1, 1])):
        REVIEW.step_post_backward(parameters, {**state, "moving": moving}, step)
        for name in PATHS:
            assert parameters[name].grad.flatten(1).mean(dim=1).tolist() == kept


def test_useless_paths_become_zero_with_their_optimizer_state(parameters, optimizers, monkeypatch):
    state = REVIEW.initialize_state()
    review(parameters, optimizers, state, 30, monkeypatch)
    assert state["moving"] is None
    for name in PATHS:
        moments = optimizers[name].state[parameters[name]]
        for value in (parameters[name], moments["exp_avg"], moments["exp_avg_sq"]):
            assert value.flatten(1).any(dim=1).tolist() == MOVES
    # A path from 0 to 1 is symmetric about its middle, so its average is its middle.
    torch.testing.assert_close(parameters["means"].detach(), torch.zeros(3, 3))


def test_useless_paths_are_removed_at_the_last_review(parameters, optimizers, monkeypatch):
    state = REVIEW.initialize_state()
    review(parameters, optimizers, state, 60, monkeypatch)
    assert state["moving"].tolist() == [1]
    for name in PATHS:
        parameter, optimizer = parameters[name], optimizers[name]
        assert len(parameter) == 1 and parameter.any()
        assert optimizer.param_groups[0]["params"] == [parameter]
        assert list(optimizer.state) == [parameter] and len(optimizer.state[parameter]["exp_avg"]) == 1
        assert optimizer.state[parameter]["step"] == 1
