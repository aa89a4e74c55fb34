"""The disk cache of compiled kernels."""

from pathlib import Path

import pytest

from recon.kernels import compiled as kernels
from recon.rasterize.binning import _count


def test_kernels_are_cached_on_disk():
    folder = Path(_count.stats.cache_path)
    assert folder.is_dir()


def test_kernels_work_without_a_writable_cache():
    names: dict = {}
    exec("def twice(x):\n    return 2 * x", names)  # without a source file there is no fallback cache folder either
    with pytest.warns(UserWarning, match="NUMBA_CACHE_DIR"):
        twice = kernels.kernel(names["twice"])
    assert twice(21) == 42
