"""The training loop of all stages: minimizes a loss function, saves its state and resumes from it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor, nn

from cvd3d import processes
from cvd3d.training.log import Log
from cvd3d.training.muon import MuonAndAdamW
from cvd3d.training.states import Average, load_state, save_state

SAVE_EVERY = 100
STEP_STRIDE, PROCESS_STRIDE = 1_000_003, 64  # make the seeds of all steps and processes different
LAST_RATE = 0.05  # the final learning rate of a stage with decay, relative to its learning rate


@dataclass(frozen=True)
class Schedule:
    """Optimization settings of a stage."""

    steps: int
    batch: int
    """Samples per batch, summed over all processes."""
    learning_rate: float
    warmup: int = 50
    """Steps over which the learning rate rises from 0."""
    decay: float = 0.4
    """Share of the steps at the end over which the learning rate falls linearly to 5 %; 0 keeps it constant."""
    optimizer: Literal["muon", "adamw"] = "muon"
    accumulate: int = 1
    """Batches whose gradients are accumulated for one step."""
    bf16: bool = False
    """Whether the network computes in bfloat16; its weights stay in float32."""
    ema: float = 0.998
    """Decay of the exponential moving average of the parameters, which is the result of the stage."""

    def rate(self, step: int) -> float:
        """The learning rate of a step, counted from 0."""
        rise = min(1.0, (step + 1) / max(self.warmup, 1))
        left = (self.steps - step) / (self.decay * self.steps) if self.decay else 1.0
        return self.learning_rate * rise * max(LAST_RATE, min(1.0, left))


class OutOfTime(Exception):
    """The deadline has passed; the state is saved."""


def learn(
    title: str,
    modules: Mapping[str, nn.Module],
    parameters: Mapping[str, nn.Parameter],
    schedule: Schedule,
    loss: Callable[[int, torch.Generator], dict[str, Tensor]],
    state: Path,
    seed: int,
    deadline: float | None = None,
    after_save: Callable[[int], None] | None = None,
) -> None:
    """Train parameters in place, and set them to their moving averages at the end.

    Resumes from `state` if it exists; the result is bitwise equal to that of an uninterrupted run. Each step and each
    process has a different seed. Several processes (see `processes`) share the batch.

    Args:
        title: title of the progress bar.
        modules: the modules saved in the state, by name.
        parameters: the parameters to train, by name.
        schedule: the optimization settings.
        loss: maps the number of samples and a seeded generator to the measures of one batch; "loss" is minimized, and
            all are logged.
        state: path of the state without a suffix; the log has the same path with the suffix .csv.
        seed: seed of the stage.
        deadline: the value of `time.monotonic()` at which the stage stops.
        after_save: called with the number of finished steps each time the state is saved.

    Raises:
        OutOfTime: the deadline has passed; the state is saved, and the parameters are set to their averages.
    """
    generator = torch.Generator()
    share = max(1, schedule.batch // processes.count())
    dtype = torch.bfloat16 if schedule.bf16 else torch.float32
    optimizer = MuonAndAdamW(parameters, schedule.learning_rate, schedule.optimizer == "muon", dtype)
    average = Average(dict(parameters), schedule.ema)
    log = Log(state.with_suffix(".csv"))
    device = next(iter(parameters.values())).device
    first = 0
    if (saved := load_state(state)) is not None:
        first = saved["step"]
        for name, module in modules.items():
            module.load_state_dict(saved[name])
        optimizer.load_state_dict(saved["optimizer"])
        average.load(saved["average"])
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, disable=processes.rank() > 0) as progress:
        bar = progress.add_task(title, total=schedule.steps, completed=first)
        for step in range(first, schedule.steps):
            generator.manual_seed((seed * STEP_STRIDE + step) * PROCESS_STRIDE + processes.rank())
            measured: dict[str, float] = {}
            for _ in range(schedule.accumulate):
                with torch.autocast(device.type, torch.bfloat16, enabled=schedule.bf16):
                    values = loss(share, generator)
                (values["loss"] / schedule.accumulate).backward()
                for name, value in values.items():
                    measured[name] = measured.get(name, 0.0) + value.item() / schedule.accumulate
            processes.average_gradients(parameters.values())
            nn.utils.clip_grad_norm_(list(parameters.values()), 1.0)
            optimizer.step(schedule.rate(step))
            average.update(step)
            progress.advance(bar)
            log.add(step, **measured)
            late = deadline is not None and processes.any_of(time.monotonic() > deadline)
            if (step + 1) % SAVE_EVERY == 0 or step + 1 == schedule.steps or late:
                held = {name: module.state_dict() for name, module in modules.items()}
                save_state(
                    state,
                    {**held, "step": step + 1, "optimizer": optimizer.state_dict(), "average": average.values},
                )
                if after_save is not None:
                    after_save(step + 1)
            if late and step + 1 < schedule.steps:
                average.apply()
                raise OutOfTime
    average.apply()
    for module in modules.values():
        module.requires_grad_(False)
