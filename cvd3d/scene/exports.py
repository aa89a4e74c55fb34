"""What a scene can be exported to: one table, from which the command, its help and its errors follow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recon.export.targets import TARGETS, TargetAxes

if TYPE_CHECKING:
    import numpy as np

    from recon.capture import Capture
    from recon.splats import MovingSplats, Splats
    from trajectories.rig import Rig


@dataclass(frozen=True)
class Exported:
    """A scene folder, of which an export reads what it needs."""

    folder: Path
    recorded: dict[str, Any]
    """Its scene.json."""
    target: TargetAxes
    """The axes to write splats and meshes in."""
    rig_file: Path | None = None
    """Where a video flies, if not along the scene's own cameras."""

    @property
    def title(self) -> str:
        """The scene's name."""
        return self.folder.resolve().name

    @property
    def hold_out(self) -> int:
        """Every so many frames, the fit held one out."""
        from recon.fit import FitSettings

        options = self.recorded["stages"].get("fit", {}).get("options", {})
        return int(options.get("hold_out", FitSettings.hold_out))

    @cached_property
    def splats(self) -> Splats:
        """The splats, in our axes; where they move, at the middle instant.

        Raises:
            InputError: the scene has none yet, an empty set, values that are not finite, or a file of something else.
        """
        from recon.splats.ply import load_splats
        from trajectories.errors import InputError

        self._need("splats.ply")
        path = self.folder / "splats.ply"
        splats = load_splats(path)
        if not len(splats):
            raise InputError(f"{path} holds no splats, so there is nothing to export; fit it anew.")
        for name, values in vars(splats).items():
            if not values.isfinite().all():
                raise InputError(f"{path} has {name} that are not finite numbers; fit it anew.")
        return splats

    @cached_property
    def moving(self) -> MovingSplats | None:
        """The splats with their paths over time, in our axes; None where all stand still.

        Raises:
            InputError: as `splats`, and a file of paths that are not theirs or not finite.
        """
        from recon.splats.motion_file import load_motion
        from trajectories.errors import InputError

        path = self.folder / "motion.safetensors"
        if not path.is_file():
            return None
        moving = load_motion(path, self.splats)
        for name in ("shifts", "turns", "fades"):
            if not getattr(moving, name).isfinite().all():
                raise InputError(f"{path} has {name} that are not finite numbers; fit the scene anew.")
        return moving if len(moving.moving) else None

    @property
    def over_time(self) -> Splats | MovingSplats:
        """The splats, with their paths where they have some."""
        return self.splats if self.moving is None else self.moving

    @cached_property
    def instants(self) -> np.ndarray:
        """(T,) seconds, increasing: when its frames were taken.

        Raises:
            InputError: it has no frames that say so.
        """
        import numpy as np

        from trajectories.errors import InputError
        from trajectories.formats.nerfstudio import read_transforms

        self._need("transforms.json")
        times = read_transforms(self.folder / "transforms.json").times
        if times is None:
            raise InputError(f"{self.folder / 'transforms.json'} says no times, so what moves has no clock.")
        return np.unique(times)

    @cached_property
    def turned(self) -> Splats:
        """The splats in the target's axes."""
        from recon.export.turn import turn_splats

        return turn_splats(self.splats, self.target)

    @cached_property
    def capture(self) -> Capture:
        """The posed frames, with the starting points where there are some."""
        from recon.capture import load_capture

        self._need("transforms.json")
        return load_capture(self.folder)

    @cached_property
    def rig(self) -> Rig:
        """The cameras as videos on one clock: those of the scene, or of the rig file."""
        from trajectories.rig_file import load_rig
        from viewer.scene_folder import read_scene_folder

        if self.rig_file is not None:
            return load_rig(self.rig_file)
        self._need("transforms.json")
        rig = read_scene_folder(self.folder).rig
        assert rig is not None
        return rig

    @property
    def has_times(self) -> bool:
        """Whether its frames were taken at several instants."""
        from trajectories.formats.nerfstudio import read_transforms

        if not self.has("transforms.json"):
            return False
        times = read_transforms(self.folder / "transforms.json").times
        return times is not None and float(times.max()) > float(times.min())

    def has(self, name: str) -> bool:
        """Whether a file is there."""
        return (self.folder / name).is_file()

    def _need(self, name: str) -> None:
        from trajectories.errors import InputError

        if not self.has(name):
            raise InputError(f"{self.folder} has no {name} yet; run the command that makes the scene again.")


