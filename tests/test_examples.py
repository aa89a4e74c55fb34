"""Every script in examples/ runs, on small inputs."""

import runpy
import sys
from pathlib import Path

import av
import numpy as np
import pytest
import torch

from recon.capture import Capture, Pixels
from recon.export.colmap import write_colmap
from recon.points import PointCloud
from recon.render import render
from recon.splats import SH_C0, Splats
from recon.splats.ply import load_splats, save_splats
from trajectories import load_rig, make_rig

EXAMPLES = sorted((Path(__file__).parents[1] / "examples").glob("*.py"))


@pytest.fixture
def run(monkeypatch):
    """`run(NAME, *words)`: run a script as it is typed."""

    def script(name, *words):
        (path,) = (path for path in EXAMPLES if path.stem == name)
        monkeypatch.setattr(sys, "argv", [str(path), *map(str, words)])
        runpy.run_path(str(path), run_name="__main__")

    return script


@pytest.fixture
def splats():
    """A ball of 150 gray splats about the rigs' target."""
    directions = torch.randn(150, 3, generator=torch.Generator().manual_seed(0))
    return Splats(
        means=0.6 * directions / directions.norm(dim=1, keepdim=True) + torch.tensor([0.0, 0.0, 0.6]),
        quats=torch.tensor([[1.0, 0, 0, 0]]).repeat(150, 1),
        log_scales=torch.full((150, 3), -2.5),
        logit_opacities=torch.full((150,), 3.0),
        sh=torch.zeros(150, 1, 3),
    )


@pytest.fixture
def ply(splats, tmp_path):
    save_splats(splats, tmp_path / "splats.ply")
    return tmp_path / "splats.ply"


def frames_of(path):
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def test_they_are_five_and_short():
    assert len(EXAMPLES) == 5
    assert all(len(path.read_text().splitlines()) < 40 for path in EXAMPLES)


def test_a_custom_rig(run, tmp_path):
    run("custom_rig", "--out", tmp_path / "walk.json", "--frames", 5, "--size", 32)
    rig = load_rig(tmp_path / "walk.json")
    assert (rig.names, rig.frames, rig.cameras.width) == (("low", "high"), 5, 32)
    np.testing.assert_allclose(rig.cameras.centers[1, -1] - rig.cameras.centers[0, -1], [0, 0, 1], atol=1e-9)


@pytest.mark.slow
def test_sampling(run, tmp_path):
    run("sample_videos", "a red cube on green grass", "--out", tmp_path / "out", "--frames", 2, "--steps", 1)
    assert load_rig(tmp_path / "out" / "rig.json").names == ("cam00", "cam01")
    assert frames_of(tmp_path / "out" / "cam01.mp4").shape == (2, 128, 128, 3)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Too few matches")
def test_fitting_a_colmap_folder(run, splats, tmp_path, capsys):
    cameras = make_rig("orbit", 4, 2, width=32, height=32).cameras.reshape(-1)
    pixels = (render(splats, cameras).numpy() * 255).round().astype(np.uint8)
    points = PointCloud(splats.means.numpy(), np.full((150, 3), 0.5), "a test")
    videos = tuple(f"cam{n:02d}" for n in range(8))
    write_colmap(Capture(cameras, np.arange(8.0), videos, tuple(map(Pixels, pixels)), points), tmp_path / "colmap")
    run("fit_colmap", tmp_path / "colmap", "--out", tmp_path / "fitted.ply", "--steps", 20)
    assert len(load_splats(tmp_path / "fitted.ply")) > 0
    assert "PSNR of held-out frames in dB: " in capsys.readouterr().out


def test_a_flight(run, ply, tmp_path):
    run("film_flight", ply, "--out", tmp_path / "flight.mp4", "--frames", 3, "--size", 32)
    frames = frames_of(tmp_path / "flight.mp4")
    assert frames.shape == (3, 32, 32, 3) and abs(int(frames[1, 16, 16, 0]) - 128) < 20 and frames[1, 0, 0].max() < 20


def test_editing(run, splats, ply, tmp_path, capsys):
    splats.means[:10] += 9.0
    splats.logit_opacities[10:30] = -4.0
    save_splats(splats, ply)
    run("edit_splats", ply, "--out", tmp_path / "edited.ply", "--brighter", 0.2)
    edited = load_splats(tmp_path / "edited.ply")
    assert "120 of 150 splats" in capsys.readouterr().out
    torch.testing.assert_close(edited.means, splats.means[30:] + torch.tensor([0, 0, 0.5]))
    torch.testing.assert_close(edited.sh * SH_C0, torch.full((120, 1, 3), 0.2))
