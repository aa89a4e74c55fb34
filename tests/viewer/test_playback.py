import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trajectories import InputError
from viewer.playback import Playback, seconds_at


def test_a_paused_head_stays():
    head = Playback(frames=16, fps=8, start=5)
    assert head.frame(0.0) == head.frame(1e6) == 5
    assert head.until_next(3.0) is None


def test_playing_steps_at_the_rate_and_loops():
    head = Playback(frames=4, fps=8).play(now=10.0)
    assert [head.frame(10.0 + k / 8) for k in range(6)] == [0, 1, 2, 3, 0, 1]
    assert head.frame(10.0 + 0.99 / 8) == 0
    assert head.until_next(10.0) == pytest.approx(1 / 8)
    assert head.until_next(10.0 + 0.75 / 8) == pytest.approx(0.25 / 8)


def test_a_slow_page_skips_frames_and_keeps_the_pace():
    head = Playback(frames=100, fps=10).play(now=0.0)
    assert head.frame(2.0) == 20  # nobody asked in between


def test_pause_holds_the_frame_on_show_and_play_goes_on_from_it():
    head = Playback(frames=16, fps=8).play(now=0.0).pause(now=0.5)
    assert not head.playing and head.frame(99.0) == 4
    assert head.play(now=99.0).frame(99.25) == 6


def test_play_twice_does_not_start_over():
    head = Playback(frames=16, fps=8).play(now=0.0)
    assert head.play(now=0.5) is head


def test_seek_is_held_to_the_range_and_keeps_playing():
    head = Playback(frames=16, fps=8).play(now=0.0)
    assert head.seek(10, now=7.3).frame(7.3) == 10
    assert head.seek(10, now=7.3).frame(7.3 + 1 / 8) == 11
    assert head.seek(99, now=0.0).start == 15
    assert head.seek(-3, now=0.0).start == 0
    assert not Playback(frames=16, fps=8).seek(3, now=0.0).playing


@given(frames=st.integers(1, 50), fps=st.floats(0.5, 120), now=st.floats(0, 100), rate=st.floats(0.5, 120))
def test_a_change_of_rate_does_not_jump(frames, fps, now, rate):
    head = Playback(frames, fps).play(now=0.0)
    assert head.at_rate(rate, now).frame(now) == head.frame(now)


@given(frames=st.integers(2, 50), fps=st.floats(0.5, 120), now=st.floats(0, 100))
def test_waiting_until_next_arrives_at_the_next_frame(frames, fps, now):
    head = Playback(frames, fps).play(now=0.0)
    wait = head.until_next(now)
    assert wait is not None and 0 <= wait <= 1 / fps + 1e-6
    assert head.frame(now + wait) == (head.frame(now) + 1) % frames


@pytest.mark.parametrize("fps", [0.0, -1.0, math.nan, math.inf])
def test_a_rate_that_is_no_rate(fps):
    with pytest.raises(InputError, match="frames per second"):
        Playback(4, fps)


def test_no_frames():
    with pytest.raises(InputError, match="0 frames"):
        Playback(0, 8)


def test_the_head_is_between_frames_while_it_plays_and_on_one_while_it_rests():
    head = Playback(frames=4, fps=8, start=1).play(now=10.0)
    assert head.position(10.0) == 1
    assert head.position(10.0 + 2.5 / 8) == pytest.approx(3.5)
    assert head.position(10.0 + 3.5 / 8) == pytest.approx(0.5)
    assert head.pause(10.0 + 2.5 / 8).position(99.0) == 3


@given(frames=st.integers(1, 30), fps=st.floats(0.1, 60), elapsed=st.floats(0, 50))
def test_the_position_lies_in_the_frame_on_show(frames, fps, elapsed):
    head = Playback(frames, fps).play(now=0.0)
    behind = (head.position(elapsed) - head.frame(elapsed)) % frames
    assert behind < 1 or behind > frames - 1e-3  # rounding


def test_seconds_between_the_frames():
    times = np.array([0.5, 1.0, 3.0])
    assert [seconds_at(times, position) for position in (0, 0.5, 1.25, 2, 2.9)] == [0.5, 0.75, 1.5, 3, 3]
