import numpy as np
import pytest

from cvd3d.evaluation.kinds import KINDS_AND_COLORS, objects_right
from cvd3d.evaluation.recognizer import PAIRS

NAMED = (("cube", "red"), ("ball", "blue"))
ALWAYS = np.ones((2, 2), dtype=bool)


def logits(*frames):
    table = np.full((len(frames), len(PAIRS)), -5.0)
    for row, frame in zip(table, frames):
        for pair, value in frame.items():
            row[PAIRS.index(pair)] = value
    return table


def test_both_named_objects_may_lead():
    frame = {("cube", "red"): 3.0, ("ball", "blue"): 1.0}
    assert objects_right(logits(frame, frame), NAMED, ALWAYS) == [True, True]


def test_swapped_colors_are_wrong():
    frame = {("cube", "blue"): 3.0, ("ball", "red"): 3.0, ("cube", "red"): 1.0, ("ball", "blue"): 1.0}
    assert objects_right(logits(frame, frame), NAMED, ALWAYS) == [False, False]


def test_a_lost_object_is_wrong_and_the_other_right():
    frame = {("cube", "red"): 3.0, ("ball", "blue"): -1.0}
    assert objects_right(logits(frame, frame), NAMED, ALWAYS) == [True, False]


def test_the_mean_over_the_frames_in_view_decides():
    first, second = {("ball", "blue"): 2.0, ("cube", "red"): 1.0}, {("ball", "blue"): -3.0, ("cube", "red"): 1.0}
    assert objects_right(logits(first, second), NAMED, ALWAYS) == [True, False]
    in_view = np.array([[True, True], [True, False]])
    assert objects_right(logits(first, second), NAMED, in_view) == [True, True]
    nowhere = np.array([[True, False], [True, False]])
    assert objects_right(logits(first, second), NAMED, nowhere) == [True, False]


def test_a_prompt_counts_if_all_its_objects_are_right():
    def values(*right):
        return {name: list(right) for name in ("generated", "autoencoder", "true")}

    rows = KINDS_AND_COLORS.rows([values(True), values(False), values(True, True), values(True, False)])
    assert [row.value for row in rows] == [0.5] * 6
    assert [row.reached for row in rows] == [False, None, None] * 2
    assert [row.reached for row in KINDS_AND_COLORS.rows([values(True)])] == [True, None, None]


def test_a_case_is_judged_on_three_sources(studio):
    case = KINDS_AND_COLORS.cases()[1]
    found = KINDS_AND_COLORS.take(case, studio)
    assert set(found.values) == {"generated", "autoencoder", "true"}
    assert all(len(right) == 2 for right in found.values.values())
    assert found.picture.shape == (2 * 32, 3 * 32, 3)


def test_a_tenth_of_the_prompts_moves():
    cases = KINDS_AND_COLORS.cases()
    moving = [case for case in cases if case.world.objects[0].action != "still"]
    assert len(cases) == 100 and len(moving) == 10


@pytest.mark.parametrize("count", [1, 2])
def test_every_object_counts_as_often(count):
    assert sum(len(case.pairs) == count for case in KINDS_AND_COLORS.cases()) == 50
