"""Edit splats: keep the opaque ones near the origin, brighten them, and move them up by half a meter.

python examples/edit_splats.py scenes/first/splats.ply --out edited.ply
"""

from dataclasses import replace
from pathlib import Path

import torch
import tyro

from recon.splats import SH_C0
from recon.splats.ply import load_splats, save_splats


def main(splats: tyro.conf.Positional[Path], out: Path, radius: float = 3.0, brighter: float = 0.1) -> None:
    """Write the edited splats.

    Args:
        splats: a PLY file of Gaussian splats.
        out: the PLY file to write.
        radius: splats farther from the origin than this, in meters, are removed.
        brighter: value to add to the colors, which are in [0, 1].
    """
    scene = load_splats(splats)
    keep = (scene.means.norm(dim=1) < radius) & (scene.logit_opacities.sigmoid() > 0.05)
    scene = scene.map(lambda tensor: tensor[keep])
    sh = scene.sh.clone()
    sh[:, 0] += brighter / SH_C0  # the constant term of the spherical harmonics: a color is 0.5 + SH_C0 sh[0]
    save_splats(replace(scene, sh=sh, means=scene.means + torch.tensor([0.0, 0.0, 0.5])), out)
    print(f"{out}: {len(scene)} of {len(keep)} splats")


if __name__ == "__main__":
    tyro.cli(main)
