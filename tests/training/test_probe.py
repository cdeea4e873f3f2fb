"""What is inside a graph, counted and looked at."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper, numpy_helper

from latup_cli.training.probe import multiply_adds, outputs_of
from tests.training.graphs import graph_of


def two_layers() -> bytes:
    """Two convolutions: 2 to 3 channels with a kernel of 1, then 3 to 2 with 3, unpadded."""
    numbers = [
        numpy_helper.from_array(np.ones((3, 2, 1, 1, 1), dtype=np.float32), "v"),
        numpy_helper.from_array(np.ones((2, 3, 3, 3, 3), dtype=np.float32), "w"),
    ]
    nodes = [
        helper.make_node("Conv", ["x", "v"], ["a"], name="one"),
        helper.make_node("Conv", ["a", "w"], ["y"], name="two"),
    ]
    return graph_of(nodes, numbers, channels=2)


def test_multiply_adds_are_weights_by_voxels() -> None:
    """Of what comes out of a layer: 4 x 5 x 6 voxels, then 2 x 3 x 4."""
    window = np.zeros((1, 2, 4, 5, 6), dtype=np.float32)
    assert multiply_adds(two_layers(), window) == {"one": 6 * 120, "two": 162 * 24}


def test_tensors_inside_come_out() -> None:
    """In the order asked for, for every window."""
    windows = [np.full((1, 2, 3, 3, 3), value, dtype=np.float32) for value in (1.0, 2.0)]
    found = list(outputs_of(onnx.load_from_string(two_layers()), ["y", "a"], windows))
    assert [[float(tensor.max()) for tensor in tensors] for tensors in found] == [
        [162.0, 2.0],
        [324.0, 4.0],
    ]
