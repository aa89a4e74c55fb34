"""Random captions of a world, and the vocabulary of all captions."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cvd3d.training.world.draws import chance, choose
from cvd3d.training.world.objects import COLORS, CUSTOMARY_COLOR
from cvd3d.training.world.scenes import BOUNCING, DRIVING, SPINNING, STILL, Object, World

if TYPE_CHECKING:
    import torch

NOUNS: dict[str, tuple[str, ...]] = {
    "ball": ("ball", "ball", "sphere"),
    "cube": ("cube", "cube", "box", "block"),
    "cone": ("cone",),
    "cylinder": ("cylinder", "cylinder", "tube"),
    "tree": ("tree",),
    "house": ("house", "house", "hut", "cabin"),
    "table": ("table", "table", "desk"),
    "car": ("car", "car", "automobile"),
    "snowman": ("snowman",),
}

ADJECTIVES: dict[str, tuple[str, ...]] = {name: (name,) for name in COLORS} | {"purple": ("purple", "purple", "violet")}

GROUND_PHRASES: dict[str, tuple[str, ...]] = {
    "grass": ("on green grass", "on grass", "on the grass", "on a green lawn", "in a meadow", "in a green field"),
    "sand": ("on sand", "on the sand", "on a beach", "on a sandy beach", "in the desert"),
    "snow": ("on snow", "in the snow", "on a snowy field", "on white snow"),
    "road": ("on a road", "on a grey road", "on asphalt", "on a street", "on grey concrete"),
    "dirt": ("on dirt", "on brown dirt", "on soil", "on brown earth", "on dry ground"),
}

SKY_PHRASES: dict[str, tuple[str, ...]] = {
    "clear": ("under a clear sky", "under a blue sky", "under a clear blue sky", "on a sunny day", "during the day"),
    "sunset": ("at sunset", "at dusk", "in the evening", "under an orange sky"),
    "night": ("at night", "under a dark sky", "at midnight", "in the dark"),
    "overcast": ("under a grey sky", "under a cloudy sky", "under an overcast sky", "on a cloudy day"),
}

PARTICIPLES: dict[str, tuple[str, ...]] = {
    BOUNCING: ("bouncing", "bouncing", "jumping", "hopping"),
    SPINNING: ("spinning", "spinning", "rotating", "turning"),
    DRIVING: ("driving", "driving", "moving"),
}

VERBS: dict[str, tuple[str, ...]] = {
    BOUNCING: ("bounces", "jumps"),
    SPINNING: ("spins", "rotates", "turns"),
    DRIVING: ("drives", "moves"),
}

JOINS = ("and", "and", "next to", "beside", "with", "near")
OPENINGS = ("a photo of", "a picture of", "an image of", "a scene with", "a video of", "there is")

_PHRASES = [*JOINS, *OPENINGS, "a an the that is gray of in at on to"]
for _table in (NOUNS, ADJECTIVES, GROUND_PHRASES, SKY_PHRASES, PARTICIPLES, VERBS):
    _PHRASES += [phrase for phrases in _table.values() for phrase in phrases]

VOCABULARY: tuple[str, ...] = tuple(sorted(set(" ".join(_PHRASES).split())))
"""Every word that a caption can contain, sorted."""


def words(prompt: str) -> list[str]:
    """The prompt's words in lower case, in order, without punctuation."""
    return re.findall(r"[^\W_]+", prompt.lower())


def unknown_words(prompt: str) -> list[str]:
    """The prompt's words outside `VOCABULARY`, each once, in order."""
    return [word for word in dict.fromkeys(words(prompt)) if word not in VOCABULARY]


def caption(world: World, generator: torch.Generator) -> str:
    """Describe the world with random wording.

    Objects are named in the world's order. Customary colors, grass and a clear sky are omitted more often than others;
    a motion is always named, next to the object that moves.
    """
    bare = chance(generator, 0.15)
    things = [_thing(thing, bare, generator) for thing in world.objects]
    text = things[0] if len(things) == 1 else f"{things[0]} {choose(generator, JOINS)} {things[1]}"
    # An omitted ground is grass, and an omitted sky clear, in 70 % of the cases (see sample_world's shares).
    if not chance(generator, 0.55 if world.ground == "grass" else 0.13):
        text += " " + choose(generator, GROUND_PHRASES[world.ground])
    if not chance(generator, 0.70 if world.sky == "clear" else 0.20):
        text += " " + choose(generator, SKY_PHRASES[world.sky])
    if not bare and chance(generator, 0.12):
        text = f"{choose(generator, OPENINGS)} {text}"
    return text.replace("grey", "gray") if chance(generator, 0.3) else text


def _thing(thing: Object, bare: bool, generator: torch.Generator) -> str:
    """A noun phrase such as "a bouncing red ball"; without the article if `bare`."""
    phrase = choose(generator, NOUNS[thing.kind])
    # A quarter of all colors are customary, so one noun phrase in ten has no color.
    if thing.color != CUSTOMARY_COLOR[thing.kind] or not chance(generator, 0.4):
        phrase = f"{choose(generator, ADJECTIVES[thing.color])} {phrase}"
    form = "" if thing.action == STILL else choose(generator, ("before", "after", "clause"))
    if form == "before":
        phrase = f"{choose(generator, PARTICIPLES[thing.action])} {phrase}"
    if not bare:
        article = "an" if phrase[0] in "aeiou" else "a"
        phrase = f"{'the' if chance(generator, 0.1) else article} {phrase}"
    if form == "after":
        phrase = f"{phrase} {choose(generator, ('', 'that is '))}{choose(generator, PARTICIPLES[thing.action])}"
    elif form == "clause":
        phrase = f"{phrase} that {choose(generator, VERBS[thing.action])}"
    return phrase
