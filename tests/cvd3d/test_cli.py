"""The command line, mostly in the test's process."""

import re
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from PIL import Image

import cvd3d
from cvd3d.cli import COMMANDS, _parse, main
from cvd3d.commands.completion import FILES
from cvd3d.commands.eval import Measure
from cvd3d.commands.options import RIG_NAMES, Easing, RigOptions
from cvd3d.evaluation.suite import MEASURES
from cvd3d.scene.exports import FORMATS
from trajectories.paths import EASINGS
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
    rig = make_rig("orbit", 4, 16)
    explicit = RigOptions(
        views=4, frames=16, size=(128, 128), fps=8.0, target=(0.0, 0.0, 0.6), radius=4.5, elevation=20.0,
        azimuth=-90.0, fov=50.0, sweep=90.0, easing="linear",
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


@pytest.mark.slow
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
        (["plan", "--vews", "3"], "'cvd3d plan' has no option --vews; did you mean --views?"),
        (["plan", "--nonsense"], "'cvd3d plan' has no option --nonsense; see 'cvd3d plan --help'."),
        (["plan", "circle"], "'cvd3d plan' has no argument circle; see 'cvd3d plan --help'."),
        (["plan", "--frames"], "--frames needs a value; see 'cvd3d plan --help'."),
        (["plan", "--views", "many"], "--views cannot be 'many'; give --views INT."),
        (["plan", "--size", "64"], "--size cannot be '64'; give --size W H."),
        (["plan", "--target", "1", "2"], "--target cannot be '1' '2'; give --target X Y Z."),
        (["plan", "--easing", "ou"], "--easing cannot be 'ou'; did you mean 'out'? It takes in, in-out, linear, out."),
        (["export", "folder", "--to", "usd"], f"--to cannot be 'usd'; it takes {', '.join(sorted(FORMATS))}."),
        (["export", "folder"], "'cvd3d export' needs --to FORMAT; see 'cvd3d export --help'."),
        (["sample"], "'cvd3d sample' needs PROMPT; see 'cvd3d sample --help'."),
        (["weights", "lst"], "'cvd3d weights' has no command 'lst'; did you mean 'list'? It has list, add, fetch, "
            "convert, test."),
        (["scnee"], f"'cvd3d' has no command 'scnee'; did you mean 'scene'? It has {', '.join(COMMANDS)}."),
        (["--vers"], "'cvd3d' has no option --vers; see 'cvd3d --help'."),
    ],
)  # fmt: skip
@pytest.mark.parametrize("color", [False, True])
def test_options_that_cannot_be_parsed_are_reported_in_one_line(words, expected, color, capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR" if color else "NO_COLOR", "1")
    with pytest.raises(SystemExit) as end:
        main(words)
    output = capsys.readouterr()
    assert end.value.code == 2 and output.out == ""
    assert output.err == f"cvd3d: error: {expected}\n"


def test_a_bare_command_prints_its_help(capsys):
    with pytest.raises(SystemExit) as end:
        main([])
    assert end.value.code == 0
    assert "usage: cvd3d" in capsys.readouterr().out


def test_the_version_names_the_libraries_and_the_gpu(capsys):
    with pytest.raises(SystemExit) as end:
        main(["--version"])
    assert end.value.code == 0
    first, libraries, gpu = capsys.readouterr().out.splitlines()
    assert first == f"cvd3d {cvd3d.__version__}"
    assert f"torch {version('torch')}" in libraries and f"gsplat {version('gsplat')}" in libraries
    assert gpu.startswith("GPU: ")


def test_only_options_that_collide_keep_a_prefix(capsys):
    with pytest.raises(SystemExit):
        main(["scene", "--help"])
    assert set(re.findall(r"--\w+\.[\w-]+", capsys.readouterr().out)) == {"--fit.steps"}


def test_steps_of_a_scene_are_denoising_steps():
    for name in ("--denoise-steps", "--steps"):
        scene = _parse(["scene", "a red cube", name, "3", "--fit.steps", "5", "--quality", "draft"])
        assert (scene.sampling.steps, scene.fit.steps, scene.fit.quality) == (3, 5, "draft")
    assert _parse(["fit", "folder", "--steps", "5"]).fit.steps == 5


def test_the_values_that_options_list_are_those_of_the_library():
    assert tuple(RIGS) == RIG_NAMES
    assert set(get_args(Easing)) == set(EASINGS)
    assert get_args(Measure) == tuple(MEASURES)


def completed(script, *words):
    """What bash proposes for the last word."""
    lines = 'COMP_WORDS=("$@"); COMP_CWORD=$(( $# - 1 )); _tyro_cvd3d; echo "${COMPREPLY[@]}"'
    return subprocess.run(
        ["bash", "-c", f"source {script}; {lines}", "bash", *words], capture_output=True, text=True, check=True
    ).stdout.split()


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_bash_completes_commands_options_and_values(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    main(["completion", "bash"])
    script = tmp_path / FILES["bash"]
    assert str(script) in capsys.readouterr().out
    assert completed(script, "cvd3d", "tr") == ["train", "train-pairs"]
    assert completed(script, "cvd3d", "scene", "--denoise") == ["--denoise-steps"]
    assert completed(script, "cvd3d", "scene", "a cube", "--rig", "") == list(RIGS)
    assert set(completed(script, "cvd3d", "export", "a", "--to", "sp")) == {"spz", "splat"}
    assert completed(script, "cvd3d", "plan", "--easing", "l") == ["linear"]


@pytest.mark.parametrize("shell", FILES)
def test_completion_is_printed_for_each_shell(shell, capsys):
    main(["completion", shell, "--print"])
    assert "_tyro_cvd3d" in capsys.readouterr().out
