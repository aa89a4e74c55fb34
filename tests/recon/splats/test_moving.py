from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from recon.splats import Sphere, Splats
from recon.splats.moving import MovingSplats, rotated, spline_weights
from trajectories.errors import InputError
from trajectories.similarity import Similarity


def make(N=5, M=3, K=6, seed=0):
    g = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return torch.randn(*shape, generator=g)

    rest = Splats(normal(N, 3), normal(N, 4), normal(N, 3), normal(N), normal(N, 4, 3))
    return MovingSplats(rest, torch.arange(M) + 1, normal(M, K, 3), normal(M, K, 3), normal(M, K), 1.0, 3.0)


@given(knots=st.integers(2, 12), share=st.floats(-1, 2))
def test_weights_sum_to_one_and_the_path_starts_and_ends_at_its_outer_points(knots, share):
    weights = spline_weights(knots, share)
    assert weights.shape == (knots,) and weights.sum() == pytest.approx(1) and (weights >= -1e-12).all()
    assert spline_weights(knots, 0)[0] == spline_weights(knots, 1)[-1] == pytest.approx(1)
    assert np.array_equal(spline_weights(knots, -0.5), spline_weights(knots, 0))


def test_four_points_are_a_bezier_curve():
    s = 0.3
    bernstein = [(1 - s) ** 3, 3 * s * (1 - s) ** 2, 3 * s**2 * (1 - s), s**3]
    assert spline_weights(4, s) == pytest.approx(bernstein)


@given(seed=st.integers(0, 2**32))
def test_turns_are_rotations_about_the_worlds_axes(seed):
    rng = np.random.default_rng(seed)
    quats, turns = rng.normal(size=(4, 4)), rng.normal(size=(4, 3))
    found = rotated(torch.from_numpy(quats), torch.from_numpy(turns)).numpy()
    expected = Rotation.from_rotvec(turns) * Rotation.from_quat(quats[:, [1, 2, 3, 0]])
    assert np.allclose(Rotation.from_quat(found[:, [1, 2, 3, 0]]).as_matrix(), expected.as_matrix(), atol=1e-6)
    assert torch.allclose(
        rotated(torch.from_numpy(quats), torch.zeros(4, 3, dtype=torch.float64)), torch.from_numpy(quats), atol=1e-7
    )


def test_no_turn_has_a_gradient():
    turns = torch.zeros(2, 3, dtype=torch.float64, requires_grad=True)
    quats = torch.tensor([[1.0, 0, 0, 0], [0.5, 0.5, 0.5, 0.5]], dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda t: rotated(quats, t), turns + 0.1)
    rotated(quats, turns)[:, 1].sum().backward()
    assert turns.grad.isfinite().all() and turns.grad.abs().max() == pytest.approx(0.5)


def test_an_instant_by_hand_and_still_ones_stand_still():
    splats = make()
    now = splats.at(2.5)
    weights = torch.tensor(spline_weights(6, 0.75) - spline_weights(6, 0.5), dtype=torch.float32)
    assert torch.allclose(now.means[2], splats.rest.means[2] + weights @ splats.shifts[1], atol=1e-6)
    assert now.logit_opacities[3] == pytest.approx(float(splats.rest.logit_opacities[3] + splats.fades[2] @ weights))
    for still in (0, 4):
        for name in ("means", "quats", "log_scales", "logit_opacities", "sh"):
            assert torch.equal(getattr(now, name)[still], getattr(splats.rest, name)[still])
    middle = splats.at(2.0)
    assert torch.allclose(middle.means, splats.rest.means) and torch.allclose(middle.quats, splats.rest.quats)
    assert torch.equal(splats.at(-5.0).means, splats.at(1.0).means)
    assert torch.equal(splats.at(9.0).means, splats.at(3.0).means)
    assert len(splats) == 5 and splats.sh_degree == 1


