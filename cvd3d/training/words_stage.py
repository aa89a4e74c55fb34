"""Training of the text encoder on captions alone: it learns to answer questions about the described scene.

SD's text encoder is pretrained. A small one trained with images only spends most of its training on learning that "red"
in "a red cube and a blue ball" belongs to the cube.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import CLIPTextModel, PreTrainedTokenizerBase

from cvd3d.model.text import encode_text
from cvd3d.training.loop import learn
from cvd3d.training.recipe import WordsStage
from cvd3d.training.states import trainable
from cvd3d.training.world.captions import caption
from cvd3d.training.world.objects import COLORS, OBJECTS
from cvd3d.training.world.scenes import BOUNCING, DRIVING, SPINNING, STILL, World, sample_world
from cvd3d.training.world.surroundings import GROUNDS, SKIES

NOTHING = "nothing"  # the answer if there is no second object

THING = ((*OBJECTS, NOTHING), (*COLORS, NOTHING), (STILL, BOUNCING, SPINNING, DRIVING, NOTHING))
QUESTIONS: tuple[tuple[str, ...], ...] = (*THING, *THING, tuple(GROUNDS), tuple(SKIES))
"""The possible answers to each question: kind, color and action of the first and second object, ground, sky."""


def answers(world: World) -> list[int]:
    """The correct answer to each of `QUESTIONS`, as an index into its possible answers."""
    correct: list[str] = []
    for thing in (*world.objects, None)[:2]:
        correct += [NOTHING] * 3 if thing is None else [thing.kind, thing.color, thing.action]
    correct += [world.ground, world.sky]
    return [possible.index(answer) for possible, answer in zip(QUESTIONS, correct)]


class Reader(nn.Module):
    """Answers each question from one attention over the tokens, similar to the cross-attention of a UNet."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.queries = nn.Parameter(torch.randn(len(QUESTIONS), dim) * dim**-0.5)
        self.answers = nn.ModuleList(nn.Linear(dim, len(possible)) for possible in QUESTIONS)

    def forward(self, text: Tensor) -> list[Tensor]:
        """Map token features (B, L, D) to logits (B, possible answers) for each question."""
        weights = torch.einsum("qd,bld->bql", self.queries, text).softmax(dim=-1)
        read = torch.einsum("bql,bld->bqd", weights, text)
        return [answer(read[:, i]) for i, answer in enumerate(self.answers)]


def train_words(
    encoder: CLIPTextModel,
    tokenizer: PreTrainedTokenizerBase,
    stage: WordsStage,
    state: Path,
    seed: int,
    deadline: float | None = None,
) -> None:
    """Train the encoder in place on captions of random worlds, together with a reader that is discarded.

    See `loop.learn`. The log has the share of correct answers, which stays below 1 because captions do not mention
    everything.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # modules draw their initial weights from the global generator
        reader = Reader(encoder.config.hidden_size).to(encoder.device)
    both = nn.ModuleList([encoder, reader])

    def loss(count: int, generator: torch.Generator) -> dict[str, Tensor]:
        worlds = [sample_world(generator) for _ in range(count)]
        truth = torch.tensor([answers(world) for world in worlds], device=encoder.device)
        logits = reader(encode_text(tokenizer, encoder, [caption(world, generator) for world in worlds]))
        right = torch.stack([each.argmax(dim=-1) == truth[:, i] for i, each in enumerate(logits)]).float().mean()
        total = torch.stack([F.cross_entropy(each, truth[:, i]) for i, each in enumerate(logits)]).mean()
        return {"loss": total, "right": right}

    parameters = trainable([both], ("",), ())
    learn("Training the text encoder to read", {"both": both}, parameters, stage.schedule, loss, state, seed, deadline)
