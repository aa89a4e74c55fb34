"""Gaussian splats, still and moving, and their files."""

from recon.splats.moving import MovingSplats
from recon.splats.regions import Box, Sphere
from recon.splats.splats import SH_C0, Splats, from_points

__all__ = ["SH_C0", "Box", "MovingSplats", "Sphere", "Splats", "from_points"]
