"""Settings of a run, from a file and back."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from latup_cli.errors import AttentionNameError, TrainingSettingsError
from latup_cli.training.attention import ATTENTION
from latup_cli.training.settings import ATTENTIONS, TrainSettings
from tests.properties.strategies import LAW

EIGHTS = st.tuples(*[st.integers(1, 20).map(lambda n: 8 * n)] * 3)
SHARES = st.floats(0.0, 1.0)
NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\x7f"), max_size=12)


def settings_file(tmp_path: Path, text: str) -> Path:
    """A TOML file with some text in it."""
    path = tmp_path / "train.toml"
    path.write_text(text, encoding="utf-8")
    return path


@given(NAMES, EIGHTS, st.floats(0.1, 8.0), st.floats(1e-9, 10.0), st.tuples(SHARES, SHARES, SHARES))
@LAW
def test_settings_come_back_from_their_file(
    tmp_path_factory: pytest.TempPathFactory,
    name: str,
    window: tuple[int, int, int],
    spacing_mm: float,
    rate: float,
    flips: tuple[float, float, float],
) -> None:
    """Whatever the name and the numbers, what is written is read back equal."""
    settings = TrainSettings(
        name=name, window=window, spacing_mm=spacing_mm, learning_rate=rate, flips=flips
    )
    path = settings_file(tmp_path_factory.mktemp("law"), settings.to_toml())
    assert TrainSettings.from_toml(path) == settings


@pytest.mark.parametrize("tta", [False, True])
def test_truth_comes_back_from_its_file(tmp_path: Path, tta: bool) -> None:
    """It is written as TOML has it, not as Python has it."""
    settings = TrainSettings(teacher_share=0.5, teacher_tta=tta)
    assert TrainSettings.from_toml(settings_file(tmp_path, settings.to_toml())) == settings


def test_what_a_file_leaves_out_keeps_its_default(tmp_path: Path) -> None:
    """A file with one line changes one setting."""
    path = settings_file(tmp_path, "steps = 7\n")
    assert TrainSettings.from_toml(path) == replace(TrainSettings(), steps=7)


def test_every_setting_is_written(tmp_path: Path) -> None:
    """The file beside a run's weights names all settings, also those that were defaults."""
    written = settings_file(tmp_path, TrainSettings().to_toml()).read_text(encoding="utf-8")
    names = [line.partition(" = ")[0] for line in written.splitlines()]
    assert names == [field.name for field in fields(TrainSettings)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("stepps = 7", "unknown setting stepps"),
        ("steps = ", "is not a training configuration"),
        ("steps = 'many'", "steps cannot be 'many'"),
        ("steps = 7.5", "steps cannot be 7.5"),
        ("steps = true", "steps cannot be True"),
        ("learning_rate = '2e-3'", "learning_rate cannot be"),
        ("window = 64", "window cannot be 64"),
        ("window = [64, 64]", "window cannot be"),
        ("window = [64, 64, 60]", "multiples of 8"),
        ("validation_window = [64, 0, 64]", "multiples of 8"),
        ("steps = 0", "steps must be positive"),
        ("spacing_mm = -1.0", "spacing_mm must be positive"),
        ("teacher_share = 1.5", "teacher_share must lie between 0 and 1"),
        ("attention = 'foo'", "attention must be one of se, none, eca"),
        ("precision = 'bf16'", "precision must be one of auto, float32, bfloat16, float16"),
        ("dropout = 2.0", "dropout must lie between 0 and 1"),
        ("deep_filters = [-1, 0]", "deep_filters must not be negative"),
        ("teacher_tta = true", "teacher_tta needs a teacher_share"),
    ],
)
def test_a_wrong_file_says_what_is_wrong(tmp_path: Path, text: str, said: str) -> None:
    """An error in the file names the file and the setting, and counts as input."""
    with pytest.raises(TrainingSettingsError, match=said) as caught:
        TrainSettings.from_toml(settings_file(tmp_path, text))
    assert caught.value.exit_code == 3
    assert "train.toml" in str(caught.value)


def test_the_settings_know_every_attention_module() -> None:
    """A name that is taken makes a network."""
    assert set(ATTENTIONS) == set(ATTENTION)
    assert TrainSettings().with_attention("cbam").attention == "cbam"
    with pytest.raises(AttentionNameError, match="no attention module 'foo'") as caught:
        TrainSettings().with_attention("foo")
    assert caught.value.exit_code == 2
    assert "se-conv" in caught.value.hint


def test_a_missing_or_binary_file_says_so(tmp_path: Path) -> None:
    """A file that is not there, or is no text, is an error of the same kind."""
    with pytest.raises(TrainingSettingsError, match=r"none\.toml"):
        TrainSettings.from_toml(tmp_path / "none.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(TrainingSettingsError, match=r"binary\.toml"):
        TrainSettings.from_toml(tmp_path / "binary.toml")


def test_whole_numbers_may_stand_for_any_number(tmp_path: Path) -> None:
    """A spacing of 2 mm need not be written 2.0."""
    path = settings_file(tmp_path, "spacing_mm = 2\nflips = [1, 0, 0]\n")
    settings = TrainSettings.from_toml(path)
    assert (settings.spacing_mm, settings.flips) == (2.0, (1.0, 0.0, 0.0))
