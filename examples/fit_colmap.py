"""Fit splats to a COLMAP folder: `images/` and a model in `sparse/0`.

python examples/fit_colmap.py fountain --out fountain.ply
"""

from dataclasses import replace
from pathlib import Path

import torch
import tyro

from recon import fit
from recon.capture import from_colmap
from recon.fitting.settings import settings_for
from recon.splats.ply import save_splats
from recon.starting_points import initial_points


def main(folder: tyro.conf.Positional[Path], out: Path, steps: int = 2000) -> None:
    """Fit the splats and print their quality on held-out frames.

    Args:
        folder: the COLMAP folder.
        out: the PLY file to write.
        steps: optimization steps; each uses one frame.
    """
    capture = from_colmap(folder)
    generator = torch.Generator().manual_seed(0)
    points = initial_points(capture, generator=generator)
    settings = replace(settings_for(capture, quality="normal"), steps=steps)
    result = fit(capture, points, settings, generator=generator, show_progress=True)
    save_splats(result.splats, out)
    print(f"{out}: {len(result.splats)} splats, PSNR of held-out frames in dB: {result.metrics['held_out']['psnr']}")


if __name__ == "__main__":
    tyro.cli(main)
