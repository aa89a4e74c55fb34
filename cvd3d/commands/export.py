"""`cvd3d export`: convert a scene to other programs' formats."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import FlagCreatePairsOff, Positional, arg

from cvd3d.commands.choices import one_of
from cvd3d.scene.exports import FORMATS, Exported, find_format, find_target
from recon.export.targets import TARGETS


def _listed(descriptions: dict[str, str]) -> str:
    return "; ".join(f"{name}: {description}" for name, description in descriptions.items()) + "."


TO = "The format. " + _listed({name: format_.description for name, format_ in FORMATS.items()})
TARGET = "Convert splats and meshes to the axes of a program. " + _listed(
    {name: target.words for name, target in TARGETS.items()}
)
DEFAULT_TARGET = (
    "(default: web for ply and splat, supersplat for compressed-ply; opengl for spz, gltf and mesh, which specify it; "
    "blender, the axes of the scene, for ply-sequence)"
)


@dataclass(frozen=True)
class Export:
    """Export a scene's splats, frames or cameras to the format of another program."""

    folder: Positional[Path]
    """The scene folder."""
    to: Annotated[str, one_of(FORMATS, "FORMAT"), arg(help=TO)]
    out: Annotated[Path | None, arg(metavar="PATH", help_behavior_hint="(default: NAME and the format's suffix)")] = (
        None
    )
    """The file or folder to write."""
    target: Annotated[
        Annotated[str, one_of(TARGETS, "PROGRAM")] | None,
        arg(metavar="PROGRAM", help=TARGET, help_behavior_hint=DEFAULT_TARGET),
    ] = None
    rig: Annotated[Path | None, arg(metavar="FILE", help_behavior_hint="(default: the scene's cameras)")] = None
    """video: a rig.json with the camera paths to render."""
    force: FlagCreatePairsOff[bool] = False
    """Replace an existing export."""

    def run(self) -> None:
        """Write the export, and print how to use it and what it leaves out."""
        chosen, target = find_format(self.to), find_target(self.to, self.target)

        from cvd3d.scene.chain import read_scene
        from recon.scene_folder import SceneFolder
        from trajectories.errors import InputError
        from trajectories.files import whole

        if self.rig is not None and self.to != "video":
            raise InputError(f"--rig gives the camera paths of a video and has no effect on {self.to}; leave it out.")
        scene = Exported(SceneFolder(self.folder), read_scene(self.folder), target, self.rig)
        out = self.out or Path(f"{scene.folder.title}{chosen.suffix}")
        if out.exists() and not self.force:
            raise InputError(f"{out} already exists; give another --out, or --force to replace it.")
        if out.is_dir() and not all(chosen.may_contain(entry.name) for entry in out.iterdir()):
            raise InputError(f"{out} contains files that are not from an export; give another --out.")
        lost = chosen.left_out(scene)
        with whole(out) as temporary:
            chosen.write(scene, temporary)
        print(f"{out}: {chosen.description}")
        for line in self._hints(out):
            print(line)
        if lost:
            print(f"{self.to} has no place for {_and(lost)}.")

    def _hints(self, out: Path) -> list[str]:
        from cvd3d.scene.summary import nerfstudio_command

        if self.to == "nerfstudio":
            return [f"To keep its coordinate frame, train with\n  {nerfstudio_command(out)}"]
        if self.to == "blender":
            return ["Open it in Blender's text editor and press Run Script."]
        default = find_format(self.to).axes
        if default is None:
            return []
        hints = [f"Axes, as for --target {self.target or default}: {find_target(self.to, self.target).words}."]
        if default == "opengl" and self.target not in (None, "opengl"):
            hints.append(
                f"Note: the {self.to} specification prescribes the axes of opengl, and programs that follow it convert "
                "the axes on import: for those, leave --target out."
            )
        return hints


def _and(parts: list[str]) -> str:
    return " and ".join(filter(None, [", ".join(parts[:-1]), parts[-1]]))
