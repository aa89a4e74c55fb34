"""Videos that are there already, for the others to agree with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from recon.scene_folder import RIG_FILE, SceneFolder
from trajectories.errors import InputError
from trajectories.rig import Rig


def known_videos(scene: Path, rig: Rig, keep: Sequence[str], given: Sequence[str]) -> dict[int, np.ndarray]:
    """The (T, H, W, 3) float32 frames in [0, 1] of videos of a rig, by their index.

    Args:
        scene: the scene folder that has the videos to keep.
        rig: the rig that all videos are for.
        keep: names of videos of the scene.
        given: NAME=FILE, a video file in the place of the rig's NAME.

    Raises:
        InputError: a name or file that is not there, a scene of other cameras, or a video of another size.
    """
    files = dict(_split(text) for text in given)
    names = [*keep, *files]
    for name in names:
        if name not in rig.names:
            raise InputError(f"The rig has no video {name!r}; its videos are {', '.join(rig.names)}.")
        if names.count(name) > 1:
            raise InputError(f"The video {name!r} is named twice; once is enough.")
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
            f"--keep {name}: {scene.path} has no such video yet; make the scene first, or leave --keep out."
        )
    before = scene.rig
    same = name in before.names and before.frames == rig.frames
    if same:
        ours, theirs = rig.cameras[rig.names.index(name)], before.cameras[before.names.index(name)]
        same = (ours.width, ours.height) == (theirs.width, theirs.height)
        same = same and np.allclose(ours.c2w, theirs.c2w, atol=1e-9) and np.allclose(ours.K, theirs.K, atol=1e-6)
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
    size, wanted = (frames.shape[2], frames.shape[1]), (rig.cameras.width, rig.cameras.height)
    if size != wanted:
        raise InputError(
            f"--known {name}: {path} is {size[0]}x{size[1]} and the rig {wanted[0]}x{wanted[1]}; scale the video first."
        )
    return frames[: rig.frames].astype(np.float32) / 255
