"""Nobody is trained on whom weights are chosen by."""

from __future__ import annotations

from pathlib import Path

import pytest

from latup_cli.errors import SharedPatientError
from latup_cli.workflows.train_data import TrainingData, split_patients
from tests.fixtures.labeled import write_patient, write_patients


def renamed(scan: Path, name: str) -> Path:
    """The same scan under another name, its files too."""
    for path in scan.iterdir():
        path.rename(path.with_name(path.name.replace(scan.name, name)))
    return scan.rename(scan.with_name(name))


@pytest.mark.parametrize(
    ("training", "validation"),
    [
        ("BraTS-GLI-00000-000", "BraTS-GLI-00000-000"),
        ("BraTS-GLI-00000-000", "BraTS-GLI-00000-001"),
        ("sub-07_ses-01", "sub-07_ses-02"),
    ],
)
def test_scans_of_one_patient_stay_on_one_side(
    training: str, validation: str, tmp_path: Path
) -> None:
    """Also those of other time points: `--val` is refused with the names of both."""
    write_patients(tmp_path / "train", 2)
    renamed(tmp_path / "train" / "BraTS-GLI-00000-000", training)
    renamed(write_patient(tmp_path / "val", 0), validation)
    data = TrainingData(folders=[tmp_path / "train"], validation=[tmp_path / "val"])
    with pytest.raises(SharedPatientError, match="on both sides of the split") as caught:
        split_patients(data, seed=0)
    assert training in str(caught.value)
    assert validation in str(caught.value)
    assert caught.value.exit_code == 12


def test_other_patients_are_taken(tmp_path: Path) -> None:
    """Names that differ in the patient make two patients."""
    write_patients(tmp_path / "train", 2)
    write_patient(tmp_path / "val", 2)
    data = TrainingData(folders=[tmp_path / "train"], validation=[tmp_path / "val"])
    split = split_patients(data, seed=0)
    assert [scan.name for scan in split.training] == ["BraTS-GLI-00000-000", "BraTS-GLI-00001-000"]
    assert [scan.name for scan in split.validation] == ["BraTS-GLI-00002-000"]
