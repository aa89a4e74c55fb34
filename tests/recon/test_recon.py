"""The public API of `recon`."""

import subprocess
import sys

import pytest

import recon

HEAVY = {"cv2", "gsplat", "numba", "numpy", "open3d", "plyfile", "scipy", "torch", "trimesh"}


def test_importing_recon_is_light():
    code = f"import sys, recon\nprint(sorted({HEAVY} & set(sys.modules)))"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"


@pytest.mark.parametrize("name", sorted(recon.__all__))
def test_every_name_is_the_one_of_its_module(name):
    assert getattr(recon, name).__name__ == name
    assert getattr(recon, name).__module__.startswith("recon.")


def test_fit_is_the_function():
    from recon.fitting.fitting import fit

    assert recon.fit is fit


def test_an_unknown_name_is_no_attribute():
    with pytest.raises(AttributeError, match="module 'recon' has no attribute 'Nothing'"):
        _ = recon.Nothing
