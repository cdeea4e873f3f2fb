"""What a person and a program read after `latup evaluate`."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from latup_cli.cli import evaluate as command
from latup_cli.cli.app import app
from latup_cli.cohort.ledger import LedgerWriter, Run
from latup_cli.domain.grid import Grid
from latup_cli.domain.study import SpatialCodes
from latup_cli.domain.volume import LabelMap
from latup_cli.imaging import nifti
from latup_cli.labels import SCHEMES
from tests.cli.test_segment import Terminal
from tests.fixtures.phantoms import tree

AFFINE = np.diag([-1.0, -1.0, 2.0, 1.0])
SHAPE = (32, 30, 28)
CASES = ("p1", "p2", "p3")
Labels = npt.NDArray[np.uint8]


def run(*words: object) -> Result:
    """The command in this process."""
    return CliRunner(env={"COLUMNS": "80"}).invoke(app, ["evaluate", *map(str, words)])


def tumor(shift: int = 0, et: int = 4, number: int = 4) -> Labels:
    """Edema around necrosis and a block of enhancing tumor, `et` voxels wide: 1.056 mL if 4."""
    data = np.zeros(SHAPE, dtype=np.uint8)
    data[6 + shift : 22 + shift, 6:24, 6:20] = 2
    data[10 + shift : 14 + shift, 10:16, 10:14] = 1
    data[14 + shift : 14 + shift + et, 8:20, 8:19] = number
    return data


def save(path: Path, data: Labels, affine: npt.NDArray[np.float64] = AFFINE) -> Path:
    """A label map without any word about its scheme."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = nib.Nifti1Image(data, affine)
    image.set_sform(affine, code=1)
    nib.save(image, path)
    return path


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Three patients: one perfect, one moved by two voxels, one with made-up ET."""
    predictions, references = tmp_path / "predictions", tmp_path / "references"
    for name, ours, theirs in zip(
        CASES, (tumor(), tumor(2), tumor(et=1)), (tumor(), tumor(), tumor(et=0)), strict=True
    ):
        save(predictions / f"{name}.nii.gz", ours)
        save(references / name / f"{name}_seg.nii.gz", theirs)
        save(references / name / f"{name}_t1.nii.gz", theirs)
    return predictions, references


def test_story(folders: tuple[Path, Path], tmp_path: Path) -> None:
    """Tables on the terminal, and CSV, JSON and pictures in the folder, all agree."""
    output = tmp_path / "out"
    result = run(*folders, "--cases", "-o", output)
    assert result.exit_code == 0, result.output
    files = ("confusion.csv", "confusion.png", "dice.png", "metrics.csv", "summary.json")
    assert sorted(path.name for path in output.iterdir()) == [*files, "volumes.png"]
    for word in ("3 cases", "WT", "TC", "ET >=1 mL", "median", *CASES, "metrics.csv"):
        assert word in result.stdout
    assert "brats2021" in result.stderr
    with (output / "metrics.csv").open(encoding="utf-8", newline="") as table:
        rows = {(row["case"], row["region"]): row for row in csv.DictReader(table)}
    assert len(rows) == 9
    assert float(rows["p1", "WT"]["dice"]) == 1.0
    assert float(rows["p2", "WT"]["dice"]) == pytest.approx(14 / 16)
    assert float(rows["p2", "WT"]["hd95_mm"]) == pytest.approx(2.0)
    assert float(rows["p3", "ET"]["dice"]) == 0.0
    assert float(rows["p3", "ET"]["hd95_mm"]) == pytest.approx(373.13)
    assert float(rows["p3", "ET"]["false_ml"]) == pytest.approx(12 * 11 * 2 / 1000)
    summary = json.loads((output / "summary.json").read_text(encoding="utf-8"))
    assert summary["regions"]["WT"]["dice"]["mean"] == pytest.approx((1 + 14 / 16 + 1) / 3)
    assert summary["enhancing_tumor"]["cases"] == 2
    assert summary["enhancing_tumor"]["metrics"]["dice"]["mean"] == pytest.approx(0.75)
    assert summary["enhancing_tumor"]["false_ml"]["most"] == pytest.approx(0.264)
    assert np.sum(summary["confusion"]["counts"]) == 3 * np.prod(SHAPE)
    for picture in output.glob("*.png"):
        with Image.open(picture) as image:
            assert min(image.size) > 400


def test_brackets_in_a_case_s_name_are_shown(tmp_path: Path) -> None:
    """Two cases that differ in a word in brackets are told apart, in a table and on the way."""
    for name in ("P [old]", "P [red]"):
        save(tmp_path / "ours" / f"{name}.nii.gz", tumor())
        save(tmp_path / "theirs" / f"{name}.nii.gz", tumor())
    said = run(tmp_path / "ours", tmp_path / "theirs", "--cases")
    assert said.exit_code == 0
    assert "P [old]" in said.stdout
    assert "P [red]" in said.stdout


def test_brackets_in_a_name_are_shown_while_it_is_measured(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The line on a terminal that says which case is measured takes no name for markup."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", Terminal())
    with command._progress(show=True) as announce:
        announce("P [red]", 0.5)
        announce("P [/red]", 0.6)
    assert "P [" in sys.stderr.getvalue()


def test_json_is_the_summary_file(folders: tuple[Path, Path], tmp_path: Path) -> None:
    """`--json` prints exactly what summary.json holds, and nothing else on stdout."""
    result = run(*folders, "--json", "-o", tmp_path / "out")
    assert result.exit_code == 0
    assert result.stdout == (tmp_path / "out" / "summary.json").read_text(encoding="utf-8")
    assert json.loads(result.stdout)["lesion_rule"]["name"] == "gli"


def test_rule_for_metastases(folders: tuple[Path, Path]) -> None:
    """`--rule met` is used and named; another word is a usage error."""
    rule = json.loads(run(*folders, "--json", "--rule", "met").stdout)["lesion_rule"]
    assert rule == {"name": "met", "dilation_steps": 1, "ignored_mm3": 2.0}
    assert run(*folders, "--rule", "men").exit_code == 2


def test_missing_prediction(folders: tuple[Path, Path]) -> None:
    """A reference without a prediction ends with 3 and its name; `--skip-missing` leaves it out."""
    predictions, references = folders
    (predictions / "p2.nii.gz").unlink()
    save(predictions / "p9.nii.gz", tumor())
    refused = run(predictions, references)
    assert refused.exit_code == 3
    assert "p2" in refused.stderr
    assert "--skip-missing" in refused.stderr
    skipped = run(predictions, references, "--skip-missing", "--json")
    assert skipped.exit_code == 0
    found = json.loads(skipped.stdout)
    assert (found["cases"], found["without_prediction"]) == (2, ["p2"])
    assert found["without_reference"] == ["p9"]
    assert "p2" in skipped.stderr
    assert "p9" in skipped.stderr


def test_another_axis_order_changes_no_figure(folders: tuple[Path, Path]) -> None:
    """A prediction stored in another axis order gives the same figures."""
    predictions, references = folders
    before = run(predictions, references, "--json")
    for path in predictions.iterdir():
        image = nib.load(path)
        turned = image.as_reoriented([[2, -1], [0, 1], [1, -1]])
        save(path, np.asarray(turned.dataobj), turned.affine)
    after = run(predictions, references, "--json")
    assert after.exit_code == 0
    assert after.stdout == before.stdout


def test_another_grid_is_refused(folders: tuple[Path, Path], tmp_path: Path) -> None:
    """A prediction elsewhere in space ends with 3, names the case, and writes nothing."""
    moved = AFFINE.copy()
    moved[2, 3] = 7.0
    save(folders[0] / "p3.nii.gz", tumor(), moved)
    result = run(*folders, "-o", tmp_path / "out")
    assert result.exit_code == 3
    assert "p3" in result.stderr
    assert "7.0 mm" in result.stderr
    assert not (tmp_path / "out" / "metrics.csv").exists()


def test_one_file_with_a_four_needs_its_scheme(tmp_path: Path) -> None:
    """A single pair with 4 and no 3 is refused until the scheme is named."""
    pair = save(tmp_path / "a.nii.gz", tumor(2)), save(tmp_path / "b.nii.gz", tumor())
    refused = run(*pair)
    assert refused.exit_code == 3
    assert "--labels-predictions" in refused.stderr
    named = ("--labels-predictions", "brats2021", "--labels-references", "brats2021")
    result = run(*pair, *named, "--json")
    assert json.loads(result.stdout)["per_case"][0]["regions"]["ET"]["dice"] == 0.5


def test_our_own_masks_say_their_scheme(tmp_path: Path) -> None:
    """A mask that we wrote carries its scheme in the header; no option is needed for it."""
    grid = Grid(SHAPE, AFFINE)
    labels = LabelMap(tumor(), grid, SCHEMES["brats2021"])
    nifti.write_labels(tmp_path / "a.nii.gz", labels, SpatialCodes(1, 1))
    save(tmp_path / "b.nii.gz", tumor(number=3))
    result = run(tmp_path / "a.nii.gz", tmp_path / "b.nii.gz", "--json")
    found = json.loads(result.stdout)
    assert found["labels"] == {"predictions": ["brats2021"], "references": ["brats2023"]}
    assert found["per_case"][0]["regions"]["ET"]["dice"] == 1.0


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (("--labels-references", "brats2023"), 3, "[4]"),
        (("--labels-predictions", "brats1999"), 2, "brats1999"),
        (("--labels-references", "brats1999"), 2, "brats1999"),
    ],
)
def test_a_wrong_scheme_is_refused(
    folders: tuple[Path, Path], options: tuple[str, str], code: int, said: str
) -> None:
    """Values that the named scheme does not have end with 3, unknown schemes with 2."""
    result = run(*folders, *options)
    assert result.exit_code == code
    assert said in result.stderr


def test_a_declared_scheme_that_nobody_knows_is_the_file_s_fault(tmp_path: Path) -> None:
    """A header that declares an unknown scheme ends with 3, and its scheme may be named."""
    later = replace(SCHEMES["brats2023"], name="brats2031")
    labels = LabelMap(tumor(number=3), Grid(SHAPE, AFFINE), later)
    nifti.write_labels(tmp_path / "a.nii.gz", labels, SpatialCodes(1, 1))
    pair = tmp_path / "a.nii.gz", save(tmp_path / "b.nii.gz", tumor(number=3))
    refused = run(*pair)
    assert refused.exit_code == 3
    assert "brats2031" in refused.stderr
    assert "--labels-predictions" in refused.stderr
    assert run(*pair, "--labels-predictions", "brats2023").exit_code == 0


def test_damaged_and_unlabeled_files_are_named(folders: tuple[Path, Path]) -> None:
    """A cut file, an image and not-a-number in place of labels end with 3 and the file's name."""
    path = folders[0] / "p2.nii.gz"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    damaged = run(*folders)
    nib.save(nib.Nifti1Image(np.full(SHAPE, np.nan, dtype=np.float32), AFFINE), path)
    unlabeled = run(*folders)
    for result in (damaged, unlabeled):
        assert result.exit_code == 3
        assert "p2.nii.gz" in result.stderr


