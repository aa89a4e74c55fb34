import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trajectories import InputError
from viewer.playback import Playback, seconds_at


def test_a_paused_playhead_stays():
    playhead = Playback(frames=16, fps=8, start=5)
    assert playhead.frame(0.0) == playhead.frame(1e6) == 5
    assert playhead.until_next(3.0) is None


def test_playing_steps_at_the_rate_and_loops():
    playhead = Playback(frames=4, fps=8).play(now=10.0)
    assert [playhead.frame(10.0 + k / 8) for k in range(6)] == [0, 1, 2, 3, 0, 1]
    assert playhead.frame(10.0 + 0.99 / 8) == 0
    assert playhead.until_next(10.0) == pytest.approx(1 / 8)
    assert playhead.until_next(10.0 + 0.75 / 8) == pytest.approx(0.25 / 8)


def test_a_slow_page_skips_frames_and_keeps_the_rate():
    playhead = Playback(frames=100, fps=10).play(now=0.0)
    assert playhead.frame(2.0) == 20  # no query in between


def test_pause_keeps_the_current_frame_and_play_continues_from_it():
    playhead = Playback(frames=16, fps=8).play(now=0.0).pause(now=0.5)
    assert not playhead.playing and playhead.frame(99.0) == 4
    assert playhead.play(now=99.0).frame(99.25) == 6


def test_play_twice_does_not_start_over():
    playhead = Playback(frames=16, fps=8).play(now=0.0)
    assert playhead.play(now=0.5) is playhead


def test_seek_is_clamped_and_keeps_playing():
    playhead = Playback(frames=16, fps=8).play(now=0.0)
    assert playhead.seek(10, now=7.3).frame(7.3) == 10
    assert playhead.seek(10, now=7.3).frame(7.3 + 1 / 8) == 11
    assert playhead.seek(99, now=0.0).start == 15
    assert playhead.seek(-3, now=0.0).start == 0
    assert not Playback(frames=16, fps=8).seek(3, now=0.0).playing


@given(frames=st.integers(1, 50), fps=st.floats(0.5, 120), now=st.floats(0, 100), rate=st.floats(0.5, 120))
def test_a_change_of_rate_keeps_the_frame(frames, fps, now, rate):
    playhead = Playback(frames, fps).play(now=0.0)
    assert playhead.at_rate(rate, now).frame(now) == playhead.frame(now)


@given(frames=st.integers(2, 50), fps=st.floats(0.5, 120), now=st.floats(0, 100))
def test_the_next_frame_is_due_after_until_next(frames, fps, now):
    playhead = Playback(frames, fps).play(now=0.0)
    wait = playhead.until_next(now)
    assert wait is not None and 0 <= wait <= 1 / fps + 1e-6
    assert playhead.frame(now + wait) == (playhead.frame(now) + 1) % frames


@pytest.mark.parametrize("fps", [0.0, -1.0, math.nan, math.inf])
def test_an_invalid_rate(fps):
    with pytest.raises(InputError, match="frames per second"):
        Playback(4, fps)


def test_no_frames():
    with pytest.raises(InputError, match="0 frames"):
        Playback(0, 8)


def test_the_position_is_fractional_while_playing_and_whole_while_paused():
    playhead = Playback(frames=4, fps=8, start=1).play(now=10.0)
    assert playhead.position(10.0) == 1
    assert playhead.position(10.0 + 2.5 / 8) == pytest.approx(3.5)
    assert playhead.position(10.0 + 3.5 / 8) == pytest.approx(0.5)
    assert playhead.pause(10.0 + 2.5 / 8).position(99.0) == 3


@given(frames=st.integers(1, 30), fps=st.floats(0.1, 60), elapsed=st.floats(0, 50))
def test_the_position_is_within_the_current_frame(frames, fps, elapsed):
    playhead = Playback(frames, fps).play(now=0.0)
    behind = (playhead.position(elapsed) - playhead.frame(elapsed)) % frames
    assert behind < 1 or behind > frames - 1e-3  # rounding


def test_seconds_between_the_frames():
    times = np.array([0.5, 1.0, 3.0])
    assert [seconds_at(times, position) for position in (0, 0.5, 1.25, 2, 2.9)] == [0.5, 0.75, 1.5, 3, 3]
