"""A DICOM folder as it comes: which series is taken for which modality, or why none is."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

from latup_cli.domain.volume import Volume
from latup_cli.errors import (
    AmbiguousModalityError,
    LatupError,
    MissingModalityError,
    MissingSlicesError,
    MixedSeriesError,
    NoMrSeriesError,
    SameImageError,
    SeveralDicomPatientsError,
    SeveralTimePointsError,
    ShearedImageError,
    SlabError,
    TooSmallImageError,
)
from latup_cli.imaging.nifti import write_volume
from latup_cli.intake import dicom_places
from latup_cli.intake.find import find_study, study_from_files
from latup_cli.intake.load import SCANNER, load_study
from latup_cli.labels import MODALITIES
from latup_cli.reporting.build import file_sha256
from latup_cli.reporting.privacy import Redaction
from tests.fixtures.dicom import (
    OTHER_EXAM,
    PATIENT,
    TAGS,
    USUAL,
    Series,
    datasets,
    numbers,
    study_series,
    write,
    write_enhanced,
    write_series,
)


def test_the_four_are_told_by_their_tags(exam: Path, made: Mapping[str, Series]) -> None:
    """Without a word of description, times and contrast agent tell the modalities."""
    files = find_study(exam)
    assert numbers(files) == USUAL
    assert "a contrast agent is named" in files.modalities["t1ce"].reason
    assert "TI 2500 ms (FLAIR)" in files.modalities["flair"].reason
    study = load_study(files)
    assert set(study.skull) == set(MODALITIES)
    assert study.codes == SCANNER
    for modality, series in made.items():
        found = study.images[modality]
        assert found.grid.matches(series.image.grid) or found.grid.shape == series.image.grid.shape
        assert np.array_equal(np.sort(found.data, axis=None), np.sort(series.image.data, axis=None))


def test_files_are_listed_in_slice_order(exam: Path, made: Mapping[str, Series]) -> None:
    """A series' files are those of the modality, in the order of their places, not their names."""
    for modality, found in find_study(exam).modalities.items():
        heights = [float(dcmread(path).ImagePositionPatient[2]) for path in found.series]
        assert len(heights) == made[modality].image.data.shape[2]
        assert heights in (sorted(heights), sorted(heights, reverse=True))
        assert list(found.series) != sorted(found.series)
        assert found.path == found.series[0].parent


def flat(folder: Path) -> None:
    """All files in one folder, without ending."""
    for path in [p for p in folder.rglob("*") if p.is_file()]:
        path.rename(folder / path.stem)


def nested(folder: Path) -> None:
    """Deep, mixed folders."""
    for n, path in enumerate(sorted(p for p in folder.rglob("*") if p.is_file())):
        place = folder / f"DICOM/{n % 3}/A{n % 5}/IM{n}"
        place.parent.mkdir(parents=True, exist_ok=True)
        path.rename(place)


DIRECTORY = """
import pathlib, sys
from pydicom import dcmread
from pydicom.fileset import FileSet
files = FileSet()
for path in sorted(pathlib.Path(sys.argv[1]).rglob("*.dcm")):
    dataset = dcmread(path)
    dataset.StudyID, dataset.AccessionNumber = "1", ""
    files.add(dataset)
files.write(sys.argv[2])
"""


def listed(folder: Path) -> None:
    """A DICOMDIR with the file names that go with it."""
    # in a process of its own, because pydicom leaves its temporary folders to the end
    disc = folder.parent / "disc"
    subprocess.run([sys.executable, "-W", "ignore", "-c", DIRECTORY, folder, disc], check=True)
    shutil.rmtree(folder)
    disc.rename(folder)
    assert (folder / "DICOMDIR").is_file()


def copied_twice(folder: Path) -> None:
    shutil.copytree(folder, folder / "again")


def with_rubbish(folder: Path) -> None:
    (folder / "readme.txt").write_text("hello")
    (folder / "empty.dcm").write_bytes(b"")
    (folder / "cut.dcm").write_bytes(bytes(128) + b"DICM" + b"\x02\x00\x00")
    (folder / ".hidden").write_bytes(b"DICM")
    (folder / "nowhere.dcm").symlink_to(folder / "gone.dcm")