def test_a_file_against_a_folder_is_a_usage_error(folders: tuple[Path, Path]) -> None:
    """One file cannot be compared with many: exit code 2."""
    assert run(folders[0] / "p1.nii.gz", folders[1]).exit_code == 2


def test_results_are_not_replaced_unasked(folders: tuple[Path, Path], tmp_path: Path) -> None:
    """Earlier results end with 7 and stay; `--overwrite` replaces them."""
    output = tmp_path / "out"
    assert run(*folders, "-o", output, "-q").exit_code == 0
    before = (output / "metrics.csv").read_bytes()
    save(folders[0] / "p1.nii.gz", tumor(3))
    assert run(*folders, "-o", output).exit_code == 7
    assert (output / "metrics.csv").read_bytes() == before
    assert run(*folders, "-o", output, "--overwrite").exit_code == 0
    assert (output / "metrics.csv").read_bytes() != before


@pytest.mark.parametrize("name", ["summary.json", "confusion.csv", "dice.png", "volumes.png"])
def test_no_file_is_replaced_unasked(name: str, folders: tuple[Path, Path], tmp_path: Path) -> None:
    """Any file that would be written and is there already ends with 7, and nothing is written."""
    output = tmp_path / "out"
    output.mkdir()
    (output / name).write_text("mine")
    said = run(*folders, "-o", output)
    assert said.exit_code == 7
    assert f"{name} exists already" in said.stderr
    assert tree(output) == {name: b"mine"}
    assert run(*folders, "-o", output, "--overwrite").exit_code == 0
    assert (output / name).read_bytes() != b"mine"


