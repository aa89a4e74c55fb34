"""Decide whether something in a scene moves, and warn of words outside the default model's vocabulary."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from recon.capture import Capture

Moves = Literal["auto", "yes", "no"]

_MOTION = """
    bounce bounces bouncing dance dances dancing drive drives driving fall falls falling flies float floats floating fly
    flying hop hopping hops jump jumping jumps move moves moving race races racing roll rolling rolls rotate rotates
    rotating run running runs slide slides sliding spin spinning spins swim swimming swims swing swinging swings turn
    turning turns walk walking walks wave waves waving
"""
MOTION_WORDS = frozenset(_MOTION.split())


def prompt_moves(moves: Moves, prompt: str, model: Path | None = None) -> bool:
    """Whether something moves in the videos of a prompt.

    Args:
        moves: the user's choice; "auto" looks for verbs of motion in the model's vocabulary.
        prompt: what the videos show.
        model: the model folder; None is the default model.
    """
    from cvd3d.training.world.captions import words

    if moves != "auto":
        return moves == "yes"
    known = vocabulary(model)
    return any(word in MOTION_WORDS and (known is None or word in known) for word in words(prompt))


def capture_moves(moves: Moves, capture: Capture) -> bool:
    """Whether something may move in a capture; with "auto", if cameras share two instants or more."""
    return len(shared_instants(capture)) > 1 if moves == "auto" else moves == "yes"


def recorded_moves(moves: Moves, asked: Mapping[str, Any]) -> bool:
    """Whether something moves in a scene; "auto" uses the value recorded in `asked` of its scene.json."""
    if moves == "auto" and "moves" in asked:
        return bool(asked["moves"])
    return prompt_moves(moves, asked.get("prompt", ""))


def shared_instants(capture: Capture) -> list[float]:
    """The sorted times in seconds at which a capture has frames from two places or more."""
    import numpy as np

    centers = capture.cameras.centers.round(9)
    return [
        float(time) for time in np.unique(capture.times) if len(np.unique(centers[capture.times == time], axis=0)) > 1
    ]


def vocabulary(model: Path | None = None) -> frozenset[str] | None:
    """The vocabulary of a model with a word-level tokenizer; None for a subword tokenizer such as CLIP's.

    Args:
        model: the model folder; None is the default model.
    """
    from cvd3d.sampling import DEFAULT_MODEL
    from trajectories.errors import InputError
    from trajectories.files import read_json

    try:
        tokenizer = read_json((model or DEFAULT_MODEL) / "tokenizer" / "tokenizer.json")["model"]
        return frozenset(tokenizer["vocab"]) if tokenizer["type"] == "WordLevel" else None
    except (InputError, KeyError, TypeError):
        return None


def warn_of_unknown_words(prompt: str) -> None:
    """Print a warning on stderr with the words outside the default model's vocabulary, and what to do about them."""
    from cvd3d.training.world.captions import unknown_words

    words = unknown_words(prompt)
    if words:
        print(
            f"cvd3d: warning: not in the default model's vocabulary: {', '.join(map(repr, words))}; the result is a "
            "guess. The model was trained on a small low-poly world (README, 'What the default model can do'); for "
            "anything else give other weights with --model DIR.",
            file=sys.stderr,
        )
