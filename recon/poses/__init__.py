"""Cameras of photos and videos that come without them, by COLMAP."""

from recon.poses.find import COLMAP_FOLDER, find_cameras, lacks_cameras, solved_capture

__all__ = ["COLMAP_FOLDER", "find_cameras", "lacks_cameras", "solved_capture"]
