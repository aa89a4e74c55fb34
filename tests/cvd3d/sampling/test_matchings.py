from typing import get_args

import networkx as nx
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cvd3d.sampling.matchings import (
    Matcher,
    best_matching,
    default_schedule,
    random_matching,
    round_robin,
)
from cvd3d.sampling.request import Matching
from trajectories import make_rig


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@given(views=st.integers(1, 12), turn=st.integers(0, 50), seed=st.integers(0, 2**32))
def test_every_video_has_one_partner_and_with_an_odd_number_each_is_unpaired_in_turn(views, turn, seed):
    partners = random_matching(views, turn, seeded(seed)).tolist()
    unpaired = [v for v, p in enumerate(partners) if p < 0]
    assert unpaired == ([turn % views] if views % 2 else [])
    for v, p in enumerate(partners):
        assert p < 0 or (p != v and partners[p] == v)


def test_the_same_seed_gives_the_same_matching_and_all_pairs_occur():
    assert torch.equal(random_matching(8, 0, seeded(3)), random_matching(8, 0, seeded(3)))
    generator = seeded()
    seen_pairs = {(v, int(p)) for turn in range(60) for v, p in enumerate(random_matching(6, turn, generator))}
    assert seen_pairs == {(v, p) for v in range(6) for p in range(6) if v != p}


@pytest.mark.parametrize(("views", "schedule"), [(1, (1, 1)), (2, (1, 1)), (4, (4, 1)), (6, (6, 2)), (9, (6, 3))])
def test_the_default_schedule_is_the_papers(views, schedule):
    assert default_schedule(views) == schedule


def ring(views, name="orbit"):
    return make_rig(name, views, 3, width=32, height=32).cameras


def pairs(partners):
    return {(v, p) for v, p in enumerate(partners.tolist()) if v < p}


@given(views=st.integers(1, 9))
def test_a_round_robin_contains_every_pair_once(views):
    rounds = round_robin(views)
    all_pairs = [pair for partners in rounds for pair in pairs(partners)]
    assert sorted(all_pairs) == [(a, b) for a in range(views) for b in range(a + 1, views)]
    assert len(rounds) == max(1, views - 1 + views % 2)
    unpaired = [partners.tolist().count(-1) for partners in rounds]
    assert set(unpaired) == ({1} if views % 2 else {0})


def test_the_best_matching_has_the_largest_sum():
    gain = np.zeros((4, 4))
    for (a, b), value in {(0, 1): 5.0, (2, 3): 1.0, (0, 2): 4.0, (1, 3): 4.0, (0, 3): 3.0, (1, 2): 3.0}.items():
        gain[a, b] = gain[b, a] = value
    assert pairs(best_matching(gain, 0, seeded())) == {(0, 2), (1, 3)}  # 4 + 4 > 5 + 1


@pytest.mark.parametrize("kind", get_args(Matching))
@pytest.mark.parametrize("views", [1, 2, 3, 6, 7])
def test_every_kind_is_reproducible_and_leaves_each_video_unpaired_equally_often(kind, views):
    matcher, again = Matcher(kind, ring(views)), Matcher(kind, ring(views))
    first, second = matcher.draw(2 * views, seeded(4)), again.draw(2 * views, seeded(4))
    assert all(torch.equal(a, b) for a, b in zip(first, second))
    unpaired = sum((partners < 0).long() for partners in first)
    assert unpaired.max() == unpaired.min()
    for partners in first:
        for v, p in enumerate(partners.tolist()):
            assert p < 0 or (p != v and partners[p] == v)


def test_videos_with_more_overlap_are_paired_more_often_and_all_are_connected():
    views = 8
    matcher = Matcher("overlap", ring(views))
    generator = seeded()
    for _ in range(30):
        matcher.draw(1, generator)
    neighbors = [matcher.meetings[v, (v + 1) % views] for v in range(views)]
    opposite = [matcher.meetings[v, (v + views // 2) % views] for v in range(views)]
    assert np.mean(neighbors) > 1.5 * np.mean(opposite)
    graph = nx.from_numpy_array(matcher.meetings)
    assert nx.is_connected(graph) and nx.diameter(graph) <= 2


def test_a_matcher_resumes_from_its_saved_state():
    whole, generator = Matcher("overlap", ring(5)), seeded()
    drawn = [whole.draw(1, generator)[0] for _ in range(6)]
    first, generator = Matcher("overlap", ring(5)), seeded()
    for _ in range(3):
        first.draw(1, generator)
    second = Matcher("overlap", ring(5), turn=first.turn)
    second.meetings = first.meetings
    assert [second.draw(1, generator)[0].tolist() for _ in range(3)] == [p.tolist() for p in drawn[3:]]


def test_an_exhaustive_pass_takes_as_many_matchings_as_it_needs():
    assert len(Matcher("exhaustive", ring(6)).draw(1, seeded())) == 5
