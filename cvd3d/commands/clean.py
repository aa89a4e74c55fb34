"""`cvd3d clean`: remove splats that do not matter, crop, and place the rest."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import FlagCreatePairsOff, Positional, arg

from cvd3d.commands.sources import FILES

if TYPE_CHECKING:
    from recon.scene_folder import SceneFolder
    from recon.splats import Box, MovingSplats, Sphere, Splats

Corner = tuple[float, float, float]


@dataclass(frozen=True)
class Clean:
    """Write a smaller copy of splats: without faint ones, cropped, decimated, rotated, scaled or centered.

    The steps run in the order of the options. The source stays as it is. Coordinates are those of
    the source; a .ply made of a scene folder has y down, as exports for viewers have.
    """

    source: Annotated[Positional[Path], arg(metavar=FILES)]
    """The scene folder, or a .ply, .spz or .splat file."""
    out: Annotated[Path | None, arg(metavar="PATH", help_behavior_hint="(default: NAME-clean.ply)")] = None
    """The .ply file to write; for splats that move, a new folder, or a .ply file of the middle instant."""
    min_opacity: float = 0.02
    """Remove splats that are never more opaque than this; 0 keeps all."""
    box: Annotated[
        tuple[float, float, float, float, float, float] | None,
        arg(metavar="X Y Z X Y Z", help_behavior_hint="(default: everything)"),
    ] = None
    """Keep the splats whose centers are between these two corners, the smaller one first."""
    sphere: Annotated[
        tuple[float, float, float, float] | None, arg(metavar="X Y Z R", help_behavior_hint="(default: everything)")
    ] = None
    """Keep the splats whose centers are in the sphere of this center and radius."""
    keep: Annotated[int | None, arg(metavar="N", help_behavior_hint="(default: all)")] = None
    """Decimate: keep the N splats that contribute most to the scene's cameras, or to an orbit."""
    center: FlagCreatePairsOff[bool] = False
    """Move the median of the splats' centers to the origin."""
    rotate: Annotated[Corner, arg(metavar="X Y Z")] = (0.0, 0.0, 0.0)
    """Rotate about the axes x, then y, then z, in degrees."""
    scale: float = 1.0
    """Scale by this factor."""
    translate: Annotated[Corner, arg(metavar="X Y Z")] = (0.0, 0.0, 0.0)
    """Move by this much, at the end."""
    force: FlagCreatePairsOff[bool] = False
    """Replace an existing file."""

    def run(self) -> None:
        """Write the splats that are left, and print what was removed."""
        region = self._region()

        from cvd3d.commands.sources import check_new
        from recon.export.targets import TARGETS
        from recon.splat_source import read_file, scene_of
        from recon.splats import MovingSplats, Splats
        from recon.splats.cleaning import finite, turn_and_center
        from trajectories.errors import InputError

        splats: Splats | MovingSplats
        folder = scene_of(self.source) if self.source.is_dir() else None
        splats = folder.splats if folder else read_file(self.source)[0]
        moves = isinstance(splats, MovingSplats)
        name = f"{folder.title if folder else self.source.stem}-clean"
        out = check_new(self.out or Path(name if moves else f"{name}.ply"), self.force)
        as_file = out.suffix.lower() == ".ply"
        if not moves and not as_file:
            raise InputError(f"{out}: splats are written as .ply; give --out another name.")

        before = len(splats)
        if isinstance(splats, Splats):
            splats = _left("with values that are not finite", splats, splats[finite(splats)])
        if self.min_opacity:
            faint = splats.opacities < self.min_opacity
            splats = _left(f"with opacities below {self.min_opacity:g}", splats, splats[~faint])
        for part in region:
            splats = _left(f"outside the {type(part).__name__.lower()}", splats, splats.cropped(part))
        if self.keep is not None and self.keep < len(splats):
            splats = _left("that contribute least", splats, self._decimated(splats, folder))
        angles = (math.radians(self.rotate[0]), math.radians(self.rotate[1]), math.radians(self.rotate[2]))
        move = turn_and_center(splats, angles, self.scale, self.translate, self.center)
        splats = splats.transformed(move)
        if isinstance(splats, MovingSplats) and as_file:
            print(f"The file has the splats at the middle instant, {(splats.start + splats.end) / 2:g} s.")
            splats = splats.rest
        if folder and isinstance(splats, Splats):
            splats = splats.transformed(TARGETS["web"].similarity)
        splats.save(out)
        print(f"{out}: {len(splats):,} of {before:,} splats")

    def _region(self) -> list[Box | Sphere]:
        """What the options crop to; checks the other numbers, too."""
        from recon.splats.regions import Box, Sphere
        from trajectories.errors import InputError

        if not 0 <= self.min_opacity < 1:
            raise InputError(f"--min-opacity is {self.min_opacity:g}; give a number from 0 to below 1.")
        if self.keep is not None and self.keep < 1:
            raise InputError(f"--keep is {self.keep}; give at least 1.")
        if not all(map(math.isfinite, self.rotate)):
            raise InputError(f"--rotate is {self.rotate}; give three angles in degrees.")
        box, sphere = self.box, self.sphere
        regions: list[Box | Sphere] = [] if box is None else [Box(box[:3], box[3:])]
        return regions if sphere is None else [*regions, Sphere(sphere[:3], sphere[3])]

    def _decimated(self, splats: Splats | MovingSplats, folder: SceneFolder | None) -> Splats | MovingSplats:
        from recon.flights import viewpoints
        from recon.splats.cleaning import contributions, decimated

        assert self.keep is not None
        seen = viewpoints(splats, folder.rig if folder is not None and folder.has_cameras else None)
        return decimated(splats, self.keep, contributions(splats, seen.cameras, seen.times))


def _left(which: str, old: Splats | MovingSplats, new: Splats | MovingSplats) -> Splats | MovingSplats:
    """The new splats, after a line about those that are gone.

    Raises:
        InputError: no splats are left.
    """
    from trajectories.errors import InputError

    if not len(new):
        raise InputError(f"No splats are left without those {which}; change that option.")
    if len(new) < len(old):
        print(f"{len(old) - len(new):>9,} splats {which}")
    return new
