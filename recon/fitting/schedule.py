"""What happens at which step of a fit, and how its learning rates fall."""

from __future__ import annotations

from dataclasses import dataclass

from recon.fitting.settings import FitSettings


@dataclass(frozen=True)
class Schedule:
    """The steps and rates that follow from a fit's settings."""

    settings: FitSettings
    scale: float
    """Scene scale in meters."""

    @property
    def refine_start(self) -> int:
        """The step from which on splats are added and removed."""
        return self.settings.steps // 10

    @property
    def refine_stop(self) -> int:
        """The step from which on none are."""
        return max(1, self.settings.steps * 6 // 10)

    def sh_degree(self, step: int) -> int:
        """The degree of the spherical harmonics that are fitted; all are from half of the steps on."""
        degree = self.settings.sh_degree
        return min(degree, 2 * (degree + 1) * step // self.settings.steps)

    def rates(self, step: int) -> dict[str, float]:
        """Learning rates by parameter name; those of lengths and angles fall to a hundredth over the fit."""
        rates = self.settings.rates(self.scale)
        return rates | {name: self._fall(step) * rates[name] for name in ("means", "shifts", "turns")}

    def exposure_decay(self, step: int) -> float:
        """Factor of the exposures' learning rate, which falls to a tenth over the fit."""
        return self._fall(step) ** 0.5

    def _fall(self, step: int) -> float:
        return float(0.01 ** (step / self.settings.steps))
