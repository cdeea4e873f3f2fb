"""`latup evaluate`, in the order it happens: pair, check, measure, summarize, write."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np

from latup_cli.cohort.ledger import ledger_files
from latup_cli.config import AUTO, EvaluateSettings
from latup_cli.domain.grid import Grid
from latup_cli.domain.label_schemes import detect_scheme
from latup_cli.domain.orientation import Reorientation
from latup_cli.domain.volume import LabelMap
from latup_cli.errors import (
    BatchFolderError,
    DeclaredSchemeError,
    LabelValuesError,
    MissingPredictionsError,
    OutputExistsError,
    named_as,
)
from latup_cli.evaluation.align import turn_onto
from latup_cli.evaluation.files import TABLES, write_tables
from latup_cli.evaluation.lesions import RULES
from latup_cli.evaluation.pairs import Naming, Pair, Pairs, find_pairs
from latup_cli.evaluation.plots import PICTURES, write_plots
from latup_cli.evaluation.score import CaseScores, score_case
from latup_cli.evaluation.summary import Evaluation, summarize
from latup_cli.imaging import nifti
from latup_cli.imaging.atomic import staging
from latup_cli.intake.naming import outward, shown
from latup_cli.intake.rules import SEGMENTATION, recognize
from latup_cli.labels import SCHEMES, LabelScheme, label_scheme

Announce: TypeAlias = Callable[[str, float], None]
"""Name of the case that comes next, and the share of the work that is done, in [0, 1]."""

_READING = 0.2  # share of the work that the first look at every file takes


def _is_segmentation(stem: str) -> bool | None:
    recognized = recognize(stem)
    return None if recognized is None else recognized.meaning == SEGMENTATION


NAMING = Naming(_is_segmentation, outward)
"""The words by which intake knows a segmentation, and its rule for names in outputs."""


@dataclass(frozen=True, slots=True)
class Evaluated:
    """What `evaluate_segmentations` made.

    Attributes:
        evaluation: Every figure.
        files: Everything that was written.
    """

    evaluation: Evaluation
    files: tuple[Path, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """What a first look at a file tells; `name` is what people may see of its own."""

    name: Path
    grid: Grid
    values: frozenset[int]
    declared: str


def evaluate_segmentations(
    predictions: Path,
    references: Path,
    output: Path | None = None,
    settings: EvaluateSettings | None = None,
    *,
    announce: Announce = lambda _case, _share: None,
) -> Evaluated:
    """Compare predictions with references, case by case and together.

    Nothing is measured before every file was read once and every pair was found to fit.

    Args:
        predictions: A label map, or a folder of them or of patient folders.
        references: The same, by experts.
        output: Where tables and pictures go; nothing is written without it.
        settings: Lesion rule, label schemes, and what to do about missing predictions.
        announce: Called with the name of a case and the share of the work that is done.

    Raises:
        InputError: If files are missing, unreadable, or in unknown labels, or if a pair does
            not lie on one grid (exit code 3).
        OutputExistsError: If there are results already, or results of `latup batch` (7).
        OutputError: If results cannot be written (10).
    """
    settings = settings or EvaluateSettings()
    pairs = _pairs(predictions, references, settings)
    _check_output(output, settings)
    ours: dict[Path, _Seen] = {}
    theirs: dict[Path, _Seen] = {}
    turns: dict[str, Reorientation] = {}
    for done, pair in enumerate(pairs.pairs):
        announce(pair.case, _READING * done / len(pairs.pairs))
        ours[pair.prediction] = seen = _look(pair.case, pair.prediction)
        theirs[pair.reference] = expected = _look(pair.case, pair.reference)
        turns[pair.case] = turn_onto(pair.case, seen.grid, expected.grid)
    schemes = {
        **_schemes(ours, settings.labels_predictions),
        **_schemes(theirs, settings.labels_references),
    }
    cases = []
    for done, pair in enumerate(pairs.pairs):
        announce(pair.case, _READING + (1.0 - _READING) * done / len(pairs.pairs))
        cases.append(_score(pair, turns[pair.case], schemes, settings))
    evaluation = Evaluation(
        tuple(cases),
        summarize(cases),
        settings.rule,
        tuple(sorted({schemes[path].name for path in ours})),
        tuple(sorted({schemes[path].name for path in theirs})),
        pairs.without_prediction,
        pairs.without_reference,
    )
    return Evaluated(evaluation, _write(evaluation, output) if output else ())


def _pairs(predictions: Path, references: Path, settings: EvaluateSettings) -> Pairs:
    pairs = find_pairs(predictions, references, NAMING)
    if pairs.without_prediction and not settings.skip_missing:
        raise MissingPredictionsError(pairs.without_prediction)
    return pairs


def _check_output(output: Path | None, settings: EvaluateSettings) -> None:
    """Refuse before any work is done."""
    if output is None:
        return
    if ledger_files(output):  # whose summary.json the next run would write again
        raise BatchFolderError(output)
    there = [output / name for name in (*TABLES, *PICTURES) if (output / name).exists()]
    if there and not settings.overwrite:
        raise OutputExistsError(there[0])
    with staging(output):
        pass


def _look(case: str, path: Path) -> _Seen:
    name = Path(case) / shown(path, case)
    with named_as(name):
        image = nifti.read_labels(path)
    present = np.flatnonzero(np.bincount(image.data.ravel(order="K"), minlength=256))
    return _Seen(name, image.grid, frozenset(present.tolist()), image.label_scheme)


def _schemes(seen: Mapping[Path, _Seen], asked: str) -> Mapping[Path, LabelScheme]:
    """The scheme that was named; else the one a file declares, or the one its set shows.

    Raises:
        UnknownLabelSchemeError: If a scheme was named that does not exist.
        DeclaredSchemeError: If a file declares one that does not exist.
        AmbiguousLabelsError: If the voxel values do not tell.
        LabelValuesError: If a file has values that its scheme does not have.
    """
    if asked != AUTO:
        schemes = dict.fromkeys(seen, label_scheme(asked))
    else:
        schemes = {path: _declared(s) for path, s in seen.items() if s.declared}
        silent = {path: s.values for path, s in seen.items() if not s.declared}
        if silent:
            found = detect_scheme({str(seen[path].name): silent[path] for path in silent})
            schemes.update(dict.fromkeys(silent, found))
    for path, scheme in schemes.items():
        unknown = seen[path].values - scheme.values
        if unknown:
            raise LabelValuesError(seen[path].name, tuple(sorted(unknown)), scheme.name)
    return schemes


def _declared(seen: _Seen) -> LabelScheme:
    if seen.declared not in SCHEMES:
        raise DeclaredSchemeError(seen.name, seen.declared)
    return SCHEMES[seen.declared]


def _score(
    pair: Pair,
    turn: Reorientation,
    schemes: Mapping[Path, LabelScheme],
    settings: EvaluateSettings,
) -> CaseScores:
    reference = nifti.read_labels(pair.reference)
    turned = turn.apply(nifti.read_labels(pair.prediction).data.astype(np.uint8, copy=False))
    expert = reference.data.astype(np.uint8, copy=False)
    return score_case(
        pair.case,
        LabelMap(turned, reference.grid, schemes[pair.prediction]),
        LabelMap(expert, reference.grid, schemes[pair.reference]),
        RULES[settings.rule],
    )


def _write(evaluation: Evaluation, output: Path) -> tuple[Path, ...]:
    with staging(output) as stage:
        write_tables(stage, evaluation)
        write_plots(stage, evaluation)
        return tuple(output / path.name for path in sorted(stage.iterdir()))
