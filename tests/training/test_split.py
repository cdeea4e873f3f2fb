"""No patient is ever on both sides of a split."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from latup_cli.errors import NothingToTrainOnError
from latup_cli.training.split import fold, held_out_share, patient_of

STUDIES = st.lists(
    st.tuples(st.integers(0, 40), st.integers(0, 3)).map(
        lambda n: f"BraTS-GLI-{n[0]:05}-{n[1]:03}"
    ),
    min_size=12,
    max_size=60,
    unique=True,
)
FAST = settings(max_examples=40, deadline=None, derandomize=True)


@pytest.mark.parametrize(
    ("study", "patient"),
    [
        ("BraTS-GLI-00005-101", "BraTS-GLI-00005"),
        ("BraTS-MET-00110-000", "BraTS-MET-00110"),
        ("BraTS20_Training_001", "BraTS20_Training_001"),
        ("BraTS2021_00005", "BraTS2021_00005"),
        ("Brats18_CBICA_AQN_1", "Brats18_CBICA_AQN_1"),
        ("sub-07_ses-02", "sub-07"),
        ("sub-07", "sub-07"),
    ],
)
def test_the_patient_stands_in_the_name(study: str, patient: str) -> None:
    """Time points and sessions are told from the patient."""
    assert patient_of(study) == patient


@given(STUDIES, st.integers(2, 4), st.integers(0, 9))
@FAST
def test_folds_never_share_a_patient(studies: list[str], folds: int, seed: int) -> None:
    """Each study is held out in exactly one fold, together with all others of its patient."""
    patients = {patient_of(study) for study in studies}
    if len(patients) < folds:
        with pytest.raises(NothingToTrainOnError):
            fold(studies, folds=folds, index=0, seed=seed)
        return
    times_out = dict.fromkeys(studies, 0)
    for index in range(folds):
        out = fold(studies, folds=folds, index=index, seed=seed)
        held = {patient_of(s) for s, is_out in zip(studies, out, strict=True) if is_out}
        kept = {patient_of(s) for s, is_out in zip(studies, out, strict=True) if not is_out}
        assert held
        assert kept
        assert not held & kept
        for study, is_out in zip(studies, out, strict=True):
            times_out[study] += is_out
    assert set(times_out.values()) == {1}


@given(STUDIES, st.integers(0, 9))
@FAST
def test_who_is_held_out_does_not_depend_on_the_order(studies: list[str], seed: int) -> None:
    """Listing the folders in another order holds out the same studies."""
    out = held_out_share(studies, share=0.2, seed=seed)
    back = held_out_share(studies[::-1], share=0.2, seed=seed)
    assert out == back[::-1]
    assert any(out)
    assert not all(out)


@pytest.mark.parametrize(("folds", "index"), [(5, 5), (5, -1), (3, 0)])
def test_folds_that_cannot_be_are_refused(folds: int, index: int) -> None:
    """A fold that does not exist, or more folds than patients, is a clear error."""
    with pytest.raises(NothingToTrainOnError):
        fold(["a", "b"], folds=folds, index=index, seed=0)
