"""Text files that are read with a sentence when they are wrong, and written whole or not at all."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from trajectories.cameras import Cameras
from trajectories.errors import InputError


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


def write_bytes(path: str | Path, content: bytes) -> None:
    """Write a file beside its target, then rename it there: a killed write leaves the old file or none."""
    path = Path(path)
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.write_bytes(content)
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise InputError(
            f"{path}: the file cannot be written ({error.strerror}); check the folder and the disk."
        ) from None


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