@dataclass(frozen=True)
class Format:
    """One way out."""

    words: str
    """What it is and who opens it."""
    ending: str
    """What the output's name ends in, after that of the scene."""
    write: Callable[[Exported, Path], object]
    """Writes the file or folder whole, or nothing."""
    sh_degree: int | None = None
    """The highest degree of spherical harmonics of its splats; None if it holds no splats."""
    cameras: bool = False
    time: bool = False
    """Whether it says when a frame was taken."""
    loses: Callable[[Exported], list[str]] = lambda scene: []
    """What else it cannot hold."""
    one_instant: bool = False
    """Whether it shows the splats at one instant alone."""
    axes: str | None = None
    """The target that it is written for unless told; "blender", which is our own, where the format prefers none."""
    contents: tuple[str, ...] = ()
    """What lies in it, where it is a folder; * and ? stand for any letters."""

    def may_hold(self, name: str) -> bool:
        """Whether a file or folder of that name may lie in it."""
        return any(fnmatchcase(name, pattern) for pattern in self.contents)

    def cannot_hold(self, scene: Exported) -> list[str]:
        """What of a scene is not in the export, in words."""
        lost = []
        if self.sh_degree is None:
            lost += ["the splats"] if scene.has("splats.ply") else []
        elif scene.splats.sh_degree > self.sh_degree:
            lost.append(f"spherical harmonics above degree {self.sh_degree} (the splats have {scene.splats.sh_degree})")
        if self.one_instant and scene.moving is not None:
            middle = (scene.moving.start + scene.moving.end) / 2
            lost.append(f"the motion (this is the middle instant, {middle:g} s)")
        if not self.cameras and scene.has("transforms.json"):
            lost.append("the cameras with their times" if scene.has_times else "the cameras")
        elif not self.time and scene.has_times:
            lost.append("the times of the frames")
        return lost + self.loses(scene)


def find_format(name: str) -> Format:
    """The format of that name.

    Raises:
        InputError: there is none; the sentence lists those there are.
    """
    from trajectories.errors import InputError

    if name not in FORMATS:
        raise InputError(f"There is no export to {name!r}; --to takes {', '.join(FORMATS)}.")
    return FORMATS[name]


def find_target(format_name: str, target: str | None) -> TargetAxes:
    """The axes to write in.

    Args:
        format_name: one of `FORMATS`.
        target: one of `TARGETS`, or None for the format's own.

    Raises:
        InputError: an unknown target, or one for a format that is not turned.
    """
    from trajectories.errors import InputError

    axes = find_format(format_name).axes
    if target is not None and target not in TARGETS:
        raise InputError(f"There is no target {target!r}; --target takes {', '.join(TARGETS)}.")
    if target is not None and axes is None:
        turned = ", ".join(name for name, known in FORMATS.items() if known.axes is not None)
        raise InputError(
            f"--target turns splats and meshes ({turned}), and {format_name} has its own axes; leave it out."
        )
    return TARGETS[target or axes or "blender"]


def _ply(scene: Exported, out: Path) -> None:
    from recon.splats.ply import save_splats

    save_splats(scene.turned, out)


def _ply_sequence(scene: Exported, out: Path) -> None:
    from recon.splats.ply_sequence import write_ply_sequence
    from trajectories.errors import InputError

    if scene.moving is None:
        raise InputError(f"The splats of {scene.folder} stand still, so one file holds them; export --to ply.")
    write_ply_sequence(scene.moving, scene.instants, out, scene.target, show_progress=True)


def _compressed_ply(scene: Exported, out: Path) -> None:
    from recon.export.compressed_ply import write_compressed_ply

    write_compressed_ply(scene.turned, out)


def _spz(scene: Exported, out: Path) -> None:
    from recon.export.spz import write_spz

    write_spz(scene.turned, out)


def _splat(scene: Exported, out: Path) -> None:
    from recon.export.splat import write_splat

    write_splat(scene.turned, out)


def _gltf(scene: Exported, out: Path) -> None:
    from recon.export.gltf import write_gltf

    write_gltf(scene.turned, out)


def _mesh(scene: Exported, out: Path) -> None:
    from recon.export.mesh import write_mesh
    from recon.fusion import fuse

    write_mesh(fuse(scene.splats, scene.rig.cameras.reshape(-1), show_progress=True), out, scene.target)


def _nerfstudio(scene: Exported, out: Path) -> None:
    from recon.export.nerfstudio import write_dataset

    write_dataset(scene.capture, out, hold_out=scene.hold_out)


def _dnerf(scene: Exported, out: Path) -> None:
    from recon.export.dnerf import write_dnerf

    write_dnerf(scene.capture, out, hold_out=scene.hold_out)


