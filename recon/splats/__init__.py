"""Gaussian splats, still and moving, and their files."""

from recon.splats.moving import MovingSplats
from recon.splats.splats import SH_C0, Splats, from_points

__all__ = ["SH_C0", "MovingSplats", "Splats", "from_points"]
