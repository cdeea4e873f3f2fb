"""Labeled patients: found among other folders, and prepared once each."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from latup_cli.domain.study import FoundFile, StudyFiles
from latup_cli.errors import LabeledDataError, OutputError
from latup_cli.labels import MODALITIES, SCHEMES
from latup_cli.training.cases import StoredCase
from latup_cli.training.export import model_spec
from latup_cli.workflows.labeled import LabeledFiles, find_labeled, prepare_cases
from tests.fixtures.labeled import SETTINGS, write_patient, write_patients

SPEC = model_spec(SETTINGS)
SCHEME = SCHEMES["brats2023"]


def as_pairs(folder: Path) -> None:
    """Write every image below a folder as header and voxels instead."""
    for path in sorted(folder.rglob("*.nii.gz")):
        pair = nib.Nifti1Pair.from_image(nib.load(path))
        pair.to_filename(path.with_name(path.name.replace(".nii.gz", ".hdr")))
        path.unlink()


def with_one_file(folder: Path, order: tuple[str, ...]) -> LabeledFiles:
    """A patient whose images are one file of four volumes in this order, beside the labels."""
    (patient,) = find_labeled([folder])
    volumes = [nib.load(patient.study.modalities[modality].path) for modality in MODALITIES]
    data = np.stack([np.asanyarray(volume.dataobj) for volume in volumes], axis=-1)
    path = folder / "four.nii.gz"
    if not path.exists():
        nib.save(nib.Nifti1Image(data, volumes[0].affine), path)
    found = {m: FoundFile(path, "", volume) for volume, m in enumerate(order)}
    return LabeledFiles(StudyFiles(patient.name, found), patient.segmentation)


def prepared(patients: tuple[LabeledFiles, ...], cache: Path) -> tuple[StoredCase, ...]:
    """Patients in a cache."""
    return prepare_cases(patients, SPEC, SCHEME, cache)


def test_header_and_voxels_tell_patients_apart(tmp_path: Path) -> None:
    """Pairs on one atlas grid have equal headers, and each patient is prepared all the same."""
    as_pairs(write_patients(tmp_path / "patients", 3))
    patients = find_labeled([tmp_path / "patients"])
    headers = {patient.segmentation.read_bytes() for patient in patients}
    assert len(headers) == 1
    cases = prepared(patients, tmp_path / "cache")
    assert len({case.folder for case in cases}) == 3
    assert len({case.target.tobytes() for case in cases}) == 3


def test_the_labels_of_a_pair_count(tmp_path: Path) -> None:
    """Who mends a segmentation's voxels is trained on with the mended ones."""
    as_pairs(write_patients(tmp_path / "patients", 1))
    patients = find_labeled([tmp_path / "patients"])
    before = prepared(patients, tmp_path / "cache")
    voxels = patients[0].segmentation.with_suffix(".img")
    voxels.write_bytes(voxels.read_bytes().replace(b"\x03", b"\x02"))
    after = prepared(patients, tmp_path / "cache")
    assert before[0].folder != after[0].folder


def test_the_volume_counts(tmp_path: Path) -> None:
    """One file of four volumes in another order is another patient's preparation."""
    folder = write_patients(tmp_path / "patients", 1)
    orders = (MODALITIES, (*MODALITIES[2:], *MODALITIES[:2]))
    patients = [with_one_file(folder, order) for order in orders]
    one, other = (prepared((patient,), tmp_path / "cache")[0] for patient in patients)
    assert one.folder != other.folder
    assert not np.array_equal(one.image, other.image)


def test_patients_that_were_prepared_before_are_found(tmp_path: Path) -> None:
    """The key of a patient in compressed files is what it was in earlier versions."""
    (patient,) = find_labeled([write_patients(tmp_path / "patients", 1)])
    recipe = ("1", SPEC.channels, SPEC.axis_order, SPEC.spacing_mm, SPEC.normalization)
    digest = hashlib.sha256(repr((*recipe, SCHEME.name)).encode())
    files = {m: found.path for m, found in patient.study.modalities.items()}
    for role, path in sorted({**files, "seg": patient.segmentation}.items()):
        digest.update(role.encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    (case,) = prepared((patient,), tmp_path / "cache")
    assert case.folder.name == digest.hexdigest()[:24]


def test_a_file_that_is_gone_is_named(tmp_path: Path) -> None:
    """Whatever cannot be read is the patient's problem, not a mistake of ours."""
    first = write_patient(tmp_path / "patients", 0)
    (patient,) = find_labeled([tmp_path / "patients"])
    gone = replace(patient, segmentation=first / "none.nii.gz")
    with pytest.raises(LabeledDataError, match=r"none\.nii\.gz cannot be opened") as caught:
        prepared((gone,), tmp_path / "cache")
    assert caught.value.exit_code == 3


def test_a_cache_that_cannot_be_written_is_nobodys_problem(tmp_path: Path) -> None:
    """No patient is blamed for a full disk: exit code 10, at the first."""
    patients = find_labeled([write_patients(tmp_path / "patients", 2)])
    (tmp_path / "cache").write_text("occupied")
    with pytest.raises(OutputError) as caught:
        prepared(patients, tmp_path / "cache")
    assert caught.value.exit_code == 10


@pytest.mark.parametrize(
    "place",
    ["latup/P1/x", "latup/batch-run/x", "out/batch-run/x", "batch-run/x", "run/train.toml"],
)
def test_our_own_results_are_no_patients(place: str, tmp_path: Path) -> None:
    """What `latup batch` and `latup train` wrote into the study's folder is passed over."""
    folder = write_patients(tmp_path / "patients", 1)
    (folder / place).parent.mkdir(parents=True)
    (folder / place).touch()
    assert [patient.name for patient in find_labeled([folder])] == ["BraTS-GLI-00000-000"]


def test_a_folder_of_somebody_elses_is_named(tmp_path: Path) -> None:
    """Whatever is not ours may be a patient whose images are missing."""
    folder = write_patients(tmp_path / "patients", 1)
    (folder / "results").mkdir()
    with pytest.raises(LabeledDataError, match="results"):
        find_labeled([folder])
