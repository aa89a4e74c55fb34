"""Load the known videos, with which the sampled videos must be consistent."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from recon.scene_files import RIG_FILE
from recon.scene_folder import SceneFolder
from trajectories.errors import InputError
from trajectories.rig import Rig


def known_videos(scene: Path, rig: Rig, keep: Sequence[str], given: Sequence[str]) -> dict[int, np.ndarray]:
    """The (T, H, W, 3) float32 frames in [0, 1] of the known videos of a rig, by video index.

    Args:
        scene: the scene folder with the videos to keep.
        rig: the rig of all videos.
        keep: names of videos of the scene.
        given: NAME=FILE, a file to use as the rig's video NAME.

    Raises:
        InputError: a missing name or file, a scene with other cameras, or a video of another size.
    """
    files = dict(_split(text) for text in given)
    names = [*keep, *files]
    for name in names:
        if name not in rig.names:
            raise InputError(f"The rig has no video {name!r}; its videos are {', '.join(rig.names)}.")
        if names.count(name) > 1:
            raise InputError(f"The video {name!r} is named twice; name it once.")
    known, folder = {}, SceneFolder(scene)
    for name in names:
        index = rig.names.index(name)
        known[index] = _of_file(files[name], name, rig) if name in files else _of_scene(folder, name, rig)
    return known


def _split(text: str) -> tuple[str, Path]:
    name, _, path = text.partition("=")
    if not path:
        raise InputError(f"--known {text} names no file; write it as NAME=FILE, such as cam00=clip.mp4.")
    return name, Path(path)


def _of_scene(scene: SceneFolder, name: str, rig: Rig) -> np.ndarray:
    from recon.capture import ImageFile

    if not scene.has(RIG_FILE) or not scene.frame(name, 0).is_file():
        raise InputError(
            f"--keep {name}: {scene.path} does not have this video yet; make the scene first, or leave --keep out."
        )
    old_rig = scene.rig
    same = name in old_rig.names and old_rig.frames == rig.frames
    if same:
        new, old = rig.cameras[rig.names.index(name)], old_rig.cameras[old_rig.names.index(name)]
        same = (new.width, new.height) == (old.width, old.height)
        same = same and np.allclose(new.c2w, old.c2w, atol=1e-9) and np.allclose(new.K, old.K, atol=1e-6)
    if not same:
        raise InputError(
            f"--keep {name}: the video in {scene.path} was made for other cameras; give the options of its rig, or "
            f"--rig {scene.path / RIG_FILE}."
        )
    frames = [ImageFile(scene.frame(name, t)).read() for t in range(rig.frames)]
    return np.stack(frames).astype(np.float32) / 255


def _of_file(path: Path, name: str, rig: Rig) -> np.ndarray:
    from recon.capture import read_video

    if not path.is_file():
        raise InputError(f"--known {name}: there is no file {path}.")
    frames = read_video(path)
    if len(frames) < rig.frames:
        raise InputError(f"--known {name}: {path} has {len(frames)} frames and the rig {rig.frames}; shorten the rig.")
    size, expected = (frames.shape[2], frames.shape[1]), (rig.cameras.width, rig.cameras.height)
    if size != expected:
        raise InputError(
            f"--known {name}: {path} is {size[0]}x{size[1]} and the rig {expected[0]}x{expected[1]}; "
            "scale the video first."
        )
    return frames[: rig.frames].astype(np.float32) / 255
