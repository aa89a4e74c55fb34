"""Fit of a ball that hops over still ground: only splats that move keep paths."""

from dataclasses import fields, replace

import numpy as np
import pytest
import torch

from recon.capture import Capture, Pixels
from recon.fitting.fitting import fit
from recon.fitting.frames import Frames
from recon.fitting.motion_review import motion_benefit
from recon.fitting.settings import FitSettings
from recon.points import PointCloud
from recon.render import render
from recon.splats import SH_C0, MovingSplats, Splats
from trajectories.cameras import Cameras, intrinsics_from_fov
from trajectories.rotations import look_at

pytestmark = pytest.mark.slow

SIZE, FRAMES, HOP = 40, 5, 0.8
SKY = (0.5, 0.7, 0.95)
SETTINGS = FitSettings(
    steps=200, sh_degree=0, densify="none", knots=4, hold_out=0, checkpoint_every=40, sh0_rate=2e-2, background=SKY
)


def height_at(time):
    return 0.5 + HOP * np.sin(np.pi * time)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def drawn(c2w, K, time):
    """A red ball over a wavy green ground, (H, W, 3) uint8."""
    x, y = np.meshgrid(np.arange(SIZE) + 0.5, np.arange(SIZE) + 0.5)
    d = np.stack([x, y, np.ones_like(x)], axis=-1) @ np.linalg.inv(K).T @ c2w[:3, :3].T
    o, ball = c2w[:3, 3], np.array([0.0, 0.0, height_at(time)])
    t = np.where(d[..., 2] < -1e-6, -o[2] / np.minimum(d[..., 2], -1e-6), np.inf)
    ground = o + d * np.where(np.isfinite(t), t, 0.0)[..., None]
    light = 0.5 + 0.5 * np.sin(2 * ground[..., 0]) * np.sin(2 * ground[..., 1])
    on_ground = np.isfinite(t) & (np.abs(ground[..., :2]) < 3).all(-1)
    image = np.where(on_ground[..., None], np.stack([0.2 + 0.2 * light, 0.5 + 0.3 * light, 0.2 + 0 * light], -1), SKY)
    a, b, c = (d * d).sum(-1), d @ (o - ball), (o - ball) @ (o - ball) - 0.5**2
    image[b * b > a * c] = (0.9, 0.1, 0.1)
    return np.round(255 * image).astype(np.uint8)


@pytest.fixture(scope="module")
def capture():
    """Four fixed cameras, five instants in a second."""
    angles = np.radians([0, 25, 50, 75])
    places = np.stack([4 * np.cos(angles), 4 * np.sin(angles), np.full(4, 2.0)], axis=-1)
    c2w = np.repeat(look_at(places, (0.0, 0.0, 0.6)), FRAMES, axis=0)
    K = intrinsics_from_fov(np.radians(50), SIZE, SIZE)
    times = np.tile(np.linspace(0, 1, FRAMES), 4)
    images = tuple(Pixels(drawn(pose, K, time)) for pose, time in zip(c2w, times))
    return Capture(Cameras(c2w, K, SIZE, SIZE), times, tuple(f"cam{n // FRAMES}" for n in range(len(times))), images)


@pytest.fixture(scope="module")
def points():
    """The ground, and the ball at the middle instant."""
    rng = np.random.default_rng(0)
    ground = np.concatenate([rng.uniform(-3, 3, (600, 2)), np.zeros((600, 1))], axis=1)
    ball = rng.normal(size=(150, 3))
    ball = 0.5 * ball / np.linalg.norm(ball, axis=1, keepdims=True) + [0, 0, height_at(0.5)]
    colors = np.concatenate([np.tile([0.3, 0.6, 0.2], (600, 1)), np.tile([0.9, 0.1, 0.1], (150, 1))])
    return PointCloud(np.concatenate([ground, ball]), colors, "by hand")


@pytest.fixture(scope="module")
def result(capture, points):
    return fit(capture, points, SETTINGS, generator=seeded())


