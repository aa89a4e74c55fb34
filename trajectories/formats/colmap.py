"""COLMAP models, text and binary: cameras, images and points3D (https://colmap.github.io/format.html).

COLMAP's poses are world-to-camera in OpenCV axes, quaternions w x y z, and its pixel centres lie at +0.5 as ours do.
Its world has no fixed up axis and no fixed unit; nothing is changed here. Image features and the tracks of points are
not kept.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from trajectories.cameras import Cameras
from trajectories.errors import InputError
from trajectories.files import cameras_from, parse_floats, read_bytes, read_text, write_bytes
from trajectories.formats import pinhole
from trajectories.rotations import inverse, rigid

# By the number that a binary file uses; only the first two are pinhole cameras.
MODELS = (
    "SIMPLE_PINHOLE",
    "PINHOLE",
    "SIMPLE_RADIAL",
    "RADIAL",
    "OPENCV",
    "OPENCV_FISHEYE",
    "FULL_OPENCV",
    "FOV",
    "SIMPLE_RADIAL_FISHEYE",
    "RADIAL_FISHEYE",
    "THIN_PRISM_FISHEYE",
)
PARAMETERS = {"SIMPLE_PINHOLE": 3, "PINHOLE": 4}
PLACES = (".", "sparse/0", "sparse", "colmap/sparse/0")

Lens = tuple[int, int, np.ndarray]
"""Width, height, and (4,) fx, fy, cx, cy."""
Image = tuple[str, int, np.ndarray]
"""Name, camera id, and (7,) quaternion w x y z and translation, world to camera."""


@dataclass(frozen=True, eq=False)
class ColmapModel:
    """A reconstruction: N photos with their cameras, and P points."""

    names: tuple[str, ...]
    """N image names, relative to the folder of images; sorted where the model was read."""
    cameras: Cameras
    """(N,) cameras in COLMAP's world."""
    camera_ids: np.ndarray | None = None
    """(N,) which physical camera took each photo; None groups the photos by equal intrinsics."""
    points: np.ndarray = field(default_factory=lambda: np.zeros((0, 3)))
    """(P, 3) points in COLMAP's world."""
    colors: np.ndarray = field(default_factory=lambda: np.zeros((0, 3), dtype=np.uint8))
    """(P, 3) uint8 RGB."""

    def __post_init__(self) -> None:
        if self.cameras.shape != (len(self.names),):
            raise InputError(f"Cameras of shape {self.cameras.shape} for {len(self.names)} images; give one for each.")
        if self.points.shape != (len(self.points), 3) or self.colors.shape != self.points.shape:
            raise InputError(
                f"Points of shape {self.points.shape} and colors {self.colors.shape}; both must be (P, 3)."
            )


def read_model(folder: str | Path) -> ColmapModel:
    """Read the model in a folder, or in `sparse/0`, `sparse` or `colmap/sparse/0` below it; binary files come first.

    Raises:
        InputError: no model, a damaged file, a camera with lens distortion, or images of different sizes.
    """
    folder = Path(folder)
    for place in PLACES:
        for suffix, read in ((".bin", _read_binary), (".txt", _read_text)):
            if (folder / place / f"images{suffix}").is_file():
                return _assemble(folder / place / f"images{suffix}", *read(folder / place))
    raise InputError(f"{folder}: no COLMAP model here; a folder with cameras.txt and images.txt, or .bin, is expected.")


def write_model(model: ColmapModel, folder: str | Path, *, binary: bool = True) -> None:
    """Write cameras, images and points3D files into a folder, without features and tracks.

    Raises:
        InputError: photos of one `camera_ids` entry with different intrinsics, or a name with a line break.
    """
    lenses = pinhole.parameters(model.cameras)
    if model.camera_ids is None:
        ids = np.unique(lenses, axis=0, return_inverse=True)[1].reshape(-1) + 1
    else:
        ids = np.asarray(model.camera_ids)
    first = {int(id): n for n, id in reversed(list(enumerate(ids)))}
    for name, id, lens in zip(model.names, ids, lenses):
        if (lens != lenses[first[int(id)]]).any():
            raise InputError(f"The photos of camera {id} have several intrinsics ({name}); give each an id.")
        if not name or {"\n", "\r", "\0"} & set(name):
            raise InputError(f"The image name {name!r} cannot be written in a COLMAP model; rename the image.")
    w2c = model.cameras.viewmats
    quats = Rotation.from_matrix(w2c[:, :3, :3]).as_quat()[:, [3, 0, 1, 2]]
    quats *= np.where(quats[:, :1] < 0, -1.0, 1.0)
    poses = np.concatenate([quats, w2c[:, :3, 3]], axis=1)
    cameras = [(id, (model.cameras.width, model.cameras.height, lenses[n])) for id, n in sorted(first.items())]
    images = [(name, int(id), pose) for name, id, pose in zip(model.names, ids, poses)]
    write = _binary_files if binary else _text_files
    for name, content in write(cameras, images, model.points, model.colors).items():
        write_bytes(Path(folder) / name, content)


