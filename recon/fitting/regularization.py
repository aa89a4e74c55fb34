"""Regularization terms of the loss, which prefer small and faint splats."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from recon.fitting.settings import FitSettings


def regularization(parameters: Mapping[str, Tensor], settings: FitSettings) -> Tensor | float:
    """The weighted mean opacity plus the weighted mean standard deviation in meters; 0.0 if both weights are zero."""
    loss: Tensor | float = 0.0
    default = 0.01 if settings.densify == "mcmc" else 0.0
    if opacity_reg := default if settings.opacity_reg is None else settings.opacity_reg:
        loss = loss + opacity_reg * parameters["opacities"].sigmoid().mean()
    if scale_reg := default if settings.scale_reg is None else settings.scale_reg:
        loss = loss + scale_reg * parameters["scales"].exp().mean()
    return loss
