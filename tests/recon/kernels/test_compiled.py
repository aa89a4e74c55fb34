"""Where compiled kernels are kept."""

from pathlib import Path

import pytest

from recon.kernels import compiled as kernels
from recon.rasterize.binning import _count


def test_kernels_are_kept_on_disk():
    folder = Path(_count.stats.cache_path)
    assert folder.is_dir()


def test_kernels_work_where_nothing_can_be_kept():
    names: dict = {}
    exec("def twice(x):\n    return 2 * x", names)  # without a source file there is no place for its cache either
    with pytest.warns(UserWarning, match="NUMBA_CACHE_DIR"):
        twice = kernels.kernel(names["twice"])
    assert twice(21) == 42
