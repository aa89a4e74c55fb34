import json

import numpy as np
import pytest
from PIL import Image

from cvd3d.cli import main

WORDS = ("world", "a red cube and a blue ball on grass", "--views", "2", "--frames", "2", "--size", "32", "32")


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    folder = tmp_path_factory.mktemp("world") / "scene"
    main([*WORDS, "--out", str(folder)])
    return folder


def test_a_scene_folder_is_made(scene):
    record = json.loads((scene / "scene.json").read_text())
    assert list(record["stages"]) == ["plan", "world", "dataset"]
    assert record["asked"]["prompt"] == WORDS[1]
    assert {path.name for path in scene.iterdir()} >= {"rig.json", "transforms.json", "images", "videos"}
    picture = np.asarray(Image.open(scene / "images" / "cam01" / "00001.png"))
    assert picture.shape == (32, 32, 3) and 20 < picture.mean() < 230


def test_the_same_command_continues(scene, capsys):
    main([*WORDS, "--out", str(scene)])
    assert capsys.readouterr().out.count("already done") == 3


def test_unknown_words_are_reported_before_anything_is_written(tmp_path, capsys):
    with pytest.raises(SystemExit) as end:
        main(["world", "a red dragon", "--out", str(tmp_path / "scene")])
    assert end.value.code == 2
    assert "cannot show 'dragon'" in capsys.readouterr().err
    assert not (tmp_path / "scene").exists()
