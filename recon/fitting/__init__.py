"""Fitting splats to posed frames: the optimization, its settings, and the evaluation of its result."""
