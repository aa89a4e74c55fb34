"""Fitting splats to posed frames: the optimization, its settings, and how good its result is."""
