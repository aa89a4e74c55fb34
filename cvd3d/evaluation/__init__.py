"""Measures of the quality of a model's videos, on prompts of the procedural world that are held out of training."""
