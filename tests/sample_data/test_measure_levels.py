"""Figures about how subjects look are right where the answer is known."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from nibabel import Nifti1Image

SHAPE = (48, 48, 48)
LEVELS = {
    "t1": {"CSF": 20.0, "GM": 60.0, "WM": 100.0, "ED": 50.0, "ET": 55.0, "NCR": 40.0},
    "t1ce": {"CSF": 20.0, "GM": 60.0, "WM": 90.0, "ED": 55.0, "ET": 160.0, "NCR": 40.0},
    "t2": {"CSF": 180.0, "GM": 90.0, "WM": 60.0, "ED": 120.0, "ET": 125.0, "NCR": 150.0},
    "flair": {"CSF": 20.0, "GM": 80.0, "WM": 70.0, "ED": 160.0, "ET": 150.0, "NCR": 110.0},
}
NOISE = 3.0


def _tissues() -> dict[str, np.ndarray]:
    """A block of white matter between gray matter and CSF, with a three-shelled tumor in it."""
    i, j, k = np.indices(SHAPE)
    away = np.sqrt((i - 24) ** 2 + (j - 24) ** 2 + (k - 30) ** 2)
    tumor = {"NCR": away < 7, "ET": (away >= 7) & (away < 10), "ED": (away >= 10) & (away < 12)}
    inside = (np.indices(SHAPE) >= 3).all(axis=0) & (np.indices(SHAPE) < 45).all(axis=0)
    healthy = inside & (away >= 12)
    bands = {"CSF": i < 8, "GM": (i >= 8) & (i < 18), "WM": i >= 18}
    return tumor | {name: healthy & band for name, band in bands.items()}


@pytest.fixture(scope="module")
def subject_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One made-up subject, its levels known, in BraTS naming."""
    folder = tmp_path_factory.mktemp("subjects") / "KNOWN_1"
    folder.mkdir()
    rng = np.random.default_rng(5)
    tissues = _tissues()
    for modality, levels in LEVELS.items():
        image = np.zeros(SHAPE)
        for name, where in tissues.items():
            image[where] = levels[name] + rng.normal(0.0, NOISE, int(where.sum()))
        _save(folder / f"KNOWN_1_{modality}.nii.gz", image.astype(np.float32))
    labels = sum(number * tissues[name] for name, number in {"NCR": 1, "ED": 2, "ET": 4}.items())
    _save(folder / "KNOWN_1_seg.nii.gz", np.asarray(labels, dtype=np.uint8))
    return folder


def _save(path: Path, data: np.ndarray) -> None:
    Nifti1Image(data, np.diag([-1.0, -1.0, 1.0, 1.0])).to_filename(path)


@pytest.fixture(scope="module")
def figures(measure_levels: ModuleType, subject_folder: Path) -> dict[str, float]:
    """Every figure of the made-up subject."""
    measured: dict[str, float] = measure_levels.measure(measure_levels.read_subject(subject_folder))
    return measured


def _mean_and_deviation(modality: str) -> tuple[float, float]:
    tissues = _tissues()
    counts = {name: int(where.sum()) for name, where in tissues.items()}
    levels = np.repeat([LEVELS[modality][n] for n in counts], list(counts.values()))
    return float(levels.mean()), float(np.hypot(levels.std(), NOISE))


@pytest.mark.parametrize("modality", list(LEVELS))
def test_levels_are_z_scores_of_what_was_drawn(figures: dict[str, float], modality: str) -> None:
    """Healthy clusters and labelled tissues come out at the levels they were drawn with."""
    mean, deviation = _mean_and_deviation(modality)
    for name, level in LEVELS[modality].items():
        expected = (level - mean) / deviation
        assert figures[f"level/{modality}/{name}"] == pytest.approx(expected, abs=0.03), name


@pytest.mark.parametrize("modality", list(LEVELS))
def test_white_noise_is_measured_as_such(figures: dict[str, float], modality: str) -> None:
    """Noise has the drawn deviation, is not correlated, and no shading is seen."""
    _, deviation = _mean_and_deviation(modality)
    sd = figures[f"noise/{modality}/sd"]
    assert sd == pytest.approx(NOISE / deviation, rel=0.1)
    assert all(abs(figures[f"noise/{modality}/lag1_{axis}"]) < 0.1 for axis in "ijk")
    assert figures[f"bias/{modality}/sd"] < 0.1 * sd


def test_brain_and_tumor_are_measured_in_mm_and_ml(figures: dict[str, float]) -> None:
    """Extent, center and volumes are those of the drawn block."""
    assert figures["brain/ml"] == pytest.approx(42**3 / 1000.0)
    assert [figures[f"brain/extent_{axis}"] for axis in "ijk"] == [42.0] * 3
    assert [figures[f"brain/center_{axis}"] for axis in "ijk"] == pytest.approx([23.5] * 3)
    assert figures["ml/NCR"] == pytest.approx(_tissues()["NCR"].sum() / 1000.0)


def test_summary_is_the_median_over_those_who_have_the_figure(measure_levels: ModuleType) -> None:
    """A tissue that a subject lacks leaves the figure to the others."""
    summary = measure_levels.summarize([{"a": 1.0, "b": 5.0}, {"a": 3.0}, {"a": 2.0}])
    assert summary["a"][0] == 2.0
    assert summary["b"] == (5.0, 0.0)


def test_json_and_table_say_the_same(
    measure_levels: ModuleType, subject_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both outputs name every figure, and the folder may be the subject or hold it."""
    assert measure_levels.main([str(subject_folder.parent), "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert measure_levels.main([str(subject_folder)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "1 subjects"
    rows = {line.split()[0]: float(line.split()[1]) for line in lines[2:]}
    assert rows == {name: round(median, 3) for name, (median, _) in summary.items()}


def test_a_folder_without_subjects_is_refused(measure_levels: ModuleType, tmp_path: Path) -> None:
    """Nothing to measure is a usage error, not an empty table."""
    with pytest.raises(SystemExit) as refused:
        measure_levels.main([str(tmp_path)])
    assert refused.value.code == 2
