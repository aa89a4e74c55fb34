"""Download the released weights that are on the Hugging Face hub."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import huggingface_hub
from huggingface_hub.errors import LocalEntryNotFoundError, OfflineModeIsEnabled

from cvd3d.weights.catalog import ITEMS, Hub, Item
from cvd3d.weights.inspection import inspect
from cvd3d.weights.registry import Entry, fault, register, registered
from trajectories import InputError
from trajectories.files import disk_full


def to_fetch(names: Sequence[str]) -> list[Item]:
    """The items of those names; without names, all needed items that are on the hub and not registered.

    Raises:
        InputError: an unknown name, or an item that is not on the hub.
    """
    for name in names:
        if name not in ITEMS or ITEMS[name].hub is None:
            known = ", ".join(item.name for item in ITEMS.values() if item.hub is not None)
            where = f"; get it from {ITEMS[name].published}" if name in ITEMS else ""
            raise InputError(f"{name!r} is not on the hub{where}; the hub has: {known}.")
    if names:
        return [ITEMS[name] for name in dict.fromkeys(names)]
    entries = registered()
    here = {name for name, entry in entries.items() if fault(entry) is None}
    return [item for item in ITEMS.values() if item.needed and item.hub is not None and item.name not in here]


def fetch(item: Item) -> Entry:
    """Download one item into the hub's cache, check and register it; an interrupted download is resumed.

    Raises:
        InputError: no network, an error of the hub, or files that are not the expected ones.
    """
    assert item.hub is not None
    files = [_download(item.hub, name) for name in item.hub.files]
    path = files[0] if len(files) == 1 else files[0].parents[len(Path(item.hub.files[0]).parts) - 1]
    entry = inspect(path)
    if entry.item != item.name:
        raise InputError(f"{item.hub.page} sent {ITEMS[entry.item].title} instead of {item.title}; see that page.")
    for name, stamp in entry.stamps.items():
        blob = (path / name).resolve().name  # in the hub's cache, the name of a large file is its checksum
        if re.fullmatch(r"[0-9a-f]{64}", blob) and blob != stamp.sha256:
            raise InputError(f"{path / name} differs from the file on the hub (sha256); delete it and fetch it again.")
    register([entry])
    return entry


def _download(hub: Hub, name: str) -> Path:
    try:
        return Path(huggingface_hub.hf_hub_download(hub.repository, name))
    except (LocalEntryNotFoundError, OfflineModeIsEnabled, ConnectionError):
        pages = dict.fromkeys(item.hub.page for item in ITEMS.values() if item.hub is not None)
        raise InputError(
            f"The hub cannot be reached; on a machine with a network, get the files from {', '.join(pages)}, and "
            "register them here with 'cvd3d weights add FILE ...'."
        ) from None
    except Exception as error:  # the exception types differ between versions of the hub's libraries
        if sentence := disk_full(error, None):
            raise sentence from error
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise InputError(
            f"{name} of {hub.page} cannot be fetched ({reason}); try again, or get it from that page and register it "
            "with 'cvd3d weights add FILE'."
        ) from None
