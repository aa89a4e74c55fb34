"""The table of export formats; the export command, its help and its errors are derived from it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recon.export.targets import TARGETS, TargetAxes
from recon.scene_files import IMAGES, MANIFEST_FILE, POINTS_FILE, TRANSFORMS_FILE
from recon.scene_folder import SceneFolder

if TYPE_CHECKING:
    from recon.splats import MovingSplats, Splats
    from trajectories.rig import Rig


@dataclass(frozen=True)
class Exported:
    """A scene and the options of an export; its parts are read when they are needed."""

    folder: SceneFolder
    recorded: dict[str, Any]
    """The content of scene.json."""
    target: TargetAxes
    """The axes of exported splats and meshes."""
    rig_file: Path | None = None
    """The camera paths of a video; None uses the scene's cameras."""

    @property
    def hold_out(self) -> int:
        """N, where the fit held out every N-th frame."""
        from recon.fitting.settings import FitSettings

        options = self.recorded["stages"].get("fit", {}).get("options", {})
        return int(options.get("hold_out", FitSettings.hold_out))

    @property
    def moving(self) -> MovingSplats | None:
        """The splats with their motion, in the scene's axes; None if nothing moves."""
        from recon.splats import MovingSplats

        splats = self.folder.splats
        return splats if isinstance(splats, MovingSplats) else None

    @cached_property
    def turned(self) -> Splats:
        """The splats in the target's axes."""
        return self.folder.rest.transformed(self.target.similarity)

    @cached_property
    def rig(self) -> Rig:
        """The synchronized cameras of the scene, or of the rig file."""
        from trajectories.rig_file import load_rig

        return self.folder.rig if self.rig_file is None else load_rig(self.rig_file)

    @property
    def has_times(self) -> bool:
        """Whether the frames have more than one time."""
        if not self.folder.has(TRANSFORMS_FILE):
            return False
        times = self.folder.frames.times
        return float(times.max()) > float(times.min())


@dataclass(frozen=True)
class Format:
    """An export format."""

    description: str
    """What it contains and which programs open it."""
    suffix: str
    """Appended to the scene's name to make the output's name."""
    write: Callable[[Exported, Path], object]
    """Writes the file or folder completely, or nothing."""
    sh_degree: int | None = None
    """The highest degree of spherical harmonics that it stores; None if it is not about splats."""
    time: bool = True
    """Whether it stores the time of each frame, if it is about frames."""
    loses: Callable[[Exported], list[str]] = lambda scene: []
    """What else it leaves out."""
    one_instant: bool = False
    """Whether it stores the splats at a single instant."""
    axes: str | None = None
    """The default target: the format's own axes, or those that its viewers expect; None if `--target` has no effect."""
    contents: tuple[str, ...] = ()
    """For a folder: patterns of the names in it, as for fnmatch."""

    def may_contain(self, name: str) -> bool:
        """Whether a file or folder of that name may be part of the export."""
        return any(fnmatchcase(name, pattern) for pattern in self.contents)

    def left_out(self, scene: Exported) -> list[str]:
        """The properties of what the format is about that it has no place for, in words."""
        lost = []
        if self.sh_degree is not None and scene.folder.rest.sh_degree > self.sh_degree:
            lost.append(
                f"spherical harmonics above degree {self.sh_degree} (the splats have {scene.folder.rest.sh_degree})"
            )
        if self.one_instant and scene.moving is not None:
            middle = (scene.moving.start + scene.moving.end) / 2
            lost.append(f"the motion (this is the middle instant, {middle:g} s)")
        if not self.time and scene.has_times:
            lost.append("the times of the frames")
        return lost + self.loses(scene)


def find_format(name: str) -> Format:
    """The format of that name.

    Raises:
        InputError: an unknown name; the message lists the known ones.
    """
    from trajectories.errors import InputError

    if name not in FORMATS:
        raise InputError(f"There is no export format {name!r}; --to takes {', '.join(FORMATS)}.")
    return FORMATS[name]


def find_target(format_name: str, target: str | None) -> TargetAxes:
    """The axes of the export.

    Args:
        format_name: one of `FORMATS`.
        target: one of `TARGETS`, or None for the format's default.

    Raises:
        InputError: an unknown target, or a target for a format whose axes are fixed.
    """
    from trajectories.errors import InputError

    axes = find_format(format_name).axes
    if target is not None and target not in TARGETS:
        raise InputError(f"There is no target {target!r}; --target takes {', '.join(TARGETS)}.")
    if target is not None and axes is None:
        turned = ", ".join(name for name, known in FORMATS.items() if known.axes is not None)
        raise InputError(
            f"--target applies to splats and meshes ({turned}), and the axes of {format_name} are fixed; leave it out."
        )
    return TARGETS[target or axes or "blender"]


def _ply(scene: Exported, out: Path) -> None:
    from recon.splats.ply import save_splats

    save_splats(scene.turned, out)


