"""Fits that are kept by name."""

import json

import pytest

from cvd3d.scene.chain import Stage, read_scene, run_stages
from cvd3d.scene.fits import fit_as, keeping_fit
from recon.scene_folder import SceneFolder
from trajectories.errors import InputError


def points(seed=0):
    def make(place):
        (place.out / "points.ply").write_text(f"points {seed}")
        return {}

    return Stage("points", {"seed": seed}, make)


def fit(steps):
    def make(place):
        (place.out / "splats.ply").write_text(f"{steps} steps")
        (place.out / "metrics.json").write_text("{}")
        return {"steps": steps, "held_out": {"psnr": 30.5}}

    return Stage("fit", {"steps": steps}, make)


@pytest.fixture
def run(tmp_path):
    """`run(steps, seed)`: update the scene, and return what was printed and the splats."""

    def run(steps, seed=0):
        stages = [keeping_fit(points(seed)), keeping_fit(fit(steps))]
        run_stages(tmp_path, stages, asked={"seed": 0}, report=lambda line: None)
        return (tmp_path / "splats.ply").read_text()

    return run


def kept(folder):
    return {name: (folder / "fits" / name / "splats.ply").read_text() for name in SceneFolder(folder).fits}


def test_the_fit_before_is_kept_and_told(run, tmp_path, capsys):
    assert run(1500) == "1500 steps" and kept(tmp_path) == {}
    assert run(60) == "60 steps"
    assert kept(tmp_path) == {"1": "1500 steps"}
    assert "fits/1 (1500 steps, 30.50 dB on held-out frames)" in capsys.readouterr().out
    record = json.loads((tmp_path / "fits" / "1" / "fit.json").read_text())
    assert record["options"] == {"steps": 1500}


def test_a_fit_that_is_up_to_date_is_not_copied(run, tmp_path):
    run(1500)
    run(1500)
    assert kept(tmp_path) == {}


def test_a_fit_is_kept_once(run, tmp_path):
    run(1500)
    run(60)
    run(1500)
    assert run(60) == "60 steps"
    assert kept(tmp_path) == {"1": "1500 steps", "2": "60 steps"}


def test_new_starting_points_keep_the_fit_of_the_old_ones(run, tmp_path):
    run(1500)
    run(1500, seed=1)
    assert kept(tmp_path) == {"1": "1500 steps"}


def test_a_named_fit_leaves_the_scene_as_it_is(run, tmp_path):
    run(1500)
    before = read_scene(tmp_path)
    done = fit_as(tmp_path, "quick", fit(60), after="points", force=False)
    assert [each.name for each in done] == ["points", "fit"] and done[-1].outputs == ("fits/quick",)
    assert (tmp_path / "splats.ply").read_text() == "1500 steps" and read_scene(tmp_path) == before
    assert kept(tmp_path) == {"quick": "60 steps"}
    assert not (tmp_path / "checkpoints").exists()


def test_a_named_fit_is_replaced_only_by_force(run, tmp_path):
    run(1500)
    fit_as(tmp_path, "quick", fit(60), after="points", force=False)
    with pytest.raises(InputError, match="quick exists; give another name"):
        fit_as(tmp_path, "quick", fit(70), after="points", force=False)
    fit_as(tmp_path, "quick", fit(70), after="points", force=True)
    assert kept(tmp_path) == {"quick": "70 steps"}


@pytest.mark.parametrize("name", ["", "a/b", "..", ".hidden", "a b"])
def test_names_that_are_no_folder_names_are_refused(run, tmp_path, name):
    run(1500)
    with pytest.raises(InputError, match="cannot name a fit"):
        fit_as(tmp_path, name, fit(60), after="points", force=False)
    assert not (tmp_path / "fits").exists()


def test_a_scene_without_points_has_no_named_fits(tmp_path):
    run_stages(tmp_path, [Stage("plan", {}, lambda place: {})], asked={}, report=lambda line: None)
    with pytest.raises(InputError, match="no finished stage 'points'"):
        fit_as(tmp_path, "quick", fit(60), after="points", force=False)
