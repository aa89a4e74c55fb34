"""The schedule of a fit: densification range, spherical harmonics degree and learning rates by step."""

from __future__ import annotations

from dataclasses import dataclass

from recon.fitting.settings import FitSettings


@dataclass(frozen=True)
class FitSchedule:
    """The schedule that follows from a fit's settings."""

    settings: FitSettings
    scale: float
    """Scene scale in meters."""

    @property
    def refine_start(self) -> int:
        """The first step at which splats are added and removed."""
        return self.settings.steps // 10

    @property
    def refine_stop(self) -> int:
        """The step at which adding and removing splats ends."""
        return max(1, self.settings.steps * 6 // 10)

    def sh_degree(self, step: int) -> int:
        """The degree of the spherical harmonics that are fitted; all degrees from half of the steps on."""
        degree = self.settings.sh_degree
        return min(degree, 2 * (degree + 1) * step // self.settings.steps)

    def rates(self, step: int) -> dict[str, float]:
        """Learning rates by parameter name; the rates of lengths and angles decay to a hundredth over the fit."""
        rates = self.settings.rates(self.scale)
        return rates | {name: self._decay(step) * rates[name] for name in ("means", "shifts", "turns")}

    def exposure_decay(self, step: int) -> float:
        """Factor of the exposures' learning rate, which decays to a tenth over the fit."""
        return self._decay(step) ** 0.5

    def _decay(self, step: int) -> float:
        return float(0.01 ** (step / self.settings.steps))
