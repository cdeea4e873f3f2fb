"""Assert that the base installation brings no torch, and ONNX Runtime exactly once."""

from __future__ import annotations

import sys
from importlib.metadata import distributions
from importlib.util import find_spec

HEAVY = ("torch", "onnx", "monai")


def main() -> None:
    """Look at what is installed beside this interpreter.

    Raises:
        SystemExit: If a training package, or a second ONNX Runtime, came along.
    """
    brought = [name for name in HEAVY if find_spec(name) is not None]
    names = {distribution.name for distribution in distributions()}
    runtimes = sorted(name for name in names if name.startswith("onnxruntime"))
    if brought or len(runtimes) != 1:
        sys.exit(f"the base installation brings {brought} and the runtimes {runtimes}")
    print(f"{len(names)} packages, {runtimes[0]}, no torch")


if __name__ == "__main__":
    main()
