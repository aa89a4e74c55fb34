"""From a prompt or a capture to a scene folder: the chain of stages, their exports and their summaries."""
