"""Fits of a scene that are kept by name, next to the current one."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from cvd3d.scene.chain import Done, Place, Stage, make_apart, print_line, read_scene, record, recorded_stages
from recon.scene_files import FIT_FILE, FIT_FILES, FITS, SCENE_FILE
from recon.scene_folder import SceneFolder
from trajectories.errors import InputError
from trajectories.files import new_folder, read_json, write_text


def check_name(name: str) -> str:
    """The name of a fit, if it can be a folder's name.

    Raises:
        InputError: it has other characters than letters, digits, `-`, `_` and `.`, or starts with a dot.
    """
    if not re.fullmatch(r"[\w-][\w.-]*", name):
        raise InputError(f"--as {name!r} cannot name a fit; use letters, digits, '-', '_' and '.'.")
    return name


def keeping_fit(stage: Stage) -> Stage:
    """The same stage, which first copies a fit that it will replace to `fits`."""

    def make(place: Place) -> Mapping[str, Any]:
        keep_fit(place.scene)
        return stage.make(place)

    return replace(stage, make=make)


def fit_as(folder: Path, name: str, stage: Stage, *, after: str, force: bool) -> list[Done]:
    """Run the fit into `fits/NAME`; the scene's own splats stay as they are.

    Args:
        folder: the scene folder, with finished starting points.
        name: of the fit.
        stage: from `fit_stage`.
        after: the name of the stage that comes before it.
        force: replace a fit of this name.

    Returns:
        the finished stages up to `after`, and this fit.

    Raises:
        InputError: there is such a fit, or an earlier stage is missing.
    """
    target = SceneFolder(folder).fit_folder(check_name(name))
    if target.exists() and not force:
        raise InputError(f"{target} exists; give another name with --as, or replace it with --force.")
    chain, done = make_apart(folder, stage, target, FIT_FILE, after=after)
    return [*chain, replace(done, outputs=(f"{FITS}/{name}",))]


def keep_fit(folder: Path) -> None:
    """Copy the current fit to `fits/1`, `fits/2` and so on before it is repeated, and print where it is.

    A fit that is in `fits` already is not copied again.
    """
    scene = SceneFolder(folder)
    if not scene.has(SCENE_FILE):
        return
    current = next((done for done in recorded_stages(read_scene(folder)) if done.name == "fit"), None)
    if current is None or not all(scene.has(name) for name in current.outputs):
        return
    kept = [read_json(scene.fit_folder(name) / FIT_FILE) for name in scene.fits]
    if any(each.get("fingerprint") == current.fingerprint for each in kept):
        return
    number = next(n for n in range(1, len(kept) + 2) if not scene.fit_folder(str(n)).exists())
    target = scene.fit_folder(str(number))
    with new_folder(target) as temporary:
        for name in filter(scene.has, FIT_FILES):
            shutil.copyfile(folder / name, temporary / name)
        write_text(temporary / FIT_FILE, json.dumps(record(current), indent=2) + "\n")
    quality = current.facts.get("held_out", {}).get("psnr")
    words = "" if quality is None else f", {quality:.2f} dB on held-out frames"
    print_line(f"fit: the fit before this one is kept in {target} ({current.facts.get('steps')} steps{words})")
