import numpy as np
import torch

from recon.render import render
from recon.splats import SH_C0, Splats
from trajectories.cameras import Cameras, intrinsics_from_fov


def test_one_splat_is_drawn_at_its_position_over_the_background():
    K = intrinsics_from_fov(np.radians(90), 33, 33)
    c2w = np.tile(np.eye(4), (2, 1, 1))
    c2w[1, 0, 3] = 0.5
    red = (torch.tensor([1.0, 0.0, 0.0]) - 0.5) / SH_C0
    splats = Splats(
        means=torch.tensor([[0.0, 0.0, 2.0]]),
        quats=torch.tensor([[1.0, 0.0, 0.0, 0.0]]),
        log_scales=torch.full((1, 3), 0.15).log(),
        logit_opacities=torch.tensor([8.0]),
        sh=red[None, None],
    )
    images = render(splats, Cameras(c2w, K, 33, 33), background=(0.0, 0.0, 1.0))
    assert images.shape == (2, 33, 33, 3)
    torch.testing.assert_close(images[0, 16, 16], torch.tensor([0.999, 0.0, 0.001]), atol=2e-3, rtol=0)
    torch.testing.assert_close(images[0, 0, 0], torch.tensor([0.0, 0.0, 1.0]), atol=1e-6, rtol=0)
    # The second camera is to the right, so the splat is to the left: half a meter at 2 m is 33 / 8 pixels.
    columns = (images[1, 16, :, 0] * torch.arange(33)).sum() / images[1, 16, :, 0].sum()
    assert abs(float(columns) - (16 - 33 / 8)) < 0.05
