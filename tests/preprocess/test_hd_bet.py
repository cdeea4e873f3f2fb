"""HD-BET is run as the user's own program, or its absence is said with the install line."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import numpy as np
import pytest

from latup_cli.domain.grid import Grid
from latup_cli.domain.volume import Volume
from latup_cli.errors import ProgramFailedError, ProgramMissingError
from latup_cli.preprocess.hd_bet import strip_with_hd_bet
from tests.fixtures.phantoms import phantom

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the stand-in is a script with a shebang")

STAND_IN = """#!{python}
import sys, nibabel as nib, numpy as np
options = dict(zip(sys.argv[1:5:2], sys.argv[2:6:2]))
{before}
head = nib.load(options["-i"])
mask = (np.asarray(head.dataobj) > 0).astype(np.uint8)
image = nib.Nifti1Image(mask, {affine})
image.set_sform({affine}, code=1)
nib.save(image, options["-o"].replace(".nii.gz", "_bet.nii.gz"))
open({log!r}, "w").write(" ".join(sys.argv[5:]))
"""


def install(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    before: str = "",
    affine: str = "head.affine",
) -> Path:
    """Put a stand-in called `hd-bet` on the PATH; the file it logs its options to."""
    log = folder / "options.txt"
    program = folder / "hd-bet"
    script = STAND_IN.format(python=sys.executable, before=before, affine=affine, log=str(log))
    program.write_text(script, encoding="utf-8")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(folder))
    return log


def head() -> Volume:
    """An image that is zero around a body."""
    return phantom().volumes()["t1ce"]


def test_the_mask_of_the_program_comes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The image goes out with its place, and the mask lies on exactly its grid."""
    log = install(tmp_path, monkeypatch)
    image = head()
    mask = strip_with_hd_bet(image)
    assert mask.grid is image.grid
    np.testing.assert_array_equal(mask.data, image.data > 0)
    assert log.read_text() == "-device cpu --save_bet_mask --no_bet_image --disable_tta"


def test_on_a_gpu_mirror_images_are_looked_at_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The slow, better way is taken where it is not slow."""
    log = install(tmp_path, monkeypatch)
    strip_with_hd_bet(head(), device="cuda")
    assert log.read_text() == "-device cuda --save_bet_mask --no_bet_image"


def test_where_it_is_missing_the_install_line_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 11, and what to type."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ProgramMissingError, match="HD-BET") as caught:
        strip_with_hd_bet(head())
    assert caught.value.exit_code == 11
    assert caught.value.hint.startswith('pip install "hd-bet')


@pytest.mark.parametrize(
    ("before", "affine", "said"),
    [
        ("sys.exit('no weights here')", "head.affine", "exit code 1, no weights here"),
        ("sys.exit(0)", "head.affine", "left no mask"),
        ("", "head.affine @ np.diag([1.5, 1, 1, 1])", "another grid"),
    ],
)
def test_a_failure_is_told_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: str, affine: str, said: str
) -> None:
    """A program that fails, leaves nothing, or leaves a mask of something else is refused."""
    install(tmp_path, monkeypatch, before=before, affine=affine)
    with pytest.raises(ProgramFailedError, match=said) as caught:
        strip_with_hd_bet(head())
    assert caught.value.exit_code == 11
    assert "hd-bet -i HEAD.nii.gz" in caught.value.hint
    assert "\n" not in str(caught.value)


def test_nothing_is_left_in_the_temporary_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The copy of the patient's image is gone afterwards, after a failure too."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    install(tmp_path, monkeypatch, before="sys.exit(3)")
    with pytest.raises(ProgramFailedError):
        strip_with_hd_bet(Volume(head().data, Grid(head().grid.shape, np.eye(4))))
    assert list(scratch.iterdir()) == []
