import json
from dataclasses import fields, replace

import numpy as np
import pytest
import torch

from recon.fit import FitSettings, fit, fitting, held_out_frames, optimization, settings_for
from recon.points import PointCloud
from recon.splats import Splats
from trajectories.errors import InputError

SKY = (0.5, 0.7, 0.95)
QUICK = FitSettings(steps=80, sh_degree=1, refine_every=10, checkpoint_every=20, sh0_rate=2e-2, background=SKY)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def points(world):
    """Some points on the ground and the ball, grey."""
    rng = np.random.default_rng(0)
    ground = np.concatenate([rng.uniform(-3, 3, (500, 2)), np.zeros((500, 1))], axis=1)
    ball = rng.normal(size=(300, 3))
    ball = 0.6 * ball / np.linalg.norm(ball, axis=1, keepdims=True) + [0, 0, 0.6]
    positions = np.concatenate([ground, ball])
    return PointCloud(positions, np.full_like(positions, 0.5), "by hand")


@pytest.fixture(scope="module")
def result(world, points):
    return fit(world.capture, points, QUICK, generator=seeded())


def equal(one: Splats, two: Splats) -> bool:
    return all(torch.equal(getattr(one, field.name), getattr(two, field.name)) for field in fields(Splats))


def test_held_out_frames():
    assert held_out_frames(16, 8) == [4, 12]
    assert held_out_frames(16, 0) == []
    assert held_out_frames(4, 8) == []
    assert held_out_frames(3, 2) == [1]
    assert held_out_frames(2, 2) == []


def test_a_fit_explains_frames_it_has_not_seen(world, points, result):
    start = fit(world.capture, points, replace(QUICK, steps=1, densify="none"), generator=seeded())
    assert [each["frame"] for each in result.metrics["held_out"]["per_frame"]] == [4]
    assert result.metrics["held_out"]["psnr"] > start.metrics["held_out"]["psnr"] + 2
    assert result.metrics["splats"] == len(result.splats) != len(points)
    assert len(result.metrics["training"]["per_frame"]) == 11


def test_same_seed_same_splats(world, points, result):
    assert equal(fit(world.capture, points, QUICK, generator=seeded()).splats, result.splats)
    assert not equal(fit(world.capture, points, QUICK, generator=seeded(1)).splats, result.splats)


@pytest.mark.parametrize("densify", ["default", "mcmc"])
def test_a_stopped_fit_goes_on_to_the_same_result(world, points, tmp_path, densify):
    settings = replace(QUICK, densify=densify, cap=900, steps=50)
    steps = []

    def stop(step, splats):
        steps.append(step)
        if step == 27:
            raise KeyboardInterrupt

    whole = fit(world.capture, points, settings, generator=seeded())
    with pytest.raises(KeyboardInterrupt):
        fit(world.capture, points, settings, generator=seeded(), folder=tmp_path, on_step=stop)
    resumed = fit(
        world.capture, points, settings, generator=seeded(), folder=tmp_path, on_step=lambda step, _: steps.append(step)
    )
    assert steps == [*range(1, 28), *range(21, 51)]
    assert equal(resumed.splats, whole.splats)
    assert json.loads((tmp_path / "metrics.json").read_text()) == whole.metrics
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fit.pt", "metrics.json"]


def test_a_checkpoint_of_another_fit_is_not_used(world, points, tmp_path):
    fit(world.capture, points, replace(QUICK, steps=20), generator=seeded(), folder=tmp_path)
    steps = []
    other = replace(QUICK, steps=20, ssim_weight=0.1)
    fit(world.capture, points, other, generator=seeded(), folder=tmp_path, on_step=lambda step, _: steps.append(step))
    assert steps[0] == 1


def test_a_value_that_is_not_finite_is_named_and_the_fit_goes_on(world, points, monkeypatch):
    loss, calls = optimization.photometric_loss, []

    def sometimes(image, target, weight):
        calls.append(1)
        return loss(image, target, weight) * (float("nan") if len(calls) == 15 else 1.0)

    monkeypatch.setattr(optimization, "photometric_loss", sometimes)
    monkeypatch.setattr(fitting, "KEEP_EVERY", 10)
    steps = []
    with pytest.warns(UserWarning, match="the gradient of means was not finite, so the fit went back to step 10"):
        found = fit(
            world.capture,
            points,
            replace(QUICK, steps=20),
            generator=seeded(),
            on_step=lambda step, _: steps.append(step),
        )
    assert steps == [*range(1, 15), *range(11, 21)]
    assert found.splats.means.isfinite().all()


def test_a_fit_that_never_becomes_finite_gives_up(world, points, monkeypatch):
    monkeypatch.setattr(optimization, "photometric_loss", lambda image, target, weight: image.sum() * float("nan"))
    with pytest.warns(UserWarning, match="half the learning rate"), pytest.raises(FloatingPointError, match="means"):
        fit(world.capture, points, QUICK, generator=seeded())


def test_the_cap_stops_growth(world, points):
    settings = replace(QUICK, grow_grad2d=0.0, cap=len(points) + 1)
    # One densification may pass the cap; each splat grows into two at most.
    assert len(fit(world.capture, points, settings, generator=seeded()).splats) <= 2 * len(points) + 2


def test_splats_seen_on_the_way_are_those_of_the_fit(world, points):
    seen = []
    found = fit(
        world.capture,
        points,
        replace(QUICK, steps=3),
        generator=seeded(),
        on_step=lambda step, splats: seen.append(splats.map(torch.clone)),
    )
    assert equal(seen[-1], found.splats)


def test_settings_for_small_frames_are_shorter(world):
    assert settings_for(world.capture).steps < settings_for(world.capture.resized(640, 480)).steps


def test_half_an_image_is_the_same_view():
    # Four pixels of a row become two; a point at x = 3 of 5 is at 1.5 of 2.
    image = torch.tensor([[1.0, 3.0, 5.0, 9.0, 100.0]] * 2)[..., None].expand(2, 5, 3)
    half, K = fitting._half(image, torch.tensor([[8.0, 0.0, 3.0], [0.0, 8.0, 1.0], [0.0, 0.0, 1.0]]))
    torch.testing.assert_close(half, torch.tensor([[2.0, 7.0]])[..., None].expand(1, 2, 3))
    torch.testing.assert_close(K, torch.tensor([[4.0, 0.0, 1.5], [0.0, 4.0, 0.5], [0.0, 0.0, 1.0]]))


def test_a_fit_may_start_coarse(world, points, result):
    coarse = fit(world.capture, points, replace(QUICK, coarse_until=0.5), generator=seeded())
    assert coarse.metrics["held_out"]["psnr"] > result.metrics["held_out"]["psnr"] - 1.5


def test_bad_settings():
    for options, words in (
        ({"steps": 0}, "0 steps"),
        ({"sh_degree": 4}, "0, 1, 2 or 3"),
        ({"densify": "fast"}, "'fast'"),
        ({"coarse_until": 2.0}, "0 to 1"),
        ({"hold_out": 1}, "hold_out is 1"),
    ):
        with pytest.raises(InputError, match=words):
            FitSettings(**options)


def test_one_place_is_refused(world, points):
    with pytest.raises(InputError, match="one place"):
        fit(world.capture.subset([2, 2]), points, QUICK, generator=seeded())
