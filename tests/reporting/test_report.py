"""A report says what was read, done, run and found, and nothing about who or where."""

from __future__ import annotations

import csv
import getpass
import hashlib
import io
import json
import platform
from dataclasses import replace
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from latup_cli import __version__
from latup_cli.domain.report import NOTICE, Report
from latup_cli.domain.study import Step
from latup_cli.errors import OutputError, UnreadableImageError
from latup_cli.reporting.build import build_report, software_versions
from latup_cli.reporting.files import CSV_COLUMNS, write_csv_report, write_json_report
from latup_cli.reporting.summary import SUMMARY_COLUMNS, format_ml, summary_rows


def written_json(folder: Path, report: Report) -> dict[str, Any]:
    """What a program reads back."""
    parsed: dict[str, Any] = json.loads(write_json_report(folder, report).read_text("utf-8"))
    return parsed


def test_inputs_are_named_hashed_and_explained(report: Report) -> None:
    """Each file stands with its relative path, the hash of its bytes, and why it was taken."""
    t1ce = report.inputs[1]
    assert [file.modality for file in report.inputs] == ["t1", "t1ce", "t2", "flair"]
    assert t1ce.path == "t1ce.nii.gz"
    assert t1ce.sha256 == hashlib.sha256(b"t1ce").hexdigest()
    assert t1ce.reason == "name contains 't1ce'"


def test_vanished_input_is_an_input_error(parts: Any) -> None:
    """A file that is gone when it is to be hashed is reported as unreadable."""
    study = parts[0]
    study.files.modalities["t2"].path.unlink()
    with pytest.raises(UnreadableImageError, match=r"t2\.nii\.gz"):
        build_report(*parts)


def test_time_is_utc(report: Report, tmp_path: Path) -> None:
    """Times are stored in UTC and say so."""
    assert report.created == datetime(2026, 11, 23, 15, 30, 5, tzinfo=UTC)
    assert written_json(tmp_path, report)["created"] == "2026-11-23T15:30:05Z"


def test_time_without_zone_is_refused(report: Report) -> None:
    """A time that could mean any place is no record."""
    with pytest.raises(ValueError, match="time zone"):
        replace(report, created=datetime(2026, 11, 23))  # noqa: DTZ001


def test_warnings_come_once_and_without_folders(report: Report) -> None:
    """The study's warnings and the run's follow each other, none twice, none with a path."""
    assert report.warnings == ("t1.nii.gz has no time stamp.", "T2 is coarse.")


def test_no_path_host_or_user(report: Report, tmp_path: Path) -> None:
    """Nothing in the files tells which computer or account made them."""
    text = write_json_report(tmp_path, report).read_text("utf-8")
    text += write_csv_report(tmp_path, report).read_text("utf-8")
    assert str(tmp_path) not in text
    assert "/usr/lib" not in text
    for private in (platform.node(), getpass.getuser(), str(Path.home())):
        assert f'"{private}"' not in text
        assert f"/{private}/" not in text


def test_software_is_what_is_installed() -> None:
    """Versions come from the installed packages, the engine's included."""
    versions = software_versions("openvino 2026.4.1")
    assert versions["latup"] == __version__
    assert versions["python"] == platform.python_version()
    for name in ("numpy", "nibabel", "SimpleITK", "openvino"):
        assert versions[name] == metadata.version(name)


def test_json_holds_everything(report: Report, tmp_path: Path) -> None:
    """Programs find the model, the device, steps, seconds, labels, volumes and the notice."""
    found = written_json(tmp_path, report)
    assert found["schema_version"] == 1
    assert found["notice"] == NOTICE
    assert found["model"] == {"name": "latup-test", "version": "1.2.0", "sha256": "ab" * 32}
    assert found["runs_on"] == {
        "asked": "auto",
        "used": "cpu",
        "engine": "openvino 2026.4.1",
        "provider": "CPU",
        "precision": "float32",
        "reason": "libcuda.so.1 was not found",
        "precision_reason": "",
        "threads": 0,
        "options": {},
        "windows": 8,
        "window": [16, 16, 16],
        "views": 1,
    }
    assert found["seconds"] == {"read": 0.5, "prepare": 1.25, "predict": 3.001}
    assert found["preprocessing"] == [
        {"name": "turn", "settings": {"from": "LPS", "to": "RAS"}, "seconds": 0.0},
        {"name": "resample", "settings": {"spacing_mm": [1.0, 1.0, 1.0]}, "seconds": 0.124},
    ]
    assert found["labels"]["scheme"] == "brats2021"
    assert found["labels"]["numbers"] == {"NCR": 1, "ED": 2, "ET": 4}
    assert found["labels"]["names"]["4"] == "enhancing tumor"
    assert found["volumes"]["brain"] == {"voxels": 3840, "volume_ml": 11.52}
    assert found["volumes"]["regions"]["WT"] == {
        "name": "whole tumor",
        "voxels": 64,
        "volume_ml": 0.192,
        "share_of_brain_percent": 1.6667,
    }
    assert found["grid"] == {
        "shape": [20, 24, 16],
        "spacing_mm": [1.0, 1.5, 2.0],
        "axis_order": "LPS",
        "voxel_ml": 0.003,
    }
    assert found["machine"] == {"system": platform.system(), "architecture": platform.machine()}


