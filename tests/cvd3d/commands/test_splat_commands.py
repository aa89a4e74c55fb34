"""`cvd3d render`, `info`, `clean` and `compare`, on a scene of two cameras and a few splats."""

import json

import av
import numpy as np
import pytest
import torch
from PIL import Image

from cvd3d.cli import main
from recon.export.targets import TARGETS
from recon.splats import MovingSplats, Splats
from recon.splats.motion_file import save_motion
from recon.splats.ply import save_splats

N = 40


def some_splats() -> Splats:
    generator = torch.Generator().manual_seed(1)

    def normal(*shape):
        return torch.randn(*shape, generator=generator)

    faint = torch.where(torch.arange(N) < 10, -9.0, 2.0)
    return Splats(
        0.4 * normal(N, 3) + torch.tensor([0, 0, 0.6]), normal(N, 4), -1.2 + 0.3 * normal(N, 3), faint, normal(N, 4, 3)
    )


@pytest.fixture
def scene(tiny_folder):
    """The scene folder named tiny, with splats, metrics and a prompt."""
    folder = tiny_folder
    save_splats(some_splats(), folder / "splats.ply")
    held_out = {"psnr": 20.5, "ssim": 0.75, "per_frame": [{"frame": 1}, {"frame": 3}]}
    (folder / "metrics.json").write_text(json.dumps({"held_out": held_out}))
    (folder / "scene.json").write_text(json.dumps({"asked": {"prompt": "a red cube"}}))
    return folder


@pytest.fixture
def moving_scene(scene):
    """The same scene, in which every other splat rises."""
    moving = torch.arange(0, N, 2)
    shifts = torch.linspace(-1, 1, 4)[None, :, None] * torch.tensor([0.0, 0.0, 1.0])
    still = torch.zeros(20, 4, 3), torch.zeros(20, 4)
    moves = MovingSplats(some_splats(), moving, shifts.repeat(20, 1, 1), *still, 0.0, 0.125)
    save_motion(moves, scene / "motion.safetensors")
    return moves


@pytest.fixture
def run(capsys):
    """Run a command; returns its output."""

    def run(*words):
        main([*map(str, words)])
        return capsys.readouterr().out

    return run


@pytest.fixture
def refused(capsys):
    """Run a command that must be refused; returns the error sentence."""

    def run(*words):
        with pytest.raises(SystemExit) as end:
            main([*map(str, words)])
        err = capsys.readouterr().err.strip()
        assert end.value.code == 2 and err.startswith("cvd3d: error: ") and "\n" not in err
        return err

    return run


SMALL = ("--size", 32, 18, "--seconds", 0.5, "--fps", 10)


@pytest.mark.parametrize(("path", "suffix"), [("orbit", "gif"), ("spiral", "webp"), ("cam01", "mp4")])
def test_films(path, suffix, scene, run):
    assert "5 frames of 32x18, 10 per second" in run("render", "tiny", "--path", path, "--out", f"a.{suffix}", *SMALL)
    if suffix == "mp4":
        with av.open("a.mp4") as film:
            frames = [frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)]
    else:
        with Image.open(f"a.{suffix}") as film:
            assert film.info["loop"] == 0
            frames = []
            for n in range(film.n_frames):
                film.seek(n)
                frames.append(np.asarray(film.convert("RGB")))
    assert len(frames) == 5 and frames[0].shape == (18, 32, 3) and np.std(frames) > 10


def test_a_film_of_a_file_in_the_axes_of_viewers(scene, run):
    some_splats().transformed(TARGETS["web"].similarity).save("web.ply")
    some_splats().save("splats.ply")
    for name in ("web", "splats"):
        run("render", f"{name}.ply", "--out", f"{name}.gif", *SMALL)
    films = [np.asarray(Image.open(f"{name}.gif").convert("RGB")).astype(int) for name in ("web", "splats")]
    assert np.abs(films[0] - films[1]).mean() < 1 < films[0].std()


