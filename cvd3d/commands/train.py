"""`cvd3d train`: the default model, from nothing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import arg


@dataclass(frozen=True)
class Train:
    """Train the default model from nothing; after a kill, the same command goes on."""

    out: Path = Path("runs/default")
    """A folder for training data, states and loss curves; the model is written to its folder 'model'."""
    until: Annotated[str | None, arg(metavar="STAGE", help_behavior_hint="(default: all)")] = None
    """The last stage to train."""
    start: Annotated[Path | None, arg(metavar="DIR", help_behavior_hint="(default: random weights)")] = None
    """A model folder to go on from, with its autoencoder as it is."""
    steps: Annotated[int | None, arg(metavar="INT", help_behavior_hint="(default: the recipe's)")] = None
    """Only so many steps a stage, on little data: to try the code, not to learn."""

    def run(self) -> None:
        """Train and say where the model is."""
        from cvd3d.training.recipe import Recipe
        from cvd3d.training.train import shortened, train
        from trajectories.errors import InputError

        if self.steps is not None and self.steps < 1:
            raise InputError(f"--steps is {self.steps}; give at least 1.")
        recipe = Recipe() if self.steps is None else shortened(Recipe(), self.steps)
        model = train(self.out, recipe, self.until, self.start)
        print(f'{model}: the model; use it with\n  cvd3d scene "a red cube" --model {model}')
