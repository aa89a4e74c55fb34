from dataclasses import replace

import numpy as np
import pytest
import torch

import recon.starting_points.search as module
from recon.capture import Capture, Pixels
from recon.points import PointCloud, load_points, save_points
from recon.starting_points.search import initial_points, swept_points, triangulated_points
from trajectories.errors import InputError

EMPTY = PointCloud(np.zeros((0, 3)), np.zeros((0, 3)), "")


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def test_triangulated_points_lie_on_the_world(world):
    points = triangulated_points(world.capture.cameras, world.capture.images())
    assert len(points) > 30
    distance = world.distance_to_surface(points.positions)
    assert np.median(distance) < 0.03
    assert np.percentile(distance, 90) < 0.3
    assert "SIFT" in points.source


def test_triangulated_points_take_the_colors_of_the_images(world):
    points = triangulated_points(world.capture.cameras, world.capture.images())
    ball = points.positions[:, 2] > 0.3
    assert ball.sum() > 5
    # The ball is red, the ground green.
    assert (points.colors[ball, 0] > points.colors[ball, 1]).mean() > 0.9
    assert (points.colors[~ball, 1] > points.colors[~ball, 0]).mean() > 0.9


@pytest.mark.slow
def test_swept_points_lie_on_the_world(world):
    points = swept_points(world.capture.cameras, world.capture.images(), [1, 6, 10])
    assert len(points) > 1000
    assert np.median(world.distance_to_surface(points.positions)) < 0.06


@pytest.mark.slow
def test_initial_points_are_the_same_each_time_and_say_how_they_were_made(world):
    few = world.capture.subset([0, 2, 5, 8])
    one, two = (initial_points(few, generator=seeded(), limit=300) for _ in range(2))
    np.testing.assert_array_equal(one.positions, two.positions)
    np.testing.assert_array_equal(one.colors, two.colors)
    assert "SIFT" in one.source and "plane sweeps" in one.source and "random" not in one.source
    assert "far shell" in one.source
    assert 350 < len(one) < 1000


@pytest.mark.slow
def test_frames_without_texture_start_at_random_and_say_so(world):
    flat = Pixels(np.full((96, 96, 3), 128, dtype=np.uint8))
    few = world.capture.subset([0, 2, 5, 8])
    blank = Capture(few.cameras, few.times, few.videos, (flat,) * len(few))
    with pytest.warns(UserWarning, match="random points"):
        points = initial_points(blank, generator=seeded())
    assert points.source == "2000 random points"
    # They are around the cameras' focus point.
    assert np.linalg.norm(points.positions.mean(axis=0) - [0, 0, 0.5]) < 0.5


def test_one_place_is_refused(world):
    with pytest.raises(InputError, match="one place"):
        initial_points(world.capture.subset([3, 3]), generator=seeded())
    with pytest.raises(InputError, match="one frame"):
        initial_points(world.capture.subset([3]), generator=seeded())


@pytest.mark.slow
def test_points_of_the_capture_are_kept_and_added_to(world):
    on_ground = np.random.default_rng(0).uniform(-2, 2, (200, 3)) * [1, 1, 0]
    astray = [[300.0, 0.0, 0.0]]
    given = PointCloud(np.concatenate([on_ground, astray]), np.full((201, 3), 0.5), "a surveyor")
    points = initial_points(replace(world.capture, points=given), generator=seeded(), limit=100)
    np.testing.assert_array_equal(points.positions[:200], on_ground.astype(np.float32))
    assert points.source.startswith("a surveyor") and "SIFT" not in points.source
    assert not (points.positions == astray).all(axis=1).any()


def test_frames_beyond_the_memory_are_shrunk(world, monkeypatch):
    sizes = []
    monkeypatch.setattr(module, "triangulated_points", lambda cameras, images: sizes.append(images.shape) or EMPTY)
    monkeypatch.setattr(module, "swept_points", lambda *_, **__: EMPTY)
    monkeypatch.setattr(module, "MAX_BYTES", 12.0 * 12 * 96 * 96 / 4)
    with pytest.warns(UserWarning, match="random points"):
        initial_points(world.capture, generator=seeded())
    assert sizes == [(12, 48, 48, 3)]


@pytest.mark.slow
def test_our_own_points_get_no_second_shell(world, tmp_path):
    few = world.capture.subset([0, 2, 5, 8])
    found = initial_points(few, generator=seeded(), limit=300)
    save_points(found, tmp_path / "points.ply")
    again = initial_points(replace(few, points=load_points(tmp_path / "points.ply")), generator=seeded(), limit=300)
    np.testing.assert_array_equal(again.positions, found.positions)
