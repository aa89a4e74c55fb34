"""3D scenes from a text prompt: multi-camera rigs, collaborative video diffusion, Gaussian splats, a live viewer."""

__all__ = ["__version__"]

__version__ = "0.1.0"
