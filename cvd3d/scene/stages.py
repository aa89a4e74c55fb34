"""The stages of a scene: plan, sample and dataset for a prompt, import for a capture, then points and fit for both."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cvd3d.scene.chain import Place, Stage, print_line
from cvd3d.scene.fits import keeping_fit
from cvd3d.scene.live import Watch
from cvd3d.scene.moves import shared_instants
from cvd3d.videos import write_image, write_video
from recon.scene_files import (
    CAPTURED_POINTS_FILE,
    METRICS_FILE,
    MOTION_FILE,
    POINTS_FILE,
    RIG_FILE,
    SPLATS_FILE,
    TRANSFORMS_FILE,
    frame_path,
)
from recon.scene_folder import SceneFolder
from trajectories.errors import InputError
from trajectories.files import write_text
from trajectories.rig import Rig
from trajectories.rig_file import save_rig

if TYPE_CHECKING:
    from cvd3d.sampling.request import Request
    from recon.capture import Capture

DOUBTED = 0.5
"""A frame whose final weight is below this is reported as contradicted by the others."""


@dataclass(frozen=True)
class Footage:
    """Properties of a scene's frames that the fit depends on."""

    generated: bool
    """Whether a model generated them; such frames may be inconsistent with each other."""
    moves: bool = False
    """Whether something in them moves."""


def plan_stage(rig: Rig) -> Stage:
    """Write rig.json."""

    def make(place: Place) -> Mapping[str, Any]:
        save_rig(rig, place.out / RIG_FILE)
        return {}

    cameras = rig.cameras
    options = {
        "views": rig.views,
        "frames": rig.frames,
        "size": [cameras.width, cameras.height],
        "cameras": _hash(cameras.c2w.tobytes(), cameras.K.tobytes(), rig.times.tobytes(), *map(str.encode, rig.names)),
    }
    return Stage("plan", options, make)


def sample_stage(request: Request) -> Stage:
    """Sample the rig's videos: images/NAME/00000.png and videos/NAME.mp4."""

    def make(place: Place) -> Mapping[str, Any]:
        from cvd3d.sampling import helpers

        rig = SceneFolder(place.scene).rig
        videos = helpers.sample(request, rig, place.checkpoints / "sampling.pt", print_line).videos
        write_videos(videos, rig, SceneFolder(place.out))
        return {}

    return Stage("sample", request.record(), make, version=2)  # 2: cameras are turned to their first heading


def dataset_stage() -> Stage:
    """Write the cameras and frame paths as nerfstudio's transforms.json."""

    def make(place: Place) -> Mapping[str, Any]:
        from trajectories.formats.nerfstudio import Transforms, write_transforms

        rig = SceneFolder(place.scene).rig
        transforms = Transforms(
            file_paths=tuple(frame_path(name, t) for name in rig.names for t in range(rig.frames)),
            cameras=rig.cameras.reshape(-1),
            times=np.tile(rig.times, rig.views),
            videos=tuple(name for name in rig.names for _ in range(rig.frames)),
        )
        write_transforms(transforms, place.out / TRANSFORMS_FILE)
        return {}

    return Stage("dataset", {}, make)


def import_stage(capture: Capture, path: Path, poses: Path | None, longest_side: int) -> Stage:
    """Copy a capture's frames and cameras into the scene; larger frames are scaled down.

    Args:
        capture: what `load_capture` read from `path` and `poses`.
        path: the capture's file or folder.
        poses: the pose file of a video.
        longest_side: the largest width or height of a frame in pixels.

    Raises:
        InputError: cameras without parallax, before anything is written.
    """
    capture.check_parallax()

    def make(place: Place) -> Mapping[str, Any]:
        return _import(capture, place, longest_side)

    options = {
        "capture": str(path.resolve()),
        "poses": None if poses is None else str(poses.resolve()),
        "files": _hash_of_files(path, poses),
        "longest_side": longest_side,
    }
    return Stage("import", options, make)


