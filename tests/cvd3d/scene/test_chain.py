"""Stages are written atomically, continue where they stopped, and run again exactly if their inputs changed."""

import errno
import json
import shutil
from dataclasses import replace

import pytest

import cvd3d.scene.chain
from cvd3d.scene.chain import Stage, fingerprint, read_scene, run_stages
from trajectories.errors import InputError


class Chain:
    """Three stages that each append their options to the previous stage's output; records which stages ran."""

    def __init__(self, folder, **options):
        self.folder, self.options, self.ran = folder, {"a": 1, "b": 1, "c": 1, **options}, []

    def stage(self, name, before):
        def make(place):
            self.ran.append(name)
            past = (place.scene / before / "text").read_text() if before else ""
            (place.out / name).mkdir()
            (place.out / name / "text").write_text(f"{past}{name}{self.options[name]}")
            return {"letter": name}

        return Stage(name, {"value": self.options[name]}, make)

    def stages(self):
        return [self.stage("a", None), self.stage("b", "a"), self.stage("c", "b")]

    def run(self, **how):
        self.ran = []
        done = run_stages(self.folder, self.stages(), asked={"prompt": "p"}, report=lambda line: None, **how)
        return done

    def state(self):
        files = [path for path in self.folder.rglob("*") if path.is_file()]
        return {str(path.relative_to(self.folder)): path.read_bytes() for path in files}


@pytest.fixture
def chain(tmp_path):
    return Chain(tmp_path / "scenes" / "first")


def test_all_stages_run_once_and_are_recorded(chain):
    done = chain.run()
    assert chain.ran == ["a", "b", "c"]
    assert (chain.folder / "c" / "text").read_text() == "a1b1c1"
    scene = read_scene(chain.folder)
    assert list(scene["stages"]) == ["a", "b", "c"]
    assert scene["asked"] == {"prompt": "p"}
    assert scene["versions"]["cvd3d"] == cvd3d.__version__
    for each in done:
        record = scene["stages"][each.name]
        assert record["fingerprint"] == each.fingerprint and record["facts"] == {"letter": each.name}
        assert record["outputs"] == [each.name] and record["seconds"] >= 0 and record["peak_memory_mb"] > 1
    assert sorted(path.name for path in chain.folder.iterdir()) == ["a", "b", "c", "scene.json"]


def test_the_same_command_again_does_nothing(chain):
    chain.run()
    before = chain.state()
    done = chain.run()
    assert chain.ran == [] and all(each.skipped for each in done)
    assert chain.state() == before


@pytest.mark.parametrize("changed, redone", [("a", ["a", "b", "c"]), ("b", ["b", "c"]), ("c", ["c"])])
def test_a_changed_option_redoes_what_depends_on_it(chain, changed, redone):
    chain.run()
    chain.options[changed] = 2
    chain.run()
    assert chain.ran == redone
    assert (chain.folder / "c" / "text").read_text() == "a1b1c1".replace(f"{changed}1", f"{changed}2")


def test_force_redoes_all(chain):
    chain.run()
    chain.run(force=True)
    assert chain.ran == ["a", "b", "c"]


def test_a_missing_output_is_made_again_with_its_dependents(chain):
    chain.run()
    shutil.rmtree(chain.folder / "b")
    chain.run()
    assert chain.ran == ["b", "c"]


def test_a_chain_can_continue_from_a_finished_stage(chain):
    chain.run()
    chain.options["c"] = 5
    run_stages(chain.folder, chain.stages()[2:], asked={}, after="b", report=lambda line: None)
    assert chain.ran[-1] == "c" and (chain.folder / "c" / "text").read_text() == "a1b1c5"
    assert list(read_scene(chain.folder)["stages"]) == ["a", "b", "c"]
    chain.run()
    assert chain.ran == []
    with pytest.raises(InputError, match="no finished stage 'z'"):
        run_stages(chain.folder, chain.stages(), asked={}, after="z")


