"""What a prompt says about the scene: words that the default model does not know, and whether something moves."""

from __future__ import annotations

import sys


def something_moves(prompt: str) -> bool:
    """Whether the prompt names a motion."""
    from cvd3d.training.world.captions import moves

    return bool(moves(prompt))


def warn_of_unknown_words(prompt: str) -> None:
    """Name on stderr the words that the default model has never seen, and say what to do about them."""
    from cvd3d.training.world.captions import unknown_words

    words = unknown_words(prompt)
    if words:
        print(
            f"cvd3d: warning: the default model does not know {', '.join(map(repr, words))} and will guess; it knows a "
            "small low-poly world (README, 'What the default model can do'). For anything else give other weights: "
            "--model DIR.",
            file=sys.stderr,
        )
