import json
from dataclasses import dataclass, fields, replace

import numpy as np
import pytest
import torch

from recon.capture import Source
from recon.fitting import fitting, optimization
from recon.fitting.fitting import fit
from recon.fitting.frames import Frames
from recon.fitting.quality import held_out_frames
from recon.fitting.settings import QUALITIES, FitSettings, settings_for
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


@pytest.mark.slow
def test_a_fit_explains_frames_it_has_not_seen(world, points, result):
    start = fit(world.capture, points, replace(QUICK, steps=1, densify="none"), generator=seeded())
    assert [each["frame"] for each in result.metrics["held_out"]["per_frame"]] == [4]
    assert result.metrics["held_out"]["psnr"] > start.metrics["held_out"]["psnr"] + 2
    assert result.metrics["splats"] == len(result.splats) != len(points)
    assert len(result.metrics["training"]["per_frame"]) == 11


@pytest.mark.slow
def test_same_seed_same_splats(world, points, result):
    assert equal(fit(world.capture, points, QUICK, generator=seeded()).splats, result.splats)
    assert not equal(fit(world.capture, points, QUICK, generator=seeded(1)).splats, result.splats)


@pytest.mark.slow
@pytest.mark.parametrize("densify", ["default", "mcmc"])
def test_an_interrupted_fit_continues_to_the_same_result(world, points, tmp_path, densify):
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


@pytest.mark.slow
def test_a_checkpoint_of_another_fit_is_not_used(world, points, tmp_path):
    fit(world.capture, points, replace(QUICK, steps=20), generator=seeded(), folder=tmp_path)
    steps = []
    other = replace(QUICK, steps=20, ssim_weight=0.1)
    fit(world.capture, points, other, generator=seeded(), folder=tmp_path, on_step=lambda step, _: steps.append(step))
    assert steps[0] == 1


@pytest.mark.slow
def test_a_value_that_is_not_finite_is_named_and_the_fit_continues(world, points, monkeypatch):
    loss, calls = optimization.photometric_loss, []

    def sometimes(image, target, weight):
        calls.append(1)
        return loss(image, target, weight) * (float("nan") if len(calls) == 15 else 1.0)

    monkeypatch.setattr(optimization, "photometric_loss", sometimes)
    monkeypatch.setattr(fitting, "SNAPSHOT_EVERY", 10)
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


@pytest.mark.slow
@pytest.mark.parametrize("densify", ["default", "mcmc"])
def test_the_cap_holds_at_every_step(world, points, densify):
    counts = []
    settings = replace(QUICK, densify=densify, grow_grad2d=0.0, cap=len(points) + 30)
    fit(world.capture, points, settings, generator=seeded(), on_step=lambda step, splats: counts.append(len(splats)))
    assert len(points) < max(counts) <= len(points) + 30


def test_points_beyond_the_cap_are_left_out_from_the_start(world, points):
    counts = []
    settings = replace(QUICK, steps=3, cap=100)
    fit(world.capture, points, settings, generator=seeded(), on_step=lambda step, splats: counts.append(len(splats)))
    assert counts == [100, 100, 100]


def test_a_cap_beyond_the_memory_is_refused(world, points):
    with pytest.raises(InputError, match="The cap of 10000000000 splats needs more than this machine's memory"):
        fit(world.capture, points, replace(QUICK, cap=10**10), generator=seeded())


def test_intermediate_splats_are_those_of_the_fit(world, points):
    seen = []
    found = fit(
        world.capture,
        points,
        replace(QUICK, steps=3, prune=0.0),
        generator=seeded(),
        on_step=lambda step, splats: seen.append(splats.map(torch.clone)),
    )
    assert equal(seen[-1], found.splats)


def test_settings_for_small_frames_are_shorter(world):
    assert settings_for(world.capture).steps < settings_for(world.capture.resized(640, 480)).steps


@pytest.mark.slow
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


@pytest.fixture(scope="module")
def dimmed(world):
    """The world with a third of its frames at half their brightness."""
    sources = tuple(
        Dimmed(source, 0.5 if index % 3 == 0 else 1.0) for index, source in enumerate(world.capture.sources)
    )
    return replace(world.capture, sources=sources)


@dataclass(frozen=True)
class Dimmed:
    source: Source
    by: float

    def size(self):
        return self.source.size()

    def read(self):
        return (self.by * self.source.read()).astype(np.uint8)


@pytest.mark.slow
def test_exposures_explain_frames_in_different_light(dimmed, points):
    settings = replace(QUICK, hold_out=0, steps=150, exposure=True, exposure_rate=0.1, densify="none")
    run = {}

    class Kept(optimization.Exposures):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            run["exposures"] = self

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(optimization, "Exposures", Kept)
        fit(dimmed, points, settings, generator=seeded())
    changes = run["exposures"].changes
    grays = torch.stack([(0.5 * gain + offset).mean() for gain, offset in changes.values()]).detach()
    dim = torch.tensor(list(changes)) % 3 == 0
    assert grays[dim].max() < 0.4 < 0.5 < grays[~dim].min()
    torch.testing.assert_close(grays.mean(), torch.tensor(0.5))