class Killed(BaseException):
    """Like a signal, not caught by handlers of Exception."""


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_stage_that_is_stopped_leaves_the_old_state(chain, when):
    chain.run()
    before = chain.state()
    chain.options["b"] = 2
    stages = chain.stages()

    def make(place):
        if when == "after":
            stages[1].make(place)
        raise Killed

    with pytest.raises(Killed):
        run_stages(chain.folder, [stages[0], Stage("b", {"value": 2}, make)], asked={}, report=lambda line: None)
    assert chain.state() == before
    chain.run()
    assert chain.ran == ["b", "c"]


@pytest.mark.parametrize("fresh", [True, False])
def test_a_kill_at_any_step_of_the_move_leaves_the_old_state_or_the_new(chain, monkeypatch, fresh):
    """Stop before the n-th change on disk, for every n; the next run must find the old or the new state."""
    real = {name: getattr(cvd3d.scene.chain, name) for name in ("remove", "_move")}
    for cut in range(1, 20):
        shutil.rmtree(chain.folder, ignore_errors=True)
        if not fresh:
            chain.options["a"] = 1
            chain.run()
        chain.options["a"] = 2
        left = cut

        def counted(name):
            def step(*args):
                nonlocal left
                left -= 1
                if left == 0:
                    raise Killed
                return real[name](*args)

            return step

        for name in real:
            monkeypatch.setattr(cvd3d.scene.chain, name, counted(name))
        try:
            chain.run()
        except Killed:
            finished = False
        else:
            finished = True
        for name, function in real.items():
            monkeypatch.setattr(cvd3d.scene.chain, name, function)
        chain.run()
        assert (chain.folder / "c" / "text").read_text() == "a2b1c1"
        assert sorted(path.name for path in chain.folder.iterdir()) == ["a", "b", "c", "scene.json"]
        if finished:
            assert cut > 5
            return
    pytest.fail("The chain never finished.")


def test_checkpoints_outlive_a_kill_and_belong_to_their_options(chain):
    found = []

    def run(value, stop):
        def make(place):
            found.append((place.checkpoints / "step").exists())
            place.checkpoints.mkdir(parents=True, exist_ok=True)
            (place.checkpoints / "step").write_text("7")
            if stop:
                raise Killed
            return {}

        run_stages(chain.folder, [Stage("fit", {"value": value}, make)], asked={}, report=lambda line: None)

    chain.run()
    for value, stop in ((1, True), (2, True), (1, False)):
        try:
            run(value, stop)
        except Killed:
            continue
    assert found == [False, False, True]
    assert not (chain.folder / "checkpoints").exists()


def test_a_folder_that_is_not_a_scene_is_refused_and_unchanged(chain):
    chain.folder.mkdir(parents=True)
    (chain.folder / "thesis.tex").write_text("x")
    with pytest.raises(InputError, match=r"is not a scene folder"):
        chain.run()
    assert chain.state() == {"thesis.tex": b"x"} and chain.ran == []


def test_a_file_instead_of_a_folder_is_refused(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="is a file"):
        run_stages(tmp_path / "file", [], asked={})


def test_a_folder_with_only_the_remains_of_a_killed_first_stage_is_accepted(chain):
    (chain.folder / ".cvd3d-partial").mkdir(parents=True)
    (chain.folder / ".cvd3d-partial" / "half").write_text("x")
    chain.run()
    assert sorted(path.name for path in chain.folder.iterdir()) == ["a", "b", "c", "scene.json"]


def test_a_full_disk_is_reported_in_a_sentence_and_leaves_nothing(chain):
    def make(place):
        (place.out / "half").write_text("x")
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(InputError, match=r"The disk that holds .* is full"):
        run_stages(chain.folder, [Stage("a", {}, make)], asked={}, report=lambda line: None)
    assert not chain.folder.exists()


