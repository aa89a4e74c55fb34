"""Read and write nerfstudio's transforms.json.

The file has camera-to-world poses in OpenGL axes (x right, y up, z backward) and intrinsics in pixels.
`applied_transform` and `applied_scale` record how a converter moved the scene; the reader undoes them and the writer
applies them again. Scene folders add two fields to each frame: `time` in seconds and `video`, the name of the camera.
nerfstudio ignores both.

Distorted lenses are read but not written: the writer writes the pinhole cameras of undistorted images. The distortion
terms are OpenCV's: k4 to k6 belong to its rational model. (In nerfstudio's ray generation they are higher powers.)
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from trajectories.cameras import Cameras
from trajectories.errors import InputError
from trajectories.files import numbers, read_json, whole_number, write_text
from trajectories.formats import pinhole
from trajectories.lens import FISHEYE_TERMS, PERSPECTIVE_TERMS, Lens, pinhole_cameras

# OpenGL's y and z axes are the negatives of OpenCV's; the flip is its own inverse.
FLIP = np.array([1.0, -1.0, -1.0, 1.0])
LENS = ("fl_x", "fl_y", "cx", "cy")
PERSPECTIVE_MODELS = ("PINHOLE", "SIMPLE_PINHOLE", "OPENCV", "FULL_OPENCV", "RADIAL", "SIMPLE_RADIAL", "PERSPECTIVE")
FISHEYE_MODELS = ("OPENCV_FISHEYE", "RADIAL_FISHEYE", "SIMPLE_RADIAL_FISHEYE")
SPLITS = ("train_filenames", "val_filenames", "test_filenames")


HOW_TO_KEEP_OUR_FRAME = "--orientation-method none --center-method none --auto-scale-poses False"
"""Options of nerfstudio's nerfstudio-data parser that keep the rig's world frame."""


@dataclass(frozen=True, eq=False)
class Transforms:
    """The content of a transforms.json."""

    file_paths: tuple[str, ...]
    """N image files, relative to the JSON file's folder."""
    cameras: Cameras
    """(N,) pinhole cameras in the world, before `applied_transform`, for undistorted images of one size."""
    times: np.ndarray | None = None
    """(N,) seconds, or None if the file has no times."""
    videos: tuple[str, ...] | None = None
    """N names of the videos (cameras) that the frames belong to, or None if the file has none."""
    ply_file_path: str | None = None
    """The file of starting points, relative; `points_to_world` maps its points to the world."""
    splits: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Image files by `train_filenames`, `val_filenames` and `test_filenames`, as far as the file has them."""
    applied_transform: np.ndarray | None = None
    """(4, 4) from the world to the file's frame: rotation, translation and one scale; None if the frames are equal."""
    lenses: tuple[Lens, ...] | None = None
    """N lenses of the image files; None if the files already match `cameras`."""
    mask_paths: tuple[str | None, ...] | None = None
    """N relative mask files, with None for a frame without a mask; None if no frame has one."""

    def __post_init__(self) -> None:
        N = len(self.file_paths)
        counts = {
            "cameras": self.cameras.size,
            "times": self.times,
            "videos": self.videos,
            "lenses": self.lenses,
            "masks": self.mask_paths,
        }
        for name, value in counts.items():
            count = N if value is None else value if isinstance(value, int) else len(value)
            if count != N:
                raise InputError(f"{count} {name} for {N} frames; give one for each frame.")

    def points_to_world(self, points: ArrayLike) -> np.ndarray:
        """Map the points (P, 3) of `ply_file_path` to the cameras' world."""
        points = np.asarray(points)
        if self.applied_transform is None:
            return points
        back = np.linalg.inv(self.applied_transform)
        return points @ back[:3, :3].T + back[:3, 3]


def read_transforms(path: str | Path) -> Transforms:
    """Read a transforms.json file, or the one in a folder.

    Raises:
        InputError: a file or field is missing, a lens cannot be undistorted, or a pose is not a rotation and a
            translation; the message names the frame.
    """
    path = Path(path)
    path = path / "transforms.json" if path.is_dir() else path
    content = read_json(path)
    frames = content.get("frames")
    if not isinstance(frames, list) or not frames or not all(isinstance(frame, dict) for frame in frames):
        raise InputError(f"{path}: 'frames' must be a list of frames with 'file_path' and 'transform_matrix'.")
    file_paths: list[str] = []
    poses: list[np.ndarray] = []
    lenses: list[Lens] = []
    for n, frame in enumerate(frames):
        where = f"{path}: frame {n}"
        file_path = _field(frame, {}, "file_path", where)
        if not isinstance(file_path, str):
            raise InputError(f"{where}: 'file_path' is {file_path!r}; give the name of an image.")
        where = f"{where} ({file_path})"
        file_paths.append(file_path)
        poses.append(_pose(_field(frame, {}, "transform_matrix", where), f"{where}: 'transform_matrix'"))
        lenses.append(_lens(frame, content, where))
    applied = _applied_transform(content, path)
    c2w = np.stack(poses) * FLIP
    if applied is not None:
        c2w = np.linalg.inv(applied) @ c2w
        c2w[:, :3, :3] *= np.cbrt(np.linalg.det(applied[:3, :3]))
    names = [f"{path}: frame {n} ({file_path})" for n, file_path in enumerate(file_paths)]
    times = _each(frames, ("time",), path)
    videos = _each(frames, ("video", "camera_id"), path)
    ply = content.get("ply_file_path")
    masks = tuple(None if (mask := frame.get("mask_path")) is None else str(mask) for frame in frames)
    return Transforms(
        file_paths=tuple(file_paths),
        cameras=pinhole_cameras(c2w, lenses, names.__getitem__),
        times=None if times is None else numbers(times, (-1,), f"{path}: 'time'"),
        videos=None if videos is None else tuple(str(video) for video in videos),
        ply_file_path=None if ply is None else str(ply),
        splits={key: tuple(map(str, content[key])) for key in SPLITS if isinstance(content.get(key), list)},
        applied_transform=applied,
        lenses=tuple(lenses),
        mask_paths=masks if any(masks) else None,
    )


