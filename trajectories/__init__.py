"""Camera paths and multi-camera rigs, and their file formats; needs numpy and scipy only.

    from trajectories import Cameras, Rig, intrinsics_from_fov, look_at, make_rig, save_rig, through

    rig = make_rig("orbit", views=6, frames=16)
    save_rig(rig, "rig.json")

Poses are camera-to-world in OpenCV axes (x right, y down, z forward). The world is right-handed, z up, in meters.
Angles are in radians. Readers and writers of other conventions are in `trajectories.formats`.
"""

from trajectories.cameras import Cameras, intrinsics_from_fov
from trajectories.errors import InputError
from trajectories.interpolate import geodesic, spline
from trajectories.paths import aim, constant_speed, ease, through
from trajectories.rig import Rig
from trajectories.rig_file import load_rig, save_rig
from trajectories.rigs import RIGS, Framing, make_rig
from trajectories.rotations import look_at
from trajectories.similarity import Similarity

__all__ = [
    "RIGS",
    "Cameras",
    "Framing",
    "InputError",
    "Rig",
    "Similarity",
    "aim",
    "constant_speed",
    "ease",
    "geodesic",
    "intrinsics_from_fov",
    "load_rig",
    "look_at",
    "make_rig",
    "save_rig",
    "spline",
    "through",
]
