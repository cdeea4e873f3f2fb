"""LATUP-Net, a 3-D attention U-Net with parallel convolutions (arXiv:2404.05911), in PyTorch.

In the shape comments `n` is the batch, `f` the number of filters at the finest level, and
`/2` marks a grid with half the voxels along each axis.

A light relative runs the same blocks on a grid of half the resolution: its first layer takes each
2 x 2 x 2 block of voxels to one vector, its last layer gives each of the eight its own answer.
Then everything in the shape comments between the two is at half size.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  (PyTorch's own convention)

from latup_cli.training.attention import ATTENTION

_LEAK = 0.1
_NORM_EPS = 1e-3

STRIDE = 8
"""Three poolings by two; with a fold, that many times more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkConfig:
    """What fixes the network's parameters; saved beside its weights.

    Attributes:
        in_channels: MR modalities.
        classes: Output classes, background included.
        filters: Filters at the finest level.
        deep_filters: Filters of the two deeper levels; 0 for two and four times as many.
        fold: Voxels along each axis that the first layer joins to one; 1 is the published
            network.
        dropout: Probability of zeroing a voxel's activation during training.
        attention: A name from `ATTENTION`; "se" is the published network.
    """

    in_channels: int = 4
    classes: int = 4
    filters: int = 32
    deep_filters: tuple[int, int] = (0, 0)
    fold: int = 1
    dropout: float = 0.2
    attention: str = "se"

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> Self:
        """The part of a run's settings that fixes the network; what is not named is published."""
        names = {field.name for field in fields(cls)} & set(settings)
        return cls(**{name: settings[name] for name in names})

    @property
    def widths(self) -> tuple[int, int, int]:
        """Filters of the three levels, the finest first."""
        second, third = self.deep_filters
        return self.filters, second or 2 * self.filters, third or 4 * self.filters

    @property
    def shape(self) -> Mapping[str, object]:
        """What has to be equal in two networks for one to take the other's weights."""
        return {
            "in_channels": self.in_channels,
            "classes": self.classes,
            "filters": self.widths,
            "fold": self.fold,
            "attention": self.attention,
        }

    @property
    def stride(self) -> int:
        """Every spatial size of the input must be a multiple of this."""
        return STRIDE * self.fold


class ConvAct(nn.Sequential):
    """Convolution that keeps the size, then leaky ReLU, then optionally instance normalization.

    A kernel of even size pads its one extra zero plane at the far end of each axis.
    """

    def __init__(self, channels: int, out: int, *, kernel: int, norm: bool = False) -> None:
        near, far = (kernel - 1) // 2, kernel // 2
        layers: list[nn.Module] = []
        if near != far:
            layers.append(nn.ConstantPad3d((near, far) * 3, 0.0))
        layers.append(nn.Conv3d(channels, out, kernel, padding=near if near == far else 0))
        layers.append(nn.LeakyReLU(_LEAK, inplace=True))
        if norm:
            layers.append(nn.InstanceNorm3d(out, eps=_NORM_EPS, affine=True))
        super().__init__(*layers)


class ParallelConvolutions(nn.Module):
    """Three receptive fields side by side, each pooled to half size, then concatenated."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.paths = nn.ModuleList(
            nn.Sequential(ConvAct(channels, channels, kernel=k), nn.MaxPool3d(2)) for k in (1, 3, 5)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(n, f, i, j, k) to (n, 3f, i/2, j/2, k/2)."""
        return torch.cat([path(x) for path in self.paths], dim=1)


class Encoder(nn.Module):
    """Attention and two convolutions; what comes out before pooling is the skip connection."""

    def __init__(self, channels: int, out: int, *, attention: str) -> None:
        super().__init__()
        self.attention = ATTENTION[attention](channels)
        self.first = ConvAct(channels, out, kernel=3, norm=True)
        self.second = ConvAct(out, out, kernel=3)

    def forward(self, x: Tensor) -> Tensor:
        """(n, channels, i, j, k) to (n, out, i, j, k)."""
        skip: Tensor = self.second(self.first(self.attention(x)))
        return skip


