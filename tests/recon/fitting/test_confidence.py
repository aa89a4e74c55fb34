import torch

from recon.fitting.confidence import MEMORY, Confidence


def test_frames_have_full_weight_up_to_one_and_a_half_medians():
    confidence = Confidence(torch.tensor([1.0, 1.0, 1.0, 0.5, 1.0]), learned=True)
    assert confidence.weights().tolist() == [1, 1, 1, 0.5, 1]
    for frame, loss in enumerate([0.1, 0.14, 0.3, 0.1]):
        confidence.update(frame, loss)
    # The lower of the two middle losses is the median, 0.1: 0.3 is twice the tolerance; frame 4 has no loss yet.
    torch.testing.assert_close(confidence.weights(), torch.tensor([1.0, 1.0, 0.25, 0.5, 1.0]))


def test_losses_are_forgotten_slowly():
    confidence = Confidence(torch.ones(1), learned=True)
    confidence.update(0, 1.0)
    confidence.update(0, 0.0)
    torch.testing.assert_close(confidence.losses, torch.tensor([MEMORY]))


def test_initial_weights_stay_unless_learned():
    confidence = Confidence(torch.tensor([1.0, 0.3]), learned=False)
    confidence.update(0, 100.0)
    assert confidence.weight(0) == 1.0 and round(confidence.weight(1), 6) == 0.3
