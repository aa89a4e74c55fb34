import errno
import os
import shutil
import time
from pathlib import Path

import numpy as np
import pytest

from trajectories import InputError
from trajectories.files import disk_full, new_folder, numbers, parse_floats, whole, write_text


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def write_file(temporary):
    temporary.write_text("half")


def write_folder(temporary):
    (temporary / "b").mkdir(parents=True)


def test_a_finished_file_or_folder_replaces_the_old_one(tmp_path):
    for content in ("one", "two"):
        with whole(tmp_path / "deep" / "a") as temporary:
            temporary.write_text(content)
            assert temporary.parent == tmp_path / "deep" and temporary.name.startswith(".a.")
        assert (tmp_path / "deep" / "a").read_text() == content and names(tmp_path / "deep") == ["a"]
    for content in ("three", "four"):
        with whole(tmp_path / "folder") as temporary:
            temporary.mkdir()
            (temporary / content).touch()
        assert names(tmp_path / "folder") == [content]
    with whole(tmp_path / "deep" / "a") as temporary:
        temporary.mkdir()
    assert (tmp_path / "deep" / "a").is_dir() and names(tmp_path / "deep") == ["a"]
    assert names(tmp_path) == ["deep", "folder"]


@pytest.mark.parametrize("make", [write_file, write_folder])
@pytest.mark.parametrize("fault", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_a_failed_write_keeps_the_old_file_and_removes_the_temporary_one(tmp_path, make, fault):
    (tmp_path / "a").write_text("old")
    with pytest.raises(fault), whole(tmp_path / "a") as temporary:
        assert not temporary.exists()
        make(temporary)
        raise fault
    assert names(tmp_path) == ["a"] and (tmp_path / "a").read_text() == "old"


def test_a_failed_rename_keeps_the_old_folder(tmp_path, monkeypatch):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "old").touch()
    real = Path.replace

    def replace(self, target):
        if self.name.endswith(".part"):
            raise PermissionError(errno.EACCES, "Permission denied")
        return real(self, target)

    monkeypatch.setattr(Path, "replace", replace)
    with (
        pytest.raises(InputError, match=r"a cannot be written \(Permission denied\)"),
        whole(tmp_path / "a") as temporary,
    ):
        temporary.mkdir()
    assert names(tmp_path) == ["a"] and names(tmp_path / "a") == ["old"]


def test_stale_temporary_files_are_removed_and_recent_ones_are_not(tmp_path):
    for pid, age in ((1, 7200), (2, 0)):
        (tmp_path / f".a.{pid}.part").mkdir()
        os.utime(tmp_path / f".a.{pid}.part", (time.time() - age,) * 2)
    (tmp_path / f".a.{os.getpid()}.part").touch()  # left by a process with the same id
    write_text(tmp_path / "a", "new")
    assert names(tmp_path) == [".a.2.part", "a"]


def test_a_new_folder_does_not_replace_existing_content(tmp_path):
    (tmp_path / "empty").mkdir()
    with new_folder(tmp_path / "empty") as temporary:
        (temporary / "a").touch()
    assert names(tmp_path / "empty") == ["a"]
    for taken in (tmp_path / "empty", tmp_path / "empty" / "a"):
        with pytest.raises(InputError, match="not an empty folder"), new_folder(taken):
            raise AssertionError("The path was accepted.")


def test_a_full_disk_is_reported_with_the_requested_path(tmp_path, monkeypatch):
    write_text(tmp_path / "a", "old")

    def full(self, data):
        self.open("wb").close()
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(InputError) as error, whole(tmp_path / "a") as temporary:
        temporary.mkdir()
        write_text(temporary / "deep", "new")
    assert (
        str(error.value)
        == f"The disk that holds {tmp_path / 'a'} is full; free some space and run the same command again."
    )
    assert (tmp_path / "a").read_text() == "old" and names(tmp_path) == ["a"]


def test_a_full_disk_is_recognized_behind_a_library_error(tmp_path, monkeypatch):
    path = tmp_path / "not" / "there"
    assert disk_full(RuntimeError("failed writing file"), path) is None
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: shutil._ntuple_diskusage(1, 1, 0))
    assert "is full" in str(disk_full(RuntimeError("failed writing file"), path))
    for error in (InputError("bad"), KeyboardInterrupt()):
        assert disk_full(error, path) is None


def test_a_path_that_cannot_be_written(tmp_path):
    (tmp_path / "a.txt").mkdir()
    for path in (tmp_path / "a.txt", tmp_path / "file" / "a"):
        (tmp_path / "file").touch()
        with pytest.raises(InputError, match=rf"^{path} cannot be written \("):
            write_text(path, "new")
    assert names(tmp_path) == ["a.txt", "file"]


def test_numbers_have_the_required_shape():
    np.testing.assert_array_equal(numbers([[1, 2], [3, 4.5]], (-1, 2), "x"), [[1, 2], [3, 4.5]])
    assert numbers([], (-1,), "x").shape == (0,)
    for value in ([[1, 2], [3]], ["1", "2"], [1, None], [True], 5, {"a": 1}, [[1], [2]]):
        with pytest.raises(InputError, match=r"here is .* expected"):
            numbers(value, (2,), "here")


def test_a_token_that_is_not_a_number_is_reported():
    np.testing.assert_array_equal(parse_floats(["1", "-2.5e3"], "x"), [1, -2500])
    with pytest.raises(InputError, match="line 7: 'abc' is not a number"):
        parse_floats(["1", "abc"], "line 7")