LAYOUTS = [flat, nested, listed, copied_twice, with_rubbish]


@pytest.mark.parametrize("layout", LAYOUTS, ids=[layout.__name__ for layout in LAYOUTS])
def test_every_layout_gives_the_same_study(
    layout: Callable[[Path], None], folder: Path, exam: Path
) -> None:
    """Nested, mixed, without ending, with a DICOMDIR, twice, or among rubbish: one answer."""
    layout(folder)
    files = find_study(folder)
    assert numbers(files) == USUAL
    assert [len(found.series) for found in files.modalities.values()] == [16] * 4
    before, after = load_study(find_study(exam)), load_study(files)
    for modality in MODALITIES:
        np.testing.assert_array_equal(before.images[modality].data, after.images[modality].data)


def test_a_dicomdir_or_a_slice_stands_for_its_folder(folder: Path) -> None:
    """The study is the same whether the folder, its DICOMDIR or one of its files is given."""
    listed(folder)
    assert numbers(find_study(folder / "DICOMDIR")) == USUAL


def extra(number: int, like: str, **tags: Any) -> Callable[[Path, Mapping[str, Series]], None]:
    """A way to add a series that is like one of the four but for some tags."""

    def add(folder: Path, made: Mapping[str, Series]) -> None:
        series = replace(made[like], number=number, tags={**made[like].tags, **tags})
        write_series(folder / f"S{number}", series)

    return add


def of_class(uid: str, modality: str, number: int) -> Callable[[Path, Mapping[str, Series]], None]:
    """A way to add an object that is no MR image."""

    def add(folder: Path, made: Mapping[str, Series]) -> None:
        dataset = datasets(replace(made["t2"], number=number))[0]
        dataset.SOPClassUID, dataset.Modality = uid, modality
        if modality == "SR":
            del dataset.PixelData, dataset.Rows, dataset.Columns
        write(folder / f"extra{number}", dataset)

    return add


def dynamic(folder: Path, made: Mapping[str, Series]) -> None:
    """A perfusion series of six times that looks like a T1 otherwise."""
    for time in range(1, 7):
        series = replace(made["t1"], number=9)
        for k, dataset in enumerate(datasets(series)):
            dataset.TemporalPositionIdentifier = time
            dataset.SOPInstanceUID = generate_uid()
            write(folder / "S9" / f"{time}_{k}", dataset)


