import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from recon.rasterize.reference import spherical_harmonics
from recon.splats.turning import wigner_matrices


@given(st.integers(0, 2**32 - 1), st.booleans())
def test_wigner_matrices_show_the_old_color_along_the_new_direction(seed, mirrored):
    rng = np.random.default_rng(seed)
    M = torch.from_numpy(Rotation.from_quat(rng.normal(size=4)).as_matrix() * (-1 if mirrored else 1))
    directions, k = torch.from_numpy(rng.normal(size=(20, 3))), torch.from_numpy(rng.normal(size=(16, 3)))
    turned = torch.block_diag(*wigner_matrices(M, 3)) @ k
    torch.testing.assert_close(
        spherical_harmonics(3, directions @ M.T, turned), spherical_harmonics(3, directions, k), atol=1e-9, rtol=0
    )


def test_wigner_matrices_are_orthogonal_and_compose():
    one, two = (torch.from_numpy(Rotation.from_rotvec(v).as_matrix()) for v in ([0.3, -1.0, 2.0], [1.5, 0.2, -0.4]))
    for D1, D2, D12 in zip(wigner_matrices(one, 3), wigner_matrices(two, 3), wigner_matrices(two @ one, 3)):
        torch.testing.assert_close(D1 @ D1.T, torch.eye(len(D1), dtype=torch.float64), atol=1e-10, rtol=0)
        torch.testing.assert_close(D2 @ D1, D12, atol=1e-10, rtol=0)
