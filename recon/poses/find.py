"""Find the cameras of photos or of a video, as a COLMAP folder."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
import warnings
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from recon.poses.diagnosis import Pair, failure
from recon.poses.frames import choose, decoded, measure
from recon.poses.solve import IMAGES
from recon.progress import progress_bar
from trajectories.errors import InputError

if TYPE_CHECKING:
    from PIL.Image import Image

    from recon.capture import Capture

COLMAP_FOLDER = "colmap"
"""The folder in a scene with the images and the model."""
TIMES_FILE = "times.json"
"""The seconds of each frame of a video, and the video's name."""
LARGEST = 1600
"""Images are scaled down so that their longest side has at most this many pixels."""
FOCAL_35MM = 0xA405
"""The EXIF tag of the focal length on 35 mm film."""


def lacks_cameras(path: Path, poses: Path | None) -> bool:
    """Whether `path` is a video without poses, or a folder of images without cameras."""
    from recon.capture import VIDEO_SUFFIXES
    from recon.capture.loaders import has_cameras

    if path.is_file():
        return poses is None and path.suffix.lower() in VIDEO_SUFFIXES
    return poses is None and path.is_dir() and not has_cameras(path) and bool(_photos_in(path))


def check(path: Path) -> None:
    """Refuse what cannot succeed, before anything is written.

    Raises:
        InputError: pycolmap is not installed, there is one photo, or the video does not open.
    """
    if importlib.util.find_spec("pycolmap") is None:
        raise InputError(
            f"{path} has no cameras, and pycolmap, which finds them, is not installed; run "
            "pip install 'cvd3d[colmap]', or give a capture with cameras (a video with --poses)."
        )
    if path.is_file():
        if next(decoded(path), None) is None:
            raise InputError(f"The video {path} holds no frames; replace the file.")
    elif len(_photos_in(path)) < 2:
        raise InputError(f"{path} holds one photo; at least two from different places are needed, better twenty.")


def find_cameras(path: Path, work: Path, *, longest_side: int = LARGEST, show_progress: bool = False) -> None:
    """Find cameras and write `images/`, `sparse/0` and, for a video, `times.json` into `work`.

    The world has z up, by the cameras' mean up direction. Its unit is chosen: the points have a median depth of 4.
    A stopped run continues in the same `work` folder.

    Args:
        path: a folder of photos, or a video.
        work: the folder to write to; created if it does not exist.
        longest_side: images keep at least this size, if they have it.
        show_progress: show progress bars.

    Raises:
        InputError: as in `check`, or a sentence about why no cameras were found.
    """
    check(path)
    images = work / IMAGES
    if not images.is_dir():
        partial = work / f"{IMAGES}.part"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        prepare = _prepare_video if path.is_file() else _prepare_photos
        prepare(path, partial, work, max(LARGEST, longest_side))
        partial.rename(images)
    _run(work, show_progress)
    report = json.loads((work / "report.json").read_text())
    names, models = report["names"], report["models"]
    if reason := failure(names, [Pair(*pair) for pair in report["pairs"]], models):
        raise InputError(f"{path}: the cameras were not found: {reason}.")
    left_out = sorted({*names} - {*models[0]})
    if left_out:
        some = ", ".join(left_out[:3]) + (", ..." if len(left_out) > 3 else "")
        warnings.warn(
            f"{len(left_out)} of the {len(names)} images of {path} match too little of the others and are left out "
            f"({some}); {len(models[0])} are used.",
            stacklevel=2,
        )


def solved_capture(folder: Path) -> Capture:
    """The capture in a folder that `find_cameras` wrote."""
    from recon.capture import from_colmap
    from trajectories.formats.colmap import read_model

    capture = from_colmap(folder)
    if not (folder / TIMES_FILE).is_file():
        return capture
    stored = json.loads((folder / TIMES_FILE).read_text())
    times = np.array([stored["times"][name] for name in read_model(folder).names])
    return replace(capture, times=times, videos=(stored["video"],) * len(times))


def _photos_in(folder: Path) -> list[Path]:
    from recon.capture import IMAGE_SUFFIXES

    found = (file for file in folder.rglob("*") if file.suffix.lower() in IMAGE_SUFFIXES)
    return sorted(file for file in found if not any(part.startswith(".") for part in file.relative_to(folder).parts))


def _prepare_photos(path: Path, images: Path, work: Path, largest: int) -> None:
    """Write the photos upright and at most `largest` pixels long, with one folder per lens if there are several."""
    from recon.capture import ImageFile

    files = _photos_in(path)
    # Photos held both ways have one shape only as stored.
    stored, turned = ({ImageFile(file, upright).size() for file in files} for upright in (False, True))
    upright = not (len(stored) == 1 and len(turned) > 1)
    keys = [(ImageFile(file, upright).size(), _focal_35mm(file)) for file in files]
    lenses = sorted(set(keys), key=str)
    for n, (file, key) in enumerate(zip(files, keys)):
        folder = images if len(lenses) == 1 else images / f"lens{lenses.index(key)}"
        folder.mkdir(exist_ok=True)
        stem = "_".join(file.stem.split())
        _save(ImageFile(file, upright).read(), folder / f"{n:04d}_{stem}.jpg", largest, _focal_35mm(file))


def _prepare_video(path: Path, images: Path, work: Path, largest: int) -> None:
    chosen = {int(t) for t in choose(*measure(frame for _, frame in decoded(path)))}
    times = {}
    for t, (time, frame) in enumerate(decoded(path)):
        if t in chosen:
            times[f"{t:06d}.jpg"] = time
            _save(frame, images / f"{t:06d}.jpg", largest, None)
    (work / TIMES_FILE).write_text(json.dumps({"video": path.stem, "times": times}))


def _focal_35mm(file: Path) -> int | None:
    from PIL import Image

    with Image.open(file) as image:
        return image.getexif().get_ifd(0x8769).get(FOCAL_35MM) or None


def _save(pixels: np.ndarray, path: Path, largest: int, focal_35mm: int | None) -> None:
    from PIL import Image

    image: Image.Image = Image.fromarray(np.ascontiguousarray(pixels))
    image.thumbnail((largest, largest))
    exif = Image.Exif()
    if focal_35mm:
        exif.get_ifd(0x8769)[FOCAL_35MM] = focal_35mm
    image.save(path, quality=95, subsampling=0, exif=exif)


def _run(work: Path, show_progress: bool) -> None:
    """Run `recon.poses.solve` in its own process, with a progress bar for each step."""
    command = [sys.executable, "-m", "recon.poses.solve", str(work)]
    with (
        (work / "colmap.log").open("w") as log,
        progress_bar(show_progress) as bar,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True) as process,
    ):
        tasks = {}
        try:
            assert process.stdout is not None
            for line in process.stdout:
                if line.startswith("["):
                    step, done, total = json.loads(line)
                    if step not in tasks:
                        tasks[step] = bar.add_task(step, total=total, status="")
                    bar.update(tasks[step], completed=done)
        except BaseException:
            process.kill()
            raise
    if process.returncode:
        last = " ".join((work / "colmap.log").read_text(errors="replace").strip().splitlines()[-1:])
        raise InputError(f"COLMAP ended with status {process.returncode} ({last}); try again with fewer images.")
