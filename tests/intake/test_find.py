"""Which files are taken for which modality, and what is said when that is not clear."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from latup_cli.domain.result_names import ENDINGS
from latup_cli.errors import (
    AmbiguousModalityError,
    ImageNotFoundError,
    InputError,
    MissingModalityError,
    SameImageError,
    SeveralPatientsError,
    StudyNotFoundError,
)
from latup_cli.intake.find import find_study, study_from_files
from latup_cli.intake.load import load_study
from latup_cli.intake.rules import DERIVED, SEGMENTATION, recognize
from latup_cli.labels import MODALITIES

WriteImages = Callable[[Path, Mapping[str, str]], Path]


def four(pattern: str, *words: str) -> dict[str, str]:
    """Names for T1, T1ce, T2, FLAIR and perhaps a segmentation."""
    return {
        kind: pattern.format(word) for kind, word in zip((*MODALITIES, "seg"), words, strict=False)
    }


OUR_REPORT = '{"schema_version": 2, "study": "p", "inputs": []}'
"""What a file must hold at least to be a report of ours."""

PLAIN = four("p_{}.nii.gz", "t1", "t1ce", "t2", "flair")

ZOO = {
    "BraTS17": four("Brats17_2013_10_1_{}.nii.gz", "t1", "t1ce", "t2", "flair", "seg"),
    "BraTS18": four("Brats18_TCIA02_135_1_{}.nii", "t1", "t1ce", "t2", "flair", "seg"),
    "BraTS20": four("BraTS20_Training_001_{}.nii", "t1", "t1ce", "t2", "flair", "seg"),
    "BraTS20_355": {
        **four("BraTS20_Training_355_{}.nii.gz", "t1", "t1ce", "t2", "flair"),
        "seg": "W39_1998.09.19_Segm.nii.gz",
    },
    "BraTS21": four("BraTS2021_00000_{}.nii.gz", "t1", "t1ce", "t2", "flair", "seg"),
    "BraTS23": four("BraTS-GLI-00001-000-{}.nii.gz", "t1n", "t1c", "t2w", "t2f", "seg"),
    "BraTS24": four("BraTS-GLI-02405-100-{}.nii", "t1n", "t1c", "t2w", "t2f"),
    "FeTS": four("P07_brain_{}.nii.gz", "t1", "t1ce", "t2", "flair", "final_seg"),
    "CaPTk": four("{}_to_SRI.nii.gz", "T1", "T1CE", "T2", "FLAIR"),
    "CaPTk_brain": {
        **four("{}_to_SRI_brain.nii.gz", "T1", "T1CE", "T2", "FLAIR"),
        "seg": "brainTumorMask_SRI.nii.gz",
    },
    "CaPTk_id": four("P07_{}_to_SRI_brain.nii.gz", "T1", "T1CE", "T2", "FL"),
    "UPenn_approximate": four(
        "UPENN-GBM-00002_11_{}.nii.gz", "T1", "T1GD", "T2", "FLAIR", "automated_approx_segm"
    ),
    "UPenn": four("UPENN-GBM-00001_11_{}.nii.gz", "T1", "T1GD", "T2", "FLAIR", "segm"),
    "UCSF": four("UCSF-PDGM-0004_{}.nii.gz", "T1", "T1c", "T2", "FLAIR", "tumor_segmentation"),
    "TCGA": four("TCGA-02-0006_1996.08.23_{}.nii.gz", "t1", "t1Gd", "t2", "flair", "GlistrBoost"),
    "HD-GLIO": four("{}.nii.gz", "T1", "CT1", "T2", "FLAIR", "segmentation"),
    "HD-GLIO_registered": four("{}_r2s_bet_reg.nii.gz", "T1", "CT1", "T2", "FLAIR"),
    "BIDS_derivative": four(
        "anat/sub-01_{}.nii.gz",
        "space-SRI_desc-brain_T1w",
        "ce-gadolinium_space-SRI_desc-brain_T1w",
        "space-SRI_desc-brain_T2w",
        "space-SRI_desc-brain_FLAIR",
        "space-SRI_label-tumor_dseg",
    ),
    "BIDS_acquisition": four("anat/sub-7_{}.nii", "acq-3d_T1w", "ce-yes_T1w", "T2w", "FLAIR"),
    "BIDS": four("anat/sub-01_{}.nii.gz", "T1w", "ce-gadolinium_T1w", "T2w", "FLAIR", "T1w_dseg"),
    "BIDS_session": four(
        "ses-2/anat/sub-01_ses-2_{}.nii.gz", "T1w", "ce-GADOLINIUM_T1w", "T2w", "FLAIR"
    ),
    "target": four("{}.nii", "T1_to_T1CE", "T1CE", "T2_to_T1CE", "FLAIR_to_T1CE"),
    "T1_in_id": four("Pat-T1-007_{}.nii.gz", "t1", "t1ce", "t2", "flair", "seg"),
    "T2FLAIR": four("case {}.nii.gz", "T1", "T1 post", "T2", "T2 FLAIR"),
    "capitals": four("CASE-{}.NII.GZ", "T1", "T1CE", "T2", "FLAIR", "SEG"),
    "mixed suffixes": four("{}", "a_t1.nii", "a_t1ce.nii.gz", "a_t2.nii", "a_flair.nii.gz"),
    "Jürgen Ångström 患者": four("Zoë ({}).nii.gz", "t1", "t1ce", "t2", "flair"),
}


@pytest.mark.parametrize("rule", ZOO)
def test_every_naming_is_found(rule: str, tmp_path: Path, write_images: WriteImages) -> None:
    """A folder in each naming of FIELD is found, explained, and can be read."""
    names = ZOO[rule]
    files = find_study(write_images(tmp_path / rule, names))
    for modality in MODALITIES:
        found = files.modalities[modality]
        assert found.path == tmp_path / rule / names[modality]
        assert found.reason.startswith("name contains '")
    assert (files.segmentation is not None) == ("seg" in names)
    if files.segmentation is not None:
        assert files.segmentation.path == tmp_path / rule / names["seg"]
    assert tuple(load_study(files).images) == MODALITIES


def test_other_files_do_not_disturb(tmp_path: Path, write_images: WriteImages) -> None:
    """Pictures, notes, masks, derived maps, resource forks and our own output are left alone."""
    write_images(tmp_path, PLAIN)
    shutil.copy(tmp_path / "p_t1.nii.gz", tmp_path / "p_t1_bias.nii.gz")
    shutil.copy(tmp_path / "p_t1.nii.gz", tmp_path / "p_t1_brain-mask.nii.gz")
    shutil.copy(tmp_path / "p_t1.nii.gz", tmp_path / "p_adc.nii.gz")
    shutil.copy(tmp_path / "p_t1.nii.gz", tmp_path / "p_seg.nii.gz")
    for name in ("t1.png", "p_t2.txt", "._p_t1.nii.gz", "p_flair.json"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "p_report.json").write_text(OUR_REPORT)
    (tmp_path / "latup").mkdir()
    shutil.copy(tmp_path / "p_t1.nii.gz", tmp_path / "latup" / "p_seg.nii.gz")
    files = find_study(tmp_path)
    assert {found.path.name for found in files.modalities.values()} == set(PLAIN.values())
    assert files.segmentation is None


def test_results_beside_the_images_are_no_inputs(tmp_path: Path, write_images: WriteImages) -> None:
    """Whatever a run has written beside the images, with our report, is never taken for one."""
    write_images(tmp_path, PLAIN)
    for ending in ENDINGS:
        shutil.copy(tmp_path / "p_t1.nii.gz", tmp_path / f"case 1_{ending}")
    with pytest.raises(AmbiguousModalityError):
        find_study(tmp_path)
    (tmp_path / "case 1_report.json").write_text(OUR_REPORT)
    files = find_study(tmp_path)
    assert {found.path.name for found in files.modalities.values()} == set(PLAIN.values())
    assert files.segmentation is None
    (tmp_path / "p_t2.nii.gz").unlink()
    with pytest.raises(MissingModalityError) as caught:
        find_study(tmp_path)
    assert "case 1" not in str(caught.value)


@pytest.mark.parametrize("report", ["x", "[]", '{"schema_version": 2}', '"schema_version inputs"'])
def test_beside_somebody_else_s_report_nothing_is_ours(
    report: str, tmp_path: Path, write_images: WriteImages
) -> None:
    """Images that are called as our results are inputs where no report of ours lies."""
    write_images(tmp_path, four("p_aligned_{}.nii.gz", *MODALITIES))
    shutil.copy(tmp_path / "p_aligned_t1.nii.gz", tmp_path / "p_seg.nii.gz")
    (tmp_path / "p_report.json").write_text(report)
    files = find_study(tmp_path)
    assert files.modalities["t1"].path.name == "p_aligned_t1.nii.gz"
    assert files.segmentation is not None


def test_a_named_file_wins(tmp_path: Path, write_images: WriteImages) -> None:
    """An explicit choice settles a doubled modality and says so."""
    write_images(tmp_path, PLAIN)
    other = tmp_path / "again_t1ce.nii.gz"
    shutil.copy(tmp_path / "p_t1ce.nii.gz", other)
    files = find_study(tmp_path, named={"t1ce": other}, name="chosen")
    assert files.modalities["t1ce"].path == other
    assert files.modalities["t1ce"].reason == "given on the command line"
    assert files.name == "chosen"


def test_four_named_files_need_no_folder(tmp_path: Path, write_images: WriteImages) -> None:
    """Any names and places will do when all four are named."""
    odd = {modality: f"{number}/image.nii.gz" for number, modality in enumerate(MODALITIES)}
    write_images(tmp_path / "case", odd)
    named = {modality: tmp_path / "case" / name for modality, name in odd.items()}
    study = load_study(study_from_files(named, "case"))
    assert study.files.name == "case"
    assert study.files.segmentation is None
    assert not (study.images["t1"].data == study.images["t2"].data).all()


def test_two_segmentations_are_none(tmp_path: Path, write_images: WriteImages) -> None:
    """No choice is made between two expert segmentations."""
    write_images(tmp_path, {**PLAIN, "seg": "p_seg.nii.gz"})
    shutil.copy(tmp_path / "p_seg.nii.gz", tmp_path / "p_manual_seg.nii.gz")
    assert find_study(tmp_path).segmentation is None


def _nothing(_folder: Path) -> None:
    """Leave the folder as it is."""


def _without_t2(folder: Path) -> None:
    (folder / "p_t2.nii.gz").unlink()


def _two_t1ce(folder: Path) -> None:
    shutil.copy(folder / "p_t1ce.nii.gz", folder / "p_T1GD.nii")


def _two_suffixes(folder: Path) -> None:
    shutil.copy(folder / "p_t1.nii.gz", folder / "p_t1.nii")


def _patients(folder: Path) -> None:
    for patient in ("A", "B"):
        shutil.copytree(folder, folder.parent / "all" / patient)
    shutil.rmtree(folder)
    (folder.parent / "all").rename(folder)


def _other_suffix(folder: Path) -> None:
    for path in folder.iterdir():
        path.rename(path.with_name(path.name.split(".")[0] + ".dcm"))


BAD_FOLDERS = [
    (shutil.rmtree, {}, StudyNotFoundError, ["study"], "folder"),
    (_without_t2, {}, MissingModalityError, ["lacks t2", "p_t1ce.nii.gz"], "--t2 FILE"),
    (_other_suffix, {}, MissingModalityError, ["t1, t1ce, t2, flair"], "DICOM series"),
    (_two_t1ce, {}, AmbiguousModalityError, ["p_t1ce.nii.gz", "p_T1GD.nii"], "--t1ce FILE"),
    (_two_suffixes, {}, AmbiguousModalityError, ["p_t1.nii,", "p_t1.nii.gz"], "--t1 FILE"),
    (_patients, {}, SeveralPatientsError, ["A, B"], "latup batch"),
    (_nothing, {"t1": "x.nii"}, ImageNotFoundError, ["x.nii"], "path"),
    (
        _nothing,
        {"t1": "p_t2.nii.gz", "t2": "p_t2.nii.gz"},
        SameImageError,
        ["p_t2.nii.gz (t1)", "p_t2.nii.gz (t2)"],
        "own image",
    ),
]


@pytest.mark.parametrize(("spoil", "named", "error", "said", "hint"), BAD_FOLDERS)
def test_bad_folders_are_refused(  # noqa: PLR0917
    spoil: Callable[[Path], None],
    named: Mapping[str, str],
    error: type[InputError],
    said: list[str],
    hint: str,
    tmp_path: Path,
    write_images: WriteImages,
) -> None:
    """Each bad folder has its own error with exit code 3, the names in one line, and a hint."""
    folder = write_images(tmp_path / "study", PLAIN)
    spoil(folder)
    with pytest.raises(error) as caught:
        find_study(folder, named={modality: folder / name for modality, name in named.items()})
    assert type(caught.value) is error
    assert caught.value.exit_code == 3
    assert all(word in str(caught.value) for word in said)
    assert "\n" not in str(caught.value)
    assert hint in caught.value.hint


def test_named_files_must_be_all_four(tmp_path: Path, write_images: WriteImages) -> None:
    """Without a folder, a modality that is not named is missing."""
    write_images(tmp_path, PLAIN)
    with pytest.raises(MissingModalityError, match="lacks t1, t1ce, t2; found flair"):
        study_from_files({"flair": tmp_path / "p_flair.nii.gz"})


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("BraTS2021_00001", "BraTS2021_00001"),
        ("sub-01/anat", "sub-01"),
        ("sub-01/ses-2", "sub-01_ses-2"),
    ],
)
def test_a_study_is_called_by_its_folder(
    folder: str, name: str, tmp_path: Path, write_images: WriteImages
) -> None:
    """The study's name is the folder's, and the BIDS entities for BIDS."""
    assert find_study(write_images(tmp_path / folder, PLAIN)).name == name


@pytest.mark.parametrize("folder", ["DOE^JANE", "Doe_19610402", "19610402"])
def test_names_of_people_do_not_pass(
    folder: str, tmp_path: Path, write_images: WriteImages
) -> None:
    """A folder's name with `^` or a date is replaced by the same short hash every time."""
    name = find_study(write_images(tmp_path / folder, PLAIN)).name
    assert name.startswith("study-")
    assert len(name) == len("study-") + 8
    assert name == find_study(tmp_path / folder).name


