import json
from dataclasses import replace

import pytest
import torch

from recon.splats import MovingSplats, Splats
from recon.splats.motion_file import load_motion, save_motion
from trajectories import InputError


@pytest.fixture
def splats():
    g = torch.Generator().manual_seed(0)
    shapes = ((4, 3), (4, 4), (4, 3), (4,), (4, 1, 3))
    rest = Splats(*(torch.randn(*shape, generator=g) for shape in shapes))
    paths = (torch.randn(2, 5, 3, generator=g), torch.randn(2, 5, 3, generator=g), torch.randn(2, 5, generator=g))
    return MovingSplats(rest, torch.tensor([0, 3]), *paths, 0.1, 2.0)


def test_keys_are_sorted_so_that_the_bytes_do_not_depend_on_the_process(splats, tmp_path):
    save_motion(splats, tmp_path / "motion.safetensors")
    content = (tmp_path / "motion.safetensors").read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    assert length % 8 == 0
    assert list(header) == sorted(header) and list(header["__metadata__"]) == sorted(header["__metadata__"])


def test_paths_come_back_as_they_were(splats, tmp_path):
    save_motion(splats, tmp_path / "motion.safetensors")
    back = load_motion(tmp_path / "motion.safetensors", splats.rest)
    assert (back.start, back.end) == (0.1, 2.0)
    assert all(
        torch.equal(getattr(back, name), getattr(splats, name)) for name in ("moving", "shifts", "turns", "fades")
    )
    assert torch.equal(back.at(1.3).means, splats.at(1.3).means)
    assert [path.name for path in tmp_path.iterdir()] == ["motion.safetensors"]


def test_motion_of_other_splats_is_refused(splats, tmp_path):
    path = tmp_path / "motion.safetensors"
    with pytest.raises(InputError, match="does not hold the paths of splats"):
        load_motion(path, splats.rest)
    save_motion(splats, path)
    with pytest.raises(InputError, match="the paths of 4 splats, but there are 2"):
        load_motion(path, splats.rest.map(lambda tensor: tensor[:2]))
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(InputError, match="does not hold the paths of splats"):
        load_motion(path, splats.rest)


@pytest.mark.parametrize(
    "changes",
    [
        {"moving": torch.tensor([0, 4])},
        {"moving": torch.tensor([0.0, 3.0])},
        {"shifts": torch.zeros(2, 4, 3)},
        {"turns": torch.zeros(3, 5, 3)},
        {"fades": torch.zeros(2)},
    ],
)
def test_paths_of_inconsistent_shapes_are_refused(changes, splats, tmp_path):
    save_motion(replace(splats, **changes), tmp_path / "motion.safetensors")
    with pytest.raises(InputError, match="paths of inconsistent shapes"):
        load_motion(tmp_path / "motion.safetensors", splats.rest)
