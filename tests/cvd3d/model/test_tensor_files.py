import os

import pytest
import torch
from safetensors.torch import save_file

from cvd3d.model.tensor_files import folder_config, read_tensors
from trajectories import InputError

TENSORS = {"a.weight": torch.arange(6.0).reshape(2, 3), "b.bias": torch.ones(2, dtype=torch.float16)}


def same(found):
    return found.keys() == TENSORS.keys() and all(torch.equal(found[name], t) for name, t in TENSORS.items())


def test_safetensors_and_folders(tmp_path):
    save_file(TENSORS, tmp_path / "diffusion_pytorch_model.safetensors")
    assert same(read_tensors(tmp_path / "diffusion_pytorch_model.safetensors")) and same(read_tensors(tmp_path))
    (tmp_path / "config.json").write_text('{"norm_num_groups": 8}')
    assert folder_config(tmp_path) == {"norm_num_groups": 8}
    assert folder_config(tmp_path / "diffusion_pytorch_model.safetensors") == {}


@pytest.mark.parametrize(
    "content",
    [
        TENSORS,
        {"state_dict": TENSORS, "epoch": 3},
        {"unet_trainable_dict": {f"module.{name}": t for name, t in TENSORS.items()}, "optimizer_state_dict": {"x": 1}},
        {
            "pose_encoder_state_dict": {"a.weight": TENSORS["a.weight"]},
            "attention_processor_state_dict": {"b.bias": TENSORS["b.bias"]},
        },
    ],
)
def test_pickles_with_and_without_wrappers(tmp_path, content):
    torch.save(content, tmp_path / "a.ckpt")
    assert same(read_tensors(tmp_path / "a.ckpt"))


class Bomb:
    def __reduce__(self):
        return os.mkdir, ("was-run",)


def test_code_in_a_pickle_is_refused_and_not_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"state_dict": TENSORS, "hook": Bomb()}, tmp_path / "a.ckpt")
    with pytest.raises(InputError, match=r"a\.ckpt carries code besides its weights and was not opened"):
        read_tensors(tmp_path / "a.ckpt")
    assert not (tmp_path / "was-run").exists()


@pytest.mark.parametrize("suffix", [".safetensors", ".ckpt"])
@pytest.mark.parametrize("share", [0.0, 0.5, 0.98])
def test_a_truncated_file_is_reported_in_one_sentence(tmp_path, suffix, share):
    path = tmp_path / f"a{suffix}"
    tensors = {"w": torch.randn(1000)}
    save_file(tensors, path) if suffix == ".safetensors" else torch.save(tensors, path)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(InputError, match=r"fetch it again\.$") as error:
        read_tensors(path)
    assert str(path) in str(error.value) and "\n" not in str(error.value)


def test_other_files_are_refused(tmp_path):
    (tmp_path / "a.txt").write_text("hello")
    (tmp_path / "folder").mkdir()
    torch.save({"step": 3}, tmp_path / "empty.pt")
    torch.save([1, 2], tmp_path / "list.pt")
    save_file({"w": torch.tensor([1.0, float("nan")])}, tmp_path / "nan.safetensors")
    for name, words in {
        "none.ckpt": "There is no file",
        "a.txt": "is not a checkpoint file; its suffix must be one of .safetensors",
        "folder": "holds no weights; it should have diffusion_pytorch_model.safetensors",
        "empty.pt": "holds no tensors",
        "list.pt": "holds a list, not a dictionary of tensors",
        "nan.safetensors": "w has values that are not finite",
    }.items():
        with pytest.raises(InputError, match=words):
            read_tensors(tmp_path / name)
    (tmp_path / "folder" / "config.json").write_text("{")
    with pytest.raises(InputError, match=r"config\.json is missing or is not JSON"):
        folder_config(tmp_path / "folder")
