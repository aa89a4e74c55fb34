"""Read and write COLMAP models, text and binary: cameras, images and points3D (https://colmap.github.io/format.html).

COLMAP's poses are world-to-camera in OpenCV axes, quaternions w x y z. Its pixel centers are at +0.5, as in this
package. Its world has no fixed up axis and no fixed unit; it is kept unchanged. Image features and point tracks are
dropped. Distorted lenses are read but not written: the writer writes the pinhole cameras of undistorted images.
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
from trajectories.files import parse_floats, read_bytes, read_text, write_bytes
from trajectories.formats import pinhole
from trajectories.lens import Lens, pinhole_cameras
from trajectories.rotations import inverse, rigid

# The index is the model's number in binary files.
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
    "RAD_TAN_THIN_PRISM_FISHEYE",
    "SIMPLE_DIVISION",
    "DIVISION",
    "SIMPLE_FISHEYE",
    "FISHEYE",
    "EUCM",
    "EQUIRECTANGULAR",
)
PARAMETERS = {
    "SIMPLE_PINHOLE": "f cx cy",
    "PINHOLE": "fx fy cx cy",
    "SIMPLE_RADIAL": "f cx cy k1",
    "RADIAL": "f cx cy k1 k2",
    "OPENCV": "fx fy cx cy k1 k2 p1 p2",
    "OPENCV_FISHEYE": "fx fy cx cy k1 k2 k3 k4",
    "FULL_OPENCV": "fx fy cx cy k1 k2 p1 p2 k3 k4 k5 k6",
    "SIMPLE_RADIAL_FISHEYE": "f cx cy k1",
    "RADIAL_FISHEYE": "f cx cy k1 k2",
    "SIMPLE_FISHEYE": "f cx cy",
    "FISHEYE": "fx fy cx cy",
}
"""The supported models and the order of their parameters, with the names of `trajectories.lens`."""
PLACES = (".", "sparse/0", "sparse", "colmap/sparse/0")

Pinhole = tuple[int, int, np.ndarray]
"""Width, height, and (4,) fx, fy, cx, cy."""
Image = tuple[str, int, np.ndarray]
"""Name, camera id, and (7,) quaternion w x y z and translation, world to camera."""


@dataclass(frozen=True, eq=False)
class ColmapModel:
    """A reconstruction: N images with their cameras, and P points."""

    names: tuple[str, ...]
    """N image names, relative to the image folder; `read_model` sorts them."""
    cameras: Cameras
    """(N,) pinhole cameras in COLMAP's world, for undistorted images of one size."""
    camera_ids: np.ndarray | None = None
    """(N,) id of the physical camera of each image; None groups the images by equal intrinsics."""
    points: np.ndarray = field(default_factory=lambda: np.zeros((0, 3)))
    """(P, 3) points in COLMAP's world."""
    colors: np.ndarray = field(default_factory=lambda: np.zeros((0, 3), dtype=np.uint8))
    """(P, 3) uint8 RGB."""
    lenses: tuple[Lens, ...] | None = None
    """N lenses of the image files; None if the files already match `cameras`."""

    def __post_init__(self) -> None:
        if self.cameras.shape != (len(self.names),):
            raise InputError(f"Cameras of shape {self.cameras.shape} for {len(self.names)} images; give one for each.")
        if self.lenses is not None and len(self.lenses) != len(self.names):
            raise InputError(f"{len(self.lenses)} lenses for {len(self.names)} images; give one for each.")
        if self.points.shape != (len(self.points), 3) or self.colors.shape != self.points.shape:
            raise InputError(
                f"Points of shape {self.points.shape} and colors {self.colors.shape}; both must be (P, 3)."
            )


def read_model(folder: str | Path) -> ColmapModel:
    """Read the model in a folder, or in its `sparse/0`, `sparse` or `colmap/sparse/0`; binary files take precedence.

    Raises:
        InputError: there is no model, a file is damaged, or a lens cannot be undistorted.
    """
    folder = Path(folder)
    for place in PLACES:
        for suffix, read in ((".bin", _read_binary), (".txt", _read_text)):
            if (folder / place / f"images{suffix}").is_file():
                return _assemble(folder / place / f"images{suffix}", *read(folder / place))
    raise InputError(f"{folder}: no COLMAP model here; a folder with cameras.txt and images.txt, or .bin, is expected.")


def write_model(model: ColmapModel, folder: str | Path, *, binary: bool = True) -> None:
    """Write cameras, images and points3D files into a folder: PINHOLE cameras, no features, no tracks.

    Raises:
        InputError: images with the same camera id have different intrinsics, or a name has a line break.
    """
    lenses = pinhole.parameters(model.cameras)
    if model.camera_ids is None:
        ids = np.unique(lenses, axis=0, return_inverse=True)[1].reshape(-1) + 1
    else:
        ids = np.asarray(model.camera_ids)
    first = {int(id): n for n, id in reversed(list(enumerate(ids)))}
    for name, id, lens in zip(model.names, ids, lenses):
        if (lens != lenses[first[int(id)]]).any():
            raise InputError(f"The images of camera {id} have several intrinsics ({name}); give each an id.")
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
            raise InputError(f"{path}: image {name!r} refers to camera {id}, which the cameras file does not have.")
        if not (np.isfinite(pose).all() and np.linalg.norm(pose[:4]) > 0):
            raise InputError(f"{path}: image {name!r} has no pose ({pose.tolist()}); the quaternion must not be zero.")
    names, ids = tuple(image[0] for image in images), np.array([image[1] for image in images])
    used = tuple(lenses[int(id)] for id in ids)
    poses = np.stack([image[2] for image in images])
    R = Rotation.from_quat(poses[:, [1, 2, 3, 0]]).as_matrix()
    cameras = pinhole_cameras(inverse(rigid(R, poses[:, 4:])), used, lambda n: f"{path}: image {names[n]!r}")
    return ColmapModel(names, cameras, ids, points, colors, used)


