"""bfloat16 is chosen only if it is much faster."""

import pytest
import torch

from cvd3d import precision


@pytest.mark.parametrize(
    ("float32", "bfloat16", "faster"),
    [(100.0, 20.0, False), (100.0, 500.0, True), (100.0, 120.0, False)],
    ids=["bfloat16 is slowed", "float32 is slowed", "not enough"],
)
def test_the_faster_precision_wins(monkeypatch, float32, bfloat16, faster):
    speeds = {torch.float32: float32, torch.bfloat16: bfloat16}
    monkeypatch.setattr(precision, "_products_per_second", speeds.__getitem__)
    assert precision.bf16_is_faster.__wrapped__("cpu") is faster


def test_products_are_counted():
    assert precision._products_per_second(torch.float32) > 0
