"""`cvd3d compare`: two fits, or two files of splats, from the same cameras."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import FlagCreatePairsOff, Positional, arg

from cvd3d.commands.sources import AXES, RIG


@dataclass(frozen=True)
class Compare:
    """Compare two scenes or files of splats: pictures from the same cameras side by side, and their PSNR.

    The cameras are those of frames that the fit of A (or B) held out, or if both are files, on an orbit.
    """

    first: Annotated[Positional[Path], arg(metavar="A")]
    """A scene folder, or a .ply, .spz or .splat file."""
    second: Annotated[Positional[Path], arg(metavar="B")]
    """Another one, of the same scene."""
    out: Path = Path("compare.png")
    """The picture to write: .png, .jpg or .webp."""
    views: int = 6
    """The number of cameras."""
    rig: Annotated[Path | None, RIG] = None
    """A rig.json with the cameras to use."""
    axes: Annotated[str | None, AXES] = None
    force: FlagCreatePairsOff[bool] = False
    """Replace an existing picture."""

    def run(self) -> None:
        """Render both, write the picture and print the table."""
        import numpy as np

        from cvd3d.commands.sources import check_new, read_source
        from recon.comparison import check_picture, compare, compare_to_frames, draw_views
        from recon.flights import viewpoints
        from recon.scene_files import TRANSFORMS_FILE
        from trajectories.errors import InputError

        if self.views < 1:
            raise InputError(f"--views is {self.views}; give at least 1.")
        check_picture(self.out)
        check_new(self.out, self.force)
        axes = [None if path.is_dir() else self.axes for path in (self.first, self.second)]
        a, b = read_source(self.first, axes[0], self.rig), read_source(self.second, axes[1])
        folder = a.folder or b.folder
        if self.rig is None and folder is not None and folder.has(TRANSFORMS_FILE):
            views = compare_to_frames(a.splats, b.splats, folder, self.views)
        else:
            views = compare(a.splats, b.splats, viewpoints(a.splats, a.rig or b.rig, self.views))
        draw_views(views, ("A", "B"), self.out)
        for name, path, source in (("A", self.first, a), ("B", self.second, b)):
            print(f"{name}  {path}: {len(source.splats):,} splats")
        print(f"\n{'PSNR in dB':<22}{'A and B':>10}" + ("" if views[0].to_frame is None else "   A, frame   B, frame"))
        values = np.array([[view.between, *(view.to_frame or ())] for view in views])
        for name, row in zip([*(view.name for view in views), "mean"], [*values, values.mean(axis=0)]):
            print(f"{name[:22]:<22}{row[0]:>10.2f}" + "".join(f"{value:>11.2f}" for value in row[1:]))
        print(f"\n{self.out}")