def _assemble(
    path: Path, lenses: dict[int, Lens], images: list[Image], points: np.ndarray, colors: np.ndarray
) -> ColmapModel:
    if not images:
        raise InputError(f"{path}: holds no images; register some with COLMAP first.")
    images = sorted(images, key=lambda image: image[0])
    for name, id, pose in images:
        if id not in lenses:
            raise InputError(f"{path}: image {name!r} names camera {id}, which the cameras file does not have.")
        if not (np.isfinite(pose).all() and np.linalg.norm(pose[:4]) > 0):
            raise InputError(f"{path}: image {name!r} has no pose ({pose.tolist()}); the quaternion must not be zero.")
    names, ids = tuple(image[0] for image in images), np.array([image[1] for image in images])
    width, height, _ = lenses[int(ids[0])]
    for name, id in zip(names, ids):
        if lenses[int(id)][:2] != (width, height):
            size = "{}x{}".format(*lenses[int(id)])
            raise InputError(
                f"{path}: image {name!r} is {size} but {names[0]!r} is {width}x{height}; all images need one size, "
                "which `colmap image_undistorter --max_image_size` can give."
            )
    poses = np.stack([image[2] for image in images])
    R = Rotation.from_quat(poses[:, [1, 2, 3, 0]]).as_matrix()
    K = pinhole.matrix(np.stack([lenses[int(id)][2] for id in ids]))
    cameras = cameras_from(inverse(rigid(R, poses[:, 4:])), K, width, height, lambda n: f"{path}: image {names[n]!r}")
    return ColmapModel(names, cameras, ids, points, colors)


def _lens(model: str, width: int, height: int, parameters: np.ndarray) -> Lens:
    return width, height, parameters[[0, 0, 1, 2]] if model == "SIMPLE_PINHOLE" else parameters


def _check_model(path: Path, id: int, model: str) -> None:
    if model not in PARAMETERS:
        raise InputError(
            f"{path}: camera {id} has the distorted model {model}; undistort with `colmap image_undistorter` and use "
            "its output."
        )


def _read_text(folder: Path) -> tuple[dict[int, Lens], list[Image], np.ndarray, np.ndarray]:
    lenses: dict[int, Lens] = {}
    path = folder / "cameras.txt"
    for where, tokens in _lines(path):
        if len(tokens) < 4:
            raise InputError(f"{where}: has {len(tokens)} columns; a camera has an id, a model, a size and parameters.")
        id = _integer(tokens[0], where)
        _check_model(path, id, tokens[1])
        if len(tokens) != 4 + PARAMETERS[tokens[1]]:
            raise InputError(f"{where}: {tokens[1]} has {PARAMETERS[tokens[1]]} parameters, not {len(tokens) - 4}.")
        size = _integer(tokens[2], where), _integer(tokens[3], where)
        lenses[id] = _lens(tokens[1], *size, parse_floats(tokens[4:], where))
    return lenses, _text_images(folder / "images.txt"), *_text_points(folder / "points3D.txt")


def _text_images(path: Path) -> list[Image]:
    """Two lines an image; the second, its features, may be empty but not left out."""
    images: list[Image] = []
    lines = iter(enumerate(read_text(path).split("\n"), 1))
    for n, line in lines:
        if not line.strip() or line.startswith("#"):
            continue
        where = f"{path}, line {n}"
        tokens = line.strip().split(maxsplit=9)
        if len(tokens) != 10:
            raise InputError(
                f"{where}: has {len(tokens)} columns; an image has an id, a pose of 7, a camera and a name."
            )
        images.append((tokens[9], _integer(tokens[8], where), parse_floats(tokens[1:8], where)))
        n, features = next(lines, (n, ""))
        if len(features.split()) % 3:
            raise InputError(f"{path}, line {n}: no features of an image; an image takes two lines, one may be empty.")
    return images


def _text_points(path: Path) -> tuple[np.ndarray, np.ndarray]:
    rows = []
    for where, tokens in _lines(path) if path.is_file() else ():
        if len(tokens) < 8:
            raise InputError(f"{where}: has {len(tokens)} columns; a point has an id, x y z, r g b and an error.")
        rows.append(parse_floats(tokens[:7], where))
    table = np.array(sorted(rows, key=lambda row: row[0])).reshape(-1, 7)
    return table[:, 1:4], table[:, 4:7].astype(np.uint8)


