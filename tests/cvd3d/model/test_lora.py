import pytest
import torch

from cvd3d.model.lora import SwitchedLora
from trajectories import InputError

PLACE = "down_blocks.0.attentions.0.transformer_blocks.0.attn1"


def save(path, up=(32, 2), down=(2, 32), place=PLACE, layer="out"):
    generator = torch.Generator().manual_seed(0)
    halves = {"up": torch.randn(up, generator=generator), "down": torch.randn(down, generator=generator)}
    torch.save({f"{place}.processor.to_{layer}_lora.{side}.weight": half for side, half in halves.items()}, path)
    return halves


def test_it_equals_the_merged_weight_when_on_and_the_original_when_off(tiny_unet, tmp_path):
    network = tiny_unet()
    halves = save(tmp_path / "lora.pt")
    names = set(network.state_dict())
    z, text = torch.randn(1, 4, 2, 4, 4), torch.randn(1, 5, 16)
    plain = network(z, 500, text)
    lora = SwitchedLora(network, tmp_path / "lora.pt")
    on = network(z, 500, text)
    lora.active = False
    assert torch.equal(network(z, 500, text), plain) and not torch.allclose(on, plain, atol=1e-3)
    layer = network.get_submodule(f"{PLACE}.to_out.0")
    layer.weight.data += halves["up"] @ halves["down"]
    assert torch.allclose(network(z, 500, text), on, atol=1e-4)
    assert set(network.state_dict()) == names  # the model is saved without it


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"place": "down_blocks.7.attentions.0.transformer_blocks.0.attn1"}, "has no parameter for down_blocks.7"),
        ({"up": (16, 2)}, "belong to a network of another size"),
        ({"layer": "z"}, "has no parameter for .*to_z_lora"),
    ],
)
def test_a_lora_of_another_network_is_refused(tiny_unet, tmp_path, options, words):
    save(tmp_path / "lora.pt", **options)
    with pytest.raises(InputError, match=words):
        SwitchedLora(tiny_unet(), tmp_path / "lora.pt")


def test_another_kind_of_file_is_refused(tiny_unet, tmp_path):
    torch.save({"conv_in.weight": torch.zeros(2)}, tmp_path / "unet.pt")
    with pytest.raises(InputError, match="is not a LoRA"):
        SwitchedLora(tiny_unet(), tmp_path / "unet.pt")