def write_transforms(transforms: Transforms, path: str | Path) -> None:
    """Write a transforms.json that nerfstudio reads and `read_transforms` restores exactly."""
    cameras = transforms.cameras
    content: dict[str, Any] = {"camera_model": "OPENCV", "w": cameras.width, "h": cameras.height}
    lenses = pinhole.parameters(cameras).tolist()
    one_lens = all(lens == lenses[0] for lens in lenses)
    if one_lens:
        content |= zip(LENS, lenses[0])
    c2w = cameras.c2w
    if transforms.applied_transform is not None:
        scale = float(np.cbrt(np.linalg.det(transforms.applied_transform[:3, :3])))
        c2w = transforms.applied_transform @ c2w
        c2w[:, :3, :3] /= scale
        motion = np.array(transforms.applied_transform[:3])
        content["applied_transform"] = (motion / scale).tolist()
        content["applied_scale"] = scale
    if transforms.ply_file_path is not None:
        content["ply_file_path"] = transforms.ply_file_path
    content |= {key: list(names) for key, names in transforms.splits.items()}
    # One frame per line, for readability.
    frames = []
    for n, matrix in enumerate((c2w * FLIP).tolist()):
        frame: dict[str, Any] = {"file_path": transforms.file_paths[n]}
        if transforms.times is not None:
            frame["time"] = float(transforms.times[n])
        if transforms.videos is not None:
            frame["video"] = transforms.videos[n]
        if not one_lens:
            frame |= zip(LENS, lenses[n])
        frames.append(json.dumps(frame | {"transform_matrix": matrix}))
    head = "".join(f"  {json.dumps(key)}: {json.dumps(value)},\n" for key, value in content.items())
    write_text(path, "{\n" + head + '  "frames": [\n    ' + ",\n    ".join(frames) + "\n  ]\n}\n")


def _field(frame: Mapping[str, Any], top: Mapping[str, Any], key: str, where: str) -> Any:
    if key in frame or key in top:
        return frame.get(key, top.get(key))
    places = "to the frame or to the top of the file" if top else "to the frame"
    raise InputError(f"{where}: the field {key!r} is missing; add it {places}.")


def _lens(frame: Mapping[str, Any], top: Mapping[str, Any], where: str) -> Lens:
    def number(key: str) -> float:
        return float(numbers(frame.get(key, top.get(key, 0.0)), (), f"{where}: {key!r}"))

    model = frame.get("camera_model", top.get("camera_model", "OPENCV"))
    if model not in PERSPECTIVE_MODELS + FISHEYE_MODELS:
        raise InputError(
            f"{where}: 'camera_model' is {model!r}, which is not supported; undistort the images and give 'PINHOLE'."
        )
    for key in LENS:
        _field(frame, top, key, where)
    width, height = (whole_number(_field(frame, top, key, where), f"{where}: {key!r}") for key in "wh")
    # instant-ngp's converter writes `is_fisheye` instead of a camera model.
    fisheye = model in FISHEYE_MODELS or bool(frame.get("is_fisheye", top.get("is_fisheye", False)))
    terms = {key: number(key) for key in PERSPECTIVE_TERMS}
    extra = [key for key, value in terms.items() if fisheye and key not in FISHEYE_TERMS and value != 0.0]
    if extra:
        raise InputError(f"{where}: {extra[0]!r} is {terms[extra[0]]:g}, but a fisheye has only k1 to k4; set it to 0.")
    terms |= zip(("fx", "fy", "cx", "cy"), map(number, LENS))
    try:
        return Lens.named(width, height, terms, fisheye=fisheye)
    except InputError as error:
        raise InputError(f"{where}: {error}") from None


def _pose(value: Any, where: str) -> np.ndarray:
    """Parse a (4, 4) matrix; the last row may be omitted."""
    rows = len(value) if isinstance(value, list) else 4
    pose = np.eye(4)
    pose[: 3 if rows == 3 else 4] = numbers(value, (3 if rows == 3 else 4, 4), where)
    return pose


def _applied_transform(content: Mapping[str, Any], path: Path) -> np.ndarray | None:
    motion = _pose(content.get("applied_transform", np.eye(4).tolist()), f"{path}: 'applied_transform'")
    scale = float(numbers(content.get("applied_scale", 1.0), (), f"{path}: 'applied_scale'"))
    if not (np.isfinite(motion).all() and np.isfinite(scale) and scale > 0 and np.linalg.det(motion[:3, :3]) > 0):
        raise InputError(
            f"{path}: 'applied_transform' or 'applied_scale' cannot be undone; they must not mirror or flatten."
        )
    applied = np.diag([scale, scale, scale, 1.0]) @ motion
    return None if (applied == np.eye(4)).all() else applied


def _each(frames: list[dict[str, Any]], keys: tuple[str, ...], path: Path) -> list[Any] | None:
    """One value per frame, under the first of `keys` that the frame has; None if no frame has any of them."""
    found = [next((key for key in keys if key in frame), None) for frame in frames]
    if not any(found):
        return None
    if not all(found):
        raise InputError(
            f"{path}: frame {found.index(None)} has no {keys[0]!r}, but others do; give it to all frames or none."
        )
    return [frame[key] for frame, key in zip(frames, found) if key]
