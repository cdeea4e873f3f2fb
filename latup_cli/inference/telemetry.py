"""Nothing leaves the machine: both engines report home unless told not to before their import."""

from __future__ import annotations

import os
import sys


def turn_off() -> None:
    """Silence ONNX Runtime and OpenVINO in this process and those that it starts.

    ONNX Runtime reads the variable when it is loaded. OpenVINO takes a stub of its own where
    its telemetry package cannot be imported.
    """
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
