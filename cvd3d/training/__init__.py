"""Training of the small default model (procedural world, pools of samples, stages) and of the cross-view modules."""
