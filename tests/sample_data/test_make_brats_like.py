"""The script gives the committed sample, and what it was given to imitate is in the sample."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from latup_cli.imaging.nifti import NiftiImage

SAMPLE_DATA = Path(__file__).resolve().parents[2] / "sample_data"
PATIENT = SAMPLE_DATA / "brats-like" / "LATUP-SAMPLE-001"
CHECKED = "t1ce"


ROUNDED = 1e-4
"""Share of voxels that may fall to the other side of a rounding where vector units differ."""


def test_same_seed_gives_the_committed_voxels(
    make_brats_like: ModuleType, patient: dict[str, NiftiImage]
) -> None:
    """The script reproduces label map and T1ce, but for rounding on another processor."""
    templates = Path(str(files("nilearn.datasets"))) / "data"
    images, labels = make_brats_like.make_patient(templates, modalities=(CHECKED,))
    assert list(images) == [CHECKED]
    assert labels.dtype == np.uint8
    assert images[CHECKED].dtype == np.int16
    assert np.count_nonzero(labels != patient["seg"].data) <= ROUNDED * labels.size
    off = np.abs(images[CHECKED].astype(np.int32) - patient[CHECKED].data)
    assert np.count_nonzero(off) <= ROUNDED * off.size


def test_sample_lies_within_the_spread_of_measured_subjects(
    make_brats_like: ModuleType, measure_levels: ModuleType
) -> None:
    """Every tissue's level on every modality is within 1.5 spreads of the measured median."""
    figures = measure_levels.measure(measure_levels.read_subject(PATIENT))
    for modality, classes in make_brats_like.MEASURED_LEVELS.items():
        for name, (median, spread) in classes.items():
            level = figures[f"level/{modality}/{name}"]
            assert level == pytest.approx(median, abs=1.5 * spread), (modality, name)
    for modality, measured in make_brats_like.MEASURED_NOISE.items():
        noise = figures[f"noise/{modality}/sd"]
        assert noise == pytest.approx(measured[0], abs=1.5 * measured[1]), modality


def test_every_contrast_has_a_measured_counterpart(make_brats_like: ModuleType) -> None:
    """No modality and no tissue is drawn without a figure to hold it against."""
    contrasts = make_brats_like.CONTRASTS
    assert list(contrasts) == list(make_brats_like.MEASURED_LEVELS)
    for modality, contrast in contrasts.items():
        assert set(contrast.levels) == set(make_brats_like.MEASURED_LEVELS[modality])
