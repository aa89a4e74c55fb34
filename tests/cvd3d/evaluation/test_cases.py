import torch

from cvd3d.commands.options import RigOptions
from cvd3d.evaluation.cases import ALL, DEFAULT_RIG, default_case, held_out_case
from cvd3d.training.world.captions import unknown_words
from cvd3d.training.world.held_out import is_held_out
from cvd3d.training.world.prompts import world_of


def test_the_cases_are_held_out_and_never_change():
    for number in range(ALL):
        case = held_out_case(number, moves=number % 3 == 0)
        assert len(case.pairs) == 1 + number % 2
        assert is_held_out(case.pairs, case.world.ground)
        assert held_out_case(number, moves=number % 3 == 0) == case


def test_the_prompts_say_everything():
    for number in range(ALL):
        world = held_out_case(number, moves=number % 2 == 0).world
        prompt = held_out_case(number, moves=number % 2 == 0).prompt
        again = world_of(prompt, torch.Generator().manual_seed(5))
        assert unknown_words(prompt) == []
        assert (again.ground, again.sky) == (world.ground, world.sky)
        assert [(t.kind, t.color, t.action) for t in again.objects] == [
            (t.kind, t.color, t.action) for t in world.objects
        ]


def test_cars_drive_and_the_rest_bounces():
    movers = {(case.pairs[0][0], case.world.objects[0].action) for case in (held_out_case(n, True) for n in range(ALL))}
    assert ("car", "driving") in movers and ("ball", "bouncing") in movers
    assert {action for kind, action in movers if kind != "car"} == {"bouncing"}


def test_the_default_scene():
    assert default_case().pairs == (("cube", "red"), ("ball", "blue"))
    assert RigOptions().rig == DEFAULT_RIG
