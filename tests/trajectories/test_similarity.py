import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from trajectories import InputError, Similarity


def test_a_point_is_rotated_then_scaled_then_moved():
    quarter = Similarity([[0, -1, 0], [1, 0, 0], [0, 0, 1]], 2.0, (0, 0, 5))
    np.testing.assert_array_equal(quarter(np.array([1.0, 0, 3])), [0, 2, 11])
    assert quarter(np.zeros((4, 3), np.float32)).dtype == np.float32


def test_inverse_and_composition():
    one = Similarity(Rotation.from_rotvec([0.3, -1.0, 2.0]).as_matrix(), 0.5, (1, 2, 3))
    two = Similarity(-Rotation.from_rotvec([1.5, 0.2, -0.4]).as_matrix(), 3.0, (0, -1, 0))
    points = np.random.default_rng(0).normal(size=(5, 3))
    np.testing.assert_allclose(two.inverse(two(points)), points, atol=1e-12)
    np.testing.assert_allclose(two.after(one)(points), two(one(points)), atol=1e-12)


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ({"rotation": np.diag([1, 1, 2])}, "rotation"),
        ({"scale": 0.0}, "scale"),
        ({"scale": np.nan}, "scale"),
        ({"translation": (0, 1)}, "translation"),
        ({"translation": (0, 1, np.inf)}, "translation"),
    ],
)
def test_what_is_no_similarity_is_refused(values, word):
    with pytest.raises(InputError, match=f"The {word} of a similarity"):
        Similarity(**values)
