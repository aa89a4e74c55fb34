"""The names of the files in a scene folder; no other module spells them.

Importing this module loads no library, so that a command can name the files at once.
"""

SCENE_FILE = "scene.json"
"""The request, and which stages are finished."""
RIG_FILE, TRANSFORMS_FILE = "rig.json", "transforms.json"
POINTS_FILE, CAPTURED_POINTS_FILE = "points.ply", "captured_points.ply"
"""The starting points of the fit, and the points that are part of a capture."""
SPLATS_FILE, MOTION_FILE = "splats.ply", "motion.safetensors"
"""The splats (of a moving scene: at the middle instant), and the paths of the moving splats."""
METRICS_FILE = "metrics.json"
FIT_FILES = (SPLATS_FILE, MOTION_FILE, METRICS_FILE)
"""What a fit writes."""
FITS, FIT_FILE = "fits", "fit.json"
"""The folder of fits that are kept by name, and the file with the options and results of each."""
MANIFEST_FILE = "manifest.json"
"""The only one of these files that an exported ply-sequence has."""
IMAGES, VIDEOS, CHECKPOINTS = "images", "videos", "checkpoints"


def frame_file(t: int) -> str:
    """The file name of a frame; zero-padded, because nerfstudio sorts frames by path."""
    return f"{t:05d}.png"


def frame_path(name: str, t: int) -> str:
    """The path of frame t of the video `name`, relative to the scene folder."""
    return f"{IMAGES}/{name}/{frame_file(t)}"
