"""Captures: posed frames, filmed or generated, the input of a fit."""

from recon.capture.capture import Capture
from recon.capture.loaders import from_colmap, from_nerfstudio, from_realestate10k, from_rig, load_capture
from recon.capture.sources import (
    IMAGE_SUFFIXES,
    VIDEO_SUFFIXES,
    ImageFile,
    Pixels,
    Resized,
    Source,
    VideoFrame,
    read_video,
    resized,
)
from recon.capture.undistortion import Undistorted

__all__ = [
    "IMAGE_SUFFIXES",
    "VIDEO_SUFFIXES",
    "Capture",
    "Pixels",
    "Resized",
    "Source",
    "ImageFile",
    "Undistorted",
    "VideoFrame",
    "from_colmap",
    "from_nerfstudio",
    "from_realestate10k",
    "from_rig",
    "load_capture",
    "read_video",
    "resized",
]
