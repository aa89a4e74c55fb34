"""Check the header of a PLY file before the file is read."""

from __future__ import annotations

import re
from pathlib import Path

import psutil

from trajectories.errors import InputError

HEADER_BYTES = 65536


def check_memory(path: Path | str) -> None:
    """Refuse a PLY file whose vertices do not fit in this machine's memory.

    Raises:
        InputError: the header declares more vertices than fit.
    """
    with open(path, "rb") as file:
        head = file.read(HEADER_BYTES).partition(b"end_header")[0]
    vertices = re.search(rb"^element\s+vertex\s+(\d+)\s*$(?P<properties>(\s*^property.*$)*)", head, re.MULTILINE)
    if not vertices:
        return
    count, properties = int(vertices[1]), vertices["properties"].count(b"property")
    # As float32, twice: the vertices as read, and the arrays made from them.
    needed = 2 * 4 * count * properties
    if needed > psutil.virtual_memory().total:
        raise InputError(
            f"{path} declares {count} vertices, which need {needed / 1e9:.0f} GB of memory, more than this machine "
            "has; reduce their number, or write the file again if that number is wrong."
        )
