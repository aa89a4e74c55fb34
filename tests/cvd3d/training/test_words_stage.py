import pytest
import torch

from cvd3d.model.text import encode_text
from cvd3d.training import loop
from cvd3d.training.loop import Schedule
from cvd3d.training.recipe import WordsStage
from cvd3d.training.words_stage import QUESTIONS, Reader, answers, train_words
from cvd3d.training.world.scenes import BOUNCING, Object, World


def answer_names(world):
    return [possible[answer] for possible, answer in zip(QUESTIONS, answers(world))]


def test_the_answers_of_a_scene():
    ball = Object("ball", "red", (0.0, 0.0), 0.0, 1.0, BOUNCING)
    house = Object("house", "blue", (1.0, 0.0), 0.0, 1.0)
    nothing = ["nothing"] * 3
    assert answer_names(World((ball,), "snow", "night")) == ["ball", "red", "bouncing", *nothing, "snow", "night"]
    assert answer_names(World((house, ball)))[:6] == ["house", "blue", "still", "ball", "red", "bouncing"]


def test_a_reader_attends_to_the_tokens_of_its_queries():
    reader = Reader(4)
    text = torch.zeros(1, 3, 4)
    text[0, 1] = torch.tensor([9.0, 0.0, 0.0, 0.0])
    with torch.no_grad():
        reader.queries.zero_()
        reader.queries[0, 0] = 9.0  # it attends to the second token only
        reader.answers[0].weight.zero_()
        reader.answers[0].weight[5, 0] = 1.0
        reader.answers[0].bias.zero_()
        logits = reader(text)
    assert [len(answer[0]) for answer in logits] == [len(possible) for possible in QUESTIONS]
    assert logits[0][0].argmax() == 5 and logits[0][0, 5] == pytest.approx(9.0)


@pytest.mark.slow
def test_the_encoder_learns_to_read(networks, tmp_path):
    trained = networks()
    train_words(
        trained.text_encoder,
        trained.tokenizer,
        WordsStage("words", Schedule(80, 16, 5e-3, optimizer="adamw")),
        tmp_path / "words",
        seed=1,
    )
    lines = (tmp_path / "words.csv").read_text().splitlines()
    first, last = (float(line.split(",")[2]) for line in (lines[1], lines[-1]))
    assert lines[0] == "step,seconds,loss,right" and last < 0.8 * first
    assert not any(p.requires_grad for p in trained.text_encoder.parameters())


def test_a_killed_run_resumes_to_the_same_bits(networks, tmp_path, monkeypatch):
    def run(state):
        trained = networks()
        train_words(trained.text_encoder, trained.tokenizer, WordsStage("words", Schedule(4, 2, 1e-2)), state, seed=1)
        return encode_text(trained.tokenizer, trained.text_encoder, ["a red cube"])

    def dies(self, step, **values):
        if step == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(loop, "SAVE_EVERY", 2)
    uninterrupted = run(tmp_path / "a")
    with monkeypatch.context() as patch:
        patch.setattr(loop.Log, "add", dies)
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path / "b")
    assert torch.equal(run(tmp_path / "b"), uninterrupted)
