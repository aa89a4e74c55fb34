"""`cvd3d export`: a scene for other programs."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import FlagCreatePairsOff, Positional, arg

DATASET = ("transforms.json", "images", "points.ply")


@dataclass(frozen=True)
class Export:
    """Copy a scene's splats, or its frames as a nerfstudio dataset, to where other programs find them."""

    folder: Positional[Path]
    """The scene folder."""
    to: Literal["nerfstudio", "ply"]
    """nerfstudio: a dataset folder; ply: splats in the layout of 3D Gaussian Splatting."""
    out: Annotated[Path | None, arg(metavar="PATH", help_behavior_hint="(default: NAME-nerfstudio or NAME.ply)")] = None
    """What to write."""
    force: FlagCreatePairsOff[bool] = False
    """Replace an earlier export."""

    def run(self) -> None:
        """Write the export and say how to use it."""
        from cvd3d.scene import read_scene
        from cvd3d.summary import nerfstudio_command

        read_scene(self.folder)
        name = self.folder.resolve().name
        if self.to == "ply":
            out = self.out or Path(f"{name}.ply")
            self._write(out, ("splats.ply",))
            print(f"{out}: splats for any 3D Gaussian Splatting viewer")
        else:
            out = self.out or Path(f"{name}-nerfstudio")
            self._write(out, DATASET)
            print(f"{out}: a nerfstudio dataset; to keep its frame, train with\n  {nerfstudio_command(out)}")

    def _write(self, out: Path, names: tuple[str, ...]) -> None:
        from trajectories.errors import InputError

        if not (self.folder / names[0]).exists():
            raise InputError(f"{self.folder} has no {names[0]} yet; run the command that makes the scene again.")
        if out.exists() and not self.force:
            raise InputError(f"{out} is already there; give another --out, or --force to replace it.")
        if out.is_dir() and not {entry.name for entry in out.iterdir()} <= set(DATASET):
            raise InputError(f"{out} holds more than an earlier export; give another --out.")
        out.parent.mkdir(parents=True, exist_ok=True)
        beside = out.with_name(f".{out.name}.part")
        try:
            if self.to == "ply":
                shutil.copyfile(self.folder / names[0], beside)
            else:
                beside.mkdir(exist_ok=True)
                for name in names:
                    _copy(self.folder / name, beside / name)
            if out.is_dir():
                shutil.rmtree(out)
            beside.replace(out)
        finally:
            if beside.is_dir():
                shutil.rmtree(beside, ignore_errors=True)
            else:
                beside.unlink(missing_ok=True)


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True)
    elif source.exists():
        shutil.copyfile(source, target)
