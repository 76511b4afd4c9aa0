"""The network of the authors' released code, so that their public weights load: same tensor names, same outputs.

It is not the paper's: one ResNet-18 over the whole crop, four quadrants of the feature map instead of image patches, no
position embedding, and linear attention between the tokens of two quadrants instead of equation 2.
"""

import torch
from torch import Tensor, nn
from torchvision.models import resnet18

HEADS, KEY_CHANNELS = 4, 32


class _FirstBlock(nn.Module):
    """Layers that the released network registers and never runs; here so that its checkpoints fit whole."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.conv2 = nn.Conv2d(64, 64, 3, bias=False)
        self.bn2 = nn.BatchNorm2d(64)
        self.con1x1 = nn.Conv2d(64, 128, 1)
        self.bn3 = nn.BatchNorm2d(128)


class LinearAttention(nn.Module):
    """For every quadrant: the sum over all quadrants of linear attention (Shen et al., arXiv:1812.01243) to it."""

    def __init__(self) -> None:
        super().__init__()
        wide = HEADS * KEY_CHANNELS
        self.to_q = nn.Conv2d(32, wide, 1)
        self.to_k = nn.Conv2d(32, wide, 1)
        self.to_v = nn.Conv2d(32, wide, 1)
        self.to_out = nn.Conv2d(wide, 32, 1)

    def forward(self, patches: Tensor) -> Tensor:
        """(B, N_P, 32, h, w) -> the same shape."""
        B, N_P, _, h, w = patches.shape
        flat = patches.flatten(0, 1)
        q, k, v = (to(flat).view(B, N_P, HEADS, KEY_CHANNELS, h * w) for to in (self.to_q, self.to_k, self.to_v))
        q = (q * KEY_CHANNELS**-0.25).softmax(3)
        k = (k * KEY_CHANNELS**-0.25).softmax(4)
        # attention is linear in the context, so the sum over the quadrants attended to is taken there
        context = torch.einsum("bphkn,bphvn->bhkv", k, v)
        mixed = torch.einsum("bphkn,bhkv->bphvn", q, context).reshape(B * N_P, -1, h, w)
        # the released code adds up N_P outputs of to_out, hence N_P biases
        bias = (N_P - 1) * self.to_out.bias[None, :, None, None]  # type: ignore[index]
        attended: Tensor = self.to_out(mixed) + bias
        return attended.view(B, N_P, -1, h, w)


class ReleasedSLM(nn.Module):
    """Objects (B, 3, 224, 80), BGR in 0 ... 255 -> (B, 128), not normalised, no entry negative."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = _FirstBlock()
        self.patch_attention = LinearAttention()
        self.fc = nn.Sequential(nn.Linear(128, 128), nn.BatchNorm1d(128), nn.ReLU())
        self.resnet = resnet18(weights=None)
        for convolution in (self.resnet.layer3[0].conv1, self.resnet.layer3[0].downsample[0]):
            convolution.stride = (1, 1)  # total stride 8
        self.conv_pred = nn.Conv2d(256, 32, 3, padding=1)

    def feature_map(self, objects: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, 32, H / 8, W / 8)."""
        trunk = self.resnet
        x = trunk.maxpool(trunk.relu(trunk.bn1(trunk.conv1(objects))))
        features: Tensor = self.conv_pred(trunk.layer3(trunk.layer2(trunk.layer1(x))))
        return features

    def forward(self, objects: Tensor) -> Tensor:
        features = self.feature_map(objects)
        h, w = features.shape[2] // 2, features.shape[3] // 2
        quadrants = [features[:, :, i * h : (i + 1) * h, j * w : (j + 1) * w] for i in (0, 1) for j in (0, 1)]
        attended = self.patch_attention(torch.stack(quadrants, 1))
        Z: Tensor = self.fc(attended.flatten(1, 2).amax((2, 3)))
        return Z
