"""Hidden places and the weighted sum of places, against loops."""

import numpy as np
import torch

from smiletrack.slm.config import SLMConfig
from smiletrack.slm.network import SLM
from smiletrack.slm.places import SLOWEST, HiddenPlaces, PlacePooling


def test_the_mean_is_that_of_what_was_shown() -> None:
    """Over the first batches each counts alike; a place that a batch does not show keeps its mean."""
    hidden, rng = HiddenPlaces(2, 3, 4), torch.Generator().manual_seed(0)
    expected = torch.zeros(2, 3, 4)
    for number in range(1, 6):
        F, v = torch.rand(7, 2, 3, 4, generator=rng), torch.rand(7, 2, 3, generator=rng)
        v[:, 1, 2] *= number != 4
        hidden(F, v)
        for i, p in np.ndindex(2, 3):
            if float(v[:, i, p].sum()):
                mean = sum(float(v[b, i, p]) * F[b, i, p] for b in range(7)) / float(v[:, i, p].sum())
                expected[i, p] += (mean - expected[i, p]) / number
    torch.testing.assert_close(hidden.mean, expected)
    before = hidden.mean.clone()
    hidden.eval()(F, v)
    assert torch.equal(hidden.mean, before)
    hidden.batches.fill_(10_000)
    hidden.train()(torch.ones(1, 2, 3, 4), torch.ones(1, 2, 3))
    torch.testing.assert_close(hidden.mean, before + SLOWEST * (1 - before))


def test_a_place_is_mixed_with_its_mean_by_what_is_seen() -> None:
    hidden = HiddenPlaces(1, 3, 2).eval()
    hidden.mean.copy_(torch.tensor([[[1.0, 2], [3, 4], [5, 6]]]))
    F = torch.full((2, 1, 3, 2), 7.0)
    mixed = hidden(F, torch.tensor([[[1.0, 0.5, 0]]]))
    assert mixed[0].tolist() == mixed[1].tolist() == [[[7, 7], [5, 5.5], [5, 6]]]
    assert torch.equal(hidden(F, torch.ones(1, 1, 3)), F)


def test_pooling_is_the_loop_and_starts_as_the_mean() -> None:
    pooling, F = PlacePooling(2, 3, 4), torch.rand(5, 2, 3, 4, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(pooling(F), F.mean((1, 2)))
    torch.nn.init.normal_(pooling.weight)
    expected = [
        [sum(float(pooling.weight[i, p, c].detach() * F[b, i, p, c]) for i, p in np.ndindex(2, 3)) for c in range(4)]
        for b in range(5)
    ]
    np.testing.assert_allclose(pooling(F).detach().numpy(), expected, rtol=1e-5)


def test_a_network_whose_head_is_places_learns_and_takes_a_mask() -> None:
    config = SLMConfig(64, 64, "A", patches_of="features", channels=(4, 8), depths=(1,), embedding=6, head="places")
    plain, masked = SLM(config), SLM(SLMConfig(**{**vars(config), "mask": "soft"}))
    assert not hasattr(plain, "psa") and plain(torch.rand(3, 3, 64, 64)).shape == (3, 6)
    assert masked.mask_grid is not None
    masked(torch.rand(3, 3, 64, 64), torch.rand(3, *masked.mask_grid)).square().sum().backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in masked.parameters())
