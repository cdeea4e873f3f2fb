"""Several processes as one run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from latup_cli.training.hardware import Place
from latup_cli.training.processes import highest

ALONE = {**os.environ, "OMP_NUM_THREADS": "1"}
ASKING = """
import sys
from pathlib import Path
from latup_cli.training.hardware import Place
from latup_cli.training.processes import highest, joined

with joined(Place("cpu", "float32")) as here:
    told = [highest(number if here.rank else 1, here) for number in (0, 1, 2)]
    Path(sys.argv[1], str(here.rank)).write_text(str(told))
"""


def test_a_single_process_decides_by_itself() -> None:
    """There is nobody to ask, and nothing is asked."""
    assert [highest(number, Place("cpu", "float32")) for number in (0, 1, 2)] == [0, 1, 2]


def test_all_processes_are_told_the_same(tmp_path: Path) -> None:
    """The highest number, whoever says it."""
    script = tmp_path / "asking.py"
    script.write_text(ASKING, encoding="utf-8")
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    subprocess.run([*torchrun, script, tmp_path], env=ALONE, check=True, capture_output=True)
    assert [(tmp_path / rank).read_text() for rank in "01"] == ["[1, 1, 2]"] * 2