def _ply_sequence(scene: Exported, out: Path) -> None:
    import numpy as np

    from recon.splats.ply_sequence import write_ply_sequence
    from trajectories.errors import InputError

    if scene.moving is None:
        raise InputError(f"The splats of {scene.folder.path} do not move, so one file holds them; export --to ply.")
    write_ply_sequence(scene.moving, np.unique(scene.folder.frames.times), out, scene.target, show_progress=True)


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

    write_mesh(fuse(scene.folder.rest, scene.rig.cameras.reshape(-1), show_progress=True), out, scene.target)


def _nerfstudio(scene: Exported, out: Path) -> None:
    from recon.export.nerfstudio import write_dataset

    write_dataset(scene.folder.capture, out, hold_out=scene.hold_out)


def _dnerf(scene: Exported, out: Path) -> None:
    from recon.export.dnerf import write_dnerf

    write_dnerf(scene.folder.capture, out, hold_out=scene.hold_out)


def _colmap(scene: Exported, out: Path) -> None:
    from recon.export.colmap import write_colmap

    write_colmap(scene.folder.capture, out)


def _blender(scene: Exported, out: Path) -> None:
    from recon.export.blender import write_blender

    write_blender(scene.folder.capture, out, title=scene.folder.title)


def _video(scene: Exported, out: Path) -> None:
    import numpy as np

    from recon.export.video import write_flight
    from trajectories.errors import InputError

    rig = scene.rig
    if rig.frames == 1:
        raise InputError(
            f"The cameras of {scene.rig_file or scene.folder.path} do not move, so there is no path for a video; "
            "give one with --rig ('cvd3d plan' makes rigs)."
        )
    cameras, times = rig.cameras.reshape(-1), np.tile(rig.times, rig.views)
    write_flight(scene.folder.splats, cameras, times, out, fps=rig.fps, show_progress=True)


def _html(scene: Exported, out: Path) -> None:
    from viewer.html import write_html

    rig = scene.rig if scene.folder.has_cameras else None
    title = scene.folder.asked.get("prompt") or scene.folder.title
    write_html(scene.folder.splats, out, rig, scene.folder.image, title=str(title))


def _mesh_loses(scene: Exported) -> list[str]:
    return ["transparency", "colors that change with the view", "the background"]


def _html_loses(scene: Exported) -> list[str]:
    from viewer.html import max_splats

    most = max_splats(scene.folder.splats, scene.rig if scene.folder.has_cameras else None)
    return [f"splats beyond about {most:,} of {len(scene.folder.rest):,}"] if len(scene.folder.rest) > most else []


def _dnerf_loses(scene: Exported) -> list[str]:
    from recon.export.dnerf import lens_is_simple

    lost = ["the starting points"] if scene.folder.capture.points is not None else []
    times = scene.folder.capture.times
    if scene.has_times:
        lost.append(f"seconds ({times.min():g} to {times.max():g} s become 0 to 1)")
    if not lens_is_simple(scene.folder.capture):
        lost.append("the full intrinsics (programs that read only camera_angle_x assume square, centered pixels)")
    return lost


FORMATS = {
    "ply": Format("splats for any viewer of 3D Gaussian Splatting", ".ply", _ply, 3, one_instant=True, axes="web"),
    "ply-sequence": Format(
        "moving splats, as one ply for each instant and a manifest of their times",
        "-ply-sequence",
        _ply_sequence,
        3,
        axes="blender",
        contents=(MANIFEST_FILE, "?????.ply"),
    ),
    "compressed-ply": Format(
        "splats in a quarter of the size, for SuperSplat and PlayCanvas",
        ".compressed.ply",
        _compressed_ply,
        3,
        one_instant=True,
        axes="supersplat",
    ),
    "spz": Format(
        "splats in a sixth of the size, for Niantic's tools and Spark", ".spz", _spz, 3, one_instant=True, axes="opengl"
    ),
    "splat": Format(
        "splats without view-dependent color, for antimatter15's viewer",
        ".splat",
        _splat,
        0,
        one_instant=True,
        axes="web",
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
        "colored triangles as glTF, for any 3D program",
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
        contents=(TRANSFORMS_FILE, IMAGES, POINTS_FILE),
    ),
    "dnerf": Format(
        "a dataset with times, for D-NeRF and 4D Gaussian Splatting",
        "-dnerf",
        _dnerf,
        loses=_dnerf_loses,
        contents=("transforms_train.json", "transforms_val.json", "transforms_test.json", IMAGES),
    ),
    "colmap": Format(
        "a COLMAP model, binary and text, with images and points",
        "-colmap",
        _colmap,
        time=False,
        contents=(IMAGES, "sparse"),
    ),
    "blender": Format("a script that puts cameras, images and points into Blender", "-blender.py", _blender),
    "video": Format("the splats rendered along the cameras, or those of --rig, as mp4", ".mp4", _video),
    "html": Format(
        "an offline web page that shows splats and cameras",
        ".html",
        _html,
        0,
        loses=_html_loses,
    ),
}