def test_films_that_cannot_be_made(scene, refused):
    assert "the paths are orbit, spiral, cam00, cam01" in refused("render", "tiny", "--path", "cam9", *SMALL)
    assert "a film is written as .mp4, .gif, .webp" in refused("render", "tiny", "--out", "a.mov")
    assert "There is no splat file none.ply" in refused("render", "none.ply")
    assert "whose axes are known" in refused("render", "tiny", "--axes", "web")
    assert "--axes takes supersplat" in refused("render", "tiny/splats.ply", "--axes", "maya")
    assert "--background" in refused("render", "tiny", "--background", 255, 255, 255)
    assert [path.name for path in scene.parent.iterdir()] == ["tiny"]


def test_info(scene, run, refused):
    output = run("info", "tiny")
    assert "prompt    a red cube" in output and "2 (cam00, cam01), 2 frame(s) each" in output
    assert "PSNR 20.50 dB" in output and "40, spherical harmonics of degree 1" in output
    assert "10  25.0%" in output and "10 splats are below an opacity of 0.02" in output
    assert "prompt" not in run("info", "tiny/splats.ply")
    (scene / "splats.ply").unlink()
    assert "none yet; 'cvd3d fit tiny'" in run("info", "tiny")
    assert "neither cameras nor splats" in refused("info", "tiny/images")


def test_clean(scene, run, refused):
    output = run("clean", "tiny")
    assert "10 splats with opacities below 0.02" in output and "tiny-clean.ply: 30 of 40 splats" in output
    kept = some_splats()[10:]
    assert torch.equal(Splats.load("tiny-clean.ply").means, kept.transformed(TARGETS["web"].similarity).means)
    assert "already exists" in refused("clean", "tiny")

    run("clean", "tiny/splats.ply", "--sphere", 0, 0, 0.6, 0.5, "--rotate", 0, 0, 90, "--scale", 2, "--out", "b.ply")
    x, y, z = kept.means[(kept.means - torch.tensor([0, 0, 0.6])).norm(dim=1) <= 0.5].T
    torch.testing.assert_close(Splats.load("b.ply").means, 2 * torch.stack([-y, x, z], dim=1))

    assert "8 of 40" in run("clean", "tiny", "--min-opacity", 0, "--keep", 8, "--out", "c.ply")
    assert (Splats.load("c.ply").logit_opacities > 0).all()  # the faint ones contribute least
    assert "smaller corner first" in refused("clean", "tiny", "--box", 1, 1, 1, 0, 0, 0, "--out", "d.ply")
    assert "No splats are left" in refused("clean", "tiny", "--sphere", 90, 0, 0, 1, "--out", "d.ply")
    assert "written as .ply" in refused("clean", "tiny", "--out", "d.spz")


def test_clean_removes_what_is_not_finite(scene, run):
    broken = some_splats()
    broken.means[20, 0] = torch.nan
    broken.save("broken.ply")
    assert "1 splats with values that are not finite" in run("clean", "broken.ply")
    assert len(Splats.load("broken-clean.ply")) == 29


def test_clean_keeps_the_motion(scene, moving_scene, run):
    run("clean", "tiny")
    back = MovingSplats.load("tiny-clean")
    torch.testing.assert_close(back.at(0.1).means, moving_scene.at(0.1).means[10:])
    assert "middle instant, 0.0625 s" in run("clean", "tiny", "--out", "still.ply")
    assert "30 splats" not in run("info", "tiny-clean") and len(Splats.load("still.ply")) == 30


def test_compare_uses_the_frames_held_out_of_the_fit(scene, run, refused):
    run("clean", "tiny")
    output = run("compare", "tiny", "tiny-clean.ply")
    assert "A  tiny: 40 splats\nB  tiny-clean.ply: 30 splats" in output
    names = [line.split()[:3] for line in output.splitlines() if " frame " in line and line.startswith("cam")]
    assert names == [["cam00", "frame", "1"], ["cam01", "frame", "3"]]
    assert Image.open("compare.png").size == (4 * 20 - 4, 2 * 32 - 4)
    assert "already exists" in refused("compare", "tiny", "tiny-clean.ply")


def test_compare_two_files_on_an_orbit(scene, run, refused):
    output = run("compare", "tiny/splats.ply", "tiny/splats.ply", "--views", 2, "--out", "same.jpg")
    assert "view 1" in output and "120.00" in output and "frame" not in output
    assert "ends in '.bmp'" in refused("compare", "tiny", "tiny", "--out", "a.bmp")
    assert "--views is 0" in refused("compare", "tiny", "tiny", "--views", 0)
