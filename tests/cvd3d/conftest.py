"""Fixtures of several folders: one thread, a fake pipeline that renders a painted plane, official weight files."""

from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from recon.points import PointCloud, save_points
from trajectories.cameras import Cameras
from trajectories.formats.nerfstudio import Transforms, write_transforms
from trajectories.rig_file import save_rig
from trajectories.rigs import make_rig

SMALL_SCENE = (
    "scene", "a red cube and a blue ball on green grass", "--rig", "circle", "--views", "2", "--frames", "4",
    "--size", "48", "48", "--fit.steps", "12", "--no-view",
)  # fmt: skip


def painted_ground(cameras: Cameras) -> np.ndarray:
    """(..., H, W, 3) float32 views of a plane z=0 that is painted with smooth waves, under a blue sky."""
    v, u = np.mgrid[: cameras.height, : cameras.width] + 0.5
    pixels = np.stack([u, v, np.ones_like(u)], axis=-1)[..., None]
    rays = (cameras.R @ np.linalg.inv(cameras.K))[..., None, None, :, :] @ pixels
    rays, centers = rays[..., 0], cameras.centers[..., None, None, :]
    with np.errstate(divide="ignore", invalid="ignore"):
        depth = -centers[..., 2:] / rays[..., 2:]
        x, y, _ = np.moveaxis(centers + depth * rays, -1, 0)
        waves = np.stack([np.sin(5 * x) * np.cos(4 * y), np.sin(7 * y + x), np.cos(6 * x - 5 * y)], axis=-1)
    hit = (depth > 0) & (depth < 30)
    return np.where(hit, 0.5 + 0.4 * waves, (0.4, 0.6, 0.9)).astype(np.float32)


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    """Use one thread, because small networks are slower on several."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def official():
    """`official(network)`: its tensors by kind of file and official name, with the position tables of the files."""
    from cvd3d.model.attention import sinusoidal_positions
    from cvd3d.model.official_names import CAMERA_CONTROL, CROSS_VIEW, MOTION_MODULE, official_shapes

    def tensors(network):
        values = dict(network.named_parameters())
        files = {
            kind: {key: values[name].detach().clone() for key, (name, _) in keys.items()}
            for kind, keys in official_shapes(network).items()
        }
        for kind, length in ((MOTION_MODULE, 32), (CAMERA_CONTROL, 16)):
            for key in [key for key in files[kind] if key.endswith("to_q.weight")]:
                table = sinusoidal_positions(length, files[kind][key].shape[0])
                files[kind][key.replace("to_q.weight", "pos_encoder.pe")] = table
        for key in [key for key in files[CROSS_VIEW] if key.endswith("to_q.weight")]:
            coords = torch.zeros(64, 64, 3, dtype=torch.long)
            files[CROSS_VIEW][key.replace("to_q.weight", "pos_encoder.coords")] = coords
        return files

    return tensors


@pytest.fixture
def tiny_folder(tmp_path, monkeypatch):
    """A scene folder named tiny, with two videos of two 16x12 frames; commands run in its parent folder."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "tiny"
    rig = make_rig("orbit", 2, 2, width=16, height=12)
    paths = []
    for v, name in enumerate(rig.names):
        (folder / "images" / name).mkdir(parents=True)
        for t in range(rig.frames):
            paths.append(f"images/{name}/{t:05d}.png")
            Image.new("RGB", (16, 12), (50 * v, 50 * t, 90)).save(folder / paths[-1])
    save_rig(rig, folder / "rig.json")
    videos = tuple(name for name in rig.names for _ in range(rig.frames))
    cameras, times = rig.cameras.reshape(-1), np.tile(rig.times, rig.views)
    write_transforms(Transforms(tuple(paths), cameras, times, videos, "points.ply"), folder / "transforms.json")
    save_points(PointCloud([[0, 0, 0.6], [1, 2, 0]], [[1, 0, 0], [0, 1, 0]], "by hand"), folder / "points.ply")
    return folder


class DrawingPipeline:
    """A fake pipeline with the interface of the real one; it records the requests."""

    def __init__(self):
        self.calls = []

    def sample(self, request, rig, *, checkpoint, report):
        self.calls.append(request)
        videos = painted_ground(rig.cameras)
        videos += 0.02 * np.random.default_rng(request.seed).random(videos.shape, dtype=np.float32)
        for v, frames in request.known.items():
            videos[v] = frames
        return SimpleNamespace(videos=np.clip(videos, 0, 1))


@pytest.fixture
def drawing():
    """Replace the real pipeline by a DrawingPipeline."""
    with drawing_pipeline() as pipeline:
        yield pipeline


@pytest.fixture(scope="session")
def drawn_scene(tmp_path_factory):
    """A small scene folder made with the fake pipeline; tests must not change it."""
    from cvd3d.cli import main

    folder = tmp_path_factory.mktemp("scenes") / "first"
    with drawing_pipeline():
        main([*SMALL_SCENE, "--out", str(folder)])
    return folder


@contextmanager
def drawing_pipeline():
    import cvd3d.sampling.limits

    pipeline = DrawingPipeline()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cvd3d.sampling, "load_pipeline", lambda model: pipeline)
        patch.setattr(cvd3d.sampling, "weights_hash", lambda model: "drawn")
        patch.setattr(cvd3d.sampling.limits, "check_rig_for", lambda *args: None)  # the fake pipeline supports any size
        yield pipeline


@pytest.fixture(scope="session")
def small_scene():
    """The command line that made `drawn_scene`, without --out."""
    return SMALL_SCENE
