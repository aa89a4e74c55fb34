"""Files and folders: a sentence when one cannot be read or written, and new ones that appear whole or not at all."""

from __future__ import annotations

import errno
import glob
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from trajectories.cameras import Cameras
from trajectories.errors import InputError

FULL = (errno.ENOSPC, errno.EDQUOT)
DENIED = (
    *(errno.EACCES, errno.EPERM, errno.EROFS, errno.EIO, errno.ENAMETOOLONG),
    *(errno.EEXIST, errno.EISDIR, errno.ENOTDIR, errno.ENOTEMPTY),
)
ABANDONED = 3600.0
"""Seconds after which an unfinished file or folder is taken for one of a killed process."""


def read_bytes(path: str | Path) -> bytes:
    """The content of a file.

    Raises:
        InputError: it is missing or cannot be read.
    """
    try:
        return Path(path).read_bytes()
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file; check the path.") from None
    except OSError as error:
        raise InputError(f"{path}: the file cannot be read ({error.strerror}); check the path.") from None


def read_text(path: str | Path) -> str:
    """The content of a UTF-8 text file.

    Raises:
        InputError: it is missing, cannot be read or is not text.
    """
    try:
        return read_bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f"{path}: this is not a text file; check the path.") from None


def read_json(path: str | Path) -> dict[str, Any]:
    """The object in a JSON file.

    Raises:
        InputError: it is missing, is no JSON (names the line), or holds something other than an object.
    """
    try:
        content = json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise InputError(
            f"{path}, line {error.lineno}, column {error.colno}: not JSON ({error.msg}); mend it."
        ) from None
    if not isinstance(content, dict):
        raise InputError(f"{path}: holds a JSON {type(content).__name__}; an object with named fields is expected.")
    return content


@contextmanager
def whole(path: str | Path) -> Iterator[Path]:
    """A path beside `path` to write a file or a folder at, which becomes `path` when the block ends well.

    It takes the place of what is there, but a file does not take that of a folder. When the block fails, what it wrote
    is removed and the old file or folder stays. What a killed process left is removed by a later call.

    Raises:
        InputError: a full disk, or a place that cannot be written.
    """
    path = Path(path)
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(path)
        remove(beside)
        try:
            yield beside
            _put_in_place(beside, path)
        finally:
            remove(beside)
    except Exception as fault:
        if sentence := unwritable(fault, path):
            raise sentence from fault
        raise


@contextmanager
def new_folder(path: str | Path) -> Iterator[Path]:
    """An empty folder to write in, which becomes `path` when the block ends well; otherwise as `whole`.

    Raises:
        InputError: `path` is there and is not an empty folder, or as `whole`.
    """
    path = Path(path)
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise InputError(f"{path} exists and is not an empty folder; name another one.")
    with whole(path) as beside:
        beside.mkdir()
        yield beside


