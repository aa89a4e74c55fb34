"""Functions that are compiled at their first call and kept for the next process."""

import warnings
from collections.abc import Callable
from typing import Any

from numba import njit


def kernel(function: Callable[..., Any], **options: Any) -> Any:
    """A Numba function that releases the GIL and is kept on disk; `options` are further ones of numba.njit.

    Numba keeps it in `__pycache__` beside its source; where that cannot be written, in the user's own cache folder
    (~/.cache/numba on Linux); with NUMBA_CACHE_DIR set, there. Where nothing can be written it is compiled each time.
    """
    try:
        return njit(cache=True, nogil=True, error_model="numpy", **options)(function)
    except RuntimeError:  # numba's word for having found no folder
        warnings.warn(
            "There is no folder in which Numba could keep compiled kernels, so that each process compiles them anew; "
            "set NUMBA_CACHE_DIR to a folder that can be written.",
            stacklevel=1,  # the same place for all kernels: one warning
        )
        return njit(nogil=True, error_model="numpy", **options)(function)
