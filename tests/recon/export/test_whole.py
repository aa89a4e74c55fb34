import pytest

from recon.export.whole import new_folder, whole
from trajectories.errors import InputError


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_or_folder_arrives_when_it_is_done_and_replaces_what_was_there(tmp_path):
    with whole(tmp_path / "deep" / "a") as beside:
        beside.write_text("one")
        assert names(tmp_path / "deep") == [".a.part"]
    assert (tmp_path / "deep" / "a").read_text() == "one"
    with whole(tmp_path / "deep" / "a") as beside:
        beside.write_text("two")
    assert (tmp_path / "deep" / "a").read_text() == "two"
    for content in ("three", "four"):
        with whole(tmp_path / "folder") as beside:
            beside.mkdir()
            (beside / content).touch()
        assert names(tmp_path / "folder") == [content]
    with whole(tmp_path / "deep" / "a") as beside:
        beside.mkdir()
    assert (tmp_path / "deep" / "a").is_dir()


def test_what_fails_leaves_the_old_and_nothing_beside_it(tmp_path):
    (tmp_path / "a").write_text("old")
    (tmp_path / ".a.part").write_text("left by a killed run")
    for make in (lambda beside: beside.write_text("half"), lambda beside: (beside / "b").mkdir(parents=True)):
        with pytest.raises(RuntimeError), whole(tmp_path / "a") as beside:
            assert not beside.exists()
            make(beside)
            raise RuntimeError
        assert names(tmp_path) == ["a"] and (tmp_path / "a").read_text() == "old"


def test_a_new_folder_takes_no_place_that_is_taken(tmp_path):
    (tmp_path / "empty").mkdir()
    with new_folder(tmp_path / "empty") as beside:
        (beside / "a").touch()
    assert names(tmp_path / "empty") == ["a"]
    for taken in (tmp_path / "empty", tmp_path / "empty" / "a"):
        with pytest.raises(InputError, match="not an empty folder"), new_folder(taken):
            raise AssertionError("It was taken.")
