"""Downloads from the hub, with a folder in place of the hub."""

import shutil

import huggingface_hub
import pytest
from huggingface_hub.errors import LocalEntryNotFoundError, OfflineModeIsEnabled

from cvd3d.weights.catalog import ITEMS
from cvd3d.weights.fetching import fetch, to_fetch
from cvd3d.weights.inspection import inspect
from cvd3d.weights.registry import register, registered
from trajectories import InputError


@pytest.fixture
def hub(released, tmp_path, monkeypatch):
    """Replace `hf_hub_download` by copies of the released files; the list of requested files."""
    asked = []
    root = tmp_path / "hub"

    def download(repository, name):
        asked.append((repository, name))
        folder = root / repository.replace("/", "--") / "snapshots" / "0123"
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        source = released["cross-view"].parent / name
        if not source.exists():
            source = released["sd"] / name
        if source.exists():
            shutil.copyfile(source, target)
        else:  # the tokenizer of the tests is in one file
            shutil.copytree(released["sd"] / "tokenizer", target.parent, dirs_exist_ok=True)
        return str(target)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    return asked


@pytest.mark.slow
def test_what_is_needed_and_missing_is_fetched(released, hub):
    assert [item.name for item in to_fetch(())] == ["sd", "motion-module", "motion-lora", "camera-control"]
    register([inspect(released["motion-module"])])
    missing = to_fetch(())
    assert [item.name for item in missing] == ["sd", "motion-lora", "camera-control"]
    for item in missing:
        assert fetch(item) == registered()[item.name]
    assert to_fetch(()) == []
    assert hub == [(item.hub.repository, name) for item in missing for name in item.hub.files]
    assert registered()["sd"].path.name == "0123" and registered()["camera-control"].path.name == "CameraCtrl.ckpt"


def test_items_are_fetched_by_name(hub):
    (item,) = to_fetch(("image-lora", "image-lora"))
    assert fetch(item).item == "image-lora" and hub == [("hehao13/CameraCtrl", "RealEstate10K_LoRA.ckpt")]
    with pytest.raises(InputError, match=r"'cross-view' is not on the hub; get it from https://drive\.google"):
        to_fetch(("cross-view",))
    with pytest.raises(InputError, match=r"'svd' is not on the hub; the hub has: sd, motion-module"):
        to_fetch(("svd",))


@pytest.mark.parametrize("error", [LocalEntryNotFoundError("offline"), OfflineModeIsEnabled("x"), ConnectionError("x")])
def test_without_a_network_the_pages_are_named(monkeypatch, error):
    def unreachable(repository, name):
        raise error

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", unreachable)
    with pytest.raises(InputError) as error_info:
        fetch(ITEMS["motion-module"])
    for words in (*(item.hub.page for item in ITEMS.values() if item.hub), "cannot be reached", "weights add FILE"):
        assert words in str(error_info.value)
    assert registered() == {}


def test_an_error_of_the_hub_is_reported(monkeypatch):
    def refuses(repository, name):
        raise RuntimeError("404 Client Error.\nRequest ID")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", refuses)
    with pytest.raises(InputError, match=r"v3_sd15_mm\.ckpt of https://\S+ cannot be fetched \(404 Client Error\.\)"):
        fetch(ITEMS["motion-module"])


@pytest.mark.slow
def test_another_file_than_expected_and_a_broken_one_are_not_registered(released, tmp_path, monkeypatch):
    blob = tmp_path / "blobs" / ("0" * 64)  # in the hub's cache, the name of a file is its sha256
    blob.parent.mkdir()
    shutil.copyfile(released["motion-module"], blob)
    link = tmp_path / "v3_sd15_mm.ckpt"
    link.symlink_to(blob)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", lambda repository, name: str(link))
    with pytest.raises(InputError, match="differs from the file on the hub"):
        fetch(ITEMS["motion-module"])
    with pytest.raises(InputError, match="sent AnimateDiff v3 motion module instead of CameraCtrl"):
        fetch(ITEMS["camera-control"])
    assert registered() == {}
    right = blob.with_name(inspect(blob.rename(blob.with_suffix(".ckpt"))).sha256)
    blob.with_suffix(".ckpt").rename(right)
    link.unlink()
    link.symlink_to(right)
    assert fetch(ITEMS["motion-module"]).sha256 == right.name
