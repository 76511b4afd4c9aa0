"""Patch Self-Attention: Q, K, V of every patch and the attention between patches (paper, equations 1 and 2)."""

import torch
from torch import Tensor, nn

from smiletrack.slm.config import AttentionForm

GUARD = 1e-2
"""Least absolute value of equation 2's denominator in the literal form. Scores lie in [-1, 1]."""


def unit_norm(matrices: Tensor) -> Tensor:
    """(..., d_f, d) -> the same, each matrix divided by its Frobenius norm: ||Q_i|| = 1."""
    norms = torch.linalg.vector_norm(matrices, dim=(-2, -1), keepdim=True)
    unit: Tensor = matrices / norms.clamp_min(1e-6)
    return unit


def attention(scores: Tensor, form: AttentionForm, scale: Tensor | float = 1.0) -> Tensor:
    """(..., N_P, N_P) scores Sum(Q_i o K_j) in [-1, 1] -> alpha_ij of equation 2; the rows add up to 1.

    literal: alpha_ij = s_ij / sum_j s_ij as printed. The sum can be zero or negative, so its absolute value is kept
    at GUARD or above (there rows add up to less than 1 in size); the sign stays.
    positive: negative scores count as zero, a row without any positive score is uniform.
    softmax: exp(scale * s_ij) / sum_j exp(scale * s_ij).
    """
    if form == "softmax":
        return torch.softmax(scale * scores, -1)
    if form == "positive":
        scores = torch.relu(scores) + 1e-4
        return scores / scores.sum(-1, keepdim=True)
    total = scores.sum(-1, keepdim=True)
    guarded = torch.where(total < 0, total.clamp_max(-GUARD), total.clamp_min(GUARD))
    return scores / guarded


class PatchSelfAttention(nn.Module):
    """F (B, N_P, d_f, C) -> V-bar (B, N_P, d_f, d_v): V-bar_i = sum_j alpha_ij V_j.

    Q_i = F_i W^Q, K_i = F_i W^K (d_f x d_k) and V_i = F_i W^V (d_f x d_v), each of unit Frobenius norm.
    """

    def __init__(self, channels: int, d_k: int, d_v: int, form: AttentionForm) -> None:
        super().__init__()
        self.W_Q = nn.Linear(channels, d_k, bias=False)
        self.W_K = nn.Linear(channels, d_k, bias=False)
        self.W_V = nn.Linear(channels, d_v, bias=False)
        self.form: AttentionForm = form
        if form == "softmax":
            self.scale = nn.Parameter(torch.tensor(10.0))

    def forward(self, F: Tensor) -> Tensor:
        Q, K, V = unit_norm(self.W_Q(F)), unit_norm(self.W_K(F)), unit_norm(self.W_V(F))
        # Sum(Q_i o K_j) over d_f and d_k is the dot product of the flattened matrices
        scores = Q.flatten(2) @ K.flatten(2).transpose(1, 2)
        alpha = attention(scores, self.form, self.scale if self.form == "softmax" else 1.0)
        V_bar: Tensor = alpha @ V.flatten(2)
        return V_bar.view(V.shape)
