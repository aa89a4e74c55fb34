"""The summary that a command prints."""

from pathlib import Path

import pytest

from cvd3d.scene.chain import Done
from cvd3d.scene.summary import nerfstudio_command, print_summary

KEEP = "nerfstudio-data --orientation-method none --center-method none --auto-scale-poses False"


def done(name, outputs, facts=(), seconds=1.25, skipped=False):
    return Done(name, "0" * 64, {}, outputs, seconds, 512.4, dict(facts), skipped=skipped)


SAMPLED = (done("plan", ("rig.json",), skipped=True), done("sample", ("images", "videos")))
QUALITY = {"frames": 2, "psnr": 26.666, "ssim": 0.91234}
FITTED = (
    *SAMPLED,
    done("points", ("points.ply",), {"points": 900, "source": "a test"}),
    done("fit", ("metrics.json", "splats.ply"), {"splats": 50, "held_out": QUALITY, "training": {"frames": 0}}),
)


@pytest.fixture
def summary(capsys):
    """`summary(stages, folder)`: the lines that are printed."""

    def lines(stages, folder="scenes/first"):
        print_summary(Path(folder), stages)
        return capsys.readouterr().out.splitlines()

    return lines


def test_stages_and_files_and_the_next_commands(summary):
    assert summary(SAMPLED) == [
        "",
        "  plan          1.2 s   peak memory     512 MB  (done before)",
        "  sample        1.2 s   peak memory     512 MB",
        "",
        "  scenes/first/  images, rig.json, videos",
        "",
        "Next:",
        "  cvd3d view scenes/first",
        "  cvd3d fit scenes/first",
        f"  ns-train splatfacto --data scenes/first {KEEP}",
    ]


def test_the_quality_of_a_fit_is_printed(summary):
    lines = summary(FITTED)
    assert "  50 splats from 900 points (a test)" in lines
    assert [line for line in lines if "PSNR" in line] == [
        "     2 frames held out of the fit: PSNR 26.67 dB, SSIM 0.912"
    ]
    assert "  cvd3d export scenes/first --to ply" in lines and "  cvd3d fit scenes/first" not in lines


def test_moving_splats_and_contradicted_frames_are_counted(summary):
    *others, fit = FITTED
    facts = {**fit.facts, "moving": 7, "doubted": 3, "training": {"frames": 12, "psnr": 30.0, "ssim": 0.95}}
    text = "\n".join(summary((*others, done("fit", fit.outputs, facts))))
    assert "50 splats, 7 of which move, from 900 points" in text
    assert "12 frames of the fit: PSNR 30.00 dB, SSIM 0.950" in text
    assert "   3 frames that the others contradict have a weight below one half" in text


def test_a_folder_with_a_space_is_quoted(summary):
    assert "  cvd3d view 'my scenes/first'" in summary(SAMPLED, "my scenes/first")
    assert nerfstudio_command(Path("a b")) == f"ns-train splatfacto --data 'a b' {KEEP}"


def test_new_paths_and_removed_splats_are_told(summary):
    *others, fit = FITTED
    new = {"frames": 16, "degrees": 23.4, "meters": 1.84, "video": "v2", "steps": 375, "psnr": 21.2, "ssim": 0.8}
    new |= {"held_out": {"psnr": 25.1, "ssim": 0.9}, "good_within": {"degrees": 17.2, "meters": 1.32, "psnr": 23.1}}
    text = "\n".join(summary((*others, done("fit", fit.outputs, {**fit.facts, "new_paths": new, "pruned": 400}))))
    assert "16 frames of a new path, 23 degrees and 1.8 m from the nearest camera" in text
    assert "(v2, left out of a fit of 375 steps): PSNR 21.20 dB, SSIM 0.800" in text
    assert "good within 17 degrees and 1.3 m of the cameras: at most 3 dB below the 23.10 dB of its nearest" in text
    assert "frames held out between those of that fit: PSNR 25.10 dB" in text
    assert "400 splats that no frame of the fit shows were removed" in text
    new["good_within"]["degrees"] = 0.2
    text = "\n".join(summary((*others, done("fit", fit.outputs, {**fit.facts, "new_paths": new}))))
    assert "good only from where its cameras are: at most 3 dB" in text
    new["good_within"] = None
    text = "\n".join(summary((*others, done("fit", fit.outputs, {**fit.facts, "new_paths": new}))))
    assert "good within" not in text and "were removed" not in text
