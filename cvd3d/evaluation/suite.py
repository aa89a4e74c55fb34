"""Take all measures of a model, save the result of each case, and make the table."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from cvd3d.evaluation.cases import Case
from cvd3d.evaluation.contact_sheet import contact_sheet
from cvd3d.evaluation.flicker import FLICKER
from cvd3d.evaluation.kinds import KINDS_AND_COLORS
from cvd3d.evaluation.measure import Measure, Row
from cvd3d.evaluation.splats import LEFT_OUT, WALK_AROUND
from cvd3d.evaluation.studio import Studio
from cvd3d.evaluation.twins import MORE_VIEWS, SYNCHRONY, TWIN_DIFFERENCE
from cvd3d.training.states import claim
from trajectories import InputError
from trajectories.files import whole, write_text

MEASURES: dict[str, Measure] = {
    measure.name: measure
    for measure in (KINDS_AND_COLORS, TWIN_DIFFERENCE, SYNCHRONY, FLICKER, MORE_VIEWS, LEFT_OUT, WALK_AROUND)
}
RESULTS_FILE, SHEET_FILE = "results.json", "contact_sheet.png"
ON_SHEET = 20  # cases


@dataclass(frozen=True)
class Task:
    """A case of a measure."""

    measure: Measure
    case: Case

    def file(self, out: Path, suffix: str) -> Path:
        """The file of its result."""
        return out / "cases" / f"{self.measure.name}-{self.case.number:03d}{suffix}"


def run_suite(
    out: Path,
    studio: Studio,
    names: Sequence[str],
    prompts: int | None,
    facts: dict[str, Any],
    report: Callable[[str], None] = print,
) -> list[Row]:
    """Take the measures; finished cases of an earlier call with the same facts are kept.

    Args:
        out: folder of `results.json`, `contact_sheet.png` and the cases.
        studio: the model.
        names: keys of `MEASURES`.
        prompts: the largest number of cases of each measure.
        facts: JSON values that determine the results.
        report: called with lines about the progress.

    Raises:
        InputError: an unknown measure, or a folder with results of other facts.
    """
    for name in names:
        if name not in MEASURES:
            raise InputError(f"There is no measure {name!r}; give some of {', '.join(MEASURES)}.")
    (out / "cases").mkdir(parents=True, exist_ok=True)
    claim(out / "eval.json", facts, "is of another model or other options; give --out a folder of its own.")
    tasks = [Task(MEASURES[name], case) for name in names for case in MEASURES[name].cases()[:prompts]]
    _take_all(tasks, out, studio, report)
    rows, values = [], {}
    for name in names:
        mine = [task for task in tasks if task.measure.name == name]
        found = [json.loads(task.file(out, ".json").read_text()) for task in mine]
        rows += MEASURES[name].rows(found)
        values[name] = [{"prompt": task.case.prompt, **each} for task, each in zip(mine, found)]
    results = {**facts, "table": [asdict(row) for row in rows], "cases": values}
    write_text(out / RESULTS_FILE, json.dumps(results, indent=2) + "\n")
    if KINDS_AND_COLORS.name in names:
        _draw_sheet(tasks, out)
    return rows


def table(rows: Sequence[Row]) -> str:
    """The rows as aligned text."""
    width = max(len(row.what) for row in rows)
    marks = {None: "", True: "yes", False: "no"}
    lines = [f"{'measure':<{width}}  {'value':>9}  {'aim':>9}  reached"]
    lines += [f"{row.what:<{width}}  {row.value:>9.4g}  {row.aim:>9}  {marks[row.reached]}".rstrip() for row in rows]
    return "\n".join(lines)


def _take_all(tasks: Sequence[Task], out: Path, studio: Studio, report: Callable[[str], None]) -> None:
    left = [task for task in tasks if not task.file(out, ".json").exists()]
    work = [sum(studio.work(views) for views in task.measure.videos) for task in left]
    sets = sum(len(task.measure.videos) for task in left)
    report(f"{len(left)} of {len(tasks)} cases to take: {sets} sets of videos, {sum(work)} network passes of a pair")
    start = time.monotonic()
    for index, task in enumerate(left):
        found = task.measure.take(task.case, studio)
        if found.picture is not None:
            _save(Image.fromarray(found.picture), task.file(out, ".png"))
        write_text(task.file(out, ".json"), json.dumps(found.values) + "\n")
        minutes = (time.monotonic() - start) / 60
        rest = minutes * sum(work[index + 1 :]) / max(sum(work[: index + 1]), 1)
        report(f"{task.measure.name} {task.case.number}: {task.case.prompt} (about {rest:.0f} min left, without fits)")


def _draw_sheet(tasks: Sequence[Task], out: Path) -> None:
    shown = [task for task in tasks if task.measure is KINDS_AND_COLORS][:ON_SHEET]
    pictures = [np.asarray(Image.open(task.file(out, ".png"))) for task in shown]
    good = [all(json.loads(task.file(out, ".json").read_text())["generated"]) for task in shown]
    _save(contact_sheet(pictures, [task.case.prompt for task in shown], good), out / SHEET_FILE)


def _save(image: Image.Image, path: Path) -> None:
    with whole(path) as temporary:
        image.save(temporary, "PNG")
