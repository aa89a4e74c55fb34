"""Load captures from disk: cvd3d scene folders, nerfstudio, COLMAP and RealEstate10K data."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from recon.capture.capture import Capture
from recon.capture.sources import (
    IMAGE_SUFFIXES,
    VIDEO_SUFFIXES,
    ImageFile,
    Source,
    VideoFrame,
    read_video,
    resized,
    wrong_size,
)
from recon.capture.undistortion import Undistorted
from recon.points import PointCloud, load_points
from recon.scene_files import IMAGES, POINTS_FILE, RIG_FILE, TRANSFORMS_FILE, frame_file
from trajectories.errors import InputError
from trajectories.formats.nerfstudio import read_transforms
from trajectories.lens import Lens, pinhole_cameras
from trajectories.rig import Rig

MAX_STRETCH = 0.05
"""Images of another size are stretched to the common size if that changes their aspect by at most this fraction."""
CAMERA_SOURCES = f"a {RIG_FILE}, a nerfstudio {TRANSFORMS_FILE} or a COLMAP model (sparse/0) next to the images"


def from_rig(rig: Rig, image_folder: Path | str, points: PointCloud | None = None) -> Capture:
    """Load the frames of a rig from files `image_folder/NAME/00000.png` and so on, video after video.

    Raises:
        InputError: a frame is missing, does not open, or has the wrong size.
    """
    folder = Path(image_folder)
    sources = tuple(ImageFile(folder / name / frame_file(t)) for name in rig.names for t in range(rig.frames))
    videos = tuple(name for name in rig.names for _ in range(rig.frames))
    return _checked(Capture(rig.cameras.reshape(-1), np.tile(rig.times, rig.views), videos, sources, points))


def from_nerfstudio(folder: Path | str) -> Capture:
    """Load a nerfstudio dataset: `transforms.json` (or the path of one), its images and its `ply_file_path`.

    Frames without their image are left out, with a warning. Distorted images are undistorted when they are read, and
    images of other sizes are resized to the most common size. File names may lack their suffix.

    Raises:
        InputError: `transforms.json` is invalid, an image does not open or differs in size from its camera, fewer than
            two images exist, or a mask hides a part of an image.
    """
    path = Path(folder)
    path = path / TRANSFORMS_FILE if path.is_dir() else path
    transforms = read_transforms(path)
    N = len(transforms.file_paths)
    assert transforms.lenses is not None
    files = [_with_suffix(path.parent / file_path) for file_path in transforms.file_paths]
    existing = _existing(files, path)
    masks = transforms.mask_paths or (None,) * N
    for n in existing:
        _refuse_mask(masks[n], path)
    points = None
    if transforms.ply_file_path:
        stored = load_points(path.parent / transforms.ply_file_path)
        points = PointCloud(transforms.points_to_world(stored.positions), stored.colors, stored.source)
    times = np.zeros(N) if transforms.times is None else transforms.times
    videos = ("frames",) * N if transforms.videos is None else transforms.videos
    return _photos(
        [files[n] for n in existing],
        transforms.cameras.c2w[existing],
        [transforms.lenses[n] for n in existing],
        times[existing],
        tuple(videos[n] for n in existing),
        points,
    )


def from_colmap(folder: Path | str) -> Capture:
    """Load photos with a COLMAP model: `images/` and `sparse/0`, `sparse` or `colmap/sparse/0`, text or binary.

    Coordinates are those of the COLMAP model, with its up axis and unit. Missing images, distortion and different sizes
    are handled as in `from_nerfstudio`.

    Raises:
        InputError: the model is invalid, an image does not open or differs in size from its camera, or fewer than two
            images exist.
    """
    from trajectories.formats.colmap import read_model

    folder = Path(folder)
    model_folder = _colmap_model_folder(folder)
    if model_folder is None:
        raise InputError(f"{folder} holds no COLMAP model; put cameras and images files in {folder / 'sparse' / '0'}.")
    model = read_model(model_folder)
    assert model.lenses is not None
    files = [folder / IMAGES / name for name in model.names]
    existing = _existing(files, model_folder)
    points = None
    if len(model.points):
        points = PointCloud(model.points, np.asarray(model.colors) / 255.0, "the COLMAP model")
    return _photos(
        [files[n] for n in existing],
        model.cameras.c2w[existing],
        [model.lenses[n] for n in existing],
        np.zeros(len(existing)),
        ("photos",) * len(existing),
        points,
    )


def from_realestate10k(video: Path | str, poses: Path | str) -> Capture:
    """Load a RealEstate10K clip and its pose file, one line per frame.

    Clips are stretched to their size, not cropped, so K = (fx W, fy H, cx W, cy H). If the numbers of frames and poses
    differ, the first ones that both have are used, with a warning.

    Raises:
        InputError: the video or the pose file does not open.
    """
    from trajectories.formats.realestate10k import read_poses

    path = Path(video)
    T, height, width = read_video(path).shape[:3]
    cameras, times = read_poses(poses, width, height)
    shared = min(T, cameras.size)
    if cameras.size != T:
        warnings.warn(
            f"{path} has {T} frames and {poses} has {cameras.size} poses; the first {shared} of both are used.",
            stacklevel=2,
        )
    sources = tuple(VideoFrame(path, index) for index in range(shared))
    return _checked(Capture(cameras[:shared], times[:shared], (path.stem,) * shared, sources))


def load_capture(path: Path | str, poses: Path | str | None = None) -> Capture:
    """Detect the format of a capture on disk and load it.

    Args:
        path: a cvd3d scene folder, a nerfstudio or COLMAP folder, a `transforms.json`, or a video.
        poses: the RealEstate10K pose file of a video.

    Raises:
        InputError: the path does not exist, has no cameras, or the loader of its format refuses it.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"There is no capture at {path}; check the path.")
    if path.suffix.lower() in VIDEO_SUFFIXES:
        if poses is None:
            raise InputError(f"{path} is a video without cameras; give its RealEstate10K pose file with --poses.")
        return from_realestate10k(path, poses)
    if poses is not None:
        raise InputError(f"A pose file needs a video, and {path} is not one; leave --poses out or give the video.")
    if path.is_file():
        if path.suffix.lower() == ".json":
            return from_nerfstudio(path)
        raise InputError(f"{path} is not a capture; give a folder with {CAMERA_SOURCES}, or a video with --poses.")
    if (path / RIG_FILE).is_file():
        from trajectories.rig_file import load_rig

        points = load_points(path / POINTS_FILE) if (path / POINTS_FILE).is_file() else None
        return from_rig(load_rig(path / RIG_FILE), path / IMAGES, points)
    if (path / TRANSFORMS_FILE).is_file():
        return from_nerfstudio(path)
    if _colmap_model_folder(path) is not None:
        return from_colmap(path)
    files = sum(1 for file in path.rglob("*") if file.suffix.lower() in IMAGE_SUFFIXES + VIDEO_SUFFIXES)
    raise InputError(f"{path} holds {files} images and videos but no cameras; add {CAMERA_SOURCES}.")


