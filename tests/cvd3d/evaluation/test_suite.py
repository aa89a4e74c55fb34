import json

import numpy as np
import pytest

import cvd3d.evaluation.suite as suite
from cvd3d.evaluation.contact_sheet import contact_sheet
from cvd3d.evaluation.measure import Row, at_least, at_most
from cvd3d.evaluation.suite import run_suite, table
from trajectories import InputError

FACTS = {"weights": "tiny", "seed": 0}


@pytest.mark.slow
def test_results_are_written_and_the_same_again(studio, tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    lines = []
    rows = run_suite(first, studio, ["kinds", "twins"], 2, FACTS, lines.append)
    assert run_suite(second, studio, ["kinds", "twins"], 2, FACTS, lines.append) == rows
    assert (first / "results.json").read_bytes() == (second / "results.json").read_bytes()
    assert (first / "contact_sheet.png").read_bytes() == (second / "contact_sheet.png").read_bytes()
    results = json.loads((first / "results.json").read_text())
    assert results["weights"] == "tiny"
    assert len(results["table"]) == len(rows) == 6 + 3
    assert [len(cases) for cases in results["cases"].values()] == [2, 2]
    # Two steps: two passes of one pair for each set of videos.
    assert lines[0] == "4 of 4 cases to take: 6 sets of videos, 12 network passes of a pair"


def test_finished_cases_are_not_taken_again(studio, tmp_path, monkeypatch):
    run_suite(tmp_path, studio, ["synchrony"], 1, FACTS, lambda line: None)
    monkeypatch.setattr(type(studio), "videos", None)
    lines = []
    run_suite(tmp_path, studio, ["synchrony"], 1, FACTS, lines.append)
    assert lines == ["0 of 1 cases to take: 0 sets of videos, 0 network passes of a pair"]


def test_another_model_needs_another_folder(studio, tmp_path):
    run_suite(tmp_path, studio, ["synchrony"], 1, FACTS, lambda line: None)
    with pytest.raises(InputError, match="of another model or other options"):
        run_suite(tmp_path, studio, ["synchrony"], 1, {**FACTS, "weights": "other"})


def test_an_unknown_measure_is_told(studio, tmp_path):
    with pytest.raises(InputError, match="no measure 'beauty'; give some of kinds, twins, synchrony"):
        run_suite(tmp_path, studio, ["beauty"], 1, FACTS)
    assert not list(tmp_path.iterdir())


def test_the_table():
    rows = [at_most("difference", 0.005, 0.004), at_least("share", 0.95, 0.9), Row("other", 1.0)]
    assert table(rows).splitlines() == [
        "measure         value        aim  reached",
        "difference      0.005   <= 0.004  no",
        "share            0.95     >= 0.9  yes",
        "other               1",
    ]


def test_pictures_stand_in_rows_of_four():
    pictures = [np.full((10, 20, 3), 10 * i, dtype=np.uint8) for i in range(5)]
    sheet = np.asarray(contact_sheet(pictures, ["a"] * 5, [True] * 5))
    assert sheet.shape == (2 * (10 + 14 + 4), 4 * 24, 3)
    assert (sheet[14:24, 24:44] == 10).all()
    assert (sheet[28 + 14 : 28 + 24, :20] == 40).all()


def test_all_measures_have_names_of_their_own():
    assert list(suite.MEASURES) == ["kinds", "twins", "synchrony", "flicker", "views", "splats", "walk"]
