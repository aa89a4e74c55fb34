from pathlib import Path

import numpy as np
import pytest

from trajectories import InputError
from trajectories.files import numbers, parse_floats, write_text


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "a.txt"
    write_text(path, "old")

    def full(self, data):
        Path.open(self, "wb").close()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(InputError, match="No space left on device"):
        write_text(path, "new")
    monkeypatch.undo()
    assert path.read_text() == "old"
    assert [each.name for each in tmp_path.iterdir()] == ["a.txt"]


def test_a_folder_in_the_way(tmp_path):
    (tmp_path / "a.txt").mkdir()
    with pytest.raises(InputError, match="cannot be written"):
        write_text(tmp_path / "a.txt", "new")
    assert [each.name for each in tmp_path.iterdir()] == ["a.txt"]


def test_numbers_have_the_shape_asked_for():
    np.testing.assert_array_equal(numbers([[1, 2], [3, 4.5]], (-1, 2), "x"), [[1, 2], [3, 4.5]])
    assert numbers([], (-1,), "x").shape == (0,)
    for value in ([[1, 2], [3]], ["1", "2"], [1, None], [True], 5, {"a": 1}, [[1], [2]]):
        with pytest.raises(InputError, match=r"here is .* expected"):
            numbers(value, (2,), "here")


def test_a_token_that_is_no_number_is_named():
    np.testing.assert_array_equal(parse_floats(["1", "-2.5e3"], "x"), [1, -2500])
    with pytest.raises(InputError, match="line 7: 'abc' is not a number"):
        parse_floats(["1", "abc"], "line 7")