def remove(path: Path) -> None:
    """Remove a file, a link or a folder with its content, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def unwritable(fault: BaseException, path: str | Path | None) -> InputError | None:
    """The sentence about a place that cannot be written, or a `disk_full`; None for a fault of another kind."""
    if isinstance(fault, OSError) and fault.errno in DENIED and path is not None:
        return InputError(f"{path} cannot be written ({fault.strerror}); choose another path.")
    return disk_full(fault, path)


def disk_full(fault: BaseException, path: str | Path | None) -> InputError | None:
    """The sentence about a full disk; None for a fault of another kind.

    Args:
        fault: what was raised while `path` was written.
        path: what could not be written; None where that is not known.
    """
    cause = fault.__cause__ or fault  # a write inside of this one has named a path of its own
    full = isinstance(cause, OSError) and cause.errno in FULL
    if full or (path is not None and _hides_full_disk(fault, Path(path))):
        disk = "The disk" if path is None else f"The disk that holds {path}"
        return InputError(f"{disk} is full; free some space and run the same command again.")
    return None


def _hides_full_disk(fault: BaseException, path: Path) -> bool:
    """Whether the disk of `path` has less than 1 MiB left: some libraries raise errors of their own when it is full."""
    if not isinstance(fault, Exception) or isinstance(fault, InputError):
        return False
    folder = next(folder for folder in (path, *path.absolute().parents) if folder.is_dir())
    return shutil.disk_usage(folder).free < 2**20


def _remove_abandoned(path: Path) -> None:
    """Remove what killed processes left beside `path`."""
    for left in path.parent.glob(f".{glob.escape(path.name)}.*.part"):
        with suppress(FileNotFoundError):  # another process has just finished it
            if time.time() - left.stat().st_mtime > ABANDONED:
                remove(left)


def _put_in_place(beside: Path, path: Path) -> None:
    """Rename; what a folder takes the place of steps aside first, since the two cannot change places in one step."""
    aside = path.with_name(f".{path.name}.{os.getpid()}.old")
    if beside.is_dir() and path.exists():
        path.replace(aside)
    try:
        beside.replace(path)
    except BaseException:
        if aside.exists():
            aside.replace(path)
        raise
    remove(aside)


def write_bytes(path: str | Path, content: bytes) -> None:
    """Write a file, `whole`."""
    with whole(path) as beside:
        beside.write_bytes(content)


def write_text(path: str | Path, content: str) -> None:
    """As `write_bytes`, in UTF-8."""
    write_bytes(path, content.encode())


def numbers(value: Any, shape: tuple[int, ...], where: str) -> np.ndarray:
    """A float64 array of that shape from nested lists.

    Args:
        value: what the file holds.
        shape: the shape it must have; -1 allows any length.
        where: the file and the field, to begin the sentence with.

    Raises:
        InputError: another shape, or something that is not a number.
    """
    try:
        array = np.asarray(value)
        wrong_kind = array.dtype.kind not in "iuf" and array.size > 0
    except ValueError:  # lists of uneven lengths
        array, wrong_kind = np.empty(0), True
    fits = len(array.shape) == len(shape) and all(want in (-1, have) for want, have in zip(shape, array.shape))
    if wrong_kind or not fits:
        size = "x".join("N" if n == -1 else str(n) for n in shape) or "one"
        raise InputError(f"{where} is {_short(value)}; {size} {'numbers are' if shape else 'number is'} expected.")
    return array.astype(np.float64)


def whole_number(value: Any, where: str) -> int:
    """One whole number, as `numbers`; 3.0 is one, 3.5 is not."""
    number = float(numbers(value, (), where))
    if not number.is_integer():
        raise InputError(f"{where} is {value!r}; a whole number is expected.")
    return int(number)


def parse_floats(tokens: Sequence[str], where: str) -> np.ndarray:
    """(N,) float64 numbers of a line of text.

    Raises:
        InputError: a token that is not a number; `where` begins the sentence.
    """
    values = np.empty(len(tokens))
    for n, token in enumerate(tokens):
        try:
            values[n] = float(token)
        except ValueError:
            raise InputError(f"{where}: {token!r} is not a number; mend that line.") from None
    return values


def cameras_from(c2w: ArrayLike, K: ArrayLike, width: int, height: int, where: Callable[[int], str]) -> Cameras:
    """Cameras (N,) of a file.

    Args:
        c2w: (N, 4, 4) poses.
        K: (N, 3, 3) intrinsics in pixels.
        width: image width in pixels.
        height: image height in pixels.
        where: names the n-th camera's place in the file, to begin the sentence with.

    Raises:
        InputError: as `Cameras`, with the place of the faulty camera.
    """
    c2w, K = np.asarray(c2w), np.asarray(K)
    try:
        return Cameras(c2w, K, width, height)
    except InputError:
        for n in range(len(c2w)):
            try:
                Cameras(c2w[n], K[n], width, height)
            except InputError as error:
                raise InputError(f"{where(n)}: {str(error)[0].lower()}{str(error)[1:]}") from None
        raise


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
