"""Shared parts of the Numba kernels: compilation, vector lanes and threads."""

from recon.kernels.compiled import kernel

__all__ = ["kernel"]
