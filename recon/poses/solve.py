"""Run COLMAP on a folder of images, in a process of its own: `python -m recon.poses.solve FOLDER`.

COLMAP's libraries and those of Pillow and torch disturb each other in one process, and a process can be stopped at any
time. FOLDER holds `images/`, with one folder per lens if there are several. `database.db` keeps what is done, so that a
stopped run continues. Each line of the output is a JSON list: the step, how much is done, and the total. The results
are `sparse/0` and `report.json`.
"""

from __future__ import annotations

import itertools
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np

from recon.poses.upright import upright

IMAGES = "images"
SEED = 0
THREADS = 2  # a fixed number: results depend on it
LARGEST = 1600
"""Features are searched in images whose longest side has at most this many pixels."""
EVERY_PAIR = 60
"""Up to this number of images, every pair is matched."""
BATCH = 40
STARTS: tuple[dict[str, float], ...] = (
    {},
    {"init_min_tri_angle": 4.0, "init_min_num_inliers": 50},
    {"init_min_tri_angle": 1.0, "init_min_num_inliers": 30},
)
"""Demands on the first pair of images: COLMAP's, then lower ones for cameras that moved little."""


def pairs_to_match(count: int) -> list[tuple[int, int]]:
    """Pairs (a, b), a < b, of `count` images in order: all, or neighbors, powers of two, and every fifth image."""
    every = itertools.combinations(range(count), 2)
    if count <= EVERY_PAIR:
        return list(every)
    near = {*range(1, 9), *(2**k for k in range(4, 12))}
    return [(a, b) for a, b in every if b - a in near or (a % 5 == 0 and b % 5 == 0)]


def tell(step: str, done: int, total: int) -> None:
    """Print how far a step is."""
    print(json.dumps([step, done, total]), flush=True)


def solve(folder: Path) -> None:
    """Find features, match them, and place the cameras; writes `sparse/0` and `report.json`."""
    import pycolmap

    pycolmap.logging.minloglevel = 2
    pycolmap.set_random_seed(SEED)
    images, database = folder / IMAGES, folder / "database.db"
    names = sorted(file.relative_to(images).as_posix() for file in images.rglob("*") if file.is_file())
    _features(pycolmap, database, images, names)
    _matches(pycolmap, folder, names)
    models: list[Any] = []
    for start in STARTS:
        found = _models(pycolmap, folder, len(names), start)
        models = max(models, found, key=lambda some: some[0].num_reg_images() if some else 0)
        if models and models[0].num_reg_images() >= 0.9 * len(names):
            break
    if models:
        best = models[0]
        c2w = np.stack([_c2w(image) for _, image in sorted(best.images.items()) if image.has_pose])
        points = np.stack([point.xyz for _, point in sorted(best.points3D.items())])
        scale, R, t = upright(c2w, points)
        best.transform(pycolmap.Sim3d(scale, pycolmap.Rotation3d(R), t))
        (folder / "sparse" / "0").mkdir(parents=True, exist_ok=True)
        best.write(folder / "sparse" / "0")
    registered = [sorted(image.name for image in model.images.values() if image.has_pose) for model in models]
    report = {"names": names, "models": registered, "pairs": _pairs(pycolmap, database)}
    (folder / "report.json").write_text(json.dumps(report))


def _features(pycolmap: Any, database: Path, images: Path, names: list[str]) -> None:
    options = pycolmap.FeatureExtractionOptions()
    options.max_image_size, options.num_threads, options.use_gpu = LARGEST, THREADS, False
    cameras: dict[str, int] = {}  # the camera of each folder
    for n, name in enumerate(names):
        tell("Finding features", n, len(names))
        reader = pycolmap.ImageReaderOptions()
        reader.existing_camera_id = cameras.get(str(Path(name).parent), -1)
        pycolmap.extract_features(
            database, images, [name], pycolmap.CameraMode.SINGLE, reader, options, pycolmap.Device.cpu
        )
        file = pycolmap.Database.open(database)
        if found := file.read_image_with_name(name):
            cameras.setdefault(str(Path(name).parent), found.camera_id)
        file.close()
    tell("Finding features", len(names), len(names))


def _matches(pycolmap: Any, folder: Path, names: list[str]) -> None:
    matching, verification = pycolmap.FeatureMatchingOptions(), pycolmap.TwoViewGeometryOptions()
    matching.num_threads, matching.use_gpu, verification.ransac.random_seed = THREADS, False, SEED
    pairs = pairs_to_match(len(names))
    pairing = pycolmap.ImportedPairingOptions()
    pairing.match_list_path = folder / "pairs.txt"
    for start in range(0, len(pairs), BATCH):
        tell("Matching images", start, len(pairs))
        lines = [f"{names[a]} {names[b]}\n" for a, b in pairs[start : start + BATCH]]
        (folder / "pairs.txt").write_text("".join(lines))
        pycolmap.match_image_pairs(folder / "database.db", matching, pairing, verification, pycolmap.Device.cpu)
    tell("Matching images", len(pairs), len(pairs))


def _models(pycolmap: Any, folder: Path, count: int, start: dict[str, float]) -> list[Any]:
    """COLMAP's models, the one with the most images first."""
    options = pycolmap.IncrementalPipelineOptions()
    options.random_seed, options.num_threads, options.min_model_size = SEED, THREADS, min(3, count)
    for name, value in start.items():
        setattr(options.mapper, name, value)
    placed = itertools.count(1)

    def step() -> None:
        tell("Placing cameras", min(next(placed), count), count)

    tell("Placing cameras", 0, count)
    shutil.rmtree(folder / "models", ignore_errors=True)
    (folder / "models").mkdir()
    models = pycolmap.incremental_mapping(
        folder / "database.db", folder / IMAGES, folder / "models", options, next_image_callback=step
    )
    with_points = (model for model in models.values() if model.num_points3D())
    return sorted(with_points, key=lambda model: -model.num_reg_images())


def _c2w(image: Any) -> np.ndarray:
    pose = image.cam_from_world().inverse().matrix()
    return np.concatenate([pose, [[0.0, 0.0, 0.0, 1.0]]])


def _pairs(pycolmap: Any, database: Path) -> list[list[Any]]:
    """Names, matches and kind of each matched pair."""
    file = pycolmap.Database.open(database)  # Python's sqlite3 beside COLMAP's own would damage the file
    names = {image.image_id: image.name for image in file.read_all_images()}
    ids, geometries = file.read_two_view_geometries()
    file.close()
    pairs = zip(map(pycolmap.pair_id_to_image_pair, ids), geometries)
    return [[names[a], names[b], len(each.inlier_matches), int(each.config)] for (a, b), each in pairs]


if __name__ == "__main__":
    solve(Path(sys.argv[1]))
