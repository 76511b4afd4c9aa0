"""Losses against slow versions typed from their papers, pair by pair."""

import math

import pytest
import torch

from smiletrack.config import load_config
from smiletrack.errors import InputError
from smiletrack.slm.losses import (
    BatchHardTriplet,
    Circle,
    Contrastive,
    IdentityClassification,
    LossConfig,
    PairSimilarity,
    SLMLoss,
)

Z = torch.randn(7, 4, generator=torch.Generator().manual_seed(2))
LABELS = torch.tensor([0, 0, 0, 1, 1, 2, 2])
N = len(Z)


def cosine(i: int, j: int) -> float:
    return float(Z[i] @ Z[j] / (Z[i].norm() * Z[j].norm()))


def others(i: int, same: bool) -> list[int]:
    return [j for j in range(N) if j != i and bool(LABELS[i] == LABELS[j]) is same]


def test_pair_similarity() -> None:
    def sigmoid(x: float) -> float:
        return 1 / (1 + math.exp(-x))

    same = [-math.log(sigmoid(10 * cosine(i, j) - 5)) for i in range(N) for j in others(i, True)]
    different = [-math.log(1 - sigmoid(10 * cosine(i, j) - 5)) for i in range(N) for j in others(i, False)]
    expected = (sum(same) / len(same) + sum(different) / len(different)) / 2
    assert float(PairSimilarity()(Z, LABELS).detach()) == pytest.approx(expected, abs=1e-5)


def test_batch_hard_triplet() -> None:
    def distance(i: int, j: int) -> float:
        return math.sqrt(max(2 - 2 * cosine(i, j), 0))

    terms = []
    for i in range(N):
        farthest, nearest = max(distance(i, j) for j in others(i, True)), min(distance(i, j) for j in others(i, False))
        terms.append(math.log1p(math.exp(5 * (farthest - nearest))))
    assert float(BatchHardTriplet()(Z, LABELS)) == pytest.approx(sum(terms) / N, abs=1e-5)


def test_circle() -> None:
    m, gamma, terms = 0.25, 32.0, []
    for i in range(N):
        p = sum(math.exp(-gamma * max(1 + m - cosine(i, j), 0) * (cosine(i, j) - (1 - m))) for j in others(i, True))
        n = sum(math.exp(gamma * max(cosine(i, j) + m, 0) * (cosine(i, j) - m)) for j in others(i, False))
        terms.append(math.log1p(p * n))
    assert float(Circle()(Z, LABELS)) == pytest.approx(sum(terms) / N / gamma, abs=1e-5)


def test_contrastive() -> None:
    terms = []
    for i in range(N):
        total = sum(math.exp(cosine(i, j) / 0.1) for j in range(N) if j != i)
        positives = others(i, True)
        terms.append(-sum(math.log(math.exp(cosine(i, p) / 0.1) / total) for p in positives) / len(positives))
    assert float(Contrastive()(Z, LABELS)) == pytest.approx(sum(terms) / N, abs=1e-4)


def test_identity_classification() -> None:
    loss = IdentityClassification(4, 3)
    W, terms = loss.weight.detach(), []
    for i in range(N):
        logits = [16 * float(Z[i] @ w / (Z[i].norm() * w.norm())) for w in W]
        log_total = math.log(sum(math.exp(x) for x in logits))
        target = [0.1 / 3 + (0.9 if k == LABELS[i] else 0) for k in range(3)]
        terms.append(-sum(t * (x - log_total) for t, x in zip(target, logits, strict=True)))
    assert float(loss(Z, LABELS).detach()) == pytest.approx(sum(terms) / N, abs=1e-4)


def test_the_total_is_the_weighted_sum_and_only_of_what_is_on() -> None:
    loss = SLMLoss(LossConfig(pair=2.0, triplet=0.5, identity=0, contrastive=0), 4, 3)
    total, parts = loss(Z, LABELS)
    assert set(parts) == {"pair", "triplet"}
    assert float(total.detach()) == pytest.approx(2 * float(parts["pair"]) + 0.5 * float(parts["triplet"]), abs=1e-5)


