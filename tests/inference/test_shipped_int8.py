"""The int8 graphs that ship are computed alike by two engines, on whatever processor this is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from latup_cli.inference import onnxruntime_engine, openvino_engine
from latup_cli.inference.models import shipped_model, shipped_models
from latup_cli.intake.find import find_study
from latup_cli.intake.load import load_study
from latup_cli.preprocess.prepare import as_aligned, prepare
from latup_cli.workflows.sample import sample_study

WITH_INT8 = [name for name in shipped_models() if "int8" in shipped_model(name).graph.precisions]


def test_some_model_has_int8() -> None:
    """Else nothing below would be tested."""
    assert WITH_INT8


@pytest.mark.parametrize("name", WITH_INT8)
def test_engines_agree_in_int8(name: str) -> None:
    """OpenVINO was once wrong in int8 where there is no AMX: ONNX Runtime is the witness."""
    model = shipped_model(name)
    image = prepare(as_aligned(load_study(find_study(sample_study()))), model.spec).image
    stride = model.graph.stride
    size = [n // stride * stride for n in image.shape[1:]]
    window = np.ascontiguousarray(image[None, :, : size[0], : size[1], : size[2]])
    graph = replace(model.graph.in_precision("int8"), window=tuple(size))
    ours = openvino_engine.open_on_cpu(graph, 2, "int8")(window)
    theirs = onnxruntime_engine.open_on_cpu(graph, 2)(window)
    tumors = [1.0 - found[0, 0] > 0.5 for found in (ours, theirs)]
    both = np.count_nonzero(tumors[0] & tumors[1])
    assert both > 1000
    assert 2.0 * both / sum(map(np.count_nonzero, tumors)) > 0.99
