"""The versions of cvd3d and of the libraries that its results depend on."""

from __future__ import annotations

import platform
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version

from cvd3d import __version__

RECORDED = ("torch", "diffusers", "gsplat", "numba", "numpy")


@lru_cache(maxsize=1)
def versions() -> dict[str, str]:
    """Python, cvd3d and the installed ones of `RECORDED`; no library is loaded."""
    found = {"python": platform.python_version(), "cvd3d": __version__}
    for package in RECORDED:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def version_line() -> str:
    """What `cvd3d --version` prints: the versions, and the GPU; loads torch."""
    import torch

    known = versions()
    libraries = ", ".join(f"{name} {number}" for name, number in known.items() if name != "cvd3d")
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "none"
    return f"cvd3d {known['cvd3d']}\n{libraries}\nGPU: {gpu}"
