import numpy as np

from recon.splats.statistics import decades, histogram


def test_a_histogram_in_text():
    lines = histogram(np.array([0.1, 0.2, 0.6, 1.0]), (0.0, 0.5, 0.9, 1.0))
    assert [line.split()[3:5] for line in lines] == [["2", "50.0%"], ["1", "25.0%"], ["1", "25.0%"]]
    assert [line.count("#") for line in lines] == [40, 20, 20]


def test_half_decades_surround_the_values():
    np.testing.assert_allclose(decades(np.array([0.02, 0.5])), [0.01, 0.0316228, 0.1, 0.316228, 1], rtol=1e-5)
    assert len(decades(np.array([1.0]))) == 2
