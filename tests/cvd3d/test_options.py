"""Options that become a request."""

import pytest
import torch

from cvd3d.commands.options import RigOptions, SamplingOptions


def built(tmp_path, views, **given):
    rig = RigOptions(rig="orbit", views=views, frames=2, size=(32, 32)).build()
    request = SamplingOptions(**given).build("a red cube", 0, rig, tmp_path)
    return request.recurrences, request.matchings


@pytest.mark.parametrize(
    "views, given, gpu, expected",
    [
        (8, {}, False, (4, 1)),
        (8, {}, True, (None, None)),
        (4, {}, False, (None, None)),
        (8, {"recurrences": 6}, False, (6, None)),
        (8, {"matching": "exhaustive"}, False, (None, None)),
    ],
)
def test_many_videos_on_a_cpu_take_fewer_passes(views, given, gpu, expected, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
    assert built(tmp_path, views, **given) == expected
    said = capsys.readouterr().out
    assert ("4 recurrences and 1 matching, 4.5 times as fast" in said) == (expected == (4, 1))
