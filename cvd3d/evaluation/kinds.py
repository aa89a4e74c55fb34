"""The share of prompts whose videos show every named object with its kind and color."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cvd3d.evaluation.cases import ALL, Case, held_out_case
from cvd3d.evaluation.measure import Found, Measure, Row, at_least
from cvd3d.evaluation.recognizer import PAIRS, SEEN, pair_logits
from cvd3d.evaluation.studio import Studio
from cvd3d.training.world.film import film, shown
from cvd3d.videos import to_uint8

RIGS = ("circle", "orbit", "upper_hemi", "dome")  # in turn
AIMS = {1: 0.95, 2: 0.85}
SOURCES = {"generated": "generated", "autoencoder": "true, through the autoencoder", "true": "true renders"}


def objects_right(logits: np.ndarray, named: Sequence[tuple[str, str]], in_view: np.ndarray) -> list[bool]:
    """Whether each named object is recognized in a set of frames.

    An object is right if its mean logit over the frames in which it should be visible is positive and above the mean
    logit of every pair of kind and color that is not named.

    Args:
        logits: (F, 72) of the frames.
        named: kind and color of N objects.
        in_view: (F, N) bool: whether an object should be visible in a frame; if in none, all frames count.
    """
    columns = [PAIRS.index(pair) for pair in named]
    others = np.setdiff1d(np.arange(len(PAIRS)), columns)
    right = []
    for column, seen in zip(columns, in_view.T):
        means = logits[seen if seen.any() else slice(None)].mean(axis=0)
        right.append(bool(means[column] > max(0.0, means[others].max())))
    return right


def _cases() -> list[Case]:
    return [held_out_case(number, moves=number // 2 % 10 == 4) for number in range(ALL)]


def _take(case: Case, studio: Studio) -> Found:
    rig = studio.rig(RIGS[case.number // 2 % len(RIGS)], 2)
    some = [0, rig.frames // 2, rig.frames - 1]
    true = film(case.world, rig)[0, some]
    in_view = shown(case.world, rig)[0, some] >= SEEN
    generated = to_uint8(studio.videos(case, rig)[0, some])
    frames = {"generated": generated, "autoencoder": studio.through_autoencoder(true), "true": true}
    right = {
        name: objects_right(pair_logits(studio.recognizer, each), case.pairs, in_view) for name, each in frames.items()
    }
    strips = [np.concatenate(list(strip), axis=1) for strip in (generated, true)]
    return Found(right, np.concatenate(strips))


def _rows(values: Sequence[dict[str, Any]]) -> list[Row]:
    rows = []
    for count, aim in AIMS.items():
        some = [each for each in values if len(each["true"]) == count]
        if not some:
            continue
        objects = "one object" if count == 1 else "two objects"
        for name, words in SOURCES.items():
            what = f"kinds and colors right, {objects}, {words}"
            share = float(np.mean([all(each[name]) for each in some]))
            rows.append(at_least(what, share, aim) if name == "generated" else Row(what, share))
    return rows


KINDS_AND_COLORS = Measure("kinds", _cases, (2,), _take, _rows)