def _colmap(scene: Exported, out: Path) -> None:
    from recon.export.colmap import write_colmap

    write_colmap(scene.capture, out)


def _blender(scene: Exported, out: Path) -> None:
    from recon.export.blender import write_blender

    write_blender(scene.capture, out, title=scene.title)


def _video(scene: Exported, out: Path) -> None:
    import numpy as np

    from recon.export.video import write_flight
    from trajectories.errors import InputError

    rig = scene.rig
    if rig.frames == 1:
        raise InputError(
            f"The cameras of {scene.rig_file or scene.folder} stand still, so there is no path to film along; give one "
            "with --rig (cvd3d plan makes some)."
        )
    cameras, times = rig.cameras.reshape(-1), np.tile(rig.times, rig.views)
    write_flight(scene.over_time, cameras, times, out, fps=rig.fps, show_progress=True)


def _html(scene: Exported, out: Path) -> None:
    from viewer.html import write_html
    from viewer.scene_folder import read_scene_folder

    shown = read_scene_folder(scene.folder)
    write_html(scene.over_time, out, shown.rig, shown.frames)


def _mesh_loses(scene: Exported) -> list[str]:
    return ["transparency", "colours that change with the view", "the background"]


def _html_loses(scene: Exported) -> list[str]:
    from viewer.html import most_splats
    from viewer.scene_folder import read_scene_folder

    most = most_splats(scene.over_time, read_scene_folder(scene.folder).rig)
    return [f"splats beyond about {most:,} of {len(scene.splats):,}"] if len(scene.splats) > most else []


def _dnerf_loses(scene: Exported) -> list[str]:
    from recon.export.dnerf import lens_is_simple

    lost = ["the starting points"] if scene.capture.points is not None else []
    times = scene.capture.times
    if scene.has_times:
        lost.append(f"seconds ({times.min():g} to {times.max():g} s become 0 to 1)")
    if not lens_is_simple(scene.capture):
        lost.append("the whole lens (to programs that read camera_angle_x alone, pixels are square and centred)")
    return lost


FORMATS = {
    "ply": Format("splats for any viewer of 3D Gaussian Splatting", ".ply", _ply, 3, one_instant=True, axes="blender"),
    "ply-sequence": Format(
        "splats that move, a ply for each instant and a manifest of their times",
        "-ply-sequence",
        _ply_sequence,
        3,
        axes="blender",
        contents=("manifest.json", "?????.ply"),
    ),
    "compressed-ply": Format(
        "splats a quarter as large, for SuperSplat and PlayCanvas",
        ".compressed.ply",
        _compressed_ply,
        3,
        one_instant=True,
        axes="blender",
    ),
    "spz": Format(
        "splats a sixth as large, for Niantic's tools and Spark", ".spz", _spz, 3, one_instant=True, axes="opengl"
    ),
    "splat": Format(
        "splats of one colour each, for antimatter15's viewer", ".splat", _splat, 0, one_instant=True, axes="blender"
    ),
    "gltf": Format(
        "splats as glTF (KHR_gaussian_splatting), for Cesium and Babylon.js",
        ".glb",
        _gltf,
        3,
        one_instant=True,
        axes="opengl",
    ),
    "mesh": Format(
        "coloured triangles as glTF, for any 3D program",
        "-mesh.glb",
        _mesh,
        loses=_mesh_loses,
        one_instant=True,
        axes="opengl",
    ),
    "nerfstudio": Format(
        "a dataset for nerfstudio, with starting points",
        "-nerfstudio",
        _nerfstudio,
        cameras=True,
        time=True,
        contents=("transforms.json", "images", "points.ply"),
    ),
    "dnerf": Format(
        "a dataset with times, for D-NeRF and 4D Gaussian Splatting",
        "-dnerf",
        _dnerf,
        cameras=True,
        time=True,
        loses=_dnerf_loses,
        contents=("transforms_train.json", "transforms_val.json", "transforms_test.json", "images"),
    ),
    "colmap": Format(
        "a COLMAP model, binary and text, with images and points",
        "-colmap",
        _colmap,
        cameras=True,
        contents=("images", "sparse"),
    ),
    "blender": Format(
        "a script that puts cameras, images and points into Blender", "-blender.py", _blender, cameras=True, time=True
    ),
    "video": Format("what the cameras, or those of --rig, see of the splats, as mp4", ".mp4", _video),
    "html": Format(
        "a page that shows splats and cameras in a browser, offline",
        ".html",
        _html,
        0,
        cameras=True,
        time=True,
        loses=_html_loses,
    ),
}
