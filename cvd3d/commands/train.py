"""`cvd3d train`: the default model, from nothing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

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
    minutes: Annotated[float | None, arg(metavar="FLOAT", help_behavior_hint="(default: until it is done)")] = None
    """Stop after this many minutes with the state saved; the same command continues."""
    device: Annotated[str | None, arg(metavar="NAME", help_behavior_hint="(default: a GPU if there is one)")] = None
    """cpu or cuda."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """Arithmetic of the network; auto takes bf16 where a short measurement finds it faster."""
    steps: Annotated[int | None, arg(metavar="INT", help_behavior_hint="(default: the recipe's)")] = None
    """Only this many steps per stage, on little data: to try the code, not to learn."""

    def run(self) -> None:
        """Train and say where the model is."""
        from cvd3d import processes
        from cvd3d.training.recipe import Recipe, shortened
        from cvd3d.training.train import train
        from trajectories.errors import InputError

        if self.steps is not None and self.steps < 1:
            raise InputError(f"--steps is {self.steps}; give at least 1.")
        if self.minutes is not None and not self.minutes > 0:
            raise InputError(f"--minutes is {self.minutes}; give more than 0.")
        recipe = Recipe() if self.steps is None else shortened(Recipe(), self.steps)
        bf16 = None if self.precision == "auto" else self.precision == "bf16"
        device = processes.named_device(self.device)
        finished = train(self.out, recipe, self.until, self.start, self.minutes, device, bf16)
        if processes.rank() > 0:
            return
        if not finished:
            print(f"{self.out}: the state is saved; the same command continues. The model so far:")
        model = self.out / "model"
        print(f'{model}: the model; use it with\n  cvd3d scene "a red cube" --model {model}')