def test_splats_without_paths_are_at_the_average_of_their_path():
    splats = make()
    splats.shifts[1] *= 0.001
    before = splats.at(1.7).means
    done = splats.frozen(torch.tensor([False, True, False]))
    assert done.moving.tolist() == [1, 3] and len(done.fades) == 2
    for time in (1.0, 1.7, 3.0):
        assert torch.allclose(done.at(time).means, splats.at(time).means, atol=0.01)
        assert torch.equal(done.at(time).means[1], splats.at(time).means[1])
    assert torch.equal(done.at(1.0).means[2], done.at(3.0).means[2])
    assert torch.equal(splats.at(1.7).means, before)


def test_the_average_is_that_of_the_path():
    splats = make()
    middle = torch.stack([splats.at(time).means for time in np.linspace(1, 3, 401)]).mean(dim=0)
    still = splats.frozen(torch.ones(3, dtype=torch.bool))
    assert len(still.moving) == 0
    for time in (1.0, 2.2):
        assert torch.allclose(still.at(time).means, middle, atol=0.01)


def test_gradients_reach_the_paths_and_what_is_at_rest():
    splats = make()
    tensors = [splats.rest.means, splats.rest.quats, splats.shifts, splats.turns, splats.fades]
    tensors = [tensor.double().requires_grad_() for tensor in tensors]

    def at(means, quats, shifts, turns, fades):
        rest = replace(splats.rest.map(torch.Tensor.double), means=means, quats=quats)
        now = replace(splats, rest=rest, shifts=shifts, turns=turns, fades=fades).at(1.3)
        return now.means, now.quats, now.logit_opacities

    assert torch.autograd.gradcheck(at, tensors)


def test_another_device_has_all_of_it():
    moved = make().to("meta")
    assert moved.rest.means.is_meta and moved.shifts.is_meta and moved.moving.is_meta and moved.end == 3.0


@pytest.mark.parametrize("mirror", [1, -1])
def test_transformed_paths_lead_to_transformed_splats(mirror):
    move = Similarity(mirror * Rotation.from_rotvec([0.3, -1.0, 2.0]).as_matrix(), 2.5, (4, -3, 9))
    splats = make()
    for time in (1.0, 1.4, 3.0):
        one, two = splats.transformed(move).at(time), splats.at(time).transformed(move)
        for name in ("means", "quats", "log_scales", "logit_opacities", "sh"):
            torch.testing.assert_close(getattr(one, name), getattr(two, name), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("rows", [[True, False, True, True, False], [4, 0, 4], slice(1, 4), 2])
def test_selected_splats_keep_their_paths(rows):
    splats = make()
    for time in (1.0, 2.7):
        chosen, all_ = splats[rows].at(time), splats.at(time)
        assert torch.equal(chosen.means, all_.means[rows].reshape(-1, 3))
        assert torch.equal(chosen.logit_opacities, all_.logit_opacities[rows].reshape(-1))


def test_cropped_where_they_are_at_the_middle():
    splats = make()
    inside = splats.at(2.0).means.norm(dim=1) <= 1.5
    assert 0 < inside.sum() < 5
    torch.testing.assert_close(splats.cropped(Sphere((0, 0, 0), 1.5)).at(2.9).means, splats.at(2.9).means[inside])


def test_the_opacity_is_the_highest_over_time():
    splats = make()
    splats.rest.logit_opacities[:], splats.fades[:] = -9.0, 0.0
    splats.fades[1, -1] = 12.0  # reached at the end, where the spline is clamped
    opacities = splats.opacities
    assert (opacities > 0.5).nonzero().flatten().tolist() == [int(splats.moving[1])]


def test_saved_moving_splats_are_loaded(tmp_path):
    splats = make()
    splats.save(tmp_path / "ball")
    back = MovingSplats.load(tmp_path / "ball")
    assert torch.equal(back.at(2.7).means, splats.at(2.7).means)
    with pytest.raises(InputError, match="not an empty folder"):
        splats.save(tmp_path / "ball")
    (tmp_path / "ball" / "motion.safetensors").unlink()
    with pytest.raises(InputError, match="do not move"):
        MovingSplats.load(tmp_path / "ball")


def test_the_repr_is_short():
    assert repr(make()) == "MovingSplats(5, 3 moving from 1 to 3 s, sh_degree=1, cpu)"
