"""What the compiled loops of this package share: compilation, vector lanes and threads."""

from recon.kernels.compiled import kernel

__all__ = ["kernel"]
