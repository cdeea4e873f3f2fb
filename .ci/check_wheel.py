"""Assert that a wheel holds what users need and nothing else."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

LARGEST_MB = 90
NEEDED = (
    "latup_cli/_data/weights/latup-net/model.onnx",
    "latup_cli/_data/weights/latup-net/model.json",
    "latup_cli/_data/weights/LICENSE",
    "latup_cli/_data/weights/skull-strip/model.json",
    "latup_cli/_data/weights/skull-strip/box.onnx",
    "latup_cli/_data/weights/skull-strip/brain.onnx",
    "latup_cli/_data/weights/skull-strip/LICENSE",
    "latup_cli/_data/sample/brats-like/LATUP-SAMPLE-001/LATUP-SAMPLE-001_t1ce.nii.gz",
    "latup_cli/_data/sample/NOTICE.md",
    "latup_cli/cohort/summary_template.html",
    "latup_cli/cohort/summary_template.css",
    "latup_cli/cohort/summary_template.js",
)


def main(wheel: Path) -> None:
    """Check one wheel.

    Raises:
        SystemExit: If it is too large, lacks a file, or puts anything beside the package.
    """
    names = zipfile.ZipFile(wheel).namelist()
    lacking = [name for name in NEEDED if name not in names]
    top = {name.split("/")[0] for name in names}
    beside = {name for name in top if name != "latup_cli" and not name.endswith(".dist-info")}
    size_mb = wheel.stat().st_size / 1e6
    if lacking or beside or size_mb > LARGEST_MB:
        sys.exit(f"{wheel.name}: {size_mb:.1f} MB, lacks {lacking}, holds beside it {beside}")
    print(f"{wheel.name}: {len(names)} files, {size_mb:.1f} MB")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