def _lens(model: str, width: int, height: int, parameters: np.ndarray, where: str) -> Lens:
    terms = dict(zip(PARAMETERS[model].split(), parameters.tolist(), strict=True))
    try:
        return Lens.named(width, height, terms, fisheye=model.endswith("FISHEYE"))
    except InputError as error:
        raise InputError(f"{where}: {error}") from None


def _count_parameters(path: Path, id: int, model: str) -> int:
    if model not in PARAMETERS:
        raise InputError(
            f"{path}: camera {id} has the unsupported model {model}; undistort with `colmap image_undistorter` "
            "and use its output."
        )
    return len(PARAMETERS[model].split())


def _read_text(folder: Path) -> tuple[dict[int, Lens], list[Image], np.ndarray, np.ndarray]:
    lenses: dict[int, Lens] = {}
    path = folder / "cameras.txt"
    for where, tokens in _lines(path):
        if len(tokens) < 4:
            raise InputError(f"{where}: has {len(tokens)} columns; a camera has an id, a model, a size and parameters.")
        id = _integer(tokens[0], where)
        count = _count_parameters(path, id, tokens[1])
        if len(tokens) != 4 + count:
            raise InputError(f"{where}: {tokens[1]} has {count} parameters, not {len(tokens) - 4}.")
        width, height = _integer(tokens[2], where), _integer(tokens[3], where)
        lenses[id] = _lens(tokens[1], width, height, parse_floats(tokens[4:], where), where)
    return lenses, _text_images(folder / "images.txt"), *_text_points(folder / "points3D.txt")


def _text_images(path: Path) -> list[Image]:
    """Parse two lines per image; the second line, the features, may be empty but must exist."""
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
            raise InputError(
                f"{path}, line {n}: not a line of features; an image takes two lines, and the second may be empty."
            )
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
        raise InputError(f"{where}: {token!r} is not a whole number; fix that line.") from None


class _BinaryReader:
    """Reads a binary file from start to end."""

    def __init__(self, path: Path) -> None:
        self.path, self.content, self.at = path, read_bytes(path), 0

    def take(self, layout: str) -> tuple[Any, ...]:
        """Read the next little-endian values."""
        start = self.skip(struct.calcsize("<" + layout))
        return struct.unpack_from("<" + layout, self.content, start)

    def skip(self, size: int) -> int:
        """Skip `size` bytes and return the position before them."""
        start, self.at = self.at, self.at + size
        if self.at > len(self.content):
            raise InputError(f"{self.path}: ends after {len(self.content)} bytes, within a record; copy it again.")
        return start

    def string(self) -> str:
        """Read a string that ends with a zero byte."""
        end = self.content.find(b"\0", self.at)
        start = self.skip((end if end >= 0 else len(self.content)) + 1 - self.at)
        return self.content[start:end].decode(errors="replace")


def _read_binary(folder: Path) -> tuple[dict[int, Lens], list[Image], np.ndarray, np.ndarray]:
    lenses: dict[int, Lens] = {}
    file = _BinaryReader(folder / "cameras.bin")
    for _ in range(file.take("Q")[0]):
        id, number, width, height = file.take("IiQQ")
        model = MODELS[number] if 0 <= number < len(MODELS) else f"number {number}"
        parameters = np.array(file.take(f"{_count_parameters(file.path, id, model)}d"))
        lenses[id] = _lens(model, width, height, parameters, f"{file.path}: camera {id}")
    images: list[Image] = []
    file = _BinaryReader(folder / "images.bin")
    for _ in range(file.take("Q")[0]):
        _, *pose, camera = file.take("I7dI")
        images.append((file.string(), camera, np.array(pose)))
        file.skip(24 * file.take("Q")[0])
    points: dict[int, tuple[Any, ...]] = {}
    if (folder / "points3D.bin").is_file():
        file = _BinaryReader(folder / "points3D.bin")
        for _ in range(file.take("Q")[0]):
            id, *point, _, track = file.take("Q3d3BdQ")
            points[id] = tuple(point)
            file.skip(8 * track)
    table = np.array([points[id] for id in sorted(points)]).reshape(-1, 6)
    return lenses, images, table[:, :3], table[:, 3:].astype(np.uint8)


def _text_files(
    cameras: list[tuple[int, Pinhole]], images: list[Image], points: np.ndarray, colors: np.ndarray
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
    cameras: list[tuple[int, Pinhole]], images: list[Image], points: np.ndarray, colors: np.ndarray
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
