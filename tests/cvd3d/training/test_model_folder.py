import pytest
import torch

from cvd3d.sampling import load_pipeline
from cvd3d.sampling.pipeline import CollaborativePipeline
from cvd3d.training.model_folder import save_model
from cvd3d.training.train import build_networks


@pytest.fixture
def pipeline(recipe):
    autoencoder, networks = build_networks(recipe)
    return CollaborativePipeline(
        autoencoder, networks.text_encoder, networks.tokenizer, networks.unet, networks.scheduler, steps=2, guidance=1.0
    )


@pytest.mark.slow
def test_a_model_replaces_the_previous_one_and_is_unchanged_in_memory(pipeline, tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "stale").touch()
    save_model(pipeline, tmp_path / "model", torch.float16)
    assert [path.name for path in tmp_path.iterdir()] == ["model"] and not (tmp_path / "model" / "stale").exists()
    back, weights = load_pipeline(tmp_path / "model").unet.state_dict(), pipeline.unet.state_dict()
    assert all(torch.equal(back[name], value.half().float()) for name, value in weights.items())
    texts = [path.read_text() for path in (tmp_path / "model").rglob("*.json")]
    assert texts and not any(".part" in text for text in texts)


def test_an_interrupted_save_keeps_the_previous_model(pipeline, tmp_path, monkeypatch):
    save_model(pipeline, tmp_path / "model")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}

    def stopped(self, folder, **options):
        folder.mkdir()
        (folder / "half").touch()
        raise KeyboardInterrupt

    monkeypatch.setattr(CollaborativePipeline, "save_pretrained", stopped)
    with pytest.raises(KeyboardInterrupt):
        save_model(pipeline, tmp_path / "model")
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