class Decoder(nn.Module):
    """Double the size, join the skip connection, and convolve with attention in between."""

    def __init__(self, channels: int, skip: int, out: int, *, config: NetworkConfig) -> None:
        super().__init__()
        self.up = ConvAct(channels, out, kernel=2, norm=True)
        self.first = ConvAct(out + skip, out, kernel=3)
        self.attention = ATTENTION[config.attention](out)
        self.dropout = nn.Dropout(config.dropout)
        self.second = ConvAct(out, out, kernel=3)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """(n, channels, i/2, j/2, k/2) and (n, skip, i, j, k) to (n, out, i, j, k)."""
        x = self.up(F.interpolate(x, scale_factor=2.0, mode="nearest"))  # (n, out, i, j, k)
        x = self.first(torch.cat([x, skip], dim=1))  # (n, out + skip) to (n, out)
        joined: Tensor = self.second(self.dropout(self.attention(x)))
        return joined


class LatupNet(nn.Module):
    """The whole network, up to class scores before softmax.

    With the default configuration it has 3,069,924 parameters.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        f, f2, f3 = config.widths
        self.config = config
        self.embed = _embedding(config)
        self.parallel = ParallelConvolutions(f)
        self.encode2 = Encoder(3 * f, f2, attention=config.attention)
        self.encode3 = Encoder(f2, f3, attention=config.attention)
        self.dropout = nn.Dropout(config.dropout)
        self.pool = nn.MaxPool3d(2)
        self.bottleneck = ATTENTION[config.attention](f3)
        self.decode3 = Decoder(f3, f3, f3, config=config)
        self.decode2 = Decoder(f3, f2, f2, config=config)
        self.decode1 = Decoder(f2, f, f, config=config)
        self.head = _head(config)
        self.apply(_he_uniform)

    def forward(self, image: Tensor) -> Tensor:
        """Normalized modalities (n, 4, i, j, k) to class logits (n, 4, i, j, k).

        Sizes i, j, k are multiples of `config.stride`.
        """
        skip1 = self.embed(image)  # (n, f, i, j, k)
        x = self.parallel(skip1)  # (n, 3f, /2)
        skip2 = self.encode2(x)  # (n, f2, /2)
        x = self.pool(self.dropout(skip2))  # (n, f2, /4)
        skip3 = self.encode3(x)  # (n, f3, /4)
        x = self.pool(self.dropout(skip3))  # (n, f3, /8)
        x = self.decode3(self.bottleneck(x), skip3)  # (n, f3, /4)
        x = self.decode2(x, skip2)  # (n, f2, /2)
        x = self.decode1(x, skip1)  # (n, f, i, j, k)
        logits: Tensor = self.head(x)  # (n, classes, i, j, k)
        return logits


def _embedding(config: NetworkConfig) -> nn.Module:
    """(n, 4, i, j, k) to (n, f, i / fold, j / fold, k / fold)."""
    if config.fold == 1:
        return ConvAct(config.in_channels, config.filters, kernel=3)
    fold = nn.Conv3d(config.in_channels, config.filters, config.fold, stride=config.fold)
    return nn.Sequential(fold, nn.LeakyReLU(_LEAK, inplace=True))


def _head(config: NetworkConfig) -> nn.Module:
    """(n, f, i / fold, j / fold, k / fold) to (n, classes, i, j, k)."""
    if config.fold == 1:
        return nn.Conv3d(config.filters, config.classes, kernel_size=1)
    return nn.ConvTranspose3d(config.filters, config.classes, config.fold, stride=config.fold)


def parameter_count(network: nn.Module) -> int:
    """Learned numbers in a network."""
    return sum(p.numel() for p in network.parameters())


def _he_uniform(module: nn.Module) -> None:
    if isinstance(module, nn.Conv3d | nn.ConvTranspose3d):
        nn.init.kaiming_uniform_(module.weight, nonlinearity="relu")
        if module.bias is not None:
            nn.init.zeros_(module.bias)