@pytest.mark.slow
def test_a_frame_that_the_others_contradict_gets_a_smaller_weight(world, points):
    wrong = 7
    sources = tuple(Upside(source) if index == wrong else source for index, source in enumerate(world.capture.sources))
    settings = replace(QUICK, hold_out=0, steps=150, confidence="learnt", densify="none")
    weights = fit(replace(world.capture, sources=sources), points, settings, generator=seeded()).metrics["confidence"]
    assert min(weights, key=weights.get) == str(wrong)
    assert weights[str(wrong)] < 0.5
    assert np.median(list(weights.values())) == 1.0


@dataclass(frozen=True)
class Upside:
    source: Source

    def size(self):
        return self.source.size()

    def read(self):
        return 255 - self.source.read()[::-1]


@pytest.mark.slow
def test_a_frame_of_zero_confidence_has_no_influence(world, points):
    settings = replace(QUICK, hold_out=0, densify="none", steps=24)
    given = [0.0 if index == 3 else 1.0 for index in range(len(world.capture))]
    sources = list(world.capture.sources)
    sources[3] = Upside(sources[3])
    one = fit(world.capture, points, settings, generator=seeded(), confidence=given)
    other = fit(replace(world.capture, sources=tuple(sources)), points, settings, generator=seeded(), confidence=given)
    assert equal(one.splats, other.splats)
    assert one.metrics["confidence"]["3"] == 0.0


@pytest.mark.slow
@pytest.mark.parametrize("extra", [{"exposure": True}, {"confidence": "learnt"}, {"depth_weight": 0.1}])
def test_an_interrupted_fit_continues_to_the_same_result_with(world, points, tmp_path, extra):
    settings = replace(QUICK, steps=100, **extra)
    # A wrong frame makes all of these options take effect.
    sources = tuple(Upside(source) if index == 7 else source for index, source in enumerate(world.capture.sources))
    capture = replace(world.capture, sources=sources)

    def stop(step, splats):
        if step == 67:
            raise KeyboardInterrupt

    whole = fit(capture, points, settings, generator=seeded())
    with pytest.raises(KeyboardInterrupt):
        fit(capture, points, settings, generator=seeded(), folder=tmp_path, on_step=stop)
    assert equal(fit(capture, points, settings, generator=seeded(), folder=tmp_path).splats, whole.splats)
    plain = fit(capture, points, replace(QUICK, steps=100), generator=seeded())
    assert not equal(plain.splats, whole.splats)


@pytest.mark.slow
def test_frames_beyond_the_memory_are_read_each_time(world, points):
    settings = replace(QUICK, steps=10)
    frame = 3 * world.capture.cameras.width * world.capture.cameras.height
    some = fit(world.capture, points, replace(settings, frame_memory=2.5 * frame), generator=seeded())
    assert equal(some.splats, fit(world.capture, points, settings, generator=seeded()).splats)
    frames = Frames(world.capture, 2.5 * frame, "cpu")
    for index in (0, 1, 2, 0):
        assert frames[index].frame == index
    assert sorted(frames._images) == [0, 1]


@pytest.mark.slow
def test_regularization_makes_splats_fainter_and_smaller(world, points):
    plain = fit(world.capture, points, replace(QUICK, densify="none"), generator=seeded()).splats
    settings = replace(QUICK, densify="none", opacity_reg=1.0, scale_reg=1.0)
    strict = fit(world.capture, points, settings, generator=seeded()).splats
    assert strict.logit_opacities.sigmoid().mean() < plain.logit_opacities.sigmoid().mean()
    assert strict.log_scales.exp().mean() < plain.log_scales.exp().mean()


def test_higher_quality_takes_more_steps_and_splats(world):
    draft, normal, high = (settings_for(world.capture.resized(640, 480), quality=quality) for quality in QUALITIES)
    assert draft.steps < normal.steps < high.steps
    # 12 frames of 640x480 pixels.
    assert [each.cap for each in (draft, normal, high)] == [50_000, 100_000, 300_000]
    assert settings_for(world.capture).cap == 20_000
    with pytest.raises(InputError, match="'best' is unknown; give one of draft, normal, high"):
        settings_for(world.capture, quality="best")


def test_generated_frames_may_be_inconsistent_and_moving_scenes_have_paths(world):
    plain = settings_for(world.capture)
    assert (plain.exposure, plain.confidence, plain.knots, plain.densify) == (False, "even", 0, "mcmc")
    generated = settings_for(world.capture, generated=True)
    assert (generated.exposure, generated.confidence) == (True, "learnt")
    moving = settings_for(world.capture, moves=True)
    assert (moving.knots, moving.densify) == (2, "default")


def test_rates_and_intervals_follow_the_strategy():
    default, mcmc = (FitSettings(steps=1000, densify=densify) for densify in ("default", "mcmc"))
    assert (default.refinement_interval, mcmc.refinement_interval) == (50, 10)
    assert default.rates(2.0)["means"] == 3.2e-4 and mcmc.rates(2.0)["means"] == 8e-4
    assert replace(mcmc, means_rate=1e-4, refine_every=7).rates(2.0)["means"] == 2e-4
    assert replace(mcmc, refine_every=7).refinement_interval == 7


@pytest.mark.slow
def test_mcmc_fills_its_cap_by_the_middle_of_the_fit(world, points):
    counts = []
    settings = replace(QUICK, densify="mcmc", refine_every=None, steps=100, cap=3 * len(points))
    fit(world.capture, points, settings, generator=seeded(), on_step=lambda step, splats: counts.append(len(splats)))
    assert counts[8] == len(points) < counts[30] < counts[55] == counts[-1] == 3 * len(points)
