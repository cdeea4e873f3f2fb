"""What a person is told when something ends a command."""

from __future__ import annotations

import pytest
import typer

from latup_cli.cli import console


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (MemoryError(), 6, "The memory is full"),
        (RuntimeError("can't start new thread"), 6, "no memory for another thread"),
        (RuntimeError("anything else"), 1, "mistake in latup: RuntimeError"),
        (KeyboardInterrupt(), 130, "Interrupted"),
    ],
)
def test_every_end_has_its_code_and_a_line(
    error: BaseException, code: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A full memory is the machine's fault, not ours; what is unknown is ours."""
    with pytest.raises(typer.Exit) as ended, console.explained():
        raise error
    assert ended.value.exit_code == code
    assert words in capsys.readouterr().err
