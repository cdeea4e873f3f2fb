"""Attention modules that can take the place of squeeze and excitation (arXiv:2404.05911)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  (PyTorch's own convention)

_REDUCTION = 8
_SPATIAL_KERNEL = 7


def _reduced(channels: int) -> int:
    return max(1, channels // _REDUCTION)


def _pooled(x: Tensor) -> Tensor:
    """(n, c, i, j, k) to (n, c)."""
    return x.mean(dim=(2, 3, 4))


def _scaled(x: Tensor, scale: Tensor) -> Tensor:
    """(n, c, i, j, k) by one factor (n, c) per channel."""
    return x * scale[:, :, None, None, None]


class SqueezeExcitation(nn.Module):
    """Scale each channel by a factor in (0, 1) computed from the mean of all channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.squeeze = nn.Linear(channels, _reduced(channels), bias=False)
        self.excite = nn.Linear(_reduced(channels), channels, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(n, c, i, j, k) to the same shape."""
        return _scaled(x, torch.sigmoid(self.excite(F.relu(self.squeeze(_pooled(x))))))


class ConvolutionalSqueezeExcitation(nn.Module):
    """Squeeze and excitation with 1x1x1 convolutions in place of the linear layers."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv3d(channels, _reduced(channels), kernel_size=1)
        self.excite = nn.Conv3d(_reduced(channels), channels, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        """(n, c, i, j, k) to the same shape."""
        mean = x.mean(dim=(2, 3, 4), keepdim=True)  # (n, c, 1, 1, 1)
        return x * torch.sigmoid(self.excite(F.relu(self.squeeze(mean))))


class EfficientChannel(nn.Module):
    """Scale the channels by a softmax over one linear map of their means."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.mix = nn.Linear(channels, channels, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(n, c, i, j, k) to the same shape."""
        return _scaled(x, torch.softmax(self.mix(_pooled(x)), dim=1))


class Channel(nn.Module):
    """One two-layer map, shared by the channels' means and maxima, summed, then sigmoid."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.shared = nn.Sequential(
            nn.Linear(channels, _reduced(channels)),
            nn.ReLU(),
            nn.Linear(_reduced(channels), channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(n, c, i, j, k) to the same shape."""
        scale = torch.sigmoid(self.shared(_pooled(x)) + self.shared(x.amax(dim=(2, 3, 4))))
        return _scaled(x, scale)


class Spatial(nn.Module):
    """Scale each voxel by a 7x7x7 convolution of the mean and maximum over the channels."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv3d(2, 1, _SPATIAL_KERNEL, padding=_SPATIAL_KERNEL // 2)

    def forward(self, x: Tensor) -> Tensor:
        """(n, c, i, j, k) to the same shape."""
        mean, most = x.mean(dim=1, keepdim=True), x.amax(dim=1, keepdim=True)
        return x * torch.sigmoid(self.convolution(torch.cat([mean, most], dim=1)))


ATTENTION: Mapping[str, Callable[[int], nn.Module]] = MappingProxyType(
    {
        "se": SqueezeExcitation,
        "none": lambda _channels: nn.Identity(),
        "eca": EfficientChannel,
        "se-conv": ConvolutionalSqueezeExcitation,
        "channel": Channel,
        "spatial": lambda _channels: Spatial(),
        "cbam": lambda channels: nn.Sequential(Channel(channels), Spatial()),
    }
)
"""Name on the command line to a maker that takes the number of channels."""
