"""Training pairs from synthetic clips on disk."""

import json

import numpy as np
import pytest
import torch

from cvd3d.model.autoencoder import SmallAutoencoder
from cvd3d.training.clips import find_clips, framed
from cvd3d.training.filmed import ClipShape, FoldedClips, WarpedClips, fold, visible_latents
from cvd3d.training.homography import Warp
from cvd3d.videos import write_video
from trajectories import Cameras, InputError, make_rig
from trajectories.formats.realestate10k import write_poses


@pytest.fixture(scope="module")
def shape():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        vae = SmallAutoencoder(4, channels=(8, 8), patch=2).eval().requires_grad_(False)
    return ClipShape(vae, side=16, frames=3, text_dropout=0.0)


def film(frames, height=24, width=32):
    """A clip whose gray level encodes the frame: frame t has the value t / 20."""
    return np.ones((frames, height, width, 3)) * np.arange(frames)[:, None, None, None] / 20


@pytest.fixture
def posed(tmp_path):
    """A folder with a long clip, a short one, one without poses, one with too few poses, and a damaged file."""
    folder = tmp_path / "posed"
    (folder / "poses").mkdir(parents=True)
    for name, frames, poses in (("long", 12, 12), ("short", 4, 4), ("alone", 12, None), ("fewer", 12, 9)):
        write_video(film(frames), folder / f"{name}.mp4", 8.0)
        if poses is not None:
            cameras = make_rig("orbit", 1, poses, width=32, height=24).cameras[0]
            write_poses(cameras, np.arange(poses) / 8, folder / "poses" / f"{name}.txt")
    (folder / "damaged.mp4").write_bytes(b"no video")
    (folder / "captions.json").write_text(json.dumps({"long.mp4": ["a kitchen"]}))
    return folder


def gray(vae, latents):
    return torch.stack([vae.decode_frames(video.transpose(0, 1)).mean(dim=(1, 2, 3)) for video in latents])


def test_a_clip_is_folded_in_the_middle():
    generator = torch.Generator().manual_seed(0)
    assert fold(5, 3, generator).tolist() == [[2, 1, 0], [2, 3, 4]]
    long = fold(40, 3, generator)
    assert long[0, 0] == long[1, 0] and (np.diff(long[1]) == 2).all() and (np.diff(long[0]) == -2).all()
    starts = {int(fold(40, 3, generator)[0, -1]) for _ in range(400)}
    assert starts == set(range(32))
    with pytest.raises(InputError, match="A clip of 4 frames cannot be folded into two of 3; 5 are needed"):
        fold(4, 3, generator)


def test_folded_clips_have_the_frames_cameras_and_words_of_the_clip(posed, shape, capsys):
    source = FoldedClips(posed, shape)
    printed = capsys.readouterr().out
    assert [clip.path.stem for clip in source.clips] == ["long"]
    for words in ("short.mp4: it has 4 frames; 5 are needed", "alone.mp4: there is no pose file alone.txt",
                  "fewer.mp4: it has 12 frames and its pose file 9 poses", "damaged.mp4: The video"):  # fmt: skip
        assert words in printed
    batch = source.draw(2, torch.Generator().manual_seed(1))
    assert batch.latents.shape == (4, 4, 3, 4, 4) and batch.prompts == ["a kitchen"] * 4
    assert batch.cameras.shape == (4, 3) and (batch.cameras.width, batch.cameras.height) == (16, 16)
    for first, second in ((0, 1), (2, 3)):
        assert np.array_equal(batch.cameras.c2w[first, 0], batch.cameras.c2w[second, 0])
        assert torch.equal(batch.latents[first, :, 0], batch.latents[second, :, 0])
        assert not torch.equal(batch.latents[first, :, 1], batch.latents[second, :, 1])
    again = source.draw(2, torch.Generator().manual_seed(1))
    assert torch.equal(again.latents, batch.latents)


def test_the_cameras_of_cropped_frames_project_to_the_same_pixels():
    rig = make_rig("orbit", 1, 2, width=40, height=24)
    frames = np.zeros((2, 24, 40, 3), dtype=np.uint8)
    point = np.array([[0.1, -0.2, 0.7]])
    for t in range(2):
        u, v = rig.cameras[0, t].project(point)[0][0]
        frames[t, int(v) - 1 : int(v) + 2, int(u) - 1 : int(u) + 2] = 255
    cropped, cameras = framed(frames, 48, rig.cameras[0])
    assert cropped.shape == (2, 48, 48, 3) and isinstance(cameras, Cameras)
    for t in range(2):
        y, x = np.mgrid[:48, :48] + 0.5
        weight = cropped[t, ..., 0].astype(float)
        center = (x * weight).sum() / weight.sum(), (y * weight).sum() / weight.sum()
        assert cameras[t].project(point)[0][0] == pytest.approx(center, abs=1.5)
    assert framed(frames, 48)[1] is None


def test_a_clip_and_its_warped_copy(tmp_path, shape):
    write_video(film(7), tmp_path / "clip.mp4", 8.0)
    (tmp_path / "clip.txt").write_text("waves at dusk\n")
    batch = WarpedClips(tmp_path, shape, Warp()).draw(2, torch.Generator().manual_seed(0))
    assert batch.latents.shape == (4, 4, 3, 4, 4) and batch.prompts == ["waves at dusk"] * 4
    assert batch.cameras is None and batch.size == (16, 16)
    assert batch.weights.shape == (4, 1, 3, 4, 4) and batch.weights[0].all() and not batch.weights[1::2].all()
    for first in (0, 2):
        assert np.allclose(batch.homographies[first] @ batch.homographies[first + 1], np.eye(3), atol=1e-9)
        assert torch.equal(batch.latents[first, :, 0], batch.latents[first + 1, :, 0])
    none = WarpedClips(tmp_path, ClipShape(shape.vae, 16, 3, text_dropout=1.0), Warp())
    assert none.draw(1, torch.Generator()).prompts == ["", ""]


def test_one_hidden_pixel_hides_its_latent():
    visible = torch.ones(1, 1, 8, 8)
    visible[0, 0, 3, 4] = 0
    assert visible_latents(visible, 4)[0, 0, 0].tolist() == [[1, 0], [1, 1]]


@pytest.mark.parametrize("source", [FoldedClips, lambda folder, shape: WarpedClips(folder, shape, Warp())])
def test_folders_without_usable_clips_are_refused(tmp_path, shape, source):
    with pytest.raises(InputError, match="There is no folder"):
        source(tmp_path / "none", shape)
    with pytest.raises(InputError, match="holds no usable clip of 0"):
        source(tmp_path, shape)
    write_video(film(2), tmp_path / "two.mp4", 8.0)
    with pytest.raises(InputError, match=r"no usable clip of 1; two\.mp4: (it has 2 frames|there is no pose)"):
        source(tmp_path, shape)


def test_a_malformed_table_of_captions_is_refused(tmp_path):
    (tmp_path / "captions.json").write_text("[1, 2]")
    with pytest.raises(InputError, match=r"captions\.json is not a table of captions"):
        find_clips(tmp_path, lambda path, frames: None, text_files=False)
