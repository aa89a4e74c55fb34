import pytest
import torch

from cvd3d.training.world.captions import GROUND_PHRASES, SKY_PHRASES, caption
from cvd3d.training.world.prompts import world_of
from cvd3d.training.world.scenes import BOUNCING, DRIVING, SPINNING, STILL, sample_world
from trajectories import InputError


def things(world):
    return [(thing.kind, thing.color, thing.action) for thing in world.objects]


def read(prompt):
    return world_of(prompt, torch.Generator().manual_seed(0))


def test_captions_are_read_back():
    generator = torch.Generator().manual_seed(3)
    for _ in range(300):
        world = sample_world(generator)
        text = caption(world, generator)
        again = world_of(text, generator)
        assert things(again) == things(world)
        plain = text.replace("gray", "grey")
        if any(phrase in plain for phrase in GROUND_PHRASES[world.ground]):
            assert again.ground == world.ground
        if any(phrase in plain for phrase in SKY_PHRASES[world.sky]):
            assert again.sky == world.sky


@pytest.mark.parametrize(
    ("prompt", "expected", "ground", "sky"),
    [
        ("cube", [("cube", "blue", STILL)], "grass", "clear"),
        ("A photo of a violet sphere in the snow!", [("ball", "purple", STILL)], "snow", "clear"),
        (
            "an automobile that drives next to the spinning white hut on a gray road at dusk",
            [("car", "red", DRIVING), ("house", "white", SPINNING)],
            "road",
            "sunset",
        ),
        (
            "a green tree in the dark and a ball that is hopping",
            [("tree", "green", STILL), ("ball", "red", BOUNCING)],
            "grass",
            "night",
        ),
    ],
)
def test_what_a_prompt_means(prompt, expected, ground, sky):
    world = read(prompt)
    assert things(world) == expected
    assert (world.ground, world.sky) == (ground, sky)


def test_the_first_named_thing_stands_at_negative_x():
    left, right = read("a red cube and a blue ball").objects
    assert left.position[0] < 0 < right.position[0]


def test_the_seed_decides_what_is_unsaid():
    one, two = (world_of("a cube", torch.Generator().manual_seed(seed)) for seed in (0, 1))
    assert one == read("a cube") != two


@pytest.mark.parametrize(
    ("prompt", "sentence"),
    [
        ("a red dog on grass", "The world cannot show 'dog' in 'a red dog on grass'; it has the things ball, cube"),
        ("a red blue cube", "names a second color, 'blue', where one fits; put 'and' between"),
        ("a red cube a blue ball", "names a second color, 'blue'"),
        ("a cube on sand on grass", "names a second ground, 'grass', where one fits."),
        ("a cube and on grass", "lacks the name of a thing; the world has ball, cube"),
        ("  ", "lacks the name of a thing"),
        ("a cube and a ball and a car", "names 3 things; the world shows one or two."),
    ],
)
def test_what_is_not_understood_is_told(prompt, sentence):
    with pytest.raises(InputError) as fault:
        read(prompt)
    assert sentence in str(fault.value)
