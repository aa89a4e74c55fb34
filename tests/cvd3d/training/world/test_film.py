import numpy as np
import pytest
import torch

from cvd3d.training.world.film import film, shown
from cvd3d.training.world.prompts import world_of
from trajectories import make_rig


@pytest.mark.parametrize("azimuth", [-90, 0, 130])
def test_what_is_named_first_is_on_the_left_of_the_first_picture(azimuth):
    world = world_of("a red cube and a blue ball on grass", torch.Generator().manual_seed(0))
    rig = make_rig("circle", 2, 3, azimuth=np.radians(azimuth), width=32, height=32)
    picture = film(world, rig)[0, 0].astype(int)
    red = np.argwhere((picture[..., 0] > 120) & (picture[..., 1:].max(-1) < 60))[:, 1]
    blue = np.argwhere((picture[..., 2] > 120) & (picture[..., 0] < 60) & (picture[..., 1] < 100))[:, 1]
    assert len(red) > 5 and len(blue) > 5
    assert red.mean() < 16 < blue.mean()


def test_all_objects_are_seen_in_every_frame():
    world = world_of("a red cube and a blue ball on grass", torch.Generator().manual_seed(0))
    rig = make_rig("circle", 2, 3, width=32, height=32)
    assert film(world, rig).shape == (2, 3, 32, 32, 3)
    assert shown(world, rig).shape == (2, 3, 2)
    assert (shown(world, rig) > 0).all()
