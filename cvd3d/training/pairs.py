"""The paper's training of the cross-view modules alone, on filmed clips (sections 3.3 and 3.4)."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from pathlib import Path

from cvd3d import processes
from cvd3d.model.lora import SwitchedLora
from cvd3d.training.batches import BatchSource, Mixture
from cvd3d.training.curves import draw_curve, draw_preview
from cvd3d.training.diffusion_stage import Networks, train_stage
from cvd3d.training.filmed import ClipShape, FoldedClips, WarpedClips
from cvd3d.training.homography import Warp
from cvd3d.training.loop import Schedule
from cvd3d.training.model_folder import save_model
from cvd3d.training.recipe import CROSS_VIEW, DiffusionStage
from cvd3d.training.states import claim
from trajectories import InputError

SHOW_EVERY = 1000  # steps between two previews
SIDE_MULTIPLE = 16  # pixels of the coarsest features of the default model


@dataclass(frozen=True)
class PairTraining:
    """What the pairs are made of and how the modules learn; the defaults are the paper's where it says.

    Raises:
        InputError: no clips, or a number out of range.
    """

    posed: Path | None = None
    """Folder of RealEstate10K clips and pose files."""
    captioned: Path | None = None
    """Folder of any clips with captions."""
    posed_share: float = 0.7
    """Share of batches with posed clips, where there are both."""
    lora: Path | None = None
    """A LoRA that is at work on posed clips only (CameraCtrl's for RealEstate10K)."""
    warp: Warp = field(default_factory=Warp)
    side: int = 256
    frames: int = 16
    steps: int = 100_000
    pairs: int = 8
    """Pairs of one step, over all processes and accumulated batches."""
    accumulate: int = 1
    half: bool = False
    learning_rate: float = 1e-4
    text_dropout: float = 0.1
    shared_timestep: bool = True
    seed: int = 42

    def __post_init__(self) -> None:
        if self.posed is None and self.captioned is None:
            raise InputError(
                "There is nothing to learn from; give a folder of posed clips, of captioned ones, or of both."
            )
        for name in ("frames", "steps", "pairs", "accumulate"):
            if getattr(self, name) < 1:
                raise InputError(f"The number for {name} is {getattr(self, name)}; give at least 1.")
        if self.side < 1 or self.side % SIDE_MULTIPLE:
            raise InputError(f"The size of the frames is {self.side} pixels; give a multiple of {SIDE_MULTIPLE}.")
        if not 0 < self.posed_share < 1:
            raise InputError(f"The share of posed clips is {self.posed_share}; give a number between 0 and 1.")
        if not (math.isfinite(self.learning_rate) and self.learning_rate > 0):
            raise InputError(f"The learning rate is {self.learning_rate}; give a number above 0.")


def train_pairs(run: Path, model: Path | None, training: PairTraining) -> Path:
    """Train the cross-view modules of a model; goes on from `run` if it is there.

    Args:
        run: folder of the state, the loss curve and the trained model.
        model: a model folder; the default model unless given.
        training: the options.

    Returns:
        The model folder, `run/model`.

    Raises:
        InputError: no clips, or options that do not fit.
    """
    from cvd3d.sampling import load_pipeline

    if training.pairs % (training.accumulate * processes.count()):
        raise InputError(
            f"{training.pairs} pairs a step do not fall into {training.accumulate} batches on {processes.count()} "
            "processes; give a multiple."
        )
    run.mkdir(parents=True, exist_ok=True)
    claim(
        run / "training.json",
        {**asdict(training), "model": model},
        "is of a training with other options; give --out a folder of its own.",
    )
    pipeline = load_pipeline(model)
    device = processes.device()
    pipeline.to(device)
    framing = ClipShape(pipeline.vae, training.side, training.frames, training.text_dropout)
    sources: list[tuple[BatchSource, float]] = []
    if training.posed is not None:
        sources.append((FoldedClips(training.posed, framing), training.posed_share))
    if training.captioned is not None:
        sources.append((WarpedClips(training.captioned, framing, training.warp), 1 - training.posed_share))
    lora = None if training.lora is None else SwitchedLora(pipeline.unet, training.lora).to(device)
    networks = Networks(pipeline.unet.train(), pipeline.text_encoder, pipeline.tokenizer, pipeline.scheduler, lora)
    schedule = Schedule(
        training.steps, training.pairs // training.accumulate, training.learning_rate, warmup=1, decay=0.0,
        optimizer="adamw", accumulate=training.accumulate, bf16=training.half, ema=0.999,
    )  # fmt: skip
    stage = DiffusionStage(
        "pairs", "", schedule, training.frames, (CROSS_VIEW,), cameras=True, pairs=True, timesteps="uniform",
        shared_timestep=training.shared_timestep,
    )  # fmt: skip
    source = sources[0][0] if len(sources) == 1 else Mixture(*zip(*sources))

    def show(step: int) -> None:
        if step % SHOW_EVERY == 0 or step == training.steps:
            if lora is not None:
                lora.active = False
            draw_curve(run / "pairs.csv", run / "pairs.png")
            draw_preview(pipeline, training.side, training.frames, run / "previews" / f"{step:06d}.png")

    train_stage(networks, stage, source, run / "pairs", training.seed, after_save=show)
    if processes.rank() == 0:
        save_model(pipeline, run / "model")
    processes.wait()
    return run / "model"
