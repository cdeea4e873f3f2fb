"""The loss over nested regions."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from latup_cli.labels import REGIONS, Tissue
from latup_cli.training.loss import RegionLoss, region_log_probabilities

SHAPE = (2, 3, 4, 5, 6)


def scores(scale: float = 2.0, seed: int = 0) -> Tensor:
    """Random scores of four classes."""
    generator = torch.Generator().manual_seed(seed)
    return scale * torch.randn(2, 4, 4, 5, 6, generator=generator)


def tissues(seed: int = 1) -> Tensor:
    """(2, 4, 5, 6) random classes, background included."""
    return torch.randint(0, 4, (2, 4, 5, 6), generator=torch.Generator().manual_seed(seed))


def regions(classes: Tensor) -> Tensor:
    """(n, 3, i, j, k) share of WT, TC and ET: all or nothing."""
    inside = [torch.isin(classes, torch.tensor(sorted(tissue))) for tissue in REGIONS.values()]
    return torch.stack(inside, dim=1).float()


def certain(classes: Tensor, margin: float = 40.0) -> Tensor:
    """Scores of a network that is sure of these classes."""
    return margin * torch.nn.functional.one_hot(classes, 4).movedim(-1, 1).float()


def test_log_probabilities_are_those_of_the_summed_classes() -> None:
    """A region's p is the softmax share of its tissues together, and 1 - p that of the rest."""
    shares = torch.softmax(scores().double(), dim=1)
    inside, outside = region_log_probabilities(scores().double())
    for n, members in enumerate(REGIONS.values()):
        share = shares[:, sorted(members)].sum(dim=1)
        torch.testing.assert_close(inside[:, n], share.log())
        torch.testing.assert_close(outside[:, n], (1.0 - share).log())


def test_regions_stand_in_the_order_wt_tc_et() -> None:
    """A voxel that is edema for certain is whole tumor, and neither core nor enhancing."""
    inside, outside = region_log_probabilities(certain(torch.full((1, 1, 1, 1), int(Tissue.ED))))
    assert inside.exp().flatten().tolist() == pytest.approx([1.0, 0.0, 0.0], abs=1e-6)
    assert outside.exp().flatten().tolist() == pytest.approx([0.0, 1.0, 1.0], abs=1e-6)


def test_log_probabilities_stay_finite_where_a_softmax_would_be_0() -> None:
    """Scores 500 apart, whose shares are 0 in single precision, keep finite logarithms."""
    inside, outside = region_log_probabilities(certain(tissues(), 500.0))
    assert torch.isfinite(inside).all()
    assert torch.isfinite(outside).all()


def test_a_perfect_prediction_costs_nothing() -> None:
    """Being sure and right costs almost 0; being sure and wrong costs a lot."""
    loss = RegionLoss(1.0)
    truth = tissues()
    assert loss(certain(truth), regions(truth)).item() == pytest.approx(0.0, abs=1e-3)
    assert loss(certain((truth + 1) % 4), regions(truth)).item() > 1.0


def test_sure_and_right_is_better_than_unsure() -> None:
    """The loss falls as the network becomes surer of the truth."""
    loss, truth = RegionLoss(1.0), tissues()
    costs = [loss(certain(truth, margin), regions(truth)).item() for margin in (0, 1, 2, 4, 8)]
    assert costs == sorted(costs, reverse=True)


def test_an_empty_target_gives_a_finite_gradient() -> None:
    """A crop without tumor still teaches: loss and gradient are numbers, and push it down."""
    given = scores().requires_grad_()
    cost = RegionLoss(1.0)(given, torch.zeros(SHAPE))
    cost.backward()
    assert given.grad is not None
    assert torch.isfinite(cost)
    assert torch.isfinite(given.grad).all()
    assert (given.grad[:, 0] < 0).all()  # more background is better everywhere


def test_shares_of_a_voxel_are_learned() -> None:
    """Where a region fills 30 percent of a voxel, saying 30 percent has the least cross-entropy."""
    target = torch.full((1, 3, 1, 1, 1), 0.3)
    loss, plain = RegionLoss(1.0), RegionLoss(0.0)

    def cross_entropy(share: float) -> float:
        odds = torch.tensor([1.0 - share, 1e-9, 1e-9, share]).log().reshape(1, 4, 1, 1, 1)
        return float(loss(odds, target) - plain(odds, target))

    costs = {share: cross_entropy(share) for share in (0.1, 0.2, 0.3, 0.4, 0.5)}
    assert min(costs, key=costs.__getitem__) == 0.3


def test_the_weight_of_the_cross_entropy_counts() -> None:
    """The loss is linear in the weight of its cross-entropy."""
    target = regions(tissues())
    none, one, two = (RegionLoss(weight)(scores(), target) for weight in (0.0, 1.0, 2.0))
    torch.testing.assert_close(two - one, one - none)
    assert one > none
