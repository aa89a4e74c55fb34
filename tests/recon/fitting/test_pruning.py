import torch

from recon.fitting.pruning import highest_opacities, pruned
from recon.splats import MovingSplats, Splats

OPACITIES = torch.tensor([0.5, 0.01, 0.02, 0.019])


def four_splats():
    return Splats(
        torch.arange(12.0).reshape(4, 3),
        torch.ones(4, 4),
        torch.zeros(4, 3),
        torch.logit(OPACITIES),
        torch.zeros(4, 1, 3),
    )


def test_faint_splats_are_removed_and_the_others_unchanged():
    kept = pruned(four_splats(), 0.0199)
    torch.testing.assert_close(kept.means, torch.tensor([[0.0, 1, 2], [6, 7, 8]]))
    torch.testing.assert_close(kept.logit_opacities.sigmoid(), OPACITIES[[0, 2]])


def test_a_splat_that_is_visible_at_one_time_stays():
    # Two of the splats move; splat 1 starts four logits higher than at rest, splat 3 does not change.
    fades = torch.zeros(2, 4)
    fades[0, 0] = 8.0
    paths = torch.stack([torch.zeros(4, 3), torch.ones(4, 3)])
    moving = MovingSplats(four_splats(), torch.tensor([1, 3]), paths, paths, fades, 0.0, 1.0)
    assert highest_opacities(moving)[1] > 0.5
    kept = pruned(moving, 0.0199)
    assert isinstance(kept, MovingSplats)
    assert kept.moving.tolist() == [1] and len(kept) == 3
    torch.testing.assert_close(kept.rest.means, four_splats().means[:3])
    torch.testing.assert_close(kept.fades, fades[:1])
    torch.testing.assert_close(kept.at(0.0).logit_opacities, moving.at(0.0).logit_opacities[:3])


def test_if_all_splats_are_faint_none_is_removed():
    assert len(pruned(four_splats(), 0.9)) == 4
