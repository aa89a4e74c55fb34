"""Configure gsplat's densification strategies for the schedule of a short fit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from recon.fitting.schedule import FitSchedule

if TYPE_CHECKING:
    from recon.rasterize.strategies import Densification


def make_densification(
    schedule: FitSchedule,
    parameters: dict[str, torch.nn.Parameter],
    optimizers: dict[str, torch.optim.Optimizer],
    generator: torch.Generator,
) -> Densification | None:
    """The densification strategy of the settings, applied to the parameters; None for a fixed set of splats."""
    from recon.rasterize.strategies import Densification, default_strategy, mcmc_strategy

    settings = schedule.settings
    if settings.densify == "none":
        return None
    start, stop, every = schedule.refine_start, schedule.refine_stop, settings.refinement_interval
    steps = {"refine_start_iter": start, "refine_stop_iter": stop, "refine_every": every, "cap_max": settings.cap}
    if settings.densify == "mcmc":
        # Two thirds of the refinements fill the cap; the others only relocate splats.
        rounds = max(1, (stop - start) * 2 // (3 * every))
        growth = max(1.05, (settings.cap / len(parameters["means"])) ** (1 / rounds))
        strategy = mcmc_strategy(**steps, growth=growth)
    else:
        # No opacity reset: splats need thousands of steps to recover, more than these fits have.
        options = {"grow_grad2d": settings.grow_grad2d, "absgrad": settings.absgrad}
        strategy = default_strategy(**steps, **options, reset_every=2 * settings.steps)
    return Densification(strategy, parameters, optimizers, generator, schedule.scale, packed=False)
