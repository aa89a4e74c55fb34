"""Ray hits computed by hand, shadows, projections, and the kernel compared with a plain reference."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cvd3d.training.world import objects
from cvd3d.training.world.primitives import BOX, CONE, CYLINDER, ROOF, SPHERE, WHEEL, concatenate, primitive
from cvd3d.training.world.render import _hit, _solids, render, render_depth
from cvd3d.training.world.scenes import Object, World, sample_world
from trajectories import InputError
from trajectories.cameras import Cameras, intrinsics_from_fov
from trajectories.rotations import look_at

RED = (1.0, 0.0, 0.0)


def camera(position, target=(0.0, 0.0, 0.6), size=65, fov=50.0):
    """An odd size has a pixel whose center is the principal point."""
    K = intrinsics_from_fov(math.radians(fov), size, size)
    return Cameras(look_at(np.array(position, dtype=float), np.array(target, dtype=float)), K, size, size)


def shows(monkeypatch, *primitives):
    """A world with these primitives instead of a ball."""
    monkeypatch.setitem(objects.OBJECTS, "ball", lambda color: concatenate(primitives))
    return World((Object("ball", "red", (0.0, 0.0), 0.0, 1.0),))


@pytest.mark.parametrize(
    ("kind", "position", "depth"),
    [
        (SPHERE, (0, -5, 1), 4.5),  # half sizes are 0.4, 0.5, 1 around (0, 0, 1)
        (BOX, (0, -5, 1), 4.5),
        (BOX, (4, 0, 1), 3.6),
        (CYLINDER, (-4, 0, 1), 3.6),
        (CYLINDER, (0, 1e-9, 6), 4.0),
        (CONE, (0, 1e-9, 6), 4.0),
        (CONE, (0, -5, 1), 4.75),  # half way up, the radius is half
        (ROOF, (0, -5, 1), 4.75),
        (ROOF, (4, 0, 1), 3.6),
        (WHEEL, (4, 0, 1), 3.6),
        (WHEEL, (0, -5, 1), 4.5),
    ],
)
def test_the_center_pixel_meets_a_shape_at_its_surface(monkeypatch, kind, position, depth):
    world = shows(monkeypatch, primitive(kind, (0, 0, 1), (0.4, 0.5, 1.0), RED))
    view = camera(position, target=(0, 0, 1))
    assert render_depth(world, view)[32, 32] == pytest.approx(depth, abs=1e-5)
    r, g, b = render(world, view)[32, 32]
    assert r > 80
    assert g == b == 0


def test_a_turned_box_shows_its_corner(monkeypatch):
    world = shows(monkeypatch, primitive(BOX, (0, 0, 1), (0.5, 0.5, 0.5), RED, yaw=math.radians(45.0)))
    depth = render_depth(world, camera((0, -5, 1), target=(0, 0, 1)))[32, 32]
    assert depth == pytest.approx(5 - math.sqrt(0.5), abs=1e-3)


def test_a_sphere_that_passes_the_camera_plane_is_not_culled(monkeypatch):
    world = shows(monkeypatch, primitive(SPHERE, (0.9, 0, 1), (0.8, 0.8, 0.8), RED))
    image = render(world, camera((0, 0.0, 1), target=(0, 5, 1), fov=150.0), supersample=1)
    assert (image[32, 48:, 0] > 80).sum() > 10
    assert (image[32, 48:, 1] == 0).sum() > 10


def test_depth_is_along_the_axis_and_the_sky_is_infinitely_far():
    world = World((Object("ball", "red", (50.0, 50.0), 0.0, 1.0),))
    depth = render_depth(world, camera((0, 0, 2), target=(0, 5, 2)))
    assert np.isinf(depth[:33]).all()
    # A row below the horizon sees the ground at one z-depth: height / y.
    focal = 32.5 / math.tan(math.radians(25.0))
    expected = 2.0 * focal / (np.arange(33, 65) - 32.0)
    np.testing.assert_allclose(depth[33:], np.broadcast_to(expected[:, None], (32, 65)), rtol=1e-5)


def test_a_shadow_falls_opposite_to_the_sun():
    ball = World((Object("ball", "red", (0.0, 0.0), 0.0, 1.0),), ground="snow", sun_elevation=math.radians(45.0))
    empty = World((Object("ball", "red", (90.0, 0.0), 0.0, 1.0),), ground="snow", sun_elevation=math.radians(45.0))
    # With the sun at 45 degrees, the shadow of the ball's center, half a meter up, is half a meter away from it;
    # the shadow ends 0.5 / sin 45 further on, where the ray that touches the ball ends.
    away = -np.array([math.cos(ball.sun_azimuth), math.sin(ball.sun_azimuth), 0.0])
    view = camera((0, 0.001, 9), target=(0, 0, 0), size=257)
    dark = render(ball, view).sum(axis=-1).astype(int) < render(empty, view).sum(axis=-1) - 90
    for along, shadowed in ((0.9, True), (1.1, True), (1.18, True), (1.28, False), (1.5, False), (-0.9, False)):
        (u, v), _ = (value[0] for value in view.project((along * away)[None]))
        assert dark[int(v), int(u)] == shadowed, along


def test_known_points_are_drawn_where_the_cameras_project_them(monkeypatch):
    centers = [(0.6, 0.2, 0.9), (-0.7, 0.5, 0.4), (0.1, -0.8, 1.5)]
    world = shows(monkeypatch, *(primitive(SPHERE, center, (0.06, 0.06, 0.06), RED) for center in centers))
    views = Cameras(
        np.stack([camera(p).c2w for p in ((0, -4.5, 1.5), (3, -3, 2.5), (-2, -4, 0.8))]),
        camera((1, 1, 1), size=128).K,
        128,
        128,
    )
    images = render(world, views, supersample=4)
    pixels, _ = views.project(np.array(centers))
    for image, points in zip(images, pixels):
        red = (image[..., 0] > 1.5 * image[..., 1]) & (image[..., 0] > 60)
        v, u = np.nonzero(red)
        for point in points:
            mine = np.hypot(u + 0.5 - point[0], v + 0.5 - point[1]) < 6
            assert mine.sum() >= 4
            np.testing.assert_allclose([u[mine].mean() + 0.5, v[mine].mean() + 0.5], point, atol=0.5)


def inside(kind, x, y, z):
    """Whether points in the unit frame are inside the solid, by the definitions of the kinds in primitives.py."""
    cube = np.maximum(np.maximum(abs(x), abs(y)), abs(z)) <= 1
    return {
        SPHERE: x**2 + y**2 + z**2 <= 1,
        BOX: cube,
        CYLINDER: (x**2 + y**2 <= 1) & cube,
        CONE: (x**2 + y**2 <= ((1 - z) / 2) ** 2) & cube,
        ROOF: (abs(y) <= (1 - z) / 2) & cube,
        WHEEL: (x**2 + z**2 <= 1) & cube,
    }[kind]


@given(kind=st.sampled_from([SPHERE, BOX, CYLINDER, CONE, ROOF, WHEEL]), seed=st.integers(0, 2**31))
@settings(max_examples=60, deadline=None)
def test_hits_agree_with_a_march_along_the_ray(kind, seed):
    rng = np.random.default_rng(seed)
    yaw, half, center = rng.uniform(-3, 3), rng.uniform(0.2, 1.0, 3), rng.uniform(-1, 1, 3)
    direction = rng.normal(size=3)
    direction /= np.linalg.norm(direction)
    origin = center + 0.5 * rng.uniform(-1, 1, 3) * half - 4 * direction
    t = np.linspace(0, 8, 40001)
    x, y, z = (origin + t[:, None] * direction - center).T
    c, s = math.cos(yaw), math.sin(yaw)
    filled = inside(kind, (c * x + s * y) / half[0], (c * y - s * x) / half[1], z / half[2])
    hit, _ = _hit(_solids(primitive(kind, center, half, RED, yaw=yaw)), 0, *origin, *direction)
    if filled.sum() > 1:
        assert hit == pytest.approx(t[filled][0], abs=3e-4)
    elif not filled.any():
        # The march may miss a corner, but not a long chord.
        middle = (origin + (hit + 1e-3) * direction - center) if hit < 100 else None
        if middle is not None:
            x, y, z = middle
            assert not inside(kind, (c * x + s * y) / half[0], (c * y - s * x) / half[1], z / half[2])


def test_edges_are_the_mean_of_four_rays():
    generator = torch.Generator().manual_seed(3)
    view = camera((1.0, -4.0, 2.0), size=96)
    for _ in range(4):
        world = sample_world(generator)
        four = render(world, view.resized(192, 192), 0.7, supersample=1).astype(float)
        mean = four.reshape(96, 2, 96, 2, 3).mean(axis=(1, 3))
        difference = np.abs(render(world, view, 0.7).astype(float) - mean)
        # Inside a surface, one ray replaces four; the result differs only for details thinner than a pixel.
        assert (difference.max(axis=-1) > 8).mean() < 0.003
        assert difference.mean() < 0.5


def test_batches_of_cameras_and_times_give_what_single_frames_give():
    world = World((Object("car", "blue", (0.0, 0.0), 0.3, 1.0, "driving", 0.2),))
    poses = np.stack([camera((x, -4.5, 2.0)).c2w for x in (-1, 0, 1, 2, 3, 4)]).reshape(2, 3, 4, 4)
    views = Cameras(poses, camera((1, 1, 1), size=32).K, 40, 32)
    times = np.array([0.0, 0.5, 1.5])
    images, depths = render(world, views, times), render_depth(world, views, times)
    assert images.shape == (2, 3, 32, 40, 3)
    assert images.dtype == np.uint8
    assert depths.shape == (2, 3, 32, 40)
    np.testing.assert_array_equal(images[1, 2], render(world, views[1, 2], 1.5))
    np.testing.assert_array_equal(depths[0, 1], render_depth(world, views[0, 1], 0.5))


@pytest.mark.parametrize("kind", sorted(objects.OBJECTS))
def test_colors_differ_clearly_on_every_object(kind):
    view = camera((0.0, -3.0, 1.2), size=64)
    means = {}
    for color in objects.COLORS:
        world = World((Object(kind, color, (0.0, 0.0), 0.3, 1.0),), ground="road")
        far = World((Object(kind, color, (0.0, 90.0), 0.3, 1.0),), ground="road")
        shown = np.isfinite(render_depth(world, view)) & (render_depth(world, view) < render_depth(far, view) - 1e-3)
        means[color] = render(world, view)[shown].mean(axis=0)
    names = list(means)
    for i, a in enumerate(names):
        for b in names[:i]:
            assert np.linalg.norm(means[a] - means[b]) > 18, (kind, a, b)


def test_bad_input_is_refused_in_a_sentence():
    world = World((Object("ball", "red", (0.0, 0.0), 0.0, 1.0),))
    with pytest.raises(InputError, match="times has shape"):
        render(world, camera((0, -4, 1)), np.zeros(3))
    with pytest.raises(InputError, match="supersample is 0"):
        render(world, camera((0, -4, 1)), supersample=0)
