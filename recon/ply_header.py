"""What the head of a PLY file promises, looked at before the file is read."""

from __future__ import annotations

import re
from pathlib import Path

import psutil

from trajectories.errors import InputError

HEADER_BYTES = 65536


def check_memory(path: Path | str) -> None:
    """Refuse a PLY whose vertices would not fit in this machine's memory.

    Raises:
        InputError: its head promises more.
    """
    with open(path, "rb") as file:
        head = file.read(HEADER_BYTES).partition(b"end_header")[0]
    vertices = re.search(rb"^element\s+vertex\s+(\d+)\s*$(?P<properties>(\s*^property.*$)*)", head, re.MULTILINE)
    if not vertices:
        return
    count, properties = int(vertices[1]), vertices["properties"].count(b"property")
    # As float32, once as they are read and once as they are kept.
    needed = 2 * 4 * count * properties
    if needed > psutil.virtual_memory().total:
        raise InputError(
            f"{path} promises {count} vertices, for which {needed / 1e9:.0f} GB of memory are needed, more than this "
            "machine has; thin them out, or write the file again if that number is wrong."
        )