@pytest.mark.parametrize("name", ["pair", "identity", "triplet", "circle", "contrastive"])
def test_every_loss_falls_as_identities_part(name: str) -> None:
    torch.manual_seed(0)
    weights = {"identity": 0.0, "contrastive": 0.0, name: 1.0}
    loss = SLMLoss(LossConfig(**weights), 4, 3)
    points = Z.clone().requires_grad_()
    optimizer = torch.optim.Adam([points, *loss.parameters()], lr=0.1)
    first = float(loss(points, LABELS)[0].detach())
    for _ in range(60):
        optimizer.zero_grad()
        loss(points, LABELS)[0].backward()
        assert torch.isfinite(points.grad).all()  # type: ignore[arg-type]
        optimizer.step()
    assert float(loss(points, LABELS)[0].detach()) < 0.7 * first
    if name == "identity":  # it parts classes from each other's centres, not crops from crops
        return
    unit = torch.nn.functional.normalize(points.detach(), dim=1)
    similarities, same = unit @ unit.T, LABELS[:, None] == LABELS[None]
    assert similarities[same].min() > similarities[~same].max()


def test_impossible_weights_are_named() -> None:
    for words, reason in (
        (["contrastive=0", "identity=0", "teacher=0"], "contrastive must be above 0"),
        (["circle=-1"], "circle must be at least 0, not -1"),
    ):
        with pytest.raises(InputError, match=reason):
            load_config(LossConfig, None, words)


def test_a_teacher_is_followed_and_its_mean_alone_costs_one() -> None:
    T = torch.randn(N, 4, generator=torch.Generator().manual_seed(1))
    loss = SLMLoss(LossConfig(identity=0, contrastive=1.0, teacher=3.0), 4, 3, answers=T)
    total, parts = loss(Z, LABELS, T)
    mean = [float(T[:, d].sum()) / N for d in range(4)]
    variance = sum((float(T[i, d]) - mean[d]) ** 2 for i in range(N) for d in range(4)) / N
    apart = sum((float(Z[i, d]) - float(T[i, d])) ** 2 for i in range(N) for d in range(4)) / N
    assert float(parts["teacher"]) == pytest.approx(apart / variance, abs=1e-5)
    assert float(total.detach()) == pytest.approx(float(parts["contrastive"]) + 3 * float(parts["teacher"]), abs=1e-4)
    assert float(loss(T.mean(0).expand(N, 4), LABELS, T)[1]["teacher"]) == pytest.approx(1, abs=1e-5)
    assert SLMLoss(LossConfig(), 4, 3).teacher is None  # the weight alone asks for no teacher


def test_a_crop_without_another_of_its_person_is_no_anchor() -> None:
    alone = torch.tensor([0, 0, 0, 1, 1, 2, 3])
    terms = []
    for i in range(5):
        total = sum(math.exp(cosine(i, a) / 0.1) for a in range(N) if a != i)
        positives = [j for j in range(N) if j != i and alone[j] == alone[i]]
        terms.append(-sum(math.log(math.exp(cosine(i, p) / 0.1) / total) for p in positives) / len(positives))
    assert float(Contrastive()(Z, alone)) == pytest.approx(sum(terms) / 5, abs=1e-4)


@pytest.mark.parametrize("name", ["pair", "identity", "triplet", "circle", "contrastive", "teacher"])
def test_losses_are_computed_in_full_precision_under_autocast(name: str) -> None:
    """Identities that are parted well: there a product in bfloat16 gives another gradient (contrastive: cosine .74)."""
    generator = torch.Generator().manual_seed(0)
    centres, labels = torch.eye(16, 64).repeat_interleave(4, 0), torch.arange(16).repeat_interleave(4)
    points = 4 * centres + 0.02 * torch.randn(64, 64, generator=generator)
    torch.manual_seed(0)
    weights = {"identity": 0.0, "contrastive": 0.0, "teacher": 0.0, name: 1.0}
    loss = SLMLoss(LossConfig(**weights), 64, 16, answers=centres if name == "teacher" else None)
    gradients = []
    for lowered in (False, True):
        leaf = points.clone().requires_grad_()
        with torch.autocast("cpu", torch.bfloat16, enabled=lowered):
            total, _ = loss(leaf, labels, centres)
        total.backward()
        assert total.dtype == torch.float32
        gradients.append(leaf.grad)
    assert torch.equal(*gradients)  # type: ignore[arg-type]
