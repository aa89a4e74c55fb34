"""`cvd3d export`: a scene for other programs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import FlagCreatePairsOff, Positional, arg

from cvd3d.scene.exports import FORMATS, Exported, find_format, find_target
from recon.export.targets import TARGETS


def _listed(words: dict[str, str]) -> str:
    return "; ".join(f"{name}: {meaning}" for name, meaning in words.items()) + "."


TO = _listed({name: known.words for name, known in FORMATS.items()})
TARGET = "Turn splats and meshes into the axes of a program. " + _listed(
    {name: target.words for name, target in TARGETS.items()}
)
OWN_AXES = "ours; for spz, gltf and mesh opengl, as they ask"


@dataclass(frozen=True)
class Export:
    """Write a scene's splats, frames or cameras for other programs."""

    folder: Positional[Path]
    """The scene folder."""
    to: Annotated[str, arg(metavar="FORMAT", help=TO)]
    out: Annotated[Path | None, arg(metavar="PATH", help_behavior_hint="(default: NAME and the format's ending)")] = (
        None
    )
    """What to write."""
    target: Annotated[str | None, arg(metavar="PROGRAM", help=TARGET, help_behavior_hint=f"(default: {OWN_AXES})")] = (
        None
    )
    rig: Annotated[Path | None, arg(metavar="FILE", help_behavior_hint="(default: the scene's cameras)")] = None
    """video: a rig.json to film along."""
    force: FlagCreatePairsOff[bool] = False
    """Replace an earlier export."""

    def run(self) -> None:
        """Write the export, and say how to use it and what it cannot hold."""
        chosen, target = find_format(self.to), find_target(self.to, self.target)

        from cvd3d.scene.chain import read_scene
        from recon.scene_folder import SceneFolder
        from trajectories.errors import InputError
        from trajectories.files import whole

        if self.rig is not None and self.to != "video":
            raise InputError(f"--rig is where a video flies, and this exports {self.to}; leave it out.")
        scene = Exported(SceneFolder(self.folder), read_scene(self.folder), target, self.rig)
        out = self.out or Path(f"{scene.folder.title}{chosen.ending}")
        if out.exists() and not self.force:
            raise InputError(f"{out} is already there; give another --out, or --force to replace it.")
        if out.is_dir() and not all(chosen.may_hold(entry.name) for entry in out.iterdir()):
            raise InputError(f"{out} holds more than an earlier export; give another --out.")
        lost = chosen.cannot_hold(scene)
        with whole(out) as beside:
            chosen.write(scene, beside)
        print(f"{out}: {chosen.words}")
        for line in self._hints(out):
            print(line)
        if lost:
            print(f"{self.to} cannot hold all of this scene: it leaves out {_and(lost)}.")

    def _hints(self, out: Path) -> list[str]:
        from cvd3d.scene.summary import nerfstudio_command

        if self.to == "nerfstudio":
            return [f"To keep its frame, train with\n  {nerfstudio_command(out)}"]
        if self.to == "blender":
            return ["Open it in Blender's text editor and press Run Script."]
        own = find_format(self.to).axes
        if own is None or (self.target is None and own == "blender"):
            return []
        hints = [f"Its axes: {find_target(self.to, self.target).words}."]
        if own == "opengl" and self.target not in (None, "opengl"):
            hints.append(
                f"Mind that {self.to} files have the axes of opengl by their specification, and programs that know it "
                "turn them by themselves: for those leave --target out."
            )
        return hints


def _and(parts: list[str]) -> str:
    return " and ".join(filter(None, [", ".join(parts[:-1]), parts[-1]]))
