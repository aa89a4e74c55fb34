import json

import pytest

import cvd3d.evaluation.recognizer
from cvd3d.cli import main
from cvd3d.evaluation.recognizer import Recognizer


@pytest.mark.slow
def test_a_model_folder_is_measured(tiny_pipeline, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(cvd3d.evaluation.recognizer, "load_recognizer", lambda: Recognizer().eval())
    tiny_pipeline.save_pretrained(tmp_path / "model")
    out = tmp_path / "eval"
    main(["eval", "world", "--model", str(tmp_path / "model"), "--out", str(out), "--measures", "kinds", "flicker",
          "--prompts", "1", "--steps", "1"])  # fmt: skip
    said = capsys.readouterr().out
    assert "kinds and colors right, one object, generated" in said and "flicker, generated" in said
    assert {path.name for path in out.iterdir()} == {"eval.json", "cases", "results.json", "contact_sheet.png"}
    assert len(json.loads((out / "results.json").read_text())["cases"]["kinds"]) == 1


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--prompts", "0"), "--prompts is 0; give at least 1."),
        (("--steps", "-1"), "--steps is -1; give at least 1."),
        (("--model", "no/such"), "There is no model folder no/such"),
    ],
)
def test_bad_input_is_a_sentence(words, sentence, capsys):
    with pytest.raises(SystemExit) as end:
        main(["eval", "world", *words])
    assert end.value.code == 2
    assert sentence in capsys.readouterr().err