@pytest.mark.parametrize(
    ("stem", "meaning"),
    [
        ("T1CE_to_SRI_brain_mask", DERIVED),
        ("T1_to_SRI_seg", SEGMENTATION),
        ("brain_parenchyma_segmentation", DERIVED),
        ("sub-CE01_T1w", "t1"),
        ("ce-01_T1w", "t1"),
        ("T1+C", "t1ce"),
        ("study_of_t10", None),
        ("pat1_adc", None),
        ("", None),
    ],
)
def test_words_are_read_whole(stem: str, meaning: str | None) -> None:
    """Only whole words count, and words for derived files outrank a modality before them."""
    recognized = recognize(stem)
    assert (recognized and recognized.meaning) == meaning


@given(data=st.data(), rule=st.sampled_from(sorted(ZOO)))
@settings(max_examples=100, deadline=None)
def test_letter_case_changes_nothing(data: st.DataObject, rule: str) -> None:
    """A name in any mixture of capital and small letters means the same."""
    for name in ZOO[rule].values():
        stem = name.rpartition("/")[2].removesuffix(".gz").removesuffix(".nii")
        capitals = data.draw(st.lists(st.booleans(), min_size=len(stem), max_size=len(stem)))
        mixed = "".join(
            letter.upper() if capital else letter.lower()
            for letter, capital in zip(stem, capitals, strict=True)
        )
        assert recognize(mixed) == recognize(stem)


@given(order=st.permutations(sorted(ZOO["BraTS20"].values())))
@settings(max_examples=20, deadline=None)
def test_file_order_changes_nothing(
    order: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The order in which files came into the folder does not matter."""
    folder = tmp_path_factory.mktemp("order")
    for name in order:
        (folder / name).touch()
    files = find_study(folder)
    found = {modality: file.path.name for modality, file in files.modalities.items()}
    assert list(found.items()) == [(m, ZOO["BraTS20"][m]) for m in MODALITIES]
    assert files.segmentation is not None
    assert files.segmentation.path.name == ZOO["BraTS20"]["seg"]
