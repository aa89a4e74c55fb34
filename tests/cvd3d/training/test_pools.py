import numpy as np
import pytest
import torch

from cvd3d.model.autoencoder import SmallAutoencoder
from cvd3d.training import pools
from cvd3d.training.pools import Pool
from cvd3d.training.rig_draws import IDENTICAL, SIZE, sample_rig


def test_a_sample_depends_on_the_seed_and_its_index_only():
    pool = Pool("a", 7, samples=5, views=2, frames=3)
    worlds = []
    for index in (3, 0, 3):
        torch.randn(5)
        world, rig = pool.draw(index)
        worlds.append((world, rig.cameras.c2w.tobytes()))
    assert worlds[0] == worlds[2] and worlds[0] != worlds[1]
    assert Pool("a", 8, 5, 2, 3).draw(3)[1].cameras.c2w.tobytes() != worlds[0][1]


def test_a_short_pool_is_the_start_of_a_long_one():
    short, long = Pool("a", 7, 2, 1, 1), Pool("a", 7, 200, 1, 1)
    assert short.draw(1)[0] == long.draw(1)[0]


def test_shards_cover_the_pool():
    shards = dict(Pool("a", 1, samples=130, views=1, frames=1).shards())
    assert list(shards) == ["000000.npy", "000064.npy", "000128.npy"]
    assert [i for indices in shards.values() for i in indices] == list(range(130))


@pytest.fixture
def counted(monkeypatch):
    """A pool of three shards with gray images, and the list of rendered samples."""
    monkeypatch.setattr(pools, "SHARD", 2)
    rendered = []

    def render(self, index):
        rendered.append(index)
        if index == fails["at"]:
            raise KeyboardInterrupt
        return np.full((1, 1, 16, 16, 3), 10 * index, np.uint8)

    fails = {"at": None}
    monkeypatch.setattr(Pool, "render", render)
    return Pool("gray", 1, samples=5, views=1, frames=1), rendered, fails


def test_a_killed_rendering_resumes_at_its_shard(counted, tmp_path):
    pool, rendered, fails = counted
    fails["at"] = 3
    with pytest.raises(KeyboardInterrupt):
        pool.write_pixels(tmp_path)
    assert [p.name for p in (tmp_path / "gray").iterdir()] == ["000000.npy"]
    fails["at"] = None
    pool.write_pixels(tmp_path)
    assert rendered == [0, 1, 2, 3, 2, 3, 4]
    assert pool.load(tmp_path)[:, 0, 0, 0, 0, 0].tolist() == [0, 10, 20, 30, 40]


def test_latents_are_the_encoded_frames_and_are_kept(counted, tmp_path):
    pool, rendered, _ = counted
    autoencoder = SmallAutoencoder(4, (8, 8), patch=2)
    pool.write_latents(tmp_path / "a", autoencoder)
    before = len(rendered)
    pool.write_latents(tmp_path / "a", autoencoder)
    assert len(rendered) == before
    pool.write_latents(tmp_path / "b", autoencoder)
    a, b = pool.load(tmp_path / "a"), pool.load(tmp_path / "b")
    assert a.dtype == np.float16 and a.shape == (5, 1, 1, 4, 4, 4) and (a == b).all()
    with torch.no_grad():
        expected = autoencoder.encode_frames(torch.full((1, 3, 16, 16), 30 / 255))
    assert np.allclose(a[3, 0], expected, atol=1e-3)


def test_camera_paths_are_drawn_from_the_generator_and_sometimes_repeat():
    def draw(seed):
        return sample_rig(torch.Generator().manual_seed(seed), 2, 3)

    rigs = [draw(seed) for seed in range(150)]
    assert rigs[3].cameras.c2w.tobytes() == draw(3).cameras.c2w.tobytes()
    assert {(rig.cameras.shape, rig.cameras.width, rig.cameras.height) for rig in rigs} == {((2, 3), SIZE, SIZE)}
    share = np.mean([(rig.cameras.c2w[0] == rig.cameras.c2w[1]).all() for rig in rigs])
    assert share == pytest.approx(IDENTICAL, abs=0.08) and share > 0
    forward = np.stack([rig.cameras.forward for rig in rigs])
    to_origin = -np.stack([rig.cameras.centers for rig in rigs])
    to_origin /= np.linalg.norm(to_origin, axis=-1, keepdims=True)
    assert (forward * to_origin).sum(-1).min() > 0.8  # all look towards the middle of the world