def test_json_is_the_same_every_time(parts: Any, tmp_path: Path) -> None:
    """The same facts give the same bytes: UTF-8, indent 2, one order of keys."""
    first = write_json_report(tmp_path / "a", build_report(*parts)).read_bytes()
    second = write_json_report(tmp_path / "b", build_report(*parts)).read_bytes()
    assert first == second
    assert first.startswith(b'{\n  "schema_version": 1,\n  "notice"')
    assert first.endswith(b"}\n")
    assert b"\r" not in first


def test_files_are_named_after_the_study(report: Report, tmp_path: Path) -> None:
    """`<study>_report.json` and `<study>_report.csv`, with letters of any alphabet as they are."""
    named = replace(report, study="Fräulein-01")
    assert write_json_report(tmp_path, named) == tmp_path / "Fräulein-01_report.json"
    assert write_csv_report(tmp_path, named) == tmp_path / "Fräulein-01_report.csv"
    assert "Fräulein-01" in (tmp_path / "Fräulein-01_report.json").read_text("utf-8")
    assert sorted(p.suffix for p in tmp_path.glob("*_report.*")) == [".csv", ".json"]


def test_strange_settings_stay_valid_json(parts: Any, tmp_path: Path) -> None:
    """Arrays, paths, numbers without a value and foreign objects become plain JSON."""
    study, prepared, *rest = parts
    settings = {
        "matrix": np.eye(2),
        "template": Path("/opt/atlas/brain.nii"),
        "score": float("nan"),
        "flags": (True, None, {"a": 1j}),
    }
    strange = replace(prepared, steps=(Step("odd", settings),))
    found = written_json(tmp_path, build_report(study, strange, *rest))
    assert found["preprocessing"][0]["settings"] == {
        "matrix": [[1.0, 0.0], [0.0, 1.0]],
        "template": "brain.nii",
        "score": "nan",
        "flags": [True, None, {"a": "1j"}],
    }


def test_csv_is_one_row_per_region(report: Report, tmp_path: Path) -> None:
    """Any table program reads header and five rows, numbers as numbers."""
    text = write_csv_report(tmp_path, report).read_text("utf-8")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert tuple(rows[0]) == CSV_COLUMNS
    assert [row["region"] for row in rows] == ["WT", "TC", "ET", "NCR", "ED"]
    assert {row["study"] for row in rows} == {"patient one"}
    assert (rows[0]["voxels"], rows[0]["volume_ml"]) == ("64", "0.1920")
    assert rows[0]["share_of_brain_percent"] == "1.6667"
    assert rows[0]["brain_ml"] == "11.5200"


@pytest.mark.parametrize("name", ['a,"b"', "a;b\tc", "ä ö"])
def test_csv_keeps_names_with_separators(report: Report, tmp_path: Path, name: str) -> None:
    """Commas and quotes in a name do not shift columns."""
    text = write_csv_report(tmp_path, replace(report, study=name)).read_text("utf-8")
    assert {row["study"] for row in csv.DictReader(io.StringIO(text))} == {name}


@pytest.mark.parametrize("start", ["=", "+", "-", "@"])
def test_csv_names_are_no_formulas(report: Report, tmp_path: Path, start: str) -> None:
    """A study called `=1+1` is text to a spreadsheet."""
    text = write_csv_report(tmp_path, replace(report, study=f"{start}1+1")).read_text("utf-8")
    assert {row["study"] for row in csv.DictReader(io.StringIO(text))} == {f"'{start}1+1"}


def test_unwritable_folder_is_an_output_error(report: Report, tmp_path: Path) -> None:
    """Where a file stands in the folder's place, the error says what cannot be written."""
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="report"):
        write_json_report(tmp_path / "file", report)


def test_summary_lists_regions_and_brain(report: Report) -> None:
    """The terminal shows each region, then the brain that shares refer to."""
    rows = summary_rows(report)
    assert {len(row) for row in rows} == {len(SUMMARY_COLUMNS)}
    assert rows[0] == ("whole tumor (WT)", "0.19", "64", "1.67")
    assert rows[-1] == ("brain", "11.5", "3,840", "100.00")


def test_small_volumes_keep_decimals() -> None:
    """Below 10 mL a hundredth matters, above it a tenth."""
    assert (format_ml(0.0), format_ml(9.876), format_ml(1234.56)) == ("0.00", "9.88", "1234.6")