def _lines(path: Path) -> Iterator[tuple[str, list[str]]]:
    for n, line in enumerate(read_text(path).split("\n"), 1):
        if line.strip() and not line.startswith("#"):
            yield f"{path}, line {n}", line.split()


def _integer(token: str, where: str) -> int:
    try:
        return int(token)
    except ValueError:
        raise InputError(f"{where}: {token!r} is not a whole number; mend that line.") from None


class _Bytes:
    """A binary file, read from front to back."""

    def __init__(self, path: Path) -> None:
        self.path, self.content, self.at = path, read_bytes(path), 0

    def take(self, layout: str) -> tuple[Any, ...]:
        """The next values, little endian."""
        start = self.skip(struct.calcsize("<" + layout))
        return struct.unpack_from("<" + layout, self.content, start)

    def skip(self, size: int) -> int:
        """Go on by `size` bytes; the place before."""
        start, self.at = self.at, self.at + size
        if self.at > len(self.content):
            raise InputError(f"{self.path}: ends after {len(self.content)} bytes, within a record; copy it again.")
        return start

    def word(self) -> str:
        """A string that ends in a zero byte."""
        end = self.content.find(b"\0", self.at)
        start = self.skip((end if end >= 0 else len(self.content)) + 1 - self.at)
        return self.content[start:end].decode(errors="replace")


def _read_binary(folder: Path) -> tuple[dict[int, Lens], list[Image], np.ndarray, np.ndarray]:
    lenses: dict[int, Lens] = {}
    file = _Bytes(folder / "cameras.bin")
    for _ in range(file.take("Q")[0]):
        id, number, width, height = file.take("IiQQ")
        model = MODELS[number] if 0 <= number < len(MODELS) else f"number {number}"
        _check_model(file.path, id, model)
        parameters = np.array(file.take(f"{PARAMETERS[model]}d"))
        lenses[id] = _lens(model, width, height, parameters)
    images: list[Image] = []
    file = _Bytes(folder / "images.bin")
    for _ in range(file.take("Q")[0]):
        _, *pose, camera = file.take("I7dI")
        images.append((file.word(), camera, np.array(pose)))
        file.skip(24 * file.take("Q")[0])
    points: dict[int, tuple[Any, ...]] = {}
    if (folder / "points3D.bin").is_file():
        file = _Bytes(folder / "points3D.bin")
        for _ in range(file.take("Q")[0]):
            id, *point, _, track = file.take("Q3d3BdQ")
            points[id] = tuple(point)
            file.skip(8 * track)
    table = np.array([points[id] for id in sorted(points)]).reshape(-1, 6)
    return lenses, images, table[:, :3], table[:, 3:].astype(np.uint8)


def _text_files(
    cameras: list[tuple[int, Lens]], images: list[Image], points: np.ndarray, colors: np.ndarray
) -> dict[str, bytes]:
    def words(values: np.ndarray) -> str:
        return " ".join(map(repr, values.tolist()))

    rows = {
        "cameras": [f"{id} PINHOLE {w} {h} {words(lens)}" for id, (w, h, lens) in cameras],
        "images": [f"{n} {words(pose)} {id} {name}\n" for n, (name, id, pose) in enumerate(images, 1)],
        "points3D": [f"{n} {words(p)} {words(c)} 0" for n, (p, c) in enumerate(zip(points, colors), 1)],
    }
    heads = {
        "cameras": "# CAMERA_ID, MODEL, WIDTH, HEIGHT, PARAMS[]",
        "images": "# IMAGE_ID, QW, QX, QY, QZ, TX, TY, TZ, CAMERA_ID, NAME\n# POINTS2D[] as (X, Y, POINT3D_ID)",
        "points3D": "# POINT3D_ID, X, Y, Z, R, G, B, ERROR, TRACK[] as (IMAGE_ID, POINT2D_IDX)",
    }
    return {f"{name}.txt": "\n".join([heads[name], *lines, ""]).encode() for name, lines in rows.items()}


def _binary_files(
    cameras: list[tuple[int, Lens]], images: list[Image], points: np.ndarray, colors: np.ndarray
) -> dict[str, bytes]:
    number = MODELS.index("PINHOLE")
    rows = {
        "cameras": [struct.pack("<IiQQ4d", id, number, w, h, *lens) for id, (w, h, lens) in cameras],
        "images": [
            struct.pack("<I7dI", n, *pose, id) + name.encode() + b"\0" + struct.pack("<Q", 0)
            for n, (name, id, pose) in enumerate(images, 1)
        ],
        "points3D": [
            struct.pack("<Q3d3BdQ", n, *p, *c, 0.0, 0) for n, (p, c) in enumerate(zip(points, colors.tolist()), 1)
        ],
    }
    return {f"{name}.bin": struct.pack("<Q", len(records)) + b"".join(records) for name, records in rows.items()}
