"""Position embeddings E_i, so that a patch knows where in the object it was (paper, A_i = P_i + E_i)."""

import torch
from torch import Tensor


def sinusoidal(num_patches: int, dimension: int) -> Tensor:
    """(N_P, D_p) the standard transformer's embedding (Vaswani et al., arXiv:1706.03762, section 3.5), i = 0 ... N_P-1.

    Entry 2k is sin(i / 10000^(2k / D_p)), entry 2k + 1 the cosine of the same angle.
    """
    k = torch.arange(0, dimension, 2, dtype=torch.float64)
    angles = torch.arange(num_patches, dtype=torch.float64)[:, None] / 10000 ** (k / dimension)
    return torch.stack((angles.sin(), angles.cos()), 2).flatten(1)[:, :dimension].float()
