"""A teacher's probabilities in the targets of another network."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from latup_cli.inference.windows import Array
from latup_cli.labels import SCHEMES
from latup_cli.training.cases import StoredCase
from latup_cli.training.export import model_spec
from latup_cli.workflows.labeled import find_labeled, prepare_cases
from latup_cli.workflows.teacher import Teacher
from tests.fixtures.labeled import SETTINGS, write_patients

CLASSES = (0.1, 0.2, 0.3, 0.4)  # background, NCR, ED, ET
REGIONS = np.array([0.9, 0.6, 0.4])  # WT, TC, ET of these


def always(window: Array) -> Array:
    """The same probabilities everywhere."""
    answer = np.empty((1, 4, *window.shape[2:]), dtype=np.float32)
    answer[:] = np.reshape(CLASSES, (1, 4, 1, 1, 1))
    return answer


def leaning(window: Array) -> Array:
    """Less and less of a tumor along the first axis of a window."""
    answer = always(window)
    slope = np.linspace(-0.1, 0.1, window.shape[2], dtype=np.float32).reshape(-1, 1, 1)
    answer[0, 0] += slope
    answer[0, 2] -= slope
    return answer


def prepared(folder: Path, spacing_mm: float, teacher: Teacher | None) -> StoredCase:
    """The only patient of a data set."""
    spec = model_spec(replace(SETTINGS, spacing_mm=spacing_mm))
    patients = find_labeled([folder])
    (case,) = prepare_cases(
        patients, spec, SCHEMES["brats2023"], folder.parent / "cache", teacher=teacher
    )
    return case


@pytest.mark.parametrize("spacing_mm", [2.0, 3.0])
@pytest.mark.parametrize("share", [0.25, 1.0])
def test_a_target_is_the_experts_and_the_teachers(
    share: float, spacing_mm: float, tmp_path: Path
) -> None:
    """In proportion, also where the teacher sees another grid; tissues stay the expert's."""
    folder = write_patients(tmp_path / "patients", 1)
    teacher = Teacher(model_spec(SETTINGS), always, share)
    plain, taught = (prepared(folder, spacing_mm, who) for who in (None, teacher))
    inside = (slice(None), *(slice(3, -3),) * 3)  # the grids end at different places
    expected = (1 - share) * plain.target[inside] + share * 255 * REGIONS.reshape(3, 1, 1, 1)
    np.testing.assert_allclose(taught.target[inside], expected, atol=1.0)
    np.testing.assert_array_equal(taught.tumor_voxels, plain.tumor_voxels)
    np.testing.assert_array_equal(taught.image, plain.image)


@pytest.mark.parametrize("tta", [False, True])
def test_mirrored_views_cancel_what_leans_to_one_side(tta: bool, tmp_path: Path) -> None:
    """The mean of a slope and of its mirror image is the same everywhere."""
    folder = write_patients(tmp_path / "patients", 1)
    case = prepared(folder, SETTINGS.spacing_mm, Teacher(model_spec(SETTINGS), leaning, 1.0, tta))
    strayed = np.abs(case.target[0].astype(float) - 255 * REGIONS[0]).max()
    assert (strayed < 1.0) == tta


def test_another_share_is_prepared_anew(tmp_path: Path) -> None:
    """The cache tells targets of different shares and teachers apart, and finds equal ones."""
    folder = write_patients(tmp_path / "patients", 1)
    first = Teacher(model_spec(SETTINGS), always, 0.5)
    others = (
        first,
        replace(first, share=0.4),
        replace(first, tta=True),
        replace(first, spec=replace(first.spec, sha256="1")),
    )
    cases = [prepared(folder, 2.0, who) for who in (first, *others, None)]
    assert len({case.folder for case in cases}) == 5
    assert cases[0].folder == cases[1].folder
