"""Patients of the same name are told apart, in whatever order they are found."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from latup_cli.cohort.names import told_apart
from latup_cli.domain.cohort import Patient
from latup_cli.domain.study import StudyFiles
from latup_cli.intake.naming import outward


def patient(place: str) -> Patient:
    """A patient who is called as the last folder of a place."""
    name = place.rpartition("/")[2]
    return Patient(name, place, place, None, StudyFiles(name, {}))


def names(*places: str) -> dict[str, str]:
    """Place to name."""
    found = told_apart([patient(place) for place in places], outward)
    return {one.place: one.name for one in found}


def test_a_name_of_its_own_stays() -> None:
    """Whoever is alone with a name keeps it."""
    assert names("a/P1", "b/P2") == {"a/P1": "P1", "b/P2": "P2"}


def test_the_parent_tells_apart() -> None:
    """Equal names get the folder above, and two folders where one does not do."""
    assert names("a/P1", "b/P1", "c/P2") == {"a/P1": "a_P1", "b/P1": "b_P1", "c/P2": "P2"}
    assert names("x/a/1", "y/a/1") == {"x/a/1": "x_a_1", "y/a/1": "y_a_1"}


def test_letter_case_does_not_tell_apart() -> None:
    """Names that are one on some systems are treated as one."""
    assert names("a/p1", "b/P1") == {"a/p1": "a_p1", "b/P1": "b_P1"}


def test_files_carry_the_new_name() -> None:
    """The study's files are called as the patient is."""
    for one in told_apart([patient("a/1"), patient("b/1")], outward):
        assert one.files is not None
        assert one.files.name == one.name


def test_rows_that_are_the_same_are_still_two() -> None:
    """Even where nothing differs nobody's results replace another's."""
    found = [one.name for one in told_apart([patient("a/1"), patient("a/1")], outward)]
    assert len(set(found)) == 2


FOLDERS = st.lists(st.sampled_from("abAB"), min_size=1, max_size=4).map("/".join)


@settings(deadline=None)
@given(st.lists(FOLDERS, min_size=1, max_size=8, unique=True), st.randoms())
def test_names_are_unique_and_do_not_depend_on_order(
    places: list[str], random: random.Random
) -> None:
    """Every patient has a name of its own, and the same one however they are listed."""
    first = names(*places)
    assert len({name.casefold() for name in first.values()}) == len(places)
    shuffled = random.sample(places, len(places))
    assert names(*shuffled) == first
