"""Captions describe the world with words of the vocabulary."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cvd3d.scene.moves import MOTION_WORDS
from cvd3d.training.world.captions import (
    ADJECTIVES,
    GROUND_PHRASES,
    NOUNS,
    SKY_PHRASES,
    VOCABULARY,
    caption,
    unknown_words,
    words,
)
from cvd3d.training.world.objects import CUSTOMARY_COLOR, OBJECTS
from cvd3d.training.world.scenes import STILL, sample_world
from cvd3d.training.world.surroundings import GROUNDS, SKIES


def pairs(count, seed):
    generator = torch.Generator().manual_seed(seed)
    for _ in range(count):
        world = sample_world(generator)
        yield world, caption(world, generator)


@given(seed=st.integers(0, 2**40))
@settings(max_examples=80, deadline=None)
def test_captions_use_only_the_vocabulary(seed):
    for _, text in pairs(5, seed):
        assert text == text.lower()
        assert unknown_words(text) == []
        assert text.split() == words(text)


@given(seed=st.integers(0, 2**40))
@settings(max_examples=80, deadline=None)
def test_captions_name_the_objects_in_order_with_their_colors(seed):
    kinds = {noun: kind for kind, nouns in NOUNS.items() for noun in nouns}
    colors = {adjective: color for color, adjectives in ADJECTIVES.items() for adjective in adjectives}
    for world, text in pairs(5, seed):
        found = words(text)
        at = [index for index, word in enumerate(found) if word in kinds]
        assert [kinds[found[index]] for index in at] == [thing.kind for thing in world.objects]
        for index, thing in zip(at, world.objects):
            before = found[index - 1] if index else ""
            assert colors.get(before, CUSTOMARY_COLOR[thing.kind]) == thing.color


@given(seed=st.integers(0, 2**40))
@settings(max_examples=80, deadline=None)
def test_captions_mention_motions(seed):
    for world, text in pairs(5, seed):
        assert any(word in MOTION_WORDS for word in words(text)) == any(
            thing.action != STILL for thing in world.objects
        )


def test_named_grounds_and_skies_are_those_of_the_world():
    def ungrayed(text):
        return f" {text.replace('gray', 'grey')} "

    for world, text in pairs(1500, 1):
        for phrases, name in ((GROUND_PHRASES, world.ground), (SKY_PHRASES, world.sky)):
            named = {key for key, each in phrases.items() for phrase in each if f" {phrase} " in ungrayed(text)}
            assert named <= {name}, text


@pytest.mark.slow
def test_omitted_attributes_are_mostly_grass_clear_sky_and_the_customary_color():
    unsaid_ground, unsaid_sky, bare_things, things = [], [], 0, 0
    adjectives = {adjective for each in ADJECTIVES.values() for adjective in each}
    nouns = {noun for each in NOUNS.values() for noun in each}
    for world, text in pairs(4000, 2):
        spaced = f" {text.replace('gray', 'grey')} "
        if not any(f" {phrase} " in spaced for each in GROUND_PHRASES.values() for phrase in each):
            unsaid_ground.append(world.ground == "grass")
        if not any(f" {phrase} " in spaced for each in SKY_PHRASES.values() for phrase in each):
            unsaid_sky.append(world.sky == "clear")
        found = words(text)
        for index, word in enumerate(found):
            if word in nouns:
                things += 1
                bare_things += index == 0 or found[index - 1] not in adjectives
    assert 0.63 < sum(unsaid_ground) / len(unsaid_ground) < 0.77
    assert 0.63 < sum(unsaid_sky) / len(unsaid_sky) < 0.77
    assert 0.08 < bare_things / things < 0.12


def test_the_vocabulary_covers_the_world_and_is_small():
    assert set(NOUNS) == set(OBJECTS)
    assert set(GROUND_PHRASES) == set(GROUNDS)
    assert set(SKY_PHRASES) == set(SKIES)
    assert list(VOCABULARY) == sorted(set(VOCABULARY))
    assert len(VOCABULARY) <= 130


def test_the_same_seed_gives_the_same_captions():
    assert [text for _, text in pairs(20, 7)] == [text for _, text in pairs(20, 7)]


def test_unknown_words_are_named_once_in_order():
    assert unknown_words("A red Dragon, on green grass; a dragon's CASTLE!") == ["dragon", "s", "castle"]
    assert unknown_words("a red cube and a blue ball on green grass") == []
