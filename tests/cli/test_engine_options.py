"""Options of the engine that make no sense are told before anything is read."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from latup_cli.cli.app import app


@pytest.mark.parametrize(
    ("options", "message", "hint"),
    [
        (("--precision", "float16"), "no precision 'float16'", "bfloat16"),
        (("--precision", "int8", "--engine", "onnxruntime"), "Only OpenVINO", "--precision"),
        (("--precision", "bfloat16", "--device", "cuda"), "Only OpenVINO", "--precision"),
        (("--threads", "-1"), "cannot be -1 threads", "1 or more"),
    ],
)
def test_wrong_options_are_exit_code_2(
    options: tuple[str, ...], message: str, hint: str, tmp_path: Path
) -> None:
    """A precision that nobody has, or a negative number of threads, is a usage error."""
    result = CliRunner().invoke(app, ["segment", str(tmp_path), *options])
    assert result.exit_code == 2
    assert message in result.stderr
    assert hint in result.stderr
    assert list(tmp_path.iterdir()) == []
