"""`cvd3d eval`: measure the quality of a model."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import FlagCreatePairsOff, Positional, arg

Measure = Literal[
    "kinds", "twins", "synchrony", "flicker", "views", "splats", "walk"
]  # cvd3d.evaluation.suite.MEASURES
QUICK_CASES, QUICK_FRAMES, QUICK_STEPS = 4, 4, 8


@dataclass(frozen=True)
class Eval:
    """Measure a model on prompts that are held out of the training; if stopped, the same command continues."""

    suite: Annotated[Positional[Literal["world"]], arg(metavar="world")]
    """The set of prompts: world, the procedural world of the default model."""
    model: Annotated[
        Path | None, arg(metavar="DIR", help_behavior_hint="(default: the model that comes with cvd3d)")
    ] = None
    """The model folder to measure."""
    measures: Annotated[tuple[Measure, ...], arg(metavar="NAME", help_behavior_hint="(default: all)")] = ()
    """The measures: kinds, twins, synchrony, flicker, views, splats, walk (see docs/evaluation.md)."""
    prompts: Annotated[int | None, arg(metavar="INT", help_behavior_hint="(default: depends on the measure)")] = None
    """The largest number of prompts for each measure."""
    out: Path = Path("runs/eval")
    """A folder for results.json, contact_sheet.png and the results so far."""
    seed: int = 0
    """Seed of the initial noise of the videos."""
    steps: Annotated[int | None, arg(metavar="INT", help_behavior_hint="(default: the model's)")] = None
    """Denoising steps."""
    quick: FlagCreatePairsOff[bool] = False
    """Use few prompts, frames and steps, to test the command; the results mean little."""

    def run(self) -> None:
        """Measure the model and print the table."""
        from trajectories.errors import InputError

        for name in ("prompts", "steps"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InputError(f"--{name} is {value}; give at least 1.")
        from cvd3d.evaluation.recognizer import WEIGHTS_FILE, load_recognizer
        from cvd3d.evaluation.studio import Studio
        from cvd3d.evaluation.suite import MEASURES, RESULTS_FILE, run_suite, table
        from cvd3d.sampling import load_pipeline, weights_hash
        from cvd3d.scene.chain import print_line

        steps = self.steps or (QUICK_STEPS if self.quick else None)
        frames = QUICK_FRAMES if self.quick else None
        prompts = self.prompts or (QUICK_CASES if self.quick else None)
        quality = "draft" if self.quick else "normal"
        studio = Studio(load_pipeline(self.model), load_recognizer(), self.seed, steps, frames, quality)
        facts = {
            "weights": weights_hash(self.model),
            "recognizer": hashlib.sha256(WEIGHTS_FILE.read_bytes()).hexdigest()[:16],
            "seed": self.seed,
            "steps": steps,
            "quick": self.quick,
        }
        rows = run_suite(self.out, studio, self.measures or tuple(MEASURES), prompts, facts, print_line)
        print(f"\n{table(rows)}\n\n{self.out}/{RESULTS_FILE}")
