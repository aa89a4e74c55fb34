import itertools

from recon.poses.diagnosis import Pair, failure

NAMES = tuple("abcdef")


def pairs(names, matches=100, kind=2):
    return [Pair(a, b, matches, kind) for a, b in itertools.combinations(names, 2)]


def test_a_model_of_most_images_is_a_result():
    assert failure(NAMES, pairs(NAMES), ["abcd"]) is None


def test_too_few_matches():
    assert "too few matches: no two of the 6 images" in failure(NAMES, pairs(NAMES, matches=3), [])
    assert "at most 2 of the 6 images" in failure(NAMES, pairs("ab"), ["ab"])


def test_only_turned():
    assert "only turned in place" in failure(NAMES, pairs(NAMES, kind=6), [])
    assert "only turned in place" in failure(NAMES, pairs(NAMES, kind=6), [NAMES])
    assert failure(NAMES, [*pairs(NAMES, kind=6), Pair("a", "b", 100, 3)], [NAMES]) is None


def test_parts_that_do_not_meet():
    sentence = failure(NAMES, pairs("abc")[:2] + pairs("def"), [])
    assert "3 images such as a, 3 such as d" in sentence
    assert "do not meet" in failure(tuple("abcdefgh"), pairs("abcdefgh"), ["abc", "fgh"])


def test_hardly_moved():
    assert "hardly moved" in failure(NAMES, pairs(NAMES), [])
