"""`cvd3d info`: what is in a scene folder or a file of splats."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import Positional, arg

from cvd3d.commands.sources import FILES

if TYPE_CHECKING:
    from recon.scene_folder import SceneFolder
    from recon.splats import MovingSplats, Splats


@dataclass(frozen=True)
class Info:
    """Describe a scene folder or a file of splats: contents, bounds, and histograms of opacities and scales."""

    source: Annotated[Positional[Path], arg(metavar=FILES)]
    """The scene folder, or a .ply, .spz or .splat file."""

    def run(self) -> None:
        """Print the description."""
        from recon.scene_files import SPLATS_FILE
        from recon.splat_source import scene_of
        from trajectories.errors import InputError

        if not self.source.is_dir():
            from cvd3d.commands.sources import read_source

            _print_splats(read_source(self.source).splats, self.source)
            return
        folder = scene_of(self.source)
        if not folder.has_cameras and not folder.has(SPLATS_FILE):
            raise InputError(f"{self.source} has neither cameras nor splats; give a scene folder or a .ply file.")
        _print_scene(folder)
        if folder.has(SPLATS_FILE):
            _print_splats(folder.splats, self.source / SPLATS_FILE)
        else:
            print(f"splats    none yet; 'cvd3d fit {self.source}' makes them")


def _print_scene(folder: SceneFolder) -> None:
    from recon.scene_files import POINTS_FILE
    from recon.splat_source import read_metrics

    asked = folder.asked
    if "prompt" in asked:
        print(f"prompt    {asked['prompt']}")
    if "capture" in asked:
        print(f"capture   {asked['capture']}")
    if folder.has_cameras:
        rig = folder.rig
        seconds = f" in {rig.times[-1] - rig.times[0]:.3g} s" if rig.frames > 1 else ""
        names = ", ".join(rig.names[:6]) + (", ..." if rig.views > 6 else "")
        size = f"{rig.cameras.width}x{rig.cameras.height} pixels"
        print(f"cameras   {rig.views} ({names}), {rig.frames} frame(s) each{seconds}, {size}")
    if folder.has(POINTS_FILE):
        print(f"points    {len(folder.points):,}")
    if folder.fits:
        print(f"fits      {', '.join(folder.fits)} (kept); this is {folder.fit or 'the current one'}")
    held_out = read_metrics(folder).get("held_out")
    if isinstance(held_out, dict) and held_out.get("psnr") is not None:
        print(f"quality   PSNR {held_out['psnr']:.2f} dB, SSIM {held_out['ssim']:.3f} on frames held out of the fit")


def _print_splats(splats: Splats | MovingSplats, path: Path) -> None:
    import numpy as np

    from cvd3d.commands.sources import quantiles
    from recon.splats import MovingSplats
    from recon.splats.statistics import OPACITY_EDGES, decades, histogram

    rest = splats.rest if isinstance(splats, MovingSplats) else splats
    harmonics = f"spherical harmonics of degree {rest.sh_degree}"
    print(f"splats    {len(rest):,}, {harmonics}, {path.stat().st_size / 1e6:.2f} MB")
    if isinstance(splats, MovingSplats):
        print(f"motion    {len(splats.moving):,} splats move from {splats.start:g} to {splats.end:g} s")
    means, opacities = rest.means.numpy(), splats.opacities.numpy()
    scales = rest.scales.numpy().max(axis=1)
    print("\n          lowest   5 %       median    95 %      highest")
    shares = (0.0, 0.05, 0.5, 0.95, 1.0)
    for axis, name in enumerate("xyz"):
        print(f"{name:<6}{quantiles(means[:, axis], shares)}")
    print(f"{'scale':<6}{quantiles(scales, shares)}")
    print("\nopacity" + ("" if splats is rest else ", the highest over time"))
    print("\n".join(histogram(opacities, OPACITY_EDGES)))
    print("\nscale, the largest of each splat")
    print("\n".join(histogram(scales, decades(np.maximum(scales, 1e-12)))))
    faint = int((opacities < OPACITY_EDGES[2]).sum())
    if faint > len(rest) // 10:
        print(f"\n{faint:,} splats are below an opacity of {OPACITY_EDGES[2]}; 'cvd3d clean {path}' removes them.")
