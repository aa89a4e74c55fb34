"""Consistency of the videos as one scene: splats fitted to them, rendered at a held-out camera and on a full circle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from cvd3d.evaluation.cases import DEFAULT_RIG, Case, default_case, held_out_case
from cvd3d.evaluation.kinds import objects_right
from cvd3d.evaluation.measure import Found, Measure, Row, at_least, at_most, mean
from cvd3d.evaluation.recognizer import SEEN, pair_logits
from cvd3d.evaluation.studio import Studio
from cvd3d.training.world.film import film
from cvd3d.training.world.visibility import visible_share
from cvd3d.videos import to_uint8
from recon.capture import Capture, Pixels
from recon.fitting.fitting import fit
from recon.fitting.quality import evaluate
from recon.fitting.settings import settings_for
from recon.render import render
from recon.splats import Splats
from recon.starting_points import initial_points
from trajectories import Rig
from trajectories.heading import heading_turn

FITTED = 4  # videos; one more is held out
CASES = 4
DIRECTIONS = 24  # on the full circle
HEIGHTS = (10.0, 35.0)  # degrees above the horizon


def capture_of(videos: np.ndarray, rig: Rig) -> Capture:
    """The capture of a rig's videos (V, T, H, W, 3) uint8."""
    sources = tuple(Pixels(frame) for frame in videos.reshape(-1, *videos.shape[2:]))
    names = tuple(name for name in rig.names for _ in range(rig.frames))
    return Capture(rig.cameras.reshape(-1), np.tile(rig.times, rig.views), names, sources)


def fitted(capture: Capture, generated: bool, quality: str) -> Splats:
    """Fit still splats as `cvd3d scene` does, to all frames."""
    generator = torch.Generator().manual_seed(0)
    points = initial_points(capture, generator=generator)
    settings = replace(settings_for(capture, quality=quality, generated=generated), hold_out=0)
    splats = fit(capture, points, settings, generator=generator, show_progress=True).splats
    assert isinstance(splats, Splats)
    return splats


def _left_out(videos: np.ndarray, rig: Rig, generated: bool, quality: str) -> float:
    """PSNR in dB of the last video against splats fitted to the others."""
    rest = rig.subset(rig.names[:-1])
    splats = fitted(capture_of(videos[:-1], rest), generated, quality)
    last = capture_of(videos[-1:], rig.subset(rig.names[-1:]))
    return float(evaluate(splats, last, list(range(len(last))))["psnr"])


def _take_left_out(case: Case, studio: Studio) -> Found:
    rig = studio.rig("circle", FITTED + 1)
    quality = studio.fit_quality
    values = {
        name: _left_out(to_uint8(studio.videos(case, rig, scale)), rig, True, quality)
        for name, scale in (("on", 1.0), ("off", 0.0))
    }
    return Found({**values, "true": _left_out(film(case.world, rig), rig, False, quality)})


def _left_out_rows(values: Sequence[dict[str, Any]]) -> list[Row]:
    on, off, true = (mean(values, name) for name in ("on", "off", "true"))
    return [
        at_least("PSNR of a fifth video against splats of four, dB, cross-view on", on, 26.0),
        Row("the same, cross-view off", off),
        Row("the same, true renders", true),
        at_least("the same, on - off", on - off, 4.0),
        at_most("the same, true - on", true - on, 6.0),
    ]


def _take_walk(case: Case, studio: Studio) -> Found:
    rig = studio.rig(DEFAULT_RIG, FITTED)
    sources = {"generated": to_uint8(studio.videos(case, rig)), "true": film(case.world, rig)}
    values: dict[str, list[list[bool]]] = {}
    strips = []
    for name, videos in sources.items():
        splats = fitted(capture_of(videos, rig), name == "generated", studio.fit_quality)
        values[name] = []
        for height in HEIGHTS:
            circle = studio.rig("static", DIRECTIONS, 1, elevation=np.radians(height))
            pictures = to_uint8(render(splats, circle.cameras[:, 0]).numpy())
            # The splats are in the rig's frame, so the circle is turned by the rig's heading and not by its own.
            in_view = visible_share(case.world, circle.cameras[:, 0].transformed(heading_turn(rig.cameras))) >= SEEN
            logits = pair_logits(studio.recognizer, pictures)
            for logit, seen in zip(logits, in_view):
                named = [pair for pair, visible in zip(case.pairs, seen) if visible]
                values[name].append(objects_right(logit[None], named, np.ones((1, len(named)), dtype=bool)))
            strips.append(np.concatenate(list(pictures[:: DIRECTIONS // 12]), axis=1))
    return Found(values, np.concatenate(strips))


def _walk_rows(values: Sequence[dict[str, Any]]) -> list[Row]:
    shares = {
        name: float(np.mean([all(right) for each in values for right in each[name]])) for name in ("generated", "true")
    }
    what = "walk-around: kinds and colors right"
    return [at_least(what, shares["generated"], 0.8), Row(f"{what}, splats of true renders", shares["true"])]


LEFT_OUT = Measure(
    "splats", lambda: [held_out_case(n) for n in range(CASES)], (FITTED + 1,) * 2, _take_left_out, _left_out_rows
)
WALK_AROUND = Measure("walk", lambda: [default_case()], (FITTED,), _take_walk, _walk_rows)
