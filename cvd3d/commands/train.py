"""`cvd3d train`: train the default model from scratch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import arg


@dataclass(frozen=True)
class Train:
    """Train the default model from scratch; if stopped, the same command continues."""

    out: Path = Path("runs/default")
    """A folder for training data, checkpoints and loss curves; the model is written to its subfolder 'model'."""
    until: Annotated[str | None, arg(metavar="STAGE", help_behavior_hint="(default: all)")] = None
    """The last stage to train."""
    start: Annotated[Path | None, arg(metavar="DIR", help_behavior_hint="(default: random weights)")] = None
    """A model folder to start from; its autoencoder is not trained further."""
    minutes: Annotated[float | None, arg(metavar="FLOAT", help_behavior_hint="(default: no limit)")] = None
    """Save a checkpoint and stop after this many minutes; the same command continues."""
    device: Annotated[str | None, arg(metavar="NAME", help_behavior_hint="(default: a GPU if there is one)")] = None
    """The device to train on: cpu or cuda."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """Precision of the network's arithmetic; auto uses bf16 if a short measurement shows that it is faster."""
    steps: Annotated[int | None, arg(metavar="INT", help_behavior_hint="(default: the recipe's)")] = None
    """Train only this many steps per stage, on little data, to test the code; the model will be poor."""

    def run(self) -> None:
        """Train and print where the model is."""
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
            print(f"{self.out}: the checkpoint is saved; the same command continues. The model so far:")
        model = self.out / "model"
        print(f'{model}: the model; use it with\n  cvd3d scene "a red cube" --model {model}')
