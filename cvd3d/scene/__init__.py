"""Make a scene folder from a prompt or a capture: the chain of stages, exports and summaries."""
