"""Random worlds: positions, motions, and reproducibility."""

import math

import numpy as np
import pytest
import torch

from cvd3d.training.world.objects import COLORS, OBJECTS
from cvd3d.training.world.render import render
from cvd3d.training.world.scenes import BOUNCING, DRIVING, SPINNING, STILL, Object, World, sample_world
from trajectories.cameras import Cameras, intrinsics_from_fov
from trajectories.rotations import look_at


def draw(count, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [sample_world(generator) for _ in range(count)]


def view(size=48):
    pose = look_at(np.array([0.5, -4.5, 2.0]), np.array([0.0, 0.0, 0.6]))
    return Cameras(pose, intrinsics_from_fov(math.radians(50.0), size, size), size, size)


def reach(primitives):
    """Bounds (2, 3) of upright primitives, from the corners of their boxes."""
    corners = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)])
    local = corners * primitives.half_sizes[:, None]
    c, s = np.cos(primitives.yaws)[:, None], np.sin(primitives.yaws)[:, None]
    turned = np.stack([c * local[..., 0] - s * local[..., 1], s * local[..., 0] + c * local[..., 1], local[..., 2]], -1)
    world = (turned + primitives.centers[:, None]).reshape(-1, 3)
    return np.stack([world.min(axis=0), world.max(axis=0)])


def same(a, b):
    return all(np.array_equal(getattr(a, name), getattr(b, name)) for name in ("centers", "yaws", "half_sizes"))


@pytest.mark.parametrize("kind", sorted(OBJECTS))
def test_objects_stand_on_the_ground_and_are_about_a_meter_big(kind):
    low, high = reach(OBJECTS[kind](COLORS["red"]))
    assert low[2] == pytest.approx(0.0, abs=0.025)
    assert 0.6 < (high - low).max() < 1.5
    assert np.abs([low[:2], high[:2]]).max() < 0.7


@pytest.mark.parametrize("kind", sorted(OBJECTS))
def test_every_object_has_its_color(kind):
    assert (OBJECTS[kind](COLORS["purple"]).colors == COLORS["purple"]).all(axis=1).any()


def test_placing_scales_then_turns_then_moves():
    car = OBJECTS["car"](COLORS["red"])
    placed = car.placed((1.0, 2.0, 3.0), math.radians(90.0), 2.0)
    np.testing.assert_allclose(placed.centers[0], (1.0, 2.0, 3.0 + 2 * car.centers[0, 2]), atol=1e-12)
    np.testing.assert_allclose(placed.centers[-1, :2], (1 - 2 * car.centers[-1, 1], 2 + 2 * car.centers[-1, 0]))
    np.testing.assert_allclose(placed.half_sizes, 2 * car.half_sizes)
    assert (placed.yaws == math.radians(90.0)).all()


def test_the_same_seed_gives_the_same_worlds_and_bytes():
    assert draw(20, seed=4) == draw(20, seed=4)
    assert draw(20, seed=4) != draw(20, seed=5)
    first, second = (render(draw(3, seed=4)[2], view(), 0.4) for _ in range(2))
    assert first.tobytes() == second.tobytes()


def test_shares_are_as_documented():
    worlds = draw(3000)
    single = np.mean([len(world.objects) == 1 for world in worlds])
    still = np.mean([all(thing.action == STILL for thing in world.objects) for world in worlds])
    assert single == pytest.approx(0.47, abs=0.03)  # half of the draws, of which one in seven is held out
    assert still == pytest.approx(0.6, abs=0.03)
    assert {thing.kind for world in worlds for thing in world.objects} == set(OBJECTS)
    assert {thing.color for world in worlds for thing in world.objects} == set(COLORS)
    assert all(thing.kind == "car" for world in worlds for thing in world.objects if thing.action == DRIVING)


def test_the_layout_is_canonical():
    for world in draw(500):
        places = [thing.position for thing in world.objects]
        expected = [(0.0, 0.0)] if len(places) == 1 else [(-0.95, 0.0), (0.95, 0.0)]
        assert np.abs(np.array(places) - expected).max() <= 0.12
        assert sum(thing.action != STILL for thing in world.objects) <= 1
        assert math.radians(45.0) <= world.sun_elevation <= math.radians(60.0)


def test_two_objects_do_not_meet():
    for world in draw(400):
        if len(world.objects) == 2:
            for time in (0.0, 0.5, 1.0, 1.5, 2.0):
                left, right = (thing.at(time) for thing in world.objects)
                # The bounding circles of large parts on the ground may touch; their centers keep a distance.
                assert np.linalg.norm(left.centers[0, :2] - right.centers[0, :2]) > 0.9


def test_still_worlds_are_static_and_others_move():
    times = (0.0, 0.3, 0.7, 1.2)
    for world in draw(200):
        for thing in world.objects:
            stays = all(same(thing.at(0.0), thing.at(time)) for time in times)
            assert stays == (thing.action == STILL)


@pytest.mark.parametrize("kind", sorted(OBJECTS))
@pytest.mark.parametrize("action", [BOUNCING, SPINNING])
def test_a_motion_is_visible(kind, action):
    world = World((Object(kind, "red", (0.0, 0.0), 0.35, 1.0, action, 0.1),))
    first, second = (render(world, view(128), time).astype(int) for time in (0.0, 0.25))
    assert (np.abs(first - second).max(axis=-1) > 8).sum() > 30


def test_a_bounce_a_turn_and_a_drive():
    ball = Object("ball", "red", (0.0, 0.0), 0.0, 1.0, BOUNCING)
    heights = [ball.at(time).centers[0, 2] for time in (0.0, 0.5, 1.0, 1.5)]
    np.testing.assert_allclose(heights, (0.5, 1.1, 0.5, 1.1), atol=1e-9)
    cube = Object("cube", "red", (0.0, 0.0), 0.2, 1.0, SPINNING)
    assert cube.at(0.5).yaws[0] == pytest.approx(0.2 + math.pi / 2)
    car = Object("car", "red", (0.0, 0.0), math.radians(90.0), 1.0, DRIVING)
    along = [car.at(time).centers[0, 1] for time in (0.0, 1.0, 2.0, 9.0)]
    np.testing.assert_allclose(along, (-0.8, 0.0, 0.8, 0.8), atol=1e-9)