def cameras_stage(path: Path, longest_side: int) -> Stage:
    """Find the cameras of photos or of a video, and keep them as a COLMAP folder.

    Args:
        path: a folder of photos, or a video.
        longest_side: the size of the frames that the import will ask for, in pixels.

    Raises:
        InputError: one photo, a video that does not open, or no pycolmap, before anything is written.
    """
    from recon.poses import COLMAP_FOLDER, find_cameras
    from recon.poses.find import check

    check(path)

    def make(place: Place) -> Mapping[str, Any]:
        try:
            find_cameras(path, place.checkpoints, longest_side=longest_side, show_progress=True)
        except InputError:
            shutil.rmtree(place.checkpoints, ignore_errors=True)
            with suppress(OSError):
                place.checkpoints.parent.rmdir()
            raise
        target = place.out / COLMAP_FOLDER
        target.mkdir()
        for name in ("images", "sparse", "times.json"):
            if (place.checkpoints / name).exists():
                (place.checkpoints / name).rename(target / name)
        return {}

    options = {"capture": str(path.resolve()), "files": _hash_of_files(path, None), "size": max(1600, longest_side)}
    return Stage("cameras", options, make)


def solved_stage(longest_side: int) -> Stage:
    """Import the frames whose cameras `cameras_stage` found; larger frames are scaled down to `longest_side` pixels."""

    def make(place: Place) -> Mapping[str, Any]:
        from recon.poses import COLMAP_FOLDER, solved_capture

        capture = solved_capture(place.scene / COLMAP_FOLDER)
        capture.check_parallax()
        return _import(capture, place, longest_side)

    return Stage("import", {"longest_side": longest_side}, make)


