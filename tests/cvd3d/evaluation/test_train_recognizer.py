import pytest
import torch

from cvd3d.evaluation.recognizer import PAIRS, SIDE
from cvd3d.evaluation.train_recognizer import augmented, draw_pool, save_recognizer, train_recognizer


def test_pictures_are_labeled_with_what_they_show():
    pool = draw_pool(6, torch.Generator().manual_seed(0))
    assert pool.images.shape == (6, 3, SIDE, SIDE) and pool.labels.shape == (6, len(PAIRS))
    assert ((pool.labels.nansum(dim=1) <= 2) & (pool.labels.isnan().sum(dim=1) <= 2)).all()
    assert pool.labels.nansum() > 0


def test_augmented_pictures_keep_their_scale():
    images = torch.full((4, 3, SIDE, SIDE), 128, dtype=torch.uint8)
    seen = augmented(images, torch.Generator().manual_seed(0))
    assert seen.shape == images.shape
    assert (seen.mean(dim=(2, 3)) - 0.5).abs().max() < 0.15


@pytest.mark.slow
def test_the_same_seed_trains_the_same_weights(tmp_path):
    pool = draw_pool(8, torch.Generator().manual_seed(0))
    for name in ("one", "two"):
        save_recognizer(train_recognizer(pool, 2, seed=3), tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