def tensors(splats):
    rest = {field.name: getattr(splats.rest, field.name) for field in fields(Splats)}
    return rest | {name: getattr(splats, name) for name in ("moving", "shifts", "turns", "fades")}


def equal(one, two):
    return all(torch.equal(tensor, tensors(two)[name]) for name, tensor in tensors(one).items())


def test_only_the_moving_splats_keep_paths(result):
    splats = result.splats
    assert result.metrics["moving"] == len(splats.moving) == len(splats.shifts)
    moves = torch.zeros(len(splats), dtype=torch.bool)
    moves[splats.moving] = True
    means = splats.rest.means
    away = (means[:, :2].norm(dim=1) > 2) & (splats.rest.logit_opacities.sigmoid() > 0.3)
    ball = (means[:, :2].norm(dim=1) < 0.6) & (means[:, 2] > 0.5)
    assert away.sum() > 50 and ball.sum() > 100
    assert moves[away].float().mean() < 0.5
    assert moves[ball].float().mean() > 0.95
    for name in ("means", "quats", "logit_opacities"):
        first, last = (getattr(splats.at(time), name)[~moves] for time in (0.0, 1.0))
        assert torch.equal(first, last)


def test_a_hopping_ball_fits_better_than_with_still_splats(capture, points, result):
    still = fit(capture, points, replace(SETTINGS, knots=0), generator=seeded())
    assert result.metrics["training"]["psnr"] > still.metrics["training"]["psnr"] + 2
    assert still.metrics["moving"] == 0


@pytest.mark.parametrize("stop_at", [50, 95, 185])
def test_an_interrupted_fit_continues_to_the_same_result(capture, points, tmp_path, result, stop_at):
    # Before paths are zeroed, before they are removed, and after they are removed.
    steps = []

    def stop(step, splats):
        if step == stop_at:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(capture, points, SETTINGS, generator=seeded(), folder=tmp_path, on_step=stop)
    again = {"generator": seeded(), "folder": tmp_path, "on_step": lambda step, _: steps.append(step)}
    assert equal(fit(capture, points, SETTINGS, **again).splats, result.splats)
    assert steps[0] == stop_at // 40 * 40 + 1


def test_no_paths_stay_without_visible_motion(capture, points):
    found = fit(capture, points, replace(SETTINGS, steps=20, still_below=1.0), generator=seeded())
    assert isinstance(found.splats, MovingSplats)
    assert found.metrics["moving"] == 0 and found.splats.shifts.shape == (0, 4, 3)
    assert torch.equal(found.splats.at(0.0).means, found.splats.at(1.0).means)


@pytest.mark.parametrize("right", [True, False])
def test_the_benefit_of_motion_by_hand(capture, right):
    """One splat rises, one moves outside all frames, one is black on black, and one is still."""
    means = torch.tensor([[1.0, 1.0, 0.5], [0.0, 0.0, -50.0], [-1.0, 1.0, 0.5], [1.0, -1.0, 0.5]])
    N = len(means)
    sh = torch.tensor([1.5, 1.5, -0.5 / SH_C0, 1.5])[:, None, None].repeat(1, 1, 3)
    quats = torch.tensor([[1.0, 0, 0, 0]]).repeat(N, 1)
    rest = Splats(means, quats, torch.full((N, 3), -2.0), torch.full((N,), 4.0), sh)
    shifts = torch.zeros(N, 4, 3)
    shifts[:3, 3, 2] = 0.6
    splats = MovingSplats(rest, torch.arange(N), shifts, torch.zeros(N, 4, 3), torch.zeros(N, 4), 0.0, 1.0)
    still = splats.frozen(torch.ones(N, dtype=torch.bool))
    targets = []
    for index in range(len(capture)):
        target = Frames(capture, 1e9, "cpu")[index]
        truth = splats if right else still
        image = render(truth.at(target.time), capture.cameras[[index]])[0]
        targets.append(replace(target, image=image))
    benefit = motion_benefit(splats, targets)
    assert benefit[0] > 0.05 if right else benefit[0] < -0.05
    assert benefit[1:].tolist() == pytest.approx([0.0, 0.0, 0.0], abs=0.01)
