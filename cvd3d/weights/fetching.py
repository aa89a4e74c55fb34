"""The released weights that the Hugging Face hub has."""

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
    """The items of those names; unless some are given, all that are needed, on the hub, and not on this disk.

    Raises:
        InputError: an unknown name, or something that the hub does not have.
    """
    for name in names:
        if name not in ITEMS or ITEMS[name].hub is None:
            known = ", ".join(item.name for item in ITEMS.values() if item.hub is not None)
            where = f"; get it from {ITEMS[name].published}" if name in ITEMS else ""
            raise InputError(f"{name!r} is not on the hub{where}; what is there: {known}.")
    if names:
        return [ITEMS[name] for name in dict.fromkeys(names)]
    entries = registered()
    here = {name for name, entry in entries.items() if fault(entry) is None}
    return [item for item in ITEMS.values() if item.needed and item.hub is not None and item.name not in here]


def fetch(item: Item) -> Entry:
    """Download one item into the hub's own cache, check it and register it; a broken download is gone on with.

    Raises:
        InputError: no network, the hub's refusal, or files that are not what they should be.
    """
    assert item.hub is not None
    files = [_download(item.hub, name) for name in item.hub.files]
    path = files[0] if len(files) == 1 else files[0].parents[len(Path(item.hub.files[0]).parts) - 1]
    entry = inspect(path)
    if entry.item != item.name:
        raise InputError(f"{item.hub.page} gave {ITEMS[entry.item].title} where {item.title} belongs; see that page.")
    for name, stamp in entry.stamps.items():
        blob = (path / name).resolve().name  # the hub's cache calls a large file by its checksum
        if re.fullmatch(r"[0-9a-f]{64}", blob) and blob != stamp.sha256:
            raise InputError(f"{path / name} is not what the hub sent (another sha256); delete it and fetch it again.")
    register([entry])
    return entry


def _download(hub: Hub, name: str) -> Path:
    try:
        return Path(huggingface_hub.hf_hub_download(hub.repository, name))
    except (LocalEntryNotFoundError, OfflineModeIsEnabled, ConnectionError):
        pages = dict.fromkeys(item.hub.page for item in ITEMS.values() if item.hub is not None)
        raise InputError(
            f"The hub cannot be reached; where there is a network, get the files from {', '.join(pages)}, and register "
            "them here with 'cvd3d weights add FILE ...'."
        ) from None
    except Exception as error:  # of the libraries below the hub's, which differ between its versions
        if sentence := disk_full(error, None):
            raise sentence from error
        why = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise InputError(
            f"{name} of {hub.page} cannot be fetched ({why}); try again, or get it from that page and register it with "
            "'cvd3d weights add FILE'."
        ) from None