def has_cameras(folder: Path) -> bool:
    """Whether a folder holds cameras in a format that `load_capture` reads."""
    files = (folder / RIG_FILE, folder / TRANSFORMS_FILE)
    return any(file.is_file() for file in files) or _colmap_model_folder(folder) is not None


def _checked(capture: Capture) -> Capture:
    capture.check_images()
    return capture


def _photos(
    files: Sequence[Path],
    c2w: np.ndarray,
    lenses: Sequence[Lens],
    times: np.ndarray,
    videos: tuple[str, ...],
    points: PointCloud | None,
) -> Capture:
    """A capture of N image files, c2w (N, 4, 4), lenses, times (N,) and videos, as pinhole images of one size."""
    cameras = pinhole_cameras(c2w, lenses, lambda n: str(files[n]))
    for file, lens in zip(files, lenses):
        aspect = (lens.width / lens.height) / (cameras.width / cameras.height)
        if abs(np.log(aspect)) > np.log(1.0 + MAX_STRETCH):
            raise InputError(
                f"{file} is {lens.width}x{lens.height} while most images are {cameras.width}x{cameras.height}: a "
                "capture needs one aspect ratio, so move the images with another one out of their folder."
            )
    pinholes = map(_pinhole_source, files, lenses)
    sources = tuple(resized(source, cameras.width, cameras.height) for source in pinholes)
    return Capture(cameras, times, videos, sources, points)


def _pinhole_source(file: Path, lens: Lens) -> Source:
    """A source of the image file as a pinhole camera sees it.

    The camera describes the pixels as stored, unless only the image rotated by its EXIF tag has the size of the lens.
    """
    for still in (ImageFile(file), ImageFile(file, upright=True)):
        if still.size() == lens.size:
            return still if lens.is_pinhole else Undistorted(still, lens)
    raise wrong_size(ImageFile(file), ImageFile(file).size(), *lens.size)


def _with_suffix(file: Path) -> Path:
    """The existing file with this name, with a suffix added if the name lacks it."""
    if file.is_file():
        return file
    named = (file.with_name(file.name + suffix) for each in IMAGE_SUFFIXES for suffix in (each, each.upper()))
    return next((candidate for candidate in named if candidate.is_file()), file)


def _existing(files: Sequence[Path], source: Path) -> list[int]:
    """The indices of the files that exist; a warning counts and names the others."""
    existing = [n for n, file in enumerate(files) if file.is_file()]
    missing = [file for file in files if not file.is_file()]
    if not missing:
        return existing
    names = ", ".join(map(str, missing[:3])) + (", ..." if len(missing) > 3 else "")
    counted = f"{len(missing)} of the {len(files)} images that {source} names are missing ({names})"
    if len(existing) < 2:
        raise InputError(f"{counted}; put them there, at least two are needed.")
    warnings.warn(f"{counted}; the other {len(existing)} are used.", stacklevel=3)
    return existing


def _refuse_mask(mask_path: str | None, source: Path) -> None:
    """Refuse a mask unless it is white everywhere and hides nothing."""
    if mask_path is not None and (ImageFile(source.parent / mask_path).read() < 255).any():
        raise InputError(
            f"{source}: the mask {mask_path} hides a part of its image, and a fit does not support masks; remove "
            "'mask_path' from the file to use whole images."
        )


def _colmap_model_folder(folder: Path) -> Path | None:
    for candidate in (folder / "sparse" / "0", folder / "sparse", folder / "colmap" / "sparse" / "0"):
        if any((candidate / f"images.{suffix}").is_file() for suffix in ("txt", "bin")):
            return candidate
    return None
