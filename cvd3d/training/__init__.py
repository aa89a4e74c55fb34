"""How the small default model is made: a procedural world, its pools of samples, and the paper's order of stages."""
