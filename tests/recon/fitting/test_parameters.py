"""Splats that leave the far limit are moved back along their line of sight."""

import math

import numpy as np
import torch

from recon.fitting.parameters import keep_within
from recon.starting_points.far_shell import FarLimit


def test_splats_beyond_the_limit_look_the_same_from_its_center():
    parameters = {
        "means": torch.nn.Parameter(torch.tensor([[1.0, 0, 2], [1.0, 0, -400]])),
        "scales": torch.nn.Parameter(torch.tensor([[0.0] * 3, [3.0, 2.0, 1.0]])),
    }
    keep_within(parameters, FarLimit(np.array([1.0, 0, 0]), 100.0))
    torch.testing.assert_close(parameters["means"].data, torch.tensor([[1.0, 0, 2], [1.0, 0, -100]]))
    # A quarter of the distance, so a quarter of the size.
    quarter = math.log(4)
    expected = torch.tensor([[0.0] * 3, [3.0 - quarter, 2.0 - quarter, 1.0 - quarter]])
    torch.testing.assert_close(parameters["scales"].data, expected)
