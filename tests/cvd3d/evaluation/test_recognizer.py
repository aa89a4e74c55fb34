import numpy as np
import pytest
import torch

from cvd3d.evaluation.cases import held_out_case
from cvd3d.evaluation.kinds import objects_right
from cvd3d.evaluation.recognizer import PAIRS, SEEN, WEIGHTS_FILE, Recognizer, load_recognizer, pair_logits
from cvd3d.training.world.film import film, shown
from trajectories import make_rig


def test_every_pair_of_kind_and_color_has_an_output():
    assert len(PAIRS) == len(set(PAIRS)) == 72
    assert Recognizer()(torch.rand(2, 3, 128, 96)).shape == (2, 72)


def test_a_pair_is_there_where_one_cell_votes_for_both():
    recognizer = Recognizer().eval()

    class Votes(torch.nn.Module):
        def forward(self, x):
            votes = torch.full((1, 17, 8, 8), -20.0)
            votes[0, 1, 2, 2] = votes[0, 9 + 0, 2, 2] = 8.0  # one cell: a red cube
            votes[0, 0, 5, 5] = votes[0, 9 + 4, 5, 5] = 8.0  # another: a blue ball
            return votes

    recognizer.conv_out = Votes()
    logits = dict(zip(PAIRS, recognizer(torch.zeros(1, 3, 64, 64))[0].tolist()))
    np.testing.assert_allclose(logits["cube", "red"], 8 - np.log(2), atol=1e-4)
    np.testing.assert_allclose(logits["ball", "blue"], 8 - np.log(2), atol=1e-4)
    assert max(value for pair, value in logits.items() if pair not in (("cube", "red"), ("ball", "blue"))) < -10


def test_bytes_and_floats_are_read_alike():
    frames = np.random.default_rng(0).integers(0, 256, (2, 3, 16, 16, 3), dtype=np.uint8)
    recognizer = Recognizer().eval()
    whole, shares = pair_logits(recognizer, frames), pair_logits(recognizer, frames.astype(np.float32) / 255)
    assert whole.shape == (2, 3, 72)
    np.testing.assert_allclose(whole, shares, atol=1e-4)


def test_the_shipped_weights_are_small():
    assert WEIGHTS_FILE.stat().st_size < 1e6
    assert sum(p.numel() for p in Recognizer().parameters()) < 400_000


@pytest.fixture(scope="module")
def true_renders():
    """(case, logits, in view) of three frames of true videos that the shipped recognizer has never seen."""
    found = []
    for number in range(0, 100, 3):
        case = held_out_case(number)
        rig = make_rig(("circle", "orbit")[number % 4 // 2], 1, 3)
        in_view = shown(case.world, rig)[0] >= SEEN
        found.append((case, pair_logits(load_recognizer(), film(case.world, rig)[0]), in_view))
    return found


@pytest.mark.slow
def test_true_renders_are_recognized(true_renders):
    right = [ok for case, logits, in_view in true_renders for ok in objects_right(logits, case.pairs, in_view)]
    assert np.mean(right) >= 0.94  # 97 % over many more, see docs/evaluation.md


def test_what_is_not_there_is_not_recognized(true_renders):
    wrong = []
    for (_, logits, in_view), (other, *_) in zip(true_renders, true_renders[1:]):
        in_view = np.ones((3, len(other.pairs)), dtype=bool)
        wrong.append(all(objects_right(logits, other.pairs, in_view)))
    assert np.mean(wrong) <= 0.05
