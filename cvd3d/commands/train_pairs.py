"""`cvd3d train-pairs`: the paper's training of the cross-view modules on filmed clips."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import arg

if TYPE_CHECKING:
    from cvd3d.training.pairs import PairTraining


@dataclass(frozen=True)
class WarpOptions:
    """Standard deviations of the warp of a clip's last frame."""

    translation: float = 0.15
    """In halves of the image's height."""
    rotation: float = 8.0
    """Degrees."""
    scale: float = 0.1
    shear: float = 0.06
    perspective: float = 0.06


@dataclass(frozen=True)
class TrainPairs:
    """Train the cross-view modules of a model on clips of your own; after a kill, the same command goes on.

    Posed clips are folded in the middle into two videos; any others are paired with a warped copy of themselves.
    """

    out: Path = Path("runs/pairs")
    """A folder for the state and the loss curve; the model is written to its folder 'model'."""
    model: Annotated[Path | None, arg(metavar="DIR", help_behavior_hint="(default: the model of cvd3d)")] = None
    """The model whose modules learn."""
    posed: Annotated[Path | None, arg(metavar="DIR", help_behavior_hint="")] = None
    """RealEstate10K clips and their pose files."""
    captioned: Annotated[Path | None, arg(metavar="DIR", help_behavior_hint="")] = None
    """Any clips, with captions.json or a text file beside each."""
    posed_share: float = 0.7
    """Share of steps with posed clips, where there are both."""
    lora: Annotated[Path | None, arg(metavar="FILE", help_behavior_hint="")] = None
    """A LoRA at work on posed clips only, such as CameraCtrl's for RealEstate10K."""
    size: int = 256
    """Pixels on a side of the frames."""
    frames: int = 16
    steps: int = 100_000
    pairs: int = 8
    """Pairs of one step, over all processes and accumulated batches."""
    accumulate: int = 1
    """Batches whose gradients are added up for one step."""
    precision: Literal["fp32", "bf16"] = "fp32"
    learning_rate: float = 1e-4
    timesteps: Literal["shared", "independent"] = "shared"
    """Whether two videos of a pair have one timestep (the paper) or each its own (the released code)."""
    text_dropout: float = 0.1
    seed: int = 42
    warp: WarpOptions = field(default_factory=WarpOptions)

    def run(self) -> None:
        """Train and say where the model is."""
        from cvd3d.training.pairs import train_pairs

        model = train_pairs(self.out, self.model, self.training())
        print(f'{model}: the model; use it with\n  cvd3d scene "a red cube" --model {model}')

    def training(self) -> PairTraining:
        """What is trained on, in the library's words and units.

        Raises:
            InputError: what `PairTraining` and `Warp` refuse.
        """
        from math import radians

        from cvd3d.training.homography import Warp
        from cvd3d.training.pairs import PairTraining

        warp = self.warp
        return PairTraining(
            posed=self.posed,
            captioned=self.captioned,
            posed_share=self.posed_share,
            lora=self.lora,
            warp=Warp(warp.translation, radians(warp.rotation), warp.scale, warp.shear, warp.perspective),
            side=self.size,
            frames=self.frames,
            steps=self.steps,
            pairs=self.pairs,
            accumulate=self.accumulate,
            half=self.precision == "bf16",
            learning_rate=self.learning_rate,
            text_dropout=self.text_dropout,
            shared_timestep=self.timesteps == "shared",
            seed=self.seed,
        )
