from collections import Counter
from dataclasses import dataclass

import torch

from cvd3d.training.batches import Mixture


@dataclass(frozen=True)
class Named:
    name: str

    def draw(self, count, generator):
        return self.name, count, torch.rand((), generator=generator).item()


def test_each_batch_is_from_one_source_chosen_by_the_weights():
    mixture = Mixture((Named("posed"), Named("warped")), (0.7, 0.3))
    generator = torch.Generator().manual_seed(0)
    drawn = Counter(mixture.draw(4, generator)[:2] for _ in range(2000))
    assert set(drawn) == {("posed", 4), ("warped", 4)}
    assert 1340 < drawn["posed", 4] < 1460


def test_the_same_seed_draws_the_same():
    mixture = Mixture((Named("posed"), Named("warped")), (0.5, 0.5))
    first, second = ([mixture.draw(1, g) for _ in range(9)] for g in (torch.Generator().manual_seed(3) for _ in "ab"))
    assert first == second
