"""3D scenes from a sentence: multi-camera rigs, collaborative video diffusion, Gaussian splats, a live viewer."""

__version__ = "0.1.0"
