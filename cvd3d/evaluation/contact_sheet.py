"""A sheet of images with their prompts as titles."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

COLUMNS = 4
LINE = 14  # height of a line of text in pixels
GOOD, BAD = (20, 130, 40), (190, 30, 30)


def contact_sheet(pictures: Sequence[np.ndarray], titles: Sequence[str], good: Sequence[bool]) -> Image.Image:
    """Pictures (H, W, 3) uint8 of one size in rows of four, with titles in green or red above them."""
    height, width = pictures[0].shape[:2]
    rows = -(-len(pictures) // COLUMNS)
    sheet = Image.new("RGB", (COLUMNS * (width + 4), rows * (height + LINE + 4)), "white")
    draw = ImageDraw.Draw(sheet)
    for index, (picture, title, right) in enumerate(zip(pictures, titles, good)):
        x, y = index % COLUMNS * (width + 4), index // COLUMNS * (height + LINE + 4)
        draw.text((x, y), title[: width // 6], fill=GOOD if right else BAD)
        sheet.paste(Image.fromarray(picture), (x, y + LINE))
    return sheet
