"""The command line, mostly in the test's process."""

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from cvd3d.cli import COMMANDS, main
from cvd3d.commands.options import RigOptions
from trajectories.rig_file import load_rig
from trajectories.rigs import RIGS, make_rig


def test_help_needs_none_of_the_heavy_libraries():
    heavy = "('torch', 'numpy', 'scipy', 'diffusers', 'cv2', 'viser', 'matplotlib', 'numba', 'av', 'PIL')"
    code = (
        "import sys\n"
        "from cvd3d.cli import main\n"
        "try:\n    main(['--help'])\n"
        f"finally:\n    loaded = [name for name in {heavy} if name in sys.modules]\n    assert not loaded, loaded"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    for command in ("scene", "plan", "sample", "fit", "export", "view", "train"):
        assert f" {command} " in result.stdout


@pytest.mark.parametrize("command", list(COMMANDS))
def test_every_command_explains_itself_and_each_option(command, capsys):
    with pytest.raises(SystemExit) as end:
        main([command, "--help"])
    assert end.value.code == 0
    assert COMMANDS[command].__doc__.split(",")[0].split(".")[0].split()[0] in capsys.readouterr().out


def test_the_help_names_every_rig(capsys):
    with pytest.raises(SystemExit):
        main(["plan", "--help"])
    out = capsys.readouterr().out
    assert all(name in out for name in RIGS)


def test_the_defaults_that_the_help_names_are_those_of_the_rigs():
    rig = make_rig("circle", 4, 16)
    explicit = RigOptions(
        views=4, frames=16, size=(128, 128), fps=8.0, target=(0.0, 0.0, 0.6), radius=4.5, elevation=20.0,
        azimuth=-90.0, fov=50.0, spread=0.5, easing="linear",
    )  # fmt: skip
    for options in (RigOptions(), explicit):
        built = options.build()
        np.testing.assert_allclose(built.cameras.c2w, rig.cameras.c2w, atol=1e-12)
        np.testing.assert_allclose(built.cameras.K, rig.cameras.K, atol=1e-12)
        np.testing.assert_array_equal(built.times, rig.times)
    np.testing.assert_allclose(
        RigOptions(rig="dome", top=70.0).build().cameras.c2w, make_rig("dome", 4, 16).cameras.c2w, atol=1e-12
    )


def test_angles_are_degrees_on_the_command_line():
    built = RigOptions(rig="orbit", views=1, frames=2, sweep=90.0, elevation=0.0, azimuth=0.0, target=(0, 0, 0)).build()
    np.testing.assert_allclose(built.cameras.centers[0], [[4.5, 0, 0], [0, 4.5, 0]], atol=1e-12)


def test_plan_writes_the_rig_and_its_drawing(tmp_path, capsys):
    rig, drawing = tmp_path / "rig.json", tmp_path / "rig.png"
    main(["plan", "--rig", "orbit", "--views", "6", "--frames", "5", "--out", str(rig), "--preview", str(drawing)])
    np.testing.assert_array_equal(load_rig(rig).cameras.c2w, make_rig("orbit", 6, 5).cameras.c2w)
    with Image.open(drawing) as image:
        assert min(image.size) > 100 and len(image.convert("RGB").getcolors(2**24)) > 10
    assert "6 videos of 5 frames" in capsys.readouterr().out


def test_a_planned_rig_can_be_used_as_it_is(tmp_path):
    path = tmp_path / "rig.json"
    main(["plan", "--rig", "dome", "--views", "2", "--frames", "3", "--out", str(path)])
    np.testing.assert_array_equal(RigOptions(rig=str(path)).build().cameras.c2w, load_rig(path).cameras.c2w)


def test_control_c_ends_with_one_line_that_says_how_to_continue(tmp_path, monkeypatch, capsys):
    from cvd3d.commands.plan import Plan

    def interrupted(self):
        raise KeyboardInterrupt

    monkeypatch.setattr(Plan, "run", interrupted)
    with pytest.raises(SystemExit) as end:
        main(["plan"])
    assert end.value.code == 130
    assert capsys.readouterr().err.strip() == "cvd3d: stopped; the same command continues where it stopped."


@pytest.mark.slow
@pytest.mark.parametrize(
    "words, expected",
    [
        (["plan", "--views", "many"], "--views"),
        (["plan", "--vews", "3"], "--vews"),
        (["paint"], "paint"),
        ([], "scene"),
        (["export", "folder", "--to", "usd"], "usd"),
        (["sample"], "PROMPT"),
    ],
)
def test_options_that_cannot_be_parsed_are_reported_in_one_line(words, expected, capsys):
    with pytest.raises(SystemExit) as end:
        main(words)
    output = capsys.readouterr()
    assert end.value.code == 2 and output.out == ""
    assert output.err.startswith("cvd3d: error: ") and expected in output.err and output.err.count("\n") == 1
