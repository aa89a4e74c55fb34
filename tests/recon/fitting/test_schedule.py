import pytest

from recon.fitting.schedule import FitSchedule
from recon.fitting.settings import FitSettings


def test_splats_are_added_and_removed_between_a_tenth_and_six_tenths():
    schedule = FitSchedule(FitSettings(steps=200), 1.0)
    assert (schedule.refine_start, schedule.refine_stop) == (20, 120)
    assert FitSchedule(FitSettings(steps=1), 1.0).refine_stop == 1


def test_all_degrees_are_fitted_by_half_of_the_steps():
    schedule = FitSchedule(FitSettings(steps=60, sh_degree=2), 1.0)
    assert [schedule.sh_degree(step) for step in (0, 9, 10, 19, 20, 30, 59)] == [0, 0, 1, 1, 2, 2, 2]


def test_rates_of_positions_decay_and_those_of_appearance_do_not():
    settings = FitSettings(steps=100, means_rate=1e-3, turns_rate=0.02)
    schedule = FitSchedule(settings, 2.0)
    assert schedule.rates(0) == settings.rates(2.0)
    half = schedule.rates(50)
    assert half["means"] == pytest.approx(2e-4) and half["turns"] == pytest.approx(2e-3)
    assert half["fades"] == settings.fades_rate and half["sh0"] == settings.sh0_rate
    assert schedule.exposure_decay(50) == pytest.approx(10**-0.5)
    assert schedule.exposure_decay(100) == pytest.approx(0.1)
