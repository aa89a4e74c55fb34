"""Compile Numba kernels at their first call and cache them on disk."""

import warnings
from collections.abc import Callable
from typing import Any

from numba import njit


def kernel(function: Callable[..., Any], **options: Any) -> Any:
    """A Numba function that releases the GIL and is cached on disk; `options` are further options of numba.njit.

    The cache is in NUMBA_CACHE_DIR if that is set, else in `__pycache__` next to the source, else, where that is not
    writable, in the user's cache folder (~/.cache/numba on Linux). If no folder is writable, each process compiles the
    function again.
    """
    try:
        return njit(cache=True, nogil=True, error_model="numpy", **options)(function)
    except RuntimeError:  # numba found no writable folder
        warnings.warn(
            "Numba found no folder to cache compiled kernels in, so each process compiles them again; set "
            "NUMBA_CACHE_DIR to a writable folder.",
            stacklevel=1,  # the same location for all kernels gives one warning
        )
        return njit(nogil=True, error_model="numpy", **options)(function)
