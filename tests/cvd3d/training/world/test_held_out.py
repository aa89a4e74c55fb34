"""Combinations that are held out of training."""

from collections import Counter

import pytest
import torch

from cvd3d.training.world.held_out import held_out_pairs, held_out_singles, is_held_out
from cvd3d.training.world.objects import COLORS, OBJECTS
from cvd3d.training.world.scenes import sample_world
from cvd3d.training.world.surroundings import GROUNDS


def even(names, known):
    """Whether 50 names contain every known one equally often, with differences of at most 1."""
    counts = Counter(names)
    return (
        counts.keys() == set(known) and sum(counts.values()) == 50 and max(counts.values()) <= min(counts.values()) + 1
    )


def test_the_lists_are_fixed():
    singles, pairs = held_out_singles(), held_out_pairs()
    assert singles[:2] == ((("car", "white"), "dirt"), (("ball", "purple"), "snow"))
    assert singles[-1] == (("tree", "orange"), "snow")
    assert pairs[:2] == ((("ball", "orange"), ("cone", "red")), (("cube", "blue"), ("table", "white")))
    assert pairs[-1] == (("cube", "red"), ("snowman", "yellow"))


def test_every_kind_color_and_ground_is_held_out_about_equally_often():
    things, grounds = zip(*held_out_singles())
    assert even(grounds, GROUNDS)
    for group in (things, *zip(*held_out_pairs())):
        kinds, colors = zip(*group)
        assert even(kinds, OBJECTS) and even(colors, COLORS)


def test_sampled_worlds_are_never_held_out():
    generator = torch.Generator().manual_seed(0)
    for _ in range(300):
        world = sample_world(generator)
        assert not is_held_out([(thing.kind, thing.color) for thing in world.objects], world.ground)


def test_a_pair_is_held_out_in_both_orders_and_on_any_ground():
    first, second = ("ball", "orange"), ("cone", "red")
    for ground in GROUNDS:
        assert is_held_out([first, second], ground) and is_held_out([second, first], ground)
    assert not is_held_out([first, ("cone", "blue")], "grass")


@pytest.mark.parametrize(("ground", "held_out"), [("snow", True), ("grass", False)])
def test_one_object_is_held_out_on_its_ground_alone(ground, held_out):
    assert is_held_out([("tree", "orange")], ground) is held_out