def points_stage(seed: int, moves: bool) -> Stage:
    """Find starting points, including those of the capture, write points.ply, and reference it in transforms.json.

    Args:
        seed: seed of all random draws.
        moves: also find points in the frames of the middle instant, in which moving things have one position.
    """

    def make(place: Place) -> Mapping[str, Any]:
        import torch

        from recon.points import save_points
        from recon.starting_points import initial_points
        from trajectories.formats.nerfstudio import read_transforms, write_transforms

        capture = _with_captured_points(SceneFolder(place.scene))
        generator = torch.Generator().manual_seed(seed)
        points = initial_points(capture, generator=generator, show_progress=True)
        if moves and (instants := shared_instants(capture)):
            middle = capture.at_instant(instants[len(instants) // 2])
            points = points + initial_points(middle, generator=generator, show_progress=True)
        save_points(points, place.out / POINTS_FILE)
        transforms = read_transforms(place.scene / TRANSFORMS_FILE)
        write_transforms(replace(transforms, ply_file_path=POINTS_FILE), place.out / TRANSFORMS_FILE)
        return {"points": len(points.positions), "source": points.source}

    return Stage("points", {"seed": seed, "moves": moves}, make, version=2)  # 2: the far shell has a largest radius


def fit_stage(seed: int, footage: Footage, given: Mapping[str, Any], watch: Watch | None) -> Stage:
    """Fit splats and write splats.ply, motion.safetensors if splats move, and metrics.json.

    Args:
        seed: seed of all random draws.
        footage: whether the splats may move, and whether frames may be inconsistent.
        given: fields of `FitSettings`; and `quality`, from which the other fields are chosen for the capture.
        watch: shows the fit while it runs.

    Raises:
        InputError: what `FitSettings` refuses.
    """
    from recon.fitting.settings import FitSettings

    fields = {name: value for name, value in given.items() if name != "quality"}
    FitSettings(**fields)

    def make(place: Place) -> Mapping[str, Any]:
        import torch

        from recon.fitting.fitting import fit
        from recon.fitting.new_paths import measure_new_paths
        from recon.fitting.settings import settings_for
        from recon.splats import MovingSplats
        from recon.splats.motion_file import save_motion
        from recon.splats.ply import save_splats

        scene = SceneFolder(place.scene)
        quality = given.get("quality", "normal")
        settings = replace(settings_for(scene.frames, **asdict(footage), quality=quality), **fields)
        device = "cuda" if torch.cuda.is_available() else "cpu"
        result = fit(
            scene.frames,
            scene.points,
            settings,
            generator=torch.Generator().manual_seed(seed),
            folder=place.checkpoints,
            on_step=None if watch is None else watch(place.scene),
            show_progress=True,
            device=device,
        )
        new_paths = measure_new_paths(
            _with_captured_points(scene),
            settings,
            generator=torch.Generator().manual_seed(seed),
            show_progress=True,
            device=device,
        )
        splats = result.splats
        if isinstance(splats, MovingSplats):
            save_motion(splats, place.out / MOTION_FILE)
            splats = splats.rest
        save_splats(splats, place.out / SPLATS_FILE)
        write_text(place.out / METRICS_FILE, json.dumps(result.metrics | {"new_paths": new_paths}, indent=2) + "\n")
        confidence = result.metrics["confidence"]
        facts = {name: result.metrics[name] for name in ("steps", "splats", "pruned", "moving")}
        facts["doubted"] = sum(weight < DOUBTED for weight in confidence.values())
        if new_paths:
            facts["new_paths"] = {key: value for key, value in new_paths.items() if key != "per_frame"}
            facts["new_paths"]["frames"] = len(new_paths["per_frame"])
        return facts | {
            name: {key: value for key, value in result.metrics[name].items() if key != "per_frame"}
            | {"frames": len(result.metrics[name]["per_frame"])}
            for name in ("held_out", "training")
        }

    # 2: splats that no frame shows are removed, far ones stay near, and new paths are measured
    return Stage("fit", {"seed": seed, **asdict(footage), **given}, make, version=2)


def splat_stages(seed: int, footage: Footage, given: Mapping[str, Any], watch: Watch | None) -> list[Stage]:
    """The stages from a scene's frames to its splats, which keep an earlier fit; arguments as for `fit_stage`."""
    return [keeping_fit(points_stage(seed, footage.moves)), keeping_fit(fit_stage(seed, footage, given, watch))]


def check_parallax(rig: Rig, moves: bool) -> None:
    """Refuse a rig without parallax, before anything is written.

    Raises:
        InputError: all cameras have one position; at the middle instant if something moves.
    """
    cameras = rig.cameras[:, rig.frames // 2] if moves else rig.cameras.reshape(-1)
    if len(np.unique(cameras.centers.round(9), axis=0)) < 2:
        where = "something in the prompt moves, and at one instant all cameras" if moves else "all cameras"
        raise InputError(
            f"There is no parallax: {where} stand in one place; give more --views or another --rig, or make only the "
            "videos with 'cvd3d sample'."
        )


def write_videos(videos: np.ndarray, rig: Rig, folder: SceneFolder) -> None:
    """Write a rig's videos (V, T, H, W, 3) in [0, 1] as image files and mp4 files."""
    for name, frames in zip(rig.names, videos, strict=True):
        folder.frame(name, 0).parent.mkdir(parents=True)
        for t, frame in enumerate(frames):
            write_image(frame, folder.frame(name, t))
        write_video(frames, folder.video(name), rig.fps)


def _with_captured_points(scene: SceneFolder) -> Capture:
    """The frames, with the points that came with the capture instead of the starting points."""
    from recon.points import load_points

    return replace(
        scene.frames, points=load_points(scene.path / CAPTURED_POINTS_FILE) if scene.has(CAPTURED_POINTS_FILE) else None
    )


def _import(capture: Capture, place: Place, longest_side: int) -> Mapping[str, Any]:
    """Write the frames, cameras and points of a capture."""
    from recon.export.nerfstudio import file_paths, folder_name
    from recon.points import save_points
    from recon.progress import track
    from trajectories.formats.nerfstudio import Transforms, write_transforms

    scaled = _scale_down(capture, longest_side)
    paths = file_paths(capture.videos)
    for i, file_path in track(enumerate(paths), "Importing frames", show=True):
        (place.out / file_path).parent.mkdir(parents=True, exist_ok=True)
        write_image(scaled.image(i), place.out / file_path)
    if capture.points is not None:
        save_points(capture.points, place.out / CAPTURED_POINTS_FILE)
    transforms = Transforms(
        file_paths=paths,
        cameras=scaled.cameras,
        times=scaled.times,
        videos=tuple(map(folder_name, scaled.videos)),
    )
    write_transforms(transforms, place.out / TRANSFORMS_FILE)
    sizes = [(each.width, each.height) for each in (capture.cameras, scaled.cameras)]
    return {"frames": len(paths), "size_of_capture": list(sizes[0]), "size": list(sizes[1])}


def _scale_down(capture: Capture, longest_side: int) -> Capture:
    width, height = capture.cameras.width, capture.cameras.height
    scale = longest_side / max(width, height)
    if scale >= 1:
        return capture
    return capture.resized(max(1, round(width * scale)), max(1, round(height * scale)))


def _hash(*parts: bytes) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()


def _hash_of_files(capture: Path, poses: Path | None) -> str:
    """A hash of the name, size and modification time of each file of a capture."""
    files = []
    # The images of a transforms.json are in its folder.
    for path in filter(None, (capture.parent if capture.suffix == ".json" else capture, poses)):
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file():
                status = file.stat()
                files.append([str(file), status.st_size, status.st_mtime_ns])
    return _hash(json.dumps(files).encode())
