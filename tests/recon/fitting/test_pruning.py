import torch

from recon.fitting.frames import TargetFrame
from recon.fitting.pruning import largest_shares, pruned
from recon.splats import MovingSplats, Splats


def in_a_row(*opacities, scale=0.02):
    """Small round splats side by side at 1 m in front of the camera."""
    N = len(opacities)
    means = torch.stack([0.2 * torch.arange(N) - 0.3, torch.zeros(N), torch.ones(N)], dim=1)
    return Splats(
        means,
        torch.ones(N, 4),
        torch.full((N, 3), scale).log(),
        torch.logit(torch.tensor(opacities)),
        torch.zeros(N, 1, 3),
    )


def target(width=64, time=0.0):
    K = torch.tensor([[40.0, 0, width / 2], [0, 40.0, 16], [0, 0, 1]])
    return TargetFrame(0, torch.zeros(32, width, 3), torch.eye(4), K, time)


def test_shares_by_hand():
    # A standard deviation of 0.02 m is 0.8 pixels, plus the rasterizer's blur of 0.3 pixels^2.
    area = 2 * torch.pi * (0.8**2 + 0.3)
    shares = largest_shares(in_a_row(0.5, 0.02, 0.25), [target()])
    torch.testing.assert_close(shares, area * torch.tensor([0.5, 0.02, 0.25]), rtol=0.15, atol=0.02)


def test_a_hidden_splat_and_one_beside_the_image_have_no_share():
    splats = in_a_row(0.5, 0.5, 0.5)
    splats.means[0] = torch.tensor([-9.0, 0, 1])
    splats.means[1] = torch.tensor([0.0, 0, 5])
    wall = in_a_row(0.9999, scale=0.3)
    wall.means[0] = torch.tensor([0.0, 0, 1])
    both = Splats(*(torch.cat([getattr(one, name) for one in (splats, wall)]) for name in vars(wall)))
    shares = largest_shares(both, [target()])
    assert shares[0] == 0 and shares[1] < 0.02 < shares[2]


def test_the_frame_that_shows_most_counts():
    splats = in_a_row(0.5)
    behind = target()
    behind.viewmat[2, 3] = -9.0
    one = largest_shares(splats, [target()])
    torch.testing.assert_close(largest_shares(splats, [behind, target(), behind]), one)


def test_splats_that_are_not_shown_are_removed_and_the_others_unchanged():
    splats = in_a_row(0.5, 0.006, 0.25)
    kept = pruned(splats, [target()], 0.1)
    torch.testing.assert_close(kept.means, splats.means[[0, 2]])
    torch.testing.assert_close(kept.logit_opacities, splats.logit_opacities[[0, 2]])
    assert len(pruned(splats, [target()], 1e6)) == 3  # never all of them


def test_paths_stay_with_their_splats():
    # Splat 1 is faint in the middle and visible at the start; splat 2 is faint throughout.
    fades = torch.zeros(2, 4)
    fades[0, 0] = 8.0
    paths = torch.stack([torch.zeros(4, 3), torch.ones(4, 3)])
    moving = MovingSplats(in_a_row(0.5, 0.006, 0.006, 0.5), torch.tensor([1, 2]), paths, paths, fades, 0.0, 1.0)
    kept = pruned(moving, [target(), target(time=0.5)], 0.1)
    assert isinstance(kept, MovingSplats) and kept.moving.tolist() == [1] and len(kept) == 3
    torch.testing.assert_close(kept.fades, fades[:1])
    torch.testing.assert_close(kept.at(0.0).logit_opacities, moving.at(0.0).logit_opacities[[0, 1, 3]])
    last = moving[torch.tensor([False, False, True, True])]
    assert last.moving.tolist() == [0] and last.shifts.tolist() == paths[1:].tolist()
