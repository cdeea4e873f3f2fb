"""The paper's alternatives to squeeze and excitation fit the same network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
import torch

from latup_cli.training.attention import ATTENTION, EfficientChannel, Spatial
from latup_cli.training.export import export_onnx
from latup_cli.training.network import LatupNet, NetworkConfig

SIZE = (16, 8, 24)


@pytest.mark.parametrize("name", ATTENTION)
def test_every_attention_trains_and_exports(name: str, tmp_path: Path) -> None:
    """All parameters get a gradient, and ONNX Runtime agrees with PyTorch."""
    torch.manual_seed(0)
    network = LatupNet(NetworkConfig(filters=4, attention=name))
    image = torch.randn(1, 4, *SIZE)
    network(image).square().mean().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())
    export_onnx(network, tmp_path / "model.onnx")
    session = ort.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"image": image.numpy()})
    with torch.inference_mode():
        expected = torch.softmax(network.eval()(image), dim=1).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_eca_shares_out_one() -> None:
    """Its factors are a softmax: over the channels they sum to one."""
    scaled = EfficientChannel(6)(torch.ones(2, 6, 3, 4, 5))
    torch.testing.assert_close(scaled.sum(dim=1), torch.ones(2, 3, 4, 5))


def test_spatial_attention_scales_all_channels_alike() -> None:
    """A voxel has one factor in (0, 1) for all its channels."""
    x = torch.rand(1, 3, 8, 9, 10) + 0.5
    factor = Spatial()(x) / x
    assert factor.min() > 0
    assert factor.max() < 1
    torch.testing.assert_close(factor[:, 0], factor[:, 2])
