"""Files and folders that arrive whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from trajectories.errors import InputError


@contextmanager
def whole(path: Path | str) -> Iterator[Path]:
    """A path beside `path` to write a file or a folder at.

    When the block ends well it is renamed to `path`, in the place of what is there; when it does not, it is removed.
    """
    path = Path(path)
    beside = path.with_name(f".{path.name}.part")
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove(beside)
    try:
        yield beside
        if path.is_dir() or beside.is_dir():  # only a file takes the place of a file in one step
            _remove(path)
        os.replace(beside, path)
    except BaseException:
        _remove(beside)
        raise


@contextmanager
def new_folder(folder: Path | str) -> Iterator[Path]:
    """An empty folder to write in, which becomes `folder` when the block ends well.

    Raises:
        InputError: `folder` holds something already.
    """
    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder} exists and is not an empty folder; name another one.")
    with whole(folder) as beside:
        beside.mkdir()
        yield beside


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
