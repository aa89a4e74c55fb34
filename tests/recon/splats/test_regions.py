import pytest
import torch

from recon import Box, Sphere
from trajectories.errors import InputError

POINTS = torch.tensor([[0.0, 0, 0], [1, 1, 1], [1.1, 0, 0], [0, 0, -2]])


def test_a_box_includes_its_faces_and_may_be_open():
    assert Box((0, 0, 0), (1, 1, 1)).contains(POINTS).tolist() == [True, True, False, False]
    assert Box((-9, -9, -1), (9, 9, float("inf"))).contains(POINTS).tolist() == [True, True, True, False]


def test_a_sphere():
    assert Sphere((0, 0, -1), 1.0).contains(POINTS).tolist() == [True, False, False, True]


def test_empty_regions_are_refused():
    with pytest.raises(InputError, match="smaller corner first"):
        Box((0, 0, 1), (1, 1, 0))
    with pytest.raises(InputError, match="radius"):
        Sphere((0, 0, 0), 0.0)
    with pytest.raises(InputError, match="center"):
        Sphere((0, 0, float("nan")), 1.0)
