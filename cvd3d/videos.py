"""Write frames to files: PNG images and H.264 video."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from recon.export.video import to_uint8, write_video

__all__ = ["to_uint8", "write_image", "write_video"]


def write_image(image: np.ndarray, path: Path) -> None:
    """Write one (H, W, 3) image in [0, 1] as an 8-bit PNG."""
    from PIL import Image

    Image.fromarray(to_uint8(image)).save(path, "PNG")
