"""Starting points of a fit: points triangulated from the frames, and a far shell for the sky."""

from recon.starting_points.search import initial_points

__all__ = ["initial_points"]
