import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cvd3d.sampling.pairs import default_schedule, random_matching


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@given(views=st.integers(1, 12), turn=st.integers(0, 50), seed=st.integers(0, 2**32))
def test_every_video_has_one_partner_and_an_odd_one_rests_in_turn(views, turn, seed):
    partners = random_matching(views, turn, seeded(seed)).tolist()
    resting = [v for v, p in enumerate(partners) if p < 0]
    assert resting == ([turn % views] if views % 2 else [])
    for v, p in enumerate(partners):
        assert p < 0 or (p != v and partners[p] == v)


def test_the_same_seed_gives_the_same_matching_and_all_pairs_meet():
    assert torch.equal(random_matching(8, 0, seeded(3)), random_matching(8, 0, seeded(3)))
    generator = seeded()
    met = {(v, int(p)) for turn in range(60) for v, p in enumerate(random_matching(6, turn, generator))}
    assert met == {(v, p) for v in range(6) for p in range(6) if v != p}


@pytest.mark.parametrize(("views", "schedule"), [(1, (1, 1)), (2, (1, 1)), (4, (4, 1)), (6, (6, 2)), (9, (6, 3))])
def test_the_default_schedule_is_the_papers(views, schedule):
    assert default_schedule(views) == schedule
