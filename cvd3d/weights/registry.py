"""Which of the released weights are on this disk: a small JSON file of paths and checksums."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cvd3d.weights.catalog import ITEMS
from trajectories.errors import InputError
from trajectories.files import read_json, write_text

FORMAT = "cvd3d weights 1"
CHUNK = 1 << 22  # bytes hashed at once
WORDS = {
    "block_out_channels": "the widths of its levels",
    "layers_per_block": "the layers of a level",
    "attention_levels": "the number of its levels with text",
    "cross_attention_dim": "the width of its text",
}


@dataclass(frozen=True)
class Stamp:
    """One file as it was when it was added."""

    size: int
    modified: int
    """Its modification time in nanoseconds, to see a change without reading the file."""
    sha256: str


@dataclass(frozen=True)
class Entry:
    """One of the released weights on this disk."""

    item: str
    """Its name in the catalog."""
    path: Path
    """The file, or the diffusers folder."""
    stamps: dict[str, Stamp]
    """Every file that is used, by its path inside the folder; "." for a single file."""
    sizes: dict[str, Any]
    """What its tensors tell of the network, by the names of `CollaborativeUNet`'s options."""

    @property
    def size(self) -> int:
        """Bytes of all files together."""
        return sum(stamp.size for stamp in self.stamps.values())

    @property
    def sha256(self) -> str:
        """The checksum of the largest file."""
        return max(self.stamps.values(), key=lambda stamp: stamp.size).sha256


def registry_file() -> Path:
    """weights.json in $CVD3D_WEIGHTS, or in the user's cache folder."""
    if folder := os.environ.get("CVD3D_WEIGHTS"):
        return Path(folder).expanduser() / "weights.json"
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "cvd3d" / "weights.json"


def registered() -> dict[str, Entry]:
    """What was added, by name in the catalog.

    Raises:
        InputError: the registry cannot be read.
    """
    path = registry_file()
    if not path.exists():
        return {}
    content = read_json(path)
    if content.get("format") != FORMAT:
        raise InputError(f"{path} is not a registry of cvd3d's weights; move it away and add the weights again.")
    try:
        return {name: _entry(name, fields) for name, fields in content["files"].items() if name in ITEMS}
    except (KeyError, TypeError, AttributeError):
        raise InputError(f"{path} lacks something; delete it and add the weights again.") from None


def _entry(name: str, fields: dict[str, Any]) -> Entry:
    stamps = {file: Stamp(**stamp) for file, stamp in fields["files"].items()}
    return Entry(name, Path(fields["path"]), stamps, dict(fields["sizes"]))


def register(found: Sequence[Entry]) -> dict[str, Entry]:
    """Add the files, all or none, and give what is registered now; one of a kind that is there already replaces it.

    Raises:
        InputError: two of one kind, or files that are not of one network.
    """
    new: dict[str, Entry] = {}
    for entry in found:
        if entry.item in new:
            raise InputError(f"{new[entry.item].path} and {entry.path} are both {_title(entry)}; add one of them.")
        new[entry.item] = entry
    entries = {**registered(), **new}
    here = [entry for entry in entries.values() if entry.item in new or fault(entry) is None]
    for i, one in enumerate(here):
        for other in here[:i]:
            if (one.item in new or other.item in new) and (difference := _difference(one, other)):
                raise InputError(
                    f"{one.path} ({_title(one)}) and {other.path} ({_title(other)}) are of different networks: "
                    f"{difference}; nothing was added."
                )
    files = {
        name: {
            "path": str(entry.path),
            "files": {file: asdict(stamp) for file, stamp in entry.stamps.items()},
            "sizes": entry.sizes,
        }
        for name, entry in entries.items()
    }
    write_text(registry_file(), json.dumps({"format": FORMAT, "files": files}, indent=2) + "\n")
    return entries


def stamp(path: Path, advance: Callable[[int], None] = lambda count: None) -> Stamp:
    """The file as it is now.

    Args:
        advance: told of every number of bytes read.
    """
    digest, state = hashlib.sha256(), path.stat()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
            advance(len(chunk))
    return Stamp(state.st_size, state.st_mtime_ns, digest.hexdigest())


def fault(entry: Entry) -> str | None:
    """What is wrong with registered files, in a sentence; None when they are as they were.

    A file is read again only where its modification time is another one.
    """
    for name, before in entry.stamps.items():
        path = entry.path / name
        if not path.is_file():
            return f"{path} is gone since it was added; put it back, or add it from where it is now."
        state = path.stat()
        same_time = state.st_mtime_ns == before.modified
        if state.st_size != before.size or not (same_time or stamp(path).sha256 == before.sha256):
            return f"{path} has changed since it was added; if that is right, run 'cvd3d weights add {entry.path}'."
    return None


def _difference(one: Entry, other: Entry) -> str | None:
    """What the two say differently of the network; of levels only as many as both know."""
    for name, words in WORDS.items():
        a, b = one.sizes.get(name), other.sizes.get(name)
        if a is None or b is None:
            continue
        if isinstance(a, list) and "lora" in one.item + other.item:
            a, b = a[: len(b)], b[: len(a)]
        if a != b:
            return f"{words}: {_plain(a)} and {_plain(b)}"
    return None


def _plain(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _title(entry: Entry) -> str:
    return ITEMS[entry.item].title
