"""The registry of released weights on this machine: a JSON file of paths and checksums."""

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
LABELS = {
    "block_out_channels": "the widths of the levels",
    "layers_per_block": "the layers of a level",
    "attention_levels": "the number of levels with cross-attention",
    "cross_attention_dim": "the width of the text features",
}


@dataclass(frozen=True)
class Stamp:
    """Size, modification time and checksum of a file when it was added."""

    size: int
    modified: int
    """Modification time in nanoseconds, which reveals a change without reading the file."""
    sha256: str


@dataclass(frozen=True)
class Entry:
    """One of the released weights on this disk."""

    item: str
    """Its name in the catalog."""
    path: Path
    """The file, or the diffusers folder."""
    stamps: dict[str, Stamp]
    """The stamp of each used file, by its path inside the folder; "." for a single file."""
    sizes: dict[str, Any]
    """The sizes of its network, by the names of `CollaborativeUNet`'s options."""

    @property
    def size(self) -> int:
        """Total size of all files in bytes."""
        return sum(stamp.size for stamp in self.stamps.values())

    @property
    def sha256(self) -> str:
        """The checksum of the largest file."""
        return max(self.stamps.values(), key=lambda stamp: stamp.size).sha256


def registry_file() -> Path:
    """The path of weights.json, in $CVD3D_WEIGHTS or in the user's cache folder."""
    if folder := os.environ.get("CVD3D_WEIGHTS"):
        return Path(folder).expanduser() / "weights.json"
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "cvd3d" / "weights.json"


def registered() -> dict[str, Entry]:
    """The registered weights, by name in the catalog.

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
        raise InputError(f"{path} is incomplete; delete it and add the weights again.") from None


def _entry(name: str, fields: dict[str, Any]) -> Entry:
    stamps = {file: Stamp(**stamp) for file, stamp in fields["files"].items()}
    return Entry(name, Path(fields["path"]), stamps, dict(fields["sizes"]))


def register(found: Sequence[Entry]) -> dict[str, Entry]:
    """Register the files, all or none, and return the new registry; an entry of the same item is replaced.

    Raises:
        InputError: two files of one item, or files of different networks.
    """
    new: dict[str, Entry] = {}
    for entry in found:
        if entry.item in new:
            raise InputError(f"{new[entry.item].path} and {entry.path} are both {_title(entry)}; add one of them.")
        new[entry.item] = entry
    entries = {**registered(), **new}
    valid = [entry for entry in entries.values() if entry.item in new or fault(entry) is None]
    for i, one in enumerate(valid):
        for other in valid[:i]:
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
    """The current stamp of a file.

    Args:
        path: the file.
        advance: called with the number of bytes of each read.
    """
    digest, state = hashlib.sha256(), path.stat()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
            advance(len(chunk))
    return Stamp(state.st_size, state.st_mtime_ns, digest.hexdigest())


def fault(entry: Entry) -> str | None:
    """A sentence on a registered file that is missing or has changed; None if there is none.

    A file is read again only if its modification time has changed.
    """
    for name, old in entry.stamps.items():
        path = entry.path / name
        if not path.is_file():
            return f"{path} was registered but no longer exists; put it back, or add it at its new place."
        state = path.stat()
        same_time = state.st_mtime_ns == old.modified
        if state.st_size != old.size or not (same_time or stamp(path).sha256 == old.sha256):
            return f"{path} has changed since it was added; if that is right, run 'cvd3d weights add {entry.path}'."
    return None


def _difference(one: Entry, other: Entry) -> str | None:
    """A size in which the networks of two files differ; a LoRA is compared only at the levels that it has."""
    for name, label in LABELS.items():
        a, b = one.sizes.get(name), other.sizes.get(name)
        if a is None or b is None:
            continue
        if isinstance(a, list) and "lora" in one.item + other.item:
            a, b = a[: len(b)], b[: len(a)]
        if a != b:
            return f"{label}: {_plain(a)} and {_plain(b)}"
    return None


def _plain(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _title(entry: Entry) -> str:
    return ITEMS[entry.item].title
