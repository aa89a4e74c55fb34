import json

import pytest

from cvd3d.sampling import DEFAULT_MODEL
from cvd3d.sampling.limits import check_rig_for
from trajectories import InputError, make_rig


@pytest.fixture
def model(tmp_path):
    """A folder with the configs of a model of the released sizes."""
    for part, config in {
        "unet": {"block_out_channels": [320, 640, 1280, 1280], "motion_max_seq_length": 16},
        "vae": {"block_out_channels": [128, 256, 512, 512]},
    }.items():
        (tmp_path / part).mkdir()
        (tmp_path / part / "config.json").write_text(json.dumps(config))
    return tmp_path


def test_sizes_and_lengths_are_told_before_anything_is_loaded(model):
    check_rig_for(model, make_rig("circle", 2, 16, width=256, height=320), None)
    check_rig_for(model, make_rig("circle", 2, 24, width=256, height=256), 8)
    with pytest.raises(InputError, match="The rig's images are 256x250; this model needs multiples of 64 pixels"):
        check_rig_for(model, make_rig("circle", 2, 16, width=256, height=250), None)
    with pytest.raises(InputError, match="The rig has 24 frames and this model takes 16 at once"):
        check_rig_for(model, make_rig("circle", 2, 24, width=256, height=256), None)


def test_the_default_model_is_known_and_a_strange_folder_is_left_to_the_loader(tmp_path):
    with pytest.raises(InputError, match="100x128; this model needs multiples of 32 pixels"):
        check_rig_for(DEFAULT_MODEL, make_rig("circle", 2, 16, width=100, height=128), None)
    check_rig_for(tmp_path, make_rig("circle", 2, 99, width=7, height=7), None)
