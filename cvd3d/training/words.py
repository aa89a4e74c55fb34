"""Training of the text encoder to read captions, before any picture: which thing, which colour, where.

SD's text encoder comes pretrained. A small one that learns from pictures alone needs most of its time to find out that
the red of "a red cube and a blue ball" belongs to the cube.
"""

from __future__ import annotations

from pathlib import Path

import torch
from rich.progress import Progress
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import CLIPTextModel, PreTrainedTokenizerBase

from cvd3d import processes
from cvd3d.model.text import encode_text
from cvd3d.training.checkpoints import load_state, save_state
from cvd3d.training.log import Log
from cvd3d.training.recipe import WordsStage
from cvd3d.training.world.captions import caption
from cvd3d.training.world.objects import COLORS, OBJECTS
from cvd3d.training.world.scenes import BOUNCING, DRIVING, GROUNDS, SKIES, SPINNING, STILL, World, sample_world

SAVE_EVERY = 200
NOTHING = "nothing"  # where a second object is not there

THING = ((*OBJECTS, NOTHING), (*COLORS, NOTHING), (STILL, BOUNCING, SPINNING, DRIVING, NOTHING))
QUESTIONS: tuple[tuple[str, ...], ...] = (*THING, *THING, tuple(GROUNDS), tuple(SKIES))
"""The possible answers to each question: kind, colour and action of the first and second object, ground, sky."""


def answers(world: World) -> list[int]:
    """The true answer to each of `QUESTIONS`, as an index into its possible ones."""
    said: list[str] = []
    for thing in (*world.objects, None)[:2]:
        said += [NOTHING] * 3 if thing is None else [thing.kind, thing.color, thing.action]
    said += [world.ground, world.sky]
    return [possible.index(answer) for possible, answer in zip(QUESTIONS, said)]


class Reader(nn.Module):
    """Answers each question from one attention over the tokens, the way that a UNet reads them."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.queries = nn.Parameter(torch.randn(len(QUESTIONS), dim) * dim**-0.5)
        self.answers = nn.ModuleList(nn.Linear(dim, len(possible)) for possible in QUESTIONS)

    def forward(self, text: Tensor) -> list[Tensor]:
        """(B, L, D) token features to (B, possible answers) logits for each question."""
        weights = torch.einsum("qd,bld->bql", self.queries, text).softmax(dim=-1)
        read = torch.einsum("bql,bld->bqd", weights, text)
        return [answer(read[:, i]) for i, answer in enumerate(self.answers)]


def train_words(
    encoder: CLIPTextModel, tokenizer: PreTrainedTokenizerBase, stage: WordsStage, state_file: Path, seed: int
) -> None:
    """Train the encoder in place on captions of random worlds, together with a reader that is thrown away.

    Goes on from `state_file` if it is there. The log tells the share of right answers, which stays below 1 because
    captions leave things unsaid.
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # modules draw their first weights from the global generator
        reader = Reader(encoder.config.hidden_size)
    encoder.requires_grad_(True)
    both = nn.ModuleList([encoder, reader])
    optimizer = torch.optim.AdamW(both.parameters(), lr=stage.learning_rate, betas=(0.9, 0.99), weight_decay=1e-2)
    log = Log(state_file.with_suffix(".csv"))
    first = 0
    if (state := load_state(state_file)) is not None:
        first = state["step"]
        both.load_state_dict(state["both"])
        optimizer.load_state_dict(state["optimizer"])
        generator.set_state(state["generator"])
    with Progress(disable=processes.rank() > 0) as progress:
        bar = progress.add_task("Training the text encoder to read", total=stage.steps, completed=first)
        for step in range(first, stage.steps):
            optimizer.param_groups[0]["lr"] = stage.learning_rate * min(1, (step + 1) / 50, 1.02 - step / stage.steps)
            worlds = [sample_world(generator) for _ in range(stage.batch)]
            truth = torch.tensor([answers(world) for world in worlds])
            logits = reader(encode_text(tokenizer, encoder, [caption(world, generator) for world in worlds]))
            loss = torch.stack([F.cross_entropy(said, truth[:, i]) for i, said in enumerate(logits)]).mean()
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(list(both.parameters()), 1.0)
            optimizer.step()
            right = torch.stack([said.argmax(dim=-1) == truth[:, i] for i, said in enumerate(logits)]).float().mean()
            log.add(step, loss=loss.item(), right=right.item())
            progress.advance(bar)
            if (step + 1) % SAVE_EVERY == 0 or step + 1 == stage.steps:
                save_state(
                    state_file,
                    {
                        "step": step + 1,
                        "both": both.state_dict(),
                        "optimizer": optimizer.state_dict(),
                        "generator": generator.get_state(),
                    },
                )
    encoder.requires_grad_(False)
