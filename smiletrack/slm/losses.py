"""What pulls crops of one identity together and pushes identities apart. Z is (B, D), labels are (B,)."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from smiletrack.slm.config import LossConfig
from smiletrack.slm.network import similarity


def _pairs(labels: Tensor) -> tuple[Tensor, Tensor]:
    """(B,) -> two (B, B) masks: same identity (without the diagonal) and different identity."""
    same = labels[:, None] == labels[None, :]
    diagonal = torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    return same & ~diagonal, ~same


def _mean_where(mask: Tensor, values: Tensor) -> Tensor:
    """Mean of the values that the mask selects; selecting them would make a GPU wait for their number."""
    return (values * mask).sum() / mask.sum()


class PairSimilarity(nn.Module):
    """Binary cross-entropy of sigmoid(scale * cosine + shift) over all pairs of a batch.

    Same and different pairs weigh one half each, however many there are. Scale and shift are learned.
    """

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(10.0))
        self.shift = nn.Parameter(torch.tensor(-5.0))

    def forward(self, Z: Tensor, labels: Tensor) -> Tensor:
        same, different = _pairs(labels)
        logits = self.scale * similarity(Z, Z) + self.shift
        return (
            _mean_where(same, functional.softplus(-logits)) + _mean_where(different, functional.softplus(logits))
        ) / 2


class IdentityClassification(nn.Module):
    """Cross-entropy of a linear classifier on the direction of Z (cosine x 16), label smoothing 0.1."""

    def __init__(self, dimension: int, num_identities: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(num_identities, dimension))

    def forward(self, Z: Tensor, labels: Tensor) -> Tensor:
        return functional.cross_entropy(16 * similarity(Z, self.weight), labels, label_smoothing=0.1)


class BatchHardTriplet(nn.Module):
    """softplus(5 (hardest positive - hardest negative distance)) of unit vectors (Hermans et al., arXiv:1703.07737)."""

    def forward(self, Z: Tensor, labels: Tensor) -> Tensor:
        same, different = _pairs(labels)
        distances = (2 - 2 * similarity(Z, Z)).clamp_min(1e-6).sqrt()
        farthest = distances.masked_fill(~same, 0.0).amax(1)
        nearest = distances.masked_fill(~different, 2.0).amin(1)
        return functional.softplus(5 * (farthest - nearest)).mean()


class Circle(nn.Module):
    """Circle loss, one row an anchor, m = 0.25 and gamma = 32 (Sun et al., arXiv:2002.10857, equation 6)."""

    margin, gamma = 0.25, 32.0

    def forward(self, Z: Tensor, labels: Tensor) -> Tensor:
        same, different = _pairs(labels)
        s = similarity(Z, Z)
        weight_p = (1 + self.margin - s.detach()).clamp_min(0)
        weight_n = (s.detach() + self.margin).clamp_min(0)
        positive = -self.gamma * weight_p * (s - (1 - self.margin))
        negative = self.gamma * weight_n * (s - self.margin)
        total = torch.logsumexp(positive.masked_fill(~same, -torch.inf), 1) + torch.logsumexp(
            negative.masked_fill(~different, -torch.inf), 1
        )
        return functional.softplus(total).mean() / self.gamma


class Contrastive(nn.Module):
    """Supervised contrastive loss, temperature 0.1 (Khosla et al., arXiv:2004.11362, equation 2, L_out)."""

    def forward(self, Z: Tensor, labels: Tensor) -> Tensor:
        same, _ = _pairs(labels)
        logits = similarity(Z, Z) / 0.1
        diagonal = torch.eye(len(labels), dtype=torch.bool, device=Z.device)
        log_p = logits - torch.logsumexp(logits.masked_fill(diagonal, -torch.inf), 1, keepdim=True)
        positives = same.sum(1)
        of_anchor = log_p.masked_fill(~same, 0).sum(1) / positives.clamp_min(1)  # 0 without a positive
        return -of_anchor.sum() / (positives > 0).sum()


class Distillation(nn.Module):
    """Squared distance of Z and the teacher's answer, as a share of the answers' variance: their mean alone gives 1."""

    variance: Tensor

    def __init__(self, variance: float) -> None:
        super().__init__()
        self.register_buffer("variance", torch.tensor(variance))

    def forward(self, Z: Tensor, T: Tensor, trust: Tensor | None = None) -> Tensor:
        """(B, D), (B, D) -> scalar, 0 and up. trust: (B,) weights of the answers, None = equal ones."""
        apart = (Z - T).square().sum(1)
        mean = apart.mean() if trust is None else (apart * trust).sum() / trust.sum().clamp_min(1e-6)
        return mean / self.variance


class SLMLoss(nn.Module):
    """The weighted sum of the losses that the config turns on; `forward` also returns each one's value.

    All of it is computed in float32, also under autocast: cosines of bfloat16 products are wrong in the third digit,
    and where identities are parted well, that is most of the gradient.
    """

    def __init__(self, config: LossConfig, dimension: int, num_identities: int, answers: Tensor | None = None) -> None:
        """dimension: D of Z. answers: (N, D) a sample of the teacher's, None without a teacher."""
        super().__init__()
        makers: dict[str, Callable[[], nn.Module]] = {
            "pair": PairSimilarity,
            "identity": lambda: IdentityClassification(dimension, num_identities),
            "triplet": BatchHardTriplet,
            "circle": Circle,
            "contrastive": Contrastive,
        }
        self.weights = {name: getattr(config, name) for name in makers if getattr(config, name) > 0}
        self.terms = nn.ModuleDict({name: makers[name]() for name in self.weights})
        self.teacher = None
        if answers is not None and config.teacher:
            self.teacher = Distillation(float(answers.var(0, correction=0).sum()))
            self.weights["teacher"] = config.teacher

    def forward(
        self, Z: Tensor, labels: Tensor, T: Tensor | None = None, trust: Tensor | None = None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """(B, D), (B,), teacher's (B, D), (B,) what its answers weigh -> total (scalar), unweighted terms by name."""
        with torch.autocast(Z.device.type, enabled=False):
            Z = Z.float()
            values = {name: term(Z, labels) for name, term in self.terms.items()}
            if self.teacher:
                values["teacher"] = self.teacher(Z, T, trust)
            total = torch.stack([self.weights[name] * value for name, value in values.items()]).sum()
        return total, {name: value.detach() for name, value in values.items()}
