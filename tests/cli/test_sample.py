"""`latup sample` gives a study to try things on, and never writes over anything."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from latup_cli.cli.app import app
from latup_cli.workflows import sample as workflow
from tests.fixtures.phantoms import phantom, save, tree, write_study


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A sample where the package keeps its own."""
    root = tmp_path / "data"
    folder = root / "brats-like" / workflow.SAMPLE
    made = phantom()
    write_study(folder, made.volumes(), prefix="LATUP-SAMPLE-001_")
    save(folder / "LATUP-SAMPLE-001_seg.nii.gz", made.answer, made.grid.ras_from_voxel)
    (root / "NOTICE.md").write_text("whose anatomy this is", encoding="utf-8")
    (folder / "latup").mkdir()
    (folder / "latup" / "result.json").write_text("a result of ours", encoding="utf-8")
    monkeypatch.setattr(workflow, "sample_root", lambda: root)
    return folder


def run(folder: Path) -> Result:
    """The command in this process."""
    return CliRunner().invoke(app, ["sample", str(folder)])


def test_the_study_is_written_out(shipped: Path, tmp_path: Path) -> None:
    """Four modalities, the known answer and the notice are copied byte by byte, and no more."""
    result = run(tmp_path / "new" / "folder")
    copy = tmp_path / "new" / "folder" / workflow.SAMPLE
    assert result.exit_code == 0, result.output
    assert result.stdout == f"{copy}\n"
    files = {path.name for path in shipped.glob("*.nii.gz")}
    assert len(files) == 5
    assert {path.name for path in copy.iterdir()} == {*files, "NOTICE.md"}
    assert all((copy / name).read_bytes() == (shipped / name).read_bytes() for name in files)


@pytest.mark.usefixtures("shipped")
def test_the_command_to_try_next_works(tmp_path: Path, model: Path) -> None:
    """What is printed can be typed as it stands, also where a folder's name has spaces."""
    result = run(tmp_path / "a folder")
    said = re.fullmatch(r"Try: latup (segment .+)\n", result.stderr)
    assert said
    words = shlex.split(said[1])
    on_cpu = ["--device", "cpu", "--engine", "onnxruntime", "--force", "--weights", str(model)]
    tried = CliRunner().invoke(app, [*words, *on_cpu])
    assert tried.exit_code == 0, tried.output
    assert any((tmp_path / "a folder" / workflow.SAMPLE / "latup").glob("*_preview.png"))


@pytest.mark.usefixtures("shipped")
def test_nothing_is_written_over(tmp_path: Path) -> None:
    """A folder of that name is exit code 7 and stays as it is; the hint offers what there is."""
    run(tmp_path)
    (tmp_path / workflow.SAMPLE / "notes.txt").write_text("mine", encoding="utf-8")
    (tmp_path / workflow.SAMPLE / "NOTICE.md").write_text("mine", encoding="utf-8")
    before = tree(tmp_path)
    result = run(tmp_path)
    assert result.exit_code == 7
    assert workflow.SAMPLE in result.stderr
    assert "--overwrite" not in result.stderr
    assert tree(tmp_path) == before


def test_an_installation_without_the_sample_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sample that did not come along is one line with a hint, and nothing is made."""
    monkeypatch.setattr(workflow, "sample_root", lambda: tmp_path / "nowhere")
    result = run(tmp_path / "new")
    assert result.exit_code == 1
    assert "There is no sample study" in result.stderr
    assert "Reinstall" in result.stderr
    assert not (tmp_path / "new").exists()


@pytest.mark.usefixtures("shipped")
def test_a_file_in_the_way_is_code_10(tmp_path: Path) -> None:
    """Where a file stands instead of a folder nothing can be written, and it says so."""
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    result = run(tmp_path / "file")
    assert result.exit_code == 10
    assert (tmp_path / "file").read_text(encoding="utf-8") == "mine"
