import torch

from recon.fitting.frames import TargetFrame


def test_half_a_frame_is_the_same_view():
    # Four pixels of a row become two; a point at x = 3 of 5 is at 1.5 of 2.
    image = torch.tensor([[1.0, 3.0, 5.0, 9.0, 100.0]] * 2)[..., None].expand(2, 5, 3)
    K = torch.tensor([[8.0, 0.0, 3.0], [0.0, 8.0, 1.0], [0.0, 0.0, 1.0]])
    half = TargetFrame(0, image, torch.eye(4), K, 0.0, torch.tensor([[3.0, 1.0, 7.0]])).halved()
    torch.testing.assert_close(half.image, torch.tensor([[2.0, 7.0]])[..., None].expand(1, 2, 3))
    torch.testing.assert_close(half.K, torch.tensor([[4.0, 0.0, 1.5], [0.0, 4.0, 0.5], [0.0, 0.0, 1.0]]))
    torch.testing.assert_close(half.points, torch.tensor([[1.5, 0.5, 7.0]]))