def test_a_full_disk_behind_a_librarys_error_is_recognized(chain, monkeypatch):
    def make(place):
        monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(1, 1, 0))
        raise RuntimeError("PytorchStreamWriter failed writing file")

    with pytest.raises(InputError, match="full"):
        run_stages(chain.folder, [Stage("a", {}, make)], asked={}, report=lambda line: None)


def test_a_second_run_in_the_same_folder_is_refused(chain):
    def make(place):
        with pytest.raises(InputError, match="Another cvd3d is using"):
            chain.run()
        return {}

    run_stages(chain.folder, [Stage("x", {}, make)], asked={}, report=lambda line: None)
    assert chain.ran == []


def test_a_scene_json_of_something_else_is_refused(tmp_path):
    for name in ("unity scene", "cvd3d scene 2"):
        (tmp_path / "scene.json").write_text(json.dumps({"format": name}))
        with pytest.raises(InputError, match=rf"scene\.json: the field 'format' is '{name}'; expected 'cvd3d scene 1'"):
            read_scene(tmp_path)
    with pytest.raises(InputError, match="is not a scene folder"):
        read_scene(tmp_path / "nowhere")
    (tmp_path / "scene.json").write_text(json.dumps({"format": "cvd3d scene 1", "stages": {"a": {}}}))
    with pytest.raises(InputError, match=r"scene\.json: the field 'stages'"):
        read_scene(tmp_path)


@pytest.mark.parametrize("name", ["../precious", "/precious", "..", "", "a/b"])
def test_a_scene_json_cannot_name_files_outside_of_its_folder(chain, name):
    """Recorded outputs are removed when their stage runs again."""
    chain.run()
    path = chain.folder / "scene.json"
    scene = json.loads(path.read_text())
    scene["stages"]["b"]["outputs"] = [name]
    path.write_text(json.dumps(scene))
    with pytest.raises(InputError, match="is not a file name in the folder"):
        chain.run(force=True)


def test_a_fingerprint_depends_on_name_options_and_past_but_not_on_the_order_of_options():
    def make(place):
        return {}

    base = fingerprint(Stage("a", {"x": 1, "y": 2}, make), "")
    assert fingerprint(Stage("a", {"y": 2, "x": 1}, make), "") == base
    others = {
        fingerprint(Stage("b", {"x": 1, "y": 2}, make), ""),
        fingerprint(Stage("a", {"x": 1, "y": 3}, make), ""),
        fingerprint(Stage("a", {"x": 1, "y": 2}, make), "before"),
        fingerprint(Stage("a", {"x": 1, "y": 2}, make, version=2), ""),
    }
    assert base not in others and len(others) == 4


def reported(chain, stages, **how):
    lines = []
    run_stages(chain.folder, stages, asked={}, report=lines.append, **how)
    return lines


def test_stages_that_run_again_are_reported_with_the_reason(chain):
    a, b, c = chain.stages()
    assert reported(chain, [a, b, c]) == ["a ...", "b ...", "c ..."]
    lines = reported(chain, [a, replace(b, version=2), c])
    assert lines == [
        "a: already done",
        "b: made by an earlier version of this stage; running again ...",
        "c: an earlier stage changed; running again ...",
    ]
    assert read_scene(chain.folder)["stages"]["b"]["version"] == 2
    assert reported(chain, [a, b], after=None)[1] == "b: made by a later version of this stage; running again ..."
    assert (
        reported(chain, [a, replace(b, options={"value": 2, "more": [1]})])[1]
        == "b: changed more, value; running again ..."
    )
    shutil.rmtree(chain.folder / "a")
    assert reported(chain, [a]) == ["a: a is missing; running again ..."]
    assert reported(chain, [a], force=True) == ["a ..."]


def test_a_stage_from_before_versions_is_made_again(chain):
    chain.run()
    path = chain.folder / "scene.json"
    scene = json.loads(path.read_text())
    for record in scene["stages"].values():
        del record["version"]
    path.write_text(json.dumps(scene))
    assert reported(chain, chain.stages())[0] == "a: made by an earlier version of this stage; running again ..."