SIDE_SHOWS: Mapping[str, Callable[[Path, Mapping[str, Series]], None]] = {
    "localizer": extra(1, "t1", ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"]),
    "scout by its words": extra(1, "t1ce", SeriesDescription="3-plane scout"),
    "ADC": extra(9, "t2", ImageType=["DERIVED", "SECONDARY", "ADC"]),
    "trace": extra(9, "t2", DiffusionBValue=1000.0),
    "echo-planar": extra(9, "t2", ScanningSequence=["EP", "SE"]),
    "CBV": extra(9, "t1ce", ImageType=["DERIVED", "SECONDARY", "RCBV"]),
    "perfusion by its words": extra(9, "t1ce", SeriesDescription="DSC perf"),
    "dynamic": dynamic,
    "phase": extra(9, "t1", ImageType=["ORIGINAL", "PRIMARY", "P"]),
    "projection": extra(9, "t1ce", ImageType=["DERIVED", "SECONDARY", "MIP"]),
    "subtraction": extra(9, "t1ce", SeriesDescription="T1 SUB"),
    "T2*": extra(9, "t2", SeriesDescription="T2* gre", ScanningSequence="GR", EchoTime=20),
    "proton density": extra(9, "t2", EchoTime=20),
    "STIR": extra(9, "t2", SeriesDescription="T2 STIR"),
    "secondary capture": of_class("1.2.840.10008.5.1.4.1.1.7", "OT", 9),
    "report": of_class("1.2.840.10008.5.1.4.1.1.88.11", "SR", 9),
    "CT": of_class("1.2.840.10008.5.1.4.1.1.2", "CT", 9),
    "another exam's localizer": extra(
        1, "t1", StudyDate="20010101", ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"]
    ),
}


@pytest.mark.parametrize("case", SIDE_SHOWS)
def test_other_series_do_not_disturb(case: str, folder: Path, made: Mapping[str, Series]) -> None:
    """What is no structural series is set aside, whatever it is like otherwise."""
    SIDE_SHOWS[case](folder, made)
    assert numbers(find_study(folder)) == USUAL


RIVALS: Mapping[str, tuple[Callable[[Path, Mapping[str, Series]], None], str, int]] = {
    "a repetition": (extra(8, "t2"), "t2", 8),
    "a reformat": (extra(8, "t2", ImageType=["DERIVED", "SECONDARY", "MPR"]), "t2", 4),
    "a slab": (
        lambda folder, made: write_series(folder / "S8", slab(made["t2"], 8)) and None, "t2", 4
    ),
    "a broken one": (
        lambda folder, made: write_series(folder / "S8", replace(made["t2"], number=8))[3].unlink(),
        "t2", 4,
    ),
}  # fmt: skip


def slab(series: Series, number: int) -> Series:
    """The middle ten slices only."""
    image = series.image
    return replace(series, image=Volume(image.data[:, :, 3:13], _cut(image)), number=number)


def _cut(image: Volume) -> Any:
    shape = (*image.grid.shape[:2], 10)
    return replace(image.grid, shape=shape)


@pytest.mark.parametrize("case", RIVALS)
def test_of_several_series_the_best_is_chosen(
    case: str, folder: Path, made: Mapping[str, Series]
) -> None:
    """Whole before slab, original before reformat, sound before broken, else the later one."""
    add, modality, expected = RIVALS[case]
    add(folder, made)
    files = find_study(folder)
    assert numbers(files) == {**USUAL, modality: expected}
    other = ({4, 8} - {expected}).pop()
    assert f"preferred to series {other}" in files.modalities[modality].reason


def test_thinner_slices_are_preferred(folder: Path, made: Mapping[str, Series]) -> None:
    """Of two T1ce, that with the smaller longest voxel edge is taken, although it came first."""
    thin = study_series((4.5, 4.5, 4.25))["t1ce"]
    write_series(folder / "S1", replace(thin, number=1))
    assert numbers(find_study(folder))["t1ce"] == 1


def renamed_series(folder: Path, **tags: Mapping[str, Any]) -> None:
    """Change tags of whole series; None removes one."""
    for path in [p for p in folder.rglob("*") if p.is_file()]:
        dataset = dcmread(path)
        modality = list(TAGS)[int(dataset.SeriesNumber) - 2]
        for keyword, value in tags.get(modality, {}).items():
            if value is None:
                dataset.pop(keyword, None)
            else:
                setattr(dataset, keyword, value)
        dataset.save_as(path)


TIMES = dict.fromkeys(
    ["ScanningSequence", "EchoTime", "RepetitionTime", "InversionTime", "ContrastBolusAgent"]
)


def test_words_tell_where_times_are_missing(folder: Path) -> None:
    """After an anonymization that removed the times, the description still serves."""
    names = {"t1": "AX T1 PRE", "t1ce": "AX T1 +C", "t2": "Ax T2 FSE", "flair": "Ax T2 FLAIR"}
    renamed_series(folder, **{m: {**TIMES, "SeriesDescription": n} for m, n in names.items()})
    files = find_study(folder)
    assert numbers(files) == USUAL
    assert "description contains 'flair'" in files.modalities["flair"].reason


def test_words_tell_a_plain_t1_after_an_agent_that_was_kept(folder: Path) -> None:
    """A scanner that writes the agent into every series does not turn a T1 into a T1ce."""
    agent = {"ContrastBolusAgent": "Gadovist"}
    renamed_series(folder, t1={**agent, "SeriesDescription": "T1 pre"}, t2=agent, flair=agent)
    assert numbers(find_study(folder)) == USUAL


@pytest.mark.parametrize("agent", [None, "Gadovist"], ids=["in none", "in all"])
def test_voxels_tell_t1ce_where_tags_do_not(agent: str | None, folder: Path) -> None:
    """Where the agent is named in no T1 or in all, the enhancing rim tells, and it is said."""
    renamed_series(folder, t1={"ContrastBolusAgent": agent}, t1ce={"ContrastBolusAgent": agent})
    files = find_study(folder)
    assert numbers(files) == USUAL
    assert "its brightest voxels are brighter" in files.modalities["t1ce"].reason
    assert "no contrast agent" not in files.modalities["t1ce"].reason
    assert "a contrast agent is named" not in files.modalities["t1ce"].reason


def test_equal_t1_are_not_guessed_at(folder: Path, made: Mapping[str, Series]) -> None:
    """Two T1 without a word or an agent that look the same are refused by their numbers."""
    shutil.rmtree(folder / "S3")
    extra(6, "t1")(folder, made)
    with pytest.raises(AmbiguousModalityError, match="series 2, series 6") as caught:
        find_study(folder)
    assert "--t1ce" in caught.value.hint


def test_a_dual_echo_series_is_two_volumes(folder: Path, made: Mapping[str, Series]) -> None:
    """Of proton density and T2 in one series, the late echo is the T2, classic or enhanced."""
    shutil.rmtree(folder / "S4")
    write_enhanced(folder / "dual", made["t2"], echoes=(15.0, 98.0))
    files = find_study(folder)
    assert files.modalities["t2"].volume == 1
    assert files.modalities["t2"].series == (folder / "dual",)
    assert files.modalities["t2"].path == folder / "dual"
    found = load_study(files).images["t2"].data
    assert sorted(np.unique(found))[1:] == sorted(np.unique(made["t2"].image.data + 1))[1:]


def test_enhanced_files_are_series(tmp_path: Path, made: Mapping[str, Series]) -> None:
    """Four multi-frame files are a study."""
    for modality, series in made.items():
        write_enhanced(tmp_path / "case" / modality, series)
    files = find_study(tmp_path / "case")
    assert numbers(files) == USUAL
    assert {found.path.name for found in files.modalities.values()} == set(MODALITIES)
    for modality, image in load_study(files).images.items():
        assert image.data.sum() == made[modality].image.data.sum()


# --- refusals -------------------------------------------------------------------------------


def two_times(folder: Path, made: Mapping[str, Series]) -> None:
    for modality, series in made.items():
        later = {**series.tags, "StudyDate": "20020503"}
        write_series(
            folder / "20020503 later" / modality, replace(series, tags=later, study=OTHER_EXAM)
        )


def two_exams_without_dates(folder: Path, made: Mapping[str, Series]) -> None:
    two_times(folder, made)
    for path in [p for p in folder.rglob("*") if p.is_file()]:
        dataset = dcmread(path)
        dataset.StudyDate = ""
        dataset.save_as(path)


def two_patients(folder: Path, made: Mapping[str, Series]) -> None:
    other = {**made["t2"].tags, "PatientID": "MRN-4712", "PatientName": "Roe^Richard"}
    write_series(folder / "S8", replace(made["t2"], tags=other, number=8))


def only_ct(folder: Path, made: Mapping[str, Series]) -> None:
    for path in [p for p in folder.rglob("*") if p.is_file()]:
        dataset = dcmread(path)
        dataset.SOPClassUID, dataset.Modality = "1.2.840.10008.5.1.4.1.1.2", "CT"
        dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
        dataset.save_as(path)


def changed(*, of: str, every: Callable[[Dataset, int], object]) -> Any:
    """A way to change all files of one modality."""

    def spoil(folder: Path, made: Mapping[str, Series]) -> None:
        number = list(TAGS).index(of) + 2
        for k, path in enumerate(sorted(folder.glob(f"S{number}/*"))):
            dataset = dcmread(path)
            every(dataset, k)
            dataset.save_as(path)

    return spoil


def tilt(dataset: Dataset, _: int) -> None:
    x, y, z = map(float, dataset.ImagePositionPatient)
    dataset.ImagePositionPatient = [x, y + 0.2 * z, z]


def turn_some(dataset: Dataset, k: int) -> None:
    if k % 2:
        dataset.ImageOrientationPatient = [1, 0, 0, 0, 0, -1]


def fewer(first: int, last: int) -> Any:
    """A way to leave only some slices of FLAIR."""

    def spoil(folder: Path, made: Mapping[str, Series]) -> None:
        for path in folder.glob("S5/*"):
            if not first <= int(dcmread(path).InstanceNumber) - 1 < last:
                path.unlink()

    return spoil


REFUSALS: Mapping[str, tuple[Any, type[LatupError], str]] = {
    "two time points": (two_times, SeveralTimePointsError, "2 time points: time point 1"),
    "two exams": (two_exams_without_dates, SeveralTimePointsError, "2 time points"),
    "two patients": (two_patients, SeveralDicomPatientsError, "of 2 patients"),
    "CT": (only_ct, NoMrSeriesError, "no MR series: 4 CT"),
    "no T2": (
        lambda folder, _: shutil.rmtree(folder / "S4"), MissingModalityError,
        "lacks t2; found series 2 (t1), series 3 (t1ce), series 5 (flair)",
    ),
    "missing slice": (
        lambda folder, _: next(p for p in folder.glob("S4/*")
                               if int(dcmread(p).InstanceNumber) == 9).unlink(),
        MissingSlicesError, "series 4 (t2) lacks 1 slice",
    ),
    "mixed": (changed(of="t2", every=turn_some), MixedSeriesError, "different orientations"),
    "tilted": (changed(of="t1", every=tilt), ShearedImageError, "t1 (DICOM) is sheared"),
    "few slices": (fewer(3, 13), TooSmallImageError, "30 x 28 x 10 voxels"),
    "slab": (fewer(2, 14), SlabError, "covers only 60 mm"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSALS)
def test_a_folder_that_is_no_study_is_refused(
    case: str, folder: Path, made: Mapping[str, Series]
) -> None:
    """Each has its own error, exit code 3, a hint, and neither name, number nor date in it."""
    spoil, error, said = REFUSALS[case]
    spoil(folder, made)
    with pytest.raises(LatupError) as caught:
        load_study(find_study(folder))
    assert type(caught.value) is error
    assert caught.value.exit_code == 3
    assert said in str(caught.value)
    assert caught.value.hint
    assert_discreet(str(caught.value) + caught.value.hint + str(caught.value.args))


def assert_discreet(text: str) -> None:
    """Nothing of the patient's tags is in a text, in whatever spelling."""
    lower = text.casefold()
    for word in ("doe", "jane", "4711", "1999", "0412", "20020503", "2002", "richard"):
        assert word not in lower, word


def test_a_whole_disk_is_not_searched(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there are far too many files, that is said instead of reading them."""
    monkeypatch.setattr(dicom_places, "MOST_FILES", 50)
    with pytest.raises(LatupError, match="more than 50 files"):
        find_study(folder)


# --- privacy --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["Jane Doe", "doe_jane", "case mrn4711", "MRN-4711 brain"])
def test_a_folder_named_after_the_patient_gives_a_hash(name: str, folder: Path) -> None:
    """Where the folder's name holds the patient's name or number, the study is a hash."""
    place = folder.rename(folder.parent / name)
    (place / "S4").rename(place / "T2 of Jane")
    files = find_study(place)
    assert files.name.startswith("study-")
    study = load_study(files)
    reasons = [found.reason for found in files.modalities.values()]
    assert_discreet(
        " ".join([files.name, *reasons, *study.warnings, *map(str, study.shown.values())])
    )
    redaction = Redaction(place, files.name, files.private)
    assert_discreet(json.dumps([redaction.path(f.path) for f in files.modalities.values()]))


def test_a_harmless_folder_keeps_its_name(exam: Path) -> None:
    """The study is called as its folder where that tells nothing, and as asked in any case."""
    assert find_study(exam).name == "case"
    assert find_study(exam, name="mine").name == "mine"


def test_words_of_a_description_that_names_the_patient_stay_inside(folder: Path) -> None:
    """A description is searched for known words and never repeated."""
    words = {"SeriesDescription": "T1 post Jane Doe 19990412", "ProtocolName": "DOE MRN-4711"}
    renamed_series(folder, t1ce={**words, "ContrastBolusAgent": None})
    files = find_study(folder)
    assert "description contains 'post'" in files.modalities["t1ce"].reason
    assert_discreet(str([found.reason for found in files.modalities.values()]))


# --- beside NIfTI, and by hand --------------------------------------------------------------


def as_nifti(folder: Path, made: Mapping[str, Series], *modalities: str) -> None:
    for modality in modalities:
        image = made[modality].image
        write_volume(folder / f"x_{modality}.nii.gz", image.data, image.grid, SCANNER)


def test_nifti_wins_where_it_has_all_four(folder: Path, made: Mapping[str, Series]) -> None:
    """Beside DICOM, four NIfTI files are taken, and the reason says so."""
    as_nifti(folder, made, *MODALITIES)
    files = find_study(folder)
    assert all(not found.series for found in files.modalities.values())
    assert all("DICOM files beside them" in found.reason for found in files.modalities.values())


def test_dicom_wins_where_nifti_lacks_one(folder: Path, made: Mapping[str, Series]) -> None:
    """Three NIfTI files give way to four DICOM series, and the reason says so."""
    as_nifti(folder, made, "t1", "t2", "flair")
    files = find_study(folder)
    assert numbers(files) == USUAL
    assert all("not all four" in found.reason for found in files.modalities.values())


def test_a_series_can_be_named(exam: Path, tmp_path: Path, made: Mapping[str, Series]) -> None:
    """A folder of a series, or one of its files, may be named for a modality, and wins."""
    other = write_series(tmp_path / "other", replace(made["t2"], number=8))
    for place in (tmp_path / "other", other[5]):
        files = find_study(exam, named={"t2": place})
        assert files.modalities["t2"].reason == "series 8: given on the command line"
        assert files.modalities["t1"].reason.startswith("series 2")
    places = {m: exam / f"S{n}" for m, n in USUAL.items()}
    assert numbers(study_from_files(places)) == USUAL
    with pytest.raises(SameImageError):
        study_from_files({**places, "t2": places["t1"]})
    with pytest.raises(AmbiguousModalityError):
        find_study(exam, named={"t2": exam})


def test_a_copy_of_a_slice_can_be_named(exam: Path, tmp_path: Path) -> None:
    """Whichever of two copies in a folder is named, its series is meant."""
    place = Path(shutil.copytree(exam / "S4", tmp_path / "t2"))
    first = min(place.glob("*.dcm"))
    for name in ("0_copy.dcm", "z_copy.dcm"):
        shutil.copy(first, place / name)
    for named in sorted(place.glob("*.dcm")):
        files = find_study(exam, named={"t2": named})
        assert files.modalities["t2"].reason == "series 4: given on the command line"


def test_our_own_results_are_not_searched(folder: Path, made: Mapping[str, Series]) -> None:
    """DICOM files beside a report of ours are results, and no input."""
    write_series(folder / "latup", replace(made["t2"], number=8))
    assert numbers(find_study(folder))["t2"] == 8
    (folder / "latup" / "case_report.json").write_text("{}")
    assert numbers(find_study(folder))["t2"] == 4


def test_a_series_is_hashed_file_by_file(exam: Path) -> None:
    """A report identifies a series by the bytes of all its files in slice order."""
    found = find_study(exam).modalities["t1"]
    expected = hashlib.sha256(b"".join(path.read_bytes() for path in found.series)).hexdigest()
    assert file_sha256(found.path, found.series) == expected


def test_named_series_keep_their_patient_private(folder: Path) -> None:
    """Named one by one, series tell as little of the patient as the folder of all does."""
    place = folder.rename(folder.with_name("DOE_JANE"))
    named = {m: place / f"S{number}" for m, number in USUAL.items()}
    for files in (study_from_files(named), find_study(place, named=named), find_study(place)):
        assert files.name == find_study(place).name
        assert "DOE" not in files.name
        assert {"jane", "doe", "mrn4711"} <= files.private


def test_the_patient_s_tags_are_private(exam: Path) -> None:
    """Name and number are known to the study for hiding them, in no printed form."""
    files = find_study(exam)
    assert {"jane", "doe", "mrn4711"} <= files.private
    assert PATIENT["PatientID"] not in repr(files)
