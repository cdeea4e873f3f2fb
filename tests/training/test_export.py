"""What was trained is what runs: PyTorch, ONNX Runtime and OpenVINO say the same."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import pytest
import torch

from latup_cli.domain.model import ModelSpec
from latup_cli.errors import OutputError
from latup_cli.inference.telemetry import turn_off
from latup_cli.labels import MODALITIES
from latup_cli.training.checkpoint import load_weights
from latup_cli.training.export import OPSET, export_model, export_onnx, model_spec
from latup_cli.training.network import LatupNet, NetworkConfig, parameter_count
from latup_cli.training.settings import TrainSettings

turn_off()  # before either engine is imported

import onnxruntime as ort  # noqa: E402
import openvino as ov  # noqa: E402

SIZES = [(1, 16, 24, 32), (1, 40, 8, 16), (2, 24, 16, 8)]
SETTINGS = TrainSettings(name="tiny", filters=4, spacing_mm=1.5, validation_window=(16, 24, 32))
Probabilities = npt.NDArray[np.float32]


@pytest.fixture(scope="module")
def network() -> LatupNet:
    """Four filters, with biases and norms moved away from where they start."""
    generator = torch.Generator().manual_seed(7)
    torch.manual_seed(7)
    tiny = LatupNet(NetworkConfig(filters=4))
    with torch.no_grad():
        for parameter in tiny.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator), alpha=0.2)
    return tiny.train()


@pytest.fixture(scope="module")
def model(network: LatupNet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model directory."""
    directory = tmp_path_factory.mktemp("m") / "tiny"
    export_model(network, SETTINGS, {"WT": 0.9}, directory)
    return directory


def image(size: tuple[int, int, int, int]) -> npt.NDArray[np.float32]:
    """Random modalities; the first number is the batch."""
    batch, i, j, k = size
    return np.random.default_rng(11).normal(size=(batch, 4, i, j, k)).astype(np.float32)


def in_torch(network: LatupNet, x: npt.NDArray[np.float32]) -> Probabilities:
    """What the source model says."""
    with torch.inference_mode():
        return np.asarray(torch.softmax(network.eval()(torch.from_numpy(x)), dim=1))


def in_onnxruntime(model: Path, x: npt.NDArray[np.float32]) -> Probabilities:
    """What ONNX Runtime says on the CPU."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(
        model / "model.onnx", options, providers=["CPUExecutionProvider"]
    )
    return np.asarray(session.run(["probabilities"], {"image": x})[0])


def in_openvino(model: Path, x: npt.NDArray[np.float32]) -> Probabilities:
    """What OpenVINO says on the CPU, in single precision."""
    exact = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}
    compiled = ov.Core().compile_model(model / "model.onnx", "CPU", exact)
    return np.asarray(compiled(x)["probabilities"])


@pytest.mark.parametrize("size", SIZES)
def test_all_engines_agree(network: LatupNet, model: Path, size: tuple[int, int, int, int]) -> None:
    """At three non-cubic sizes, two patients at once included, nobody differs by 1e-4."""
    x = image(size)
    expected = in_torch(network, x)
    assert expected.std(axis=(0, 2, 3, 4)).min() > 0.01  # the answers do vary
    np.testing.assert_allclose(in_onnxruntime(model, x), expected, atol=1e-4)
    np.testing.assert_allclose(in_openvino(model, x), expected, atol=1e-4)


def test_a_light_network_answers_in_both_engines(tmp_path: Path) -> None:
    """The folded relative keeps its dynamic sizes, and both engines repeat what PyTorch says."""
    torch.manual_seed(3)
    light = LatupNet(NetworkConfig(filters=4, deep_filters=(8, 8), fold=2))
    export_onnx(light, tmp_path / "model.onnx")
    x = image((1, 32, 16, 48))
    expected = in_torch(light, x)
    for run in (in_onnxruntime, in_openvino):
        np.testing.assert_allclose(run(tmp_path, x), expected, atol=1e-4)


def test_the_graph_gives_probabilities(model: Path) -> None:
    """The activation is inside: four classes, none negative, summing to 1 in every voxel."""
    probabilities = in_onnxruntime(model, image(SIZES[0]))
    assert probabilities.shape == (1, 4, 16, 24, 32)
    assert probabilities.min() >= 0.0
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, atol=1e-5)


def test_the_graph_is_valid_onnx(model: Path) -> None:
    """It passes ONNX's own check, and its one input and output are named as promised."""
    graph = onnx.load(model / "model.onnx")
    onnx.checker.check_model(graph, full_check=True)
    assert [i.name for i in graph.graph.input] == ["image"]
    assert [o.name for o in graph.graph.output] == ["probabilities"]
    assert [o.version for o in graph.opset_import if not o.domain] == [OPSET]


def test_the_description_fits_the_graph(network: LatupNet, model: Path) -> None:
    """`model.json` has every field of a model, with the hash of the very file beside it."""
    fields = json.loads((model / "model.json").read_text(encoding="utf-8"))
    spec = ModelSpec(**fields)
    weights = (model / spec.weights).read_bytes()
    assert spec.sha256 == hashlib.sha256(weights).hexdigest()
    assert spec.parameters == parameter_count(network)
    assert tuple(spec.channels) == MODALITIES
    assert list(spec.spacing_mm) == [1.5] * 3
    assert list(spec.window) == [16, 24, 32]
    assert list(spec.classes) == ["background", "NCR", "ED", "ET"]
    assert spec.measured == {"WT": 0.9}


def test_a_model_says_what_is_too_small_for_it() -> None:
    """As the settings do; without them, nothing is."""
    careful = replace(SETTINGS, smallest_et_ml=0.5, smallest_island_ml=0.2, least_core_share=0.4)
    careful = replace(careful, least_certainty=(0.7, 0.0, 0.4))
    assert model_spec(careful).smallest_ml == {"ET": 0.5}
    assert model_spec(careful).smallest_island_ml == 0.2
    assert model_spec(careful).least_core_share == 0.4
    assert model_spec(careful).least_certainty == {"WT": 0.7, "ET": 0.4}
    assert model_spec(SETTINGS).smallest_ml == {}


def test_the_source_model_is_kept(network: LatupNet, model: Path) -> None:
    """`model.pt` holds the very weights that were exported."""
    source = load_weights(model / "model.pt")
    assert source.config == network.config
    for name, value in network.state_dict().items():
        assert torch.equal(source.state_dict()[name], value)


def test_an_export_that_cannot_be_written_leaves_nothing(network: LatupNet, tmp_path: Path) -> None:
    """Below a file there can be no model; it is an output error, and the file is intact."""
    (tmp_path / "occupied").write_text("mine")
    with pytest.raises(OutputError):
        export_onnx(network, tmp_path / "occupied" / "model.onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["occupied"]
