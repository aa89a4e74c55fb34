"""Read and atomically write files and folders; failures raise `InputError` with a clear message."""

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
STALE_AFTER = 3600.0
"""Age in seconds after which a temporary file or folder is assumed to come from a killed process."""


def read_bytes(path: str | Path) -> bytes:
    """The content of a file.

    Raises:
        InputError: the file is missing or cannot be read.
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
        InputError: the file is missing, cannot be read or is not text.
    """
    try:
        return read_bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f"{path}: this is not a text file; check the path.") from None


def read_json(path: str | Path) -> dict[str, Any]:
    """The object in a JSON file.

    Raises:
        InputError: the file is missing, is not JSON (names the line), or holds something other than an object.
    """
    try:
        content = json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise InputError(
            f"{path}, line {error.lineno}, column {error.colno}: not JSON ({error.msg}); fix it."
        ) from None
    if not isinstance(content, dict):
        raise InputError(f"{path}: holds a JSON {type(content).__name__}; an object with named fields is expected.")
    return content


@contextmanager
def whole(path: str | Path) -> Iterator[Path]:
    """Write a file or folder atomically: yields a temporary path, which is renamed to `path` if the block succeeds.

    An existing file or folder is replaced, except that a file does not replace a folder. If the block fails, its output
    is removed and the old file or folder stays. Output left by a killed process is removed by a later call.

    Raises:
        InputError: the disk is full, or the path cannot be written.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_stale(path)
        remove(temporary)
        try:
            yield temporary
            _rename(temporary, path)
        finally:
            remove(temporary)
    except Exception as error:
        if input_error := unwritable(error, path):
            raise input_error from error
        raise


@contextmanager
def new_folder(path: str | Path) -> Iterator[Path]:
    """Create a folder atomically: yields an empty temporary folder, which is renamed as in `whole`.

    Raises:
        InputError: `path` exists and is not an empty folder, or as in `whole`.
    """
    path = Path(path)
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise InputError(f"{path} exists and is not an empty folder; name another one.")
    with whole(path) as temporary:
        temporary.mkdir()
        yield temporary


def remove(path: Path) -> None:
    """Remove a file, a link or a folder with its content, if it exists."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def unwritable(error: BaseException, path: str | Path | None) -> InputError | None:
    """The input error for a path that cannot be written or a full disk; None for any other error."""
    if isinstance(error, OSError) and error.errno in DENIED and path is not None:
        return InputError(f"{path} cannot be written ({error.strerror}); choose another path.")
    return disk_full(error, path)


def disk_full(error: BaseException, path: str | Path | None) -> InputError | None:
    """The input error for a full disk; None for any other error.

    Args:
        error: what was raised while `path` was written.
        path: the file or folder that could not be written; None if unknown.
    """
    cause = error.__cause__ or error  # a nested write raises an InputError with its inner path
    full = isinstance(cause, OSError) and cause.errno in FULL
    if full or (path is not None and _hides_full_disk(error, Path(path))):
        disk = "The disk" if path is None else f"The disk that holds {path}"
        return InputError(f"{disk} is full; free some space and run the same command again.")
    return None


def _hides_full_disk(error: BaseException, path: Path) -> bool:
    """Whether the disk of `path` has less than 1 MiB left; some libraries raise no OSError when the disk is full."""
    if not isinstance(error, Exception) or isinstance(error, InputError):
        return False
    folder = next(folder for folder in (path, *path.absolute().parents) if folder.is_dir())
    return shutil.disk_usage(folder).free < 2**20


def _remove_stale(path: Path) -> None:
    """Remove temporary files and folders of `path` that killed processes left."""
    for temporary in path.parent.glob(f".{glob.escape(path.name)}.*.part"):
        with suppress(FileNotFoundError):  # another process has just renamed it
            if time.time() - temporary.stat().st_mtime > STALE_AFTER:
                remove(temporary)


def _rename(temporary: Path, path: Path) -> None:
    """Rename to `path`; a new folder cannot overwrite an old file or folder, so that one is first moved to a backup."""
    backup = path.with_name(f".{path.name}.{os.getpid()}.old")
    if temporary.is_dir() and path.exists():
        path.replace(backup)
    try:
        temporary.replace(path)
    except BaseException:
        if backup.exists():
            backup.replace(path)
        raise
    remove(backup)


def write_bytes(path: str | Path, content: bytes) -> None:
    """Write a file atomically; see `whole`."""
    with whole(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: str | Path, content: str) -> None:
    """Write a UTF-8 text file atomically; see `whole`."""
    write_bytes(path, content.encode())


def numbers(value: Any, shape: tuple[int, ...], where: str) -> np.ndarray:
    """A float64 array of the given shape from nested lists.

    Args:
        value: the parsed content of a field.
        shape: the required shape; -1 allows any length.
        where: the file and the field; starts the error message.

    Raises:
        InputError: the value has another shape or holds something that is not a number.
    """
    try:
        array = np.asarray(value)
        wrong_kind = array.dtype.kind not in "iuf" and array.size > 0
    except ValueError:  # lists of uneven lengths
        array, wrong_kind = np.empty(0), True
    fits = len(array.shape) == len(shape) and all(n in (-1, actual) for n, actual in zip(shape, array.shape))
    if wrong_kind or not fits:
        size = "x".join("N" if n == -1 else str(n) for n in shape) or "one"
        raise InputError(f"{where} is {_short(value)}; {size} {'numbers are' if shape else 'number is'} expected.")
    return array.astype(np.float64)


def whole_number(value: Any, where: str) -> int:
    """An integer, read like `numbers`; 3.0 is accepted, 3.5 is not."""
    number = float(numbers(value, (), where))
    if not number.is_integer():
        raise InputError(f"{where} is {value!r}; a whole number is expected.")
    return int(number)


def parse_floats(tokens: Sequence[str], where: str) -> np.ndarray:
    """(N,) float64 numbers from the tokens of a text line.

    Raises:
        InputError: a token is not a number; `where` starts the message.
    """
    values = np.empty(len(tokens))
    for n, token in enumerate(tokens):
        try:
            values[n] = float(token)
        except ValueError:
            raise InputError(f"{where}: {token!r} is not a number; fix that line.") from None
    return values


def cameras_from(c2w: ArrayLike, K: ArrayLike, width: int, height: int, where: Callable[[int], str]) -> Cameras:
    """Cameras (N,) from the values in a file.

    Args:
        c2w: (N, 4, 4) poses.
        K: (N, 3, 3) intrinsics in pixels.
        width: image width in pixels.
        height: image height in pixels.
        where: gives the location of camera n in the file; starts the error message.

    Raises:
        InputError: as in `Cameras`, with the location of the invalid camera.
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
