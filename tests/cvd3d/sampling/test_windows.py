import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cvd3d.sampling.windows import split_into_windows, window_weights
from trajectories import InputError


def test_a_video_of_24_frames_in_windows_of_16():
    assert split_into_windows(24, 16, 8) == [slice(0, 16), slice(8, 24)]
    assert split_into_windows(16, 16, None) == split_into_windows(16, 16, 8) == [slice(0, 16)]
    assert split_into_windows(5, 16, None) == [slice(0, 5)]


def test_weights_by_hand():
    weights = window_weights([slice(0, 4), slice(2, 6)], 6)
    first = [1, 1, 2 / 3, 1 / 3, 0, 0]  # 1 2 2 1 against 1 2 2 1 two frames later
    assert weights[0] == pytest.approx(first) and weights[1] == pytest.approx(first[::-1])


@given(st.integers(1, 90), st.integers(2, 16), st.data())
def test_windows_cover_all_frames_and_overlap_as_asked(frames, length, data):
    overlap = data.draw(st.integers(1, length - 1))
    windows = split_into_windows(frames, length, overlap)
    assert windows[0].start == 0 and windows[-1].stop == frames
    assert {window.stop - window.start for window in windows} == {min(length, frames)}
    for before, after in zip(windows, windows[1:]):
        assert before.start < after.start and before.stop - after.start >= overlap
    assert np.allclose(window_weights(windows, frames).sum(axis=0), 1)


def test_what_cannot_be_is_refused():
    with pytest.raises(
        InputError, match="24 frames and this model takes 16 at once; give a window overlap, for example 8"
    ):
        split_into_windows(24, 16, None)
    for overlap in (0, 16):
        with pytest.raises(InputError, match=f"overlap by {overlap} frames; give 1 to 15"):
            split_into_windows(24, 16, overlap)
