"""The self-test detects modules without effect."""

import pytest
import torch

from cvd3d.sampling.pipeline import CollaborativePipeline
from cvd3d.weights.conversion import released_scheduler
from cvd3d.weights.self_test import self_test
from trajectories import InputError

pytestmark = pytest.mark.slow


@pytest.fixture
def pipeline(small_network, parts):
    """`pipeline(awake)`: a model of random weights; if not awake, some modules are zero, as before training."""

    def make(awake=True):
        own = parts()
        network = small_network(awake=awake)
        return CollaborativePipeline(own.vae, own.text_encoder, own.tokenizer, network, released_scheduler())

    return make


def changes(pipeline):
    return {effect.input: (effect.works, effect.change) for effect in self_test(pipeline)}


def test_a_model_in_which_everything_works(pipeline):
    found = changes(pipeline())
    assert found.keys() == {"cameras", "partner", "text"}
    assert all(works and change > 1e-3 for works, change in found.values())
    assert found == changes(pipeline())


def test_untrained_modules_have_no_effect(pipeline):
    found = changes(pipeline(awake=False))
    assert found["cameras"] == found["partner"] == (False, 0.0) and found["text"][0]


@pytest.mark.parametrize(
    ("silenced", "input_"), [("qkv_merge", "cameras"), ("cross_view.proj_out", "partner"), ("attn2.to_out", "text")]
)
def test_one_module_without_effect_is_identified(pipeline, silenced, input_):
    model = pipeline()
    for name, parameter in model.unet.named_parameters():
        if silenced in name and (silenced != "attn2.to_out" or ".attentions." in name):
            parameter.zero_()
    effects = self_test(model)
    assert [effect.input for effect in effects if not effect.works] == [input_]
    assert all(effect.silent.startswith(f"The {effect.input} ha") for effect in effects)


def test_a_model_of_nan_is_refused(pipeline):
    model = pipeline()
    model.unet.conv_in.weight[0, 0, 0, 0] = torch.nan
    with pytest.raises(InputError, match="not finite"):
        self_test(model)
