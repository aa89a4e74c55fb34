"""The sampling request defines the flags, the record and the hash."""

import subprocess
import sys
from dataclasses import fields, replace

import numpy as np
import pytest

from cvd3d.commands.options import FitOptions, SamplingOptions
from cvd3d.sampling.request import Request
from recon.fitting.settings import FitSettings
from trajectories import InputError

OTHER = {
    "prompt": "a blue cube",
    "negative_prompt": "fog",
    "steps": 3,
    "guidance": 2.0,
    "matching": "overlap",
    "recurrences": 2,
    "matchings": 2,
    "window_overlap": 4,
    "known": {0: np.zeros((1, 2, 2, 3), dtype=np.float32)},
    "max_memory": 2.0,
    "precision": "bf16",
    "cross_view_scale": 0.5,
    "seed": 1,
}


@pytest.fixture
def models(tmp_path):
    """Two folders with different weights, and a copy of the second."""
    for name, weights in (("a", b"1"), ("b", b"2"), ("copy of b", b"2")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "unet.safetensors").write_bytes(weights)
    return tmp_path


def test_every_field_changes_the_hash(models):
    request = Request("a red cube", model=models / "a")
    other = {**OTHER, "model": models / "b"}
    assert set(other) == {field.name for field in fields(Request)}
    hashes = {replace(request, **{name: value}).hash() for name, value in other.items()}
    assert len(hashes) == len(other) and request.hash() not in hashes
    assert Request("a red cube", model=models / "a").hash() == request.hash()


def test_the_hash_depends_on_the_models_weights_and_on_frames_and_index_of_known_videos(models):
    first, second, copy = (Request("a", model=models / name).hash() for name in ("a", "b", "copy of b"))
    assert first != second == copy
    black, white = np.zeros((1, 2, 2, 3), np.float32), np.ones((1, 2, 2, 3), np.float32)
    known = [{0: black}, {0: white}, {1: black}]
    assert len({Request("a", model=models / "a", known=each).hash() for each in known}) == 3


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("prompt", " ", "The prompt is empty"),
        ("steps", 0, "The number of steps is 0; give at least 1"),
        ("recurrences", -1, "The number of recurrences is -1"),
        ("matchings", 0, "The number of matchings is 0"),
        ("guidance", -1.0, "guidance is -1.0"),
        ("guidance", float("inf"), "guidance is inf"),
        ("cross_view_scale", float("nan"), "cross_view_scale is nan"),
        ("max_memory", 0.0, "max_memory is 0.0; give a number of GB above 0"),
        ("matching", "best", "The matching is 'best'; known: random, overlap, exhaustive"),
        ("precision", "fp8", "The precision is 'fp8'; known: fp32, fp16, bf16"),
    ],
)
def test_a_field_out_of_range_is_refused(field, value, words):
    with pytest.raises(InputError, match=words):
        Request(**{"prompt": "a red cube", field: value})


def test_the_options_of_the_command_line_are_fields_of_the_library():
    for options, source, own in ((SamplingOptions, Request, {"keep", "known"}), (FitOptions, FitSettings, {"quality"})):
        names = {field.name for field in fields(options)} - own
        assert names <= {field.name for field in fields(source)}
    # These are other arguments of the command line, or have no flag.
    flags = {field.name for field in fields(SamplingOptions)}
    assert {field.name for field in fields(Request)} - flags == {"prompt", "seed", "cross_view_scale"}


def test_a_request_needs_no_torch():
    code = "import sys, cvd3d.sampling.request; assert not {'torch', 'numpy'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
