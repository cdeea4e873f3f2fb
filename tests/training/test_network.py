"""The network is the published one: layer by layer, figure by figure."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from latup_cli.training.attention import SqueezeExcitation
from latup_cli.training.network import (
    STRIDE,
    ConvAct,
    LatupNet,
    NetworkConfig,
    parameter_count,
)

F = 8
SIZE = (16, 24, 32)


def small(**changes: float) -> LatupNet:
    """A network of eight filters, in evaluation mode, the same in every run."""
    torch.manual_seed(0)
    return LatupNet(NetworkConfig(filters=F, **changes)).eval()  # type: ignore[arg-type]


def image(batch: int = 1) -> Tensor:
    """Random modalities of three different sizes."""
    return torch.randn(batch, 4, *SIZE, generator=torch.Generator().manual_seed(1))


def described(layer: nn.Module, given: Tensor, out: Tensor) -> str:
    """One layer in the words of the paper's table, such as "conv3 8->24 @1/2"."""
    scale = "" if out.ndim == 2 else f"@1/{SIZE[0] // out.shape[2]}"
    channels = f"{given.shape[1]}->{out.shape[1]}"
    words = {
        nn.Conv3d: "conv{0.kernel_size[0]} {1} {2}",
        nn.Linear: "linear {1}",
        nn.LeakyReLU: "act {0.negative_slope}",
        nn.InstanceNorm3d: "norm {0.num_features} eps {0.eps}",
        nn.MaxPool3d: "pool {0.kernel_size} {2}",
        nn.Dropout: "dropout {0.p}",
        nn.ConstantPad3d: "",
    }
    return words[type(layer)].format(layer, channels, scale)


def layers(network: LatupNet) -> list[str]:
    """Every layer in the order in which it ran."""
    ran: list[str] = []

    def note(layer: nn.Module, given: tuple[Tensor, ...], out: Tensor) -> None:
        ran.append(described(layer, given[0], out))

    hooks = [
        module.register_forward_hook(note)
        for module in network.modules()
        if not list(module.children())
    ]
    with torch.inference_mode():
        network(image())
    for hook in hooks:
        hook.remove()
    return [layer for layer in ran if layer]


def conv(kernel: int, channels: int, out: int, scale: int, *, norm: bool = False) -> list[str]:
    """Convolution, activation, and normalization only afterwards."""
    made = [f"conv{kernel} {channels}->{out} @1/{scale}", "act 0.1"]
    return [*made, f"norm {out} eps 0.001"] if norm else made


def attention(channels: int) -> list[str]:
    """Squeeze to an eighth and excite."""
    return [f"linear {channels}->{channels // 8}", f"linear {channels // 8}->{channels}"]


def decoder(channels: int, skip: int, out: int, scale: int) -> list[str]:
    """Even convolution, joined with the skip connection, attention between two convolutions."""
    return [
        *conv(2, channels, out, scale, norm=True),
        *conv(3, out + skip, out, scale),
        *attention(out),
        "dropout 0.2",
        *conv(3, out, out, scale),
    ]


def published(f: int) -> list[str]:
    """The layers of arXiv:2404.05911 for f filters at full resolution."""
    return [
        *conv(3, 4, f, 1),
        *[step for k in (1, 3, 5) for step in (*conv(k, f, f, 1), "pool 2 @1/2")],
        *attention(3 * f),
        *conv(3, 3 * f, 2 * f, 2, norm=True),
        *conv(3, 2 * f, 2 * f, 2),
        "dropout 0.2",
        "pool 2 @1/4",
        *attention(2 * f),
        *conv(3, 2 * f, 4 * f, 4, norm=True),
        *conv(3, 4 * f, 4 * f, 4),
        "dropout 0.2",
        "pool 2 @1/8",
        *attention(4 * f),  # the bottleneck, and nothing else
        *decoder(4 * f, 4 * f, 4 * f, 4),
        *decoder(4 * f, 2 * f, 2 * f, 2),
        *decoder(2 * f, f, f, 1),
        f"conv1 {f}->4 @1/1",
    ]


@pytest.mark.parametrize(("channels", "parameters"), [(4, 3_069_924), (3, 3_069_060)])
def test_it_has_the_published_number_of_parameters(channels: int, parameters: int) -> None:
    """3.07 million, to the last one, with four modalities and with the paper's three."""
    assert parameter_count(LatupNet(NetworkConfig(in_channels=channels))) == parameters


def test_layers_run_in_the_published_order() -> None:
    """Kernels, channels, scales, activations, norms, dropouts and pools are those of the paper."""
    assert layers(small()) == published(F)


def test_biases_are_where_they_belong() -> None:
    """Every convolution has a bias, no linear layer of the attention has one."""
    modules = list(small().modules())
    convolutions = [m for m in modules if isinstance(m, nn.Conv3d)]
    assert len(convolutions) == 18
    assert all(m.bias is not None and m.stride == (1, 1, 1) for m in convolutions)
    assert all(m.bias is None for m in modules if isinstance(m, nn.Linear))
    assert all(m.affine for m in modules if isinstance(m, nn.InstanceNorm3d))


def test_weights_start_he_uniform() -> None:
    """Convolutions are drawn up to sqrt(6 / inputs of a neuron), and their biases are 0."""
    for module in small().modules():
        if isinstance(module, nn.Conv3d) and module.bias is not None:
            bound = math.sqrt(6.0 / (module.in_channels * math.prod(module.kernel_size)))
            largest = float(module.weight.detach().abs().max())
            assert 0.8 * bound < largest <= bound
            assert not module.bias.detach().any()


