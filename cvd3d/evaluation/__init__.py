"""How good a model's videos are, measured against the procedural world whose captions it knows."""
