from dataclasses import replace

import numpy as np
import pytest
import torch

from recon.export.targets import TARGETS
from recon.splats import MovingSplats, Splats
from recon.splats.ply_sequence import load_ply_sequence, write_ply_sequence
from viewer.drawn import drawn
from viewer.gaussians import flat_gaussians


def splats_of(n: int) -> Splats:
    return Splats(
        means=torch.arange(3.0 * n).reshape(n, 3),
        quats=torch.tensor([[1.0, 0, 0, 0]]).repeat(n, 1),
        log_scales=torch.full((n, 3), -3.0),
        logit_opacities=torch.zeros(n),
        sh=torch.zeros(n, 4, 3),
    )


def moving_splats(n: int, ids: list[int]) -> MovingSplats:
    generator = torch.Generator().manual_seed(0)
    M = len(ids)
    shifts, turns = (torch.randn(M, 5, 3, generator=generator) for _ in range(2))
    fades = torch.randn(M, 5, generator=generator)
    return MovingSplats(splats_of(n), torch.tensor(ids, dtype=torch.long), shifts, turns, fades, 0.0, 2.0)


@pytest.mark.parametrize(("total", "limit"), [(10, 3), (10, 10), (11, 10), (1000, 7)])
def test_the_limit_keeps_evenly_spaced_splats(total, limit):
    got = drawn(splats_of(total), limit)
    assert total / limit / 2 <= total / len(got) and len(got) <= limit and got.total == total
    steps = np.diff(got.still.means[:, 0])
    assert (steps == steps[:1]).all()


def test_moving_and_still_splats_are_separated():
    splats = moving_splats(7, [5, 1, 6])
    got = drawn(splats, 100)
    assert (len(got.still), len(got.moving), len(got), got.total) == (4, 3, 7, 7)
    np.testing.assert_array_equal(got.still.means, splats.rest.means[[0, 2, 3, 4]])
    np.testing.assert_allclose(got.means, splats.at(0.0).means[[0, 2, 3, 4, 5, 1, 6]])
    for seconds in (0.0, 0.7, 2.0):
        wanted, found = flat_gaussians(splats.at(seconds)), got.instant(seconds)
        for name, values in vars(found).items():
            np.testing.assert_allclose(values, getattr(wanted, name)[[5, 1, 6]], atol=1e-6, err_msg=name)


def test_the_limit_counts_moving_and_still_splats():
    got = drawn(moving_splats(9, [1, 2, 4]), 3)  # every third: 0, 3 and 6
    assert (len(got.still), got.moving, got.total) == (3, None, 9)
    got = drawn(moving_splats(9, [1, 3, 4, 6]), 3)
    np.testing.assert_array_equal(got.moving.rest.means[:, 0], [9, 18])
    assert len(got.still) == 1


def test_invisible_splats_are_removed_only_if_they_are_still():
    splats = moving_splats(6, [0, 1])
    splats.rest.logit_opacities[:4] = -20.0
    got = drawn(splats, 100)
    assert (len(got.still), len(got.instant(0.5))) == (2, 2)


def test_without_moving_splats_an_instant_is_empty():
    for splats in (splats_of(3), moving_splats(3, [])):
        got = drawn(splats, 100)
        assert got.moving is None and len(got.instant(0.5)) == 0 and len(got) == 3


def test_the_copy_shares_no_memory_with_a_running_fit():
    splats = moving_splats(3, [1])
    got, before = drawn(splats, 10), drawn(splats, 10).instant(0.3)
    for values in (*vars(splats.rest).values(), splats.shifts, splats.turns, splats.fades):
        values.fill_(7.0)
    assert got.still.means[1, 2] == 8.0 and got.still.quats[0, 1] == 0.0 and got.still.log_scales[0, 0] == -3.0
    np.testing.assert_array_equal(got.instant(0.3).means, before.means)


def test_tensors_that_require_gradients_are_accepted():
    splats = splats_of(2)
    splats = replace(splats, means=torch.ones(2, 3, requires_grad=True))
    assert drawn(splats, 10).means.sum() == 6.0
    moving = moving_splats(2, [1])
    moving.shifts.requires_grad_()
    assert np.isfinite(drawn(moving, 10).instant(1.5).means).all()


def test_a_sequence_is_drawn_from_its_files(tmp_path):
    splats = moving_splats(7, [5, 1, 6])
    write_ply_sequence(splats, np.array([0.0, 1.0]), tmp_path / "moves", TARGETS["blender"])
    got = drawn(load_ply_sequence(tmp_path / "moves"), 100)
    assert (len(got.still), len(got), got.total) == (0, 7, 7)
    for seconds, instant in ((0.0, 0.0), (0.9, 0.0), (1.0, 1.0), (7.0, 1.0)):
        np.testing.assert_array_equal(got.instant(seconds).means, splats.at(instant).means)