def test_skip_connections_leave_before_dropout() -> None:
    """Even if dropout takes everything, what the decoder joins is the encoder's own output."""
    network = small().train()
    network.dropout.p = 1.0
    seen: dict[str, Tensor] = {}
    network.encode2.register_forward_hook(lambda _m, _i, out: seen.update(skip=out))
    network.decode2.first.register_forward_pre_hook(lambda _m, given: seen.update(joined=given[0]))
    network(image())
    assert seen["skip"].abs().sum() > 0
    assert torch.equal(seen["joined"][:, 2 * F :], seen["skip"])


@pytest.mark.parametrize(
    ("kernel", "reach"), [(1, (0, 0)), (2, (-1, 0)), (3, (-1, 1)), (5, (-2, 2))]
)
def test_convolutions_reach_as_far_as_they_should(kernel: int, reach: tuple[int, int]) -> None:
    """An impulse spreads evenly; with two taps, a voxel sees itself and the one behind it."""
    layer = ConvAct(1, 1, kernel=kernel)
    nn.init.ones_(next(p for p in layer.parameters() if p.ndim > 1))
    nn.init.zeros_(next(p for p in layer.parameters() if p.ndim == 1))
    impulse = torch.zeros(1, 1, 9, 10, 11)
    impulse[0, 0, 4, 5, 6] = 1.0
    lit = np.argwhere(layer(impulse).detach().numpy()[0, 0] != 0)
    assert (lit.min(axis=0) - (4, 5, 6)).tolist() == [reach[0]] * 3
    assert (lit.max(axis=0) - (4, 5, 6)).tolist() == [reach[1]] * 3


def test_even_kernels_pad_with_zeros_at_the_far_end() -> None:
    """Along each axis the last voxel sees only itself, the first one sees its neighbor too."""
    layer = ConvAct(1, 1, kernel=2)
    nn.init.ones_(next(p for p in layer.parameters() if p.ndim > 1))
    nn.init.zeros_(next(p for p in layer.parameters() if p.ndim == 1))
    out = layer(torch.ones(1, 1, 4, 5, 6)).detach()[0, 0]
    assert out.shape == (4, 5, 6)
    assert out[:-1, :-1, :-1].unique().tolist() == [8.0]
    assert out[-1, :-1, :-1].unique().tolist() == [4.0]
    assert out[:-1, -1, :-1].unique().tolist() == [4.0]
    assert out[:-1, :-1, -1].unique().tolist() == [4.0]
    assert out[-1, -1, -1] == 1.0


def test_activation_comes_before_normalization() -> None:
    """A normalized block has mean 0 in every channel, which an activation would have spoiled."""
    out = ConvAct(4, F, kernel=3, norm=True)(image()).detach()
    assert out.mean(dim=(2, 3, 4)).abs().max() < 1e-4
    assert (out < 0).any()


def test_attention_scales_channels_by_their_means() -> None:
    """The factor of a channel is the sigmoid of two linear layers over all channels' means."""
    torch.manual_seed(3)
    layer = SqueezeExcitation(16)
    x = torch.randn(2, 16, 3, 4, 5)
    mean = x.numpy().mean(axis=(2, 3, 4))
    hidden = np.maximum(mean @ layer.squeeze.weight.detach().numpy().T, 0.0)
    factor = 1.0 / (1.0 + np.exp(-hidden @ layer.excite.weight.detach().numpy().T))
    expected = x.numpy() * factor[:, :, None, None, None]
    np.testing.assert_allclose(layer(x).detach().numpy(), expected, atol=1e-6)


def test_attention_never_squeezes_to_nothing() -> None:
    """Fewer than eight channels are squeezed to one."""
    layer = SqueezeExcitation(4)
    assert layer.squeeze.weight.shape == (1, 4)
    assert layer(torch.ones(1, 4, 2, 2, 2)).shape == (1, 4, 2, 2, 2)


def test_any_multiple_of_the_stride_will_do() -> None:
    """Three poolings by two make eight the smallest step, and the output keeps the size."""
    assert STRIDE == 8
    with torch.inference_mode():
        assert small()(torch.zeros(2, 4, 8, 16, 24)).shape == (2, 4, 8, 16, 24)


def test_a_folded_network_answers_for_every_voxel() -> None:
    """At half the resolution inside, what comes out has the size of what went in."""
    network = small(fold=2, deep_filters=(16, 24))
    assert network.config.widths == (F, 16, 24)
    assert network.config.stride == 16
    with torch.inference_mode():
        assert network(torch.zeros(2, 4, 16, 32, 48)).shape == (2, 4, 16, 32, 48)
    weights = network.state_dict()
    assert weights["embed.0.weight"].shape == (F, 4, 2, 2, 2)
    assert weights["head.weight"].shape == (F, 4, 2, 2, 2)


def test_a_fold_sees_no_neighbor_before_the_blocks() -> None:
    """The first layer takes exactly one block of eight voxels to one vector."""
    fold = small(fold=2).embed
    image = torch.zeros(1, 4, 4, 4, 4)
    image[0, 0, 1, 1, 1] = 1.0
    changed = (fold(image) != fold(torch.zeros_like(image))).any(dim=1)[0]
    assert changed[0, 0, 0]
    assert int(changed.sum()) == 1


def test_patients_in_a_batch_do_not_meet() -> None:
    """Two images at once give what each of them gives alone."""
    network = small()
    with torch.inference_mode():
        together = network(image(2))
        alone = torch.cat([network(one[None]) for one in image(2)])
    torch.testing.assert_close(together, alone, atol=1e-4, rtol=1e-4)


def test_nothing_is_random_when_it_is_not_trained() -> None:
    """In evaluation mode dropout is off; in training mode it is not."""
    network = small(dropout=0.5)
    with torch.inference_mode():
        assert torch.equal(network(image()), network(image()))
        assert not torch.equal(network.train()(image()), network(image()))
