"""Downloads of the page: a picture of the scene, and its splats."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import viser


def save_picture(client: viser.ClientHandle, title: str, background: tuple[int, int, int]) -> None:
    """Download what a client sees as a PNG, without the text over it."""
    from PIL import Image

    camera = client.camera
    seen = client.get_render(camera.image_height, camera.image_width, transport_format="png")
    file = io.BytesIO()
    Image.fromarray(over(seen, background)).save(file, "PNG")
    client.send_file_download(f"{title}.png", file.getvalue(), save_immediately=True)


def over(picture: np.ndarray, background: tuple[int, int, int]) -> np.ndarray:
    """(H, W, 3) uint8: a picture (H, W, 4) over a color; one without transparency as it is."""
    if picture.shape[2] == 3:
        return picture
    alpha = picture[..., 3:] / 255
    return (alpha * picture[..., :3] + (1 - alpha) * np.array(background) + 0.5).astype(np.uint8)


def save_splats(client: viser.ClientHandle, path: Path | None) -> None:
    """Download the file of the splats; without one, say so."""
    if path is None:
        client.add_notification("There is no file of splats yet.", "It is written at the end of the fit.")
    else:
        client.send_file_download(path.name, path.read_bytes(), save_immediately=True)