@pytest.mark.parametrize("words", [(), ("--overwrite",)])
def test_the_folder_of_a_batch_is_no_place(
    words: tuple[str, ...], folders: tuple[Path, Path], tmp_path: Path
) -> None:
    """Tables of latup batch and of an evaluation share names, so that they share no folder."""
    predictions, references = folders
    with LedgerWriter(predictions, Run("1.0", "2026-11-30T10:00:00Z", "settings", CASES)):
        before = tree(predictions)
    said = run(predictions, references, "-o", predictions, *words)
    assert said.exit_code == 7
    assert "latup batch" in said.stderr
    assert "-o" in said.stderr
    assert tree(predictions) == before
    assert run(predictions, references, "-o", tmp_path / "out", *words).exit_code == 0


def test_quiet_prints_errors_and_omissions_only(folders: tuple[Path, Path]) -> None:
    """`-q` says nothing if all is well."""
    result = run(*folders, "-q")
    assert (result.exit_code, result.output) == (0, "")


def test_runs_without_torch_and_engines(folders: tuple[Path, Path], tmp_path: Path) -> None:
    """A whole evaluation, pictures included, loads no torch, no engine and no SimpleITK."""
    code = (
        "import sys\nfrom latup_cli.cli.app import app\n"
        "app(sys.argv[1:], standalone_mode=False)\n"
        "heavy = {'torch', 'monai', 'onnx', 'onnxruntime', 'openvino', 'SimpleITK'}\n"
        "print(sorted(heavy & {name.partition('.')[0] for name in sys.modules}))\n"
    )
    words = ["evaluate", *map(str, folders), "-q", "-o", str(tmp_path / "out")]
    done = subprocess.run(
        [sys.executable, "-c", code, *words],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONUTF8": "1"},
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "[]\n"), done.stderr
