"""A run that is killed loses minutes and no exactness."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.amp import GradScaler

from latup_cli.errors import (
    CheckpointError,
    DivergedError,
    NothingToTrainOnError,
    OtherNetworkError,
    OtherSplitError,
    OutputError,
)
from latup_cli.training import checkpoint
from latup_cli.training.cases import TrainingCase
from latup_cli.training.checkpoint import RunState
from latup_cli.training.crops import Crops
from latup_cli.training.hardware import Place
from latup_cli.training.loop import FALSE_ET, new_run, score, train
from latup_cli.training.network import LatupNet
from latup_cli.training.schedule import learning_rate
from latup_cli.training.settings import TrainSettings

SETTINGS = TrainSettings(
    name="tiny",
    filters=4,
    window=(16, 16, 16),
    validation_window=(16, 16, 16),
    steps=6,
    warmup_steps=2,
    validate_every=1000,
    intensity_probability=0.6,
    seed=4,
)


def case(seed: int) -> TrainingCase:
    """Random intensities around a random tumor, larger than a crop and not cubic."""
    rng = np.random.default_rng(seed)
    target = np.zeros((3, 18, 20, 17), dtype=np.uint8)
    i, j, k = rng.integers(2, 8, size=3)
    for n, size in enumerate((9, 6, 3)):
        target[n, i : i + size, j : j + size, k : k + size] = 255
    image = rng.normal(size=(4, 18, 20, 17)) + target[:1] / 255.0
    return TrainingCase(f"case{seed}", image.astype(np.float16), target)


CASES = [case(seed) for seed in range(4)]


def unmeasured(_: LatupNet) -> Mapping[str, float]:
    """A validation that finds every network equally good."""
    return {"WT": 0.5}


def run_to_the_end(
    state: RunState, folder: Path, settings: TrainSettings = SETTINGS
) -> list[float]:
    """Train and give the losses."""
    folder.mkdir(exist_ok=True)
    return [step.loss for step in train(state, Crops(CASES, settings), unmeasured, folder)]


def run_for(state: RunState, folder: Path, steps: int) -> list[float]:
    """Train some steps, then stop as a process that is told to."""
    folder.mkdir(exist_ok=True)
    training = train(state, Crops(CASES, SETTINGS), unmeasured, folder)
    losses = [step.loss for step in itertools.islice(training, steps)]
    training.close()  # type: ignore[attr-defined]
    return losses


def assert_equal(one: RunState, other: RunState) -> None:
    """Bit for bit the same weights, averages and moments."""
    for a, b in ((one.network, other.network), (one.average, other.average)):
        for name, value in a.state_dict().items():
            assert torch.equal(value, b.state_dict()[name]), name
    ours, theirs = one.optimizer.state_dict(), other.optimizer.state_dict()
    assert ours["param_groups"] == theirs["param_groups"]
    assert ours["state"].keys() == theirs["state"].keys()
    for key, moments in ours["state"].items():
        for name, value in moments.items():
            assert torch.equal(value, theirs["state"][key][name]), name
    assert (one.step, one.best_score) == (other.step, other.best_score)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunState, list[float], Path]:
    """Six steps in one go: the state, the losses and the run's folder."""
    folder = tmp_path_factory.mktemp("run")
    state = new_run(SETTINGS)
    return state, run_to_the_end(state, folder), folder


def test_a_resumed_run_ends_where_an_unbroken_one_does(
    finished: tuple[RunState, list[float], Path], tmp_path: Path
) -> None:
    """Three steps, a kill, and three more are six steps, bit for bit, losses included."""
    unbroken, losses, _ = finished
    before = run_for(new_run(SETTINGS), tmp_path, 3)
    torch.manual_seed(999)  # a new process starts from another random state
    resumed = new_run(SETTINGS)
    checkpoint.restore(tmp_path / "last.pt", resumed)
    assert resumed.step == 3
    after = run_to_the_end(resumed, tmp_path)
    assert before + after == losses
    assert_equal(resumed, unbroken)


def test_another_weight_decay_holds_for_a_run_that_goes_on(tmp_path: Path) -> None:
    """It is the settings' from the next step on, and still none for biases and norms."""
    run_for(new_run(SETTINGS), tmp_path, 2)
    resumed = new_run(replace(SETTINGS, weight_decay=0.5))
    checkpoint.restore(tmp_path / "last.pt", resumed)
    assert [group["weight_decay"] for group in resumed.optimizer.param_groups] == [0.5, 0.0]
    assert resumed.optimizer.state_dict()["state"]


def scaled(state: RunState) -> RunState:
    """The same with a loss that is scaled on the CPU, twice as much every two steps."""
    state.scaler = GradScaler("cpu", init_scale=16.0, growth_interval=2)
    return state


def test_the_scale_of_the_loss_goes_on(tmp_path: Path) -> None:
    """A resumed float16 run has the factor of the unbroken one, and grows it when that does."""
    unbroken, begun = scaled(new_run(SETTINGS)), scaled(new_run(SETTINGS))
    run_to_the_end(unbroken, tmp_path / "unbroken")
    run_for(begun, tmp_path / "resumed", 3)
    resumed = scaled(new_run(SETTINGS))
    checkpoint.restore(tmp_path / "resumed" / "last.pt", resumed)
    assert resumed.scaler.state_dict() == begun.scaler.state_dict()
    run_to_the_end(resumed, tmp_path / "resumed")
    assert resumed.scaler.get_scale() == unbroken.scaler.get_scale() == 128.0
    assert_equal(resumed, unbroken)


def test_a_checkpoint_of_an_earlier_version_goes_on(tmp_path: Path) -> None:
    """Without the scale of the loss, or with that of another precision, a run starts its own."""
    path = tmp_path / "last.pt"
    run_for(new_run(SETTINGS), tmp_path, 2)
    content = torch.load(path)
    assert content["scaler"] == {}  # float32 has none
    checkpoint.restore(path, scaled(new_run(SETTINGS)))
    torch.save({**content, "scaler": scaled(new_run(SETTINGS)).scaler.state_dict()}, path)
    checkpoint.restore(path, new_run(SETTINGS))
    del content["scaler"]
    torch.save(content, path)
    resumed = scaled(new_run(SETTINGS))
    checkpoint.restore(path, resumed)
    assert (resumed.step, resumed.scaler.get_scale()) == (2, 16.0)


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
def test_the_loss_is_scaled_in_float16_alone(precision: str) -> None:
    """The others hold small gradients as they are."""
    state = new_run(SETTINGS, place=Place("cpu", precision))
    assert state.scaler.is_enabled() == (precision == "float16")


def test_a_finished_run_has_nothing_left_to_do(
    finished: tuple[RunState, list[float], Path], tmp_path: Path
) -> None:
    """The checkpoint of the last step resumes to no further step."""
    resumed = new_run(SETTINGS)
    checkpoint.restore(finished[2] / "last.pt", resumed)
    assert_equal(resumed, finished[0])
    assert run_to_the_end(resumed, tmp_path) == []


def test_training_learns(finished: tuple[RunState, list[float], Path]) -> None:
    """The weights moved, the average followed them, and the loss fell."""
    state, losses, _ = finished
    start = new_run(SETTINGS).network.state_dict()
    moved = [
        not torch.equal(value, start[name]) for name, value in state.network.state_dict().items()
    ]
    assert all(moved)
    assert min(losses[3:]) < losses[0]
    average, weights = (dict(n.named_parameters()) for n in (state.average, state.network))
    assert any(not torch.equal(average[name], weights[name]) for name in weights)


def test_every_step_tells_its_news(tmp_path: Path) -> None:
    """Steps count from one, with the scheduled rate, and the last one brings the validation."""
    short = replace(SETTINGS, steps=2)
    news = list(train(new_run(short), Crops(CASES, short), unmeasured, tmp_path))
    assert [step.step for step in news] == [1, 2]
    assert [step.rate for step in news] == [learning_rate(n, short) for n in (0, 1)]
    assert [dict(step.measured) for step in news] == [{}, {"WT": 0.5}]


def test_the_seed_decides(finished: tuple[RunState, list[float], Path], tmp_path: Path) -> None:
    """Another seed gives other losses; the same one gives the same."""
    again = run_for(new_run(SETTINGS), tmp_path / "same", 2)
    other = replace(SETTINGS, seed=5, steps=2)
    assert again == finished[1][:2]
    assert run_to_the_end(new_run(other), tmp_path / "other", other) != again


def test_a_run_can_start_from_given_weights(finished: tuple[RunState, list[float], Path]) -> None:
    """Weights of an earlier model take the place of random ones, in the average too."""
    given = finished[0].average
    state = new_run(SETTINGS, given)
    for name, value in given.state_dict().items():
        assert torch.equal(state.network.state_dict()[name], value)
        assert torch.equal(state.average.state_dict()[name], value)


def test_the_best_weights_are_the_averaged_ones(
    finished: tuple[RunState, list[float], Path],
) -> None:
    """`best.pt`, and `last.pt` read as a model, both hold the moving average."""
    state, _, folder = finished
    for name in ("best.pt", "last.pt"):
        network = checkpoint.load_weights(folder / name)
        assert network.config == state.network.config
        for key, value in state.average.state_dict().items():
            assert torch.equal(network.state_dict()[key], value)


@pytest.mark.parametrize("keep", [0, 1, 100, 5000])
def test_a_cut_checkpoint_is_refused(
    finished: tuple[RunState, list[float], Path], tmp_path: Path, keep: int
) -> None:
    """Whether a run resumes or a model is loaded, a file that was cut short is named."""
    damaged = tmp_path / "last.pt"
    damaged.write_bytes((finished[2] / "last.pt").read_bytes()[:keep])
    with pytest.raises(CheckpointError, match=r"last\.pt cannot be used") as caught:
        checkpoint.restore(damaged, new_run(SETTINGS))
    assert caught.value.exit_code == 12
    with pytest.raises(CheckpointError):
        checkpoint.load_weights(damaged)


@pytest.mark.parametrize("content", [{"weights": {}}, {"average": {}}, [1, 2], {"filters": 4}])
def test_a_file_that_is_no_model_is_refused(tmp_path: Path, content: object) -> None:
    """A torch file of something else is an error that says so."""
    torch.save(content, tmp_path / "x.pt")
    with pytest.raises(CheckpointError):
        checkpoint.load_weights(tmp_path / "x.pt")
    with pytest.raises(CheckpointError):
        checkpoint.restore(tmp_path / "x.pt", new_run(SETTINGS))


OTHERS = {
    "filters (4, 8, 16), not (8, 16, 32)": {"filters": 8},
    "filters (4, 8, 16), not (4, 8, 24)": {"deep_filters": (8, 24)},
    "fold 1, not 2": {"fold": 2},
    "attention se, not eca": {"attention": "eca"},
}


@pytest.mark.parametrize("said", OTHERS)
def test_a_checkpoint_of_another_network_is_refused(
    said: str, finished: tuple[RunState, list[float], Path]
) -> None:
    """Eight filters neither go on from four nor start from them; what differs is named."""
    settings = replace(SETTINGS, **OTHERS[said])
    with pytest.raises(OtherNetworkError) as caught:
        checkpoint.restore(finished[2] / "last.pt", new_run(settings))
    assert said in str(caught.value)
    assert caught.value.exit_code == 12
    for name in ("last.pt", "best.pt"):
        with pytest.raises(OtherNetworkError) as caught:
            checkpoint.load_initial(finished[2] / name, settings)
        assert said in str(caught.value)


def test_the_same_network_otherwise_described_is_taken(
    finished: tuple[RunState, list[float], Path],
) -> None:
    """Dropout is no weight, and the usual filters may be named or not."""
    settings = replace(SETTINGS, dropout=0.0, deep_filters=(8, 16))
    given = checkpoint.load_initial(finished[2] / "best.pt", settings)
    state = new_run(settings, given)
    checkpoint.restore(finished[2] / "last.pt", state)
    assert state.network.config.dropout == 0.0


SPLIT = {"training": ["a", "b", "c"], "validation": ["d"]}


@pytest.mark.parametrize(
    ("training", "validation", "said"),
    [
        (["a", "b", "d"], ["c"], "c and 1 more"),
        (["a", "b", "c", "e"], ["d"], "otherwise: e would"),
        (["a", "b", "c"], [], "otherwise: d would"),
    ],
)
def test_a_run_does_not_go_on_with_another_split(
    training: list[str], validation: list[str], said: str, tmp_path: Path
) -> None:
    """Whoever was trained on never becomes one of those that weights are chosen by."""
    state = new_run(SETTINGS)
    state.patients = SPLIT
    checkpoint.save(tmp_path / "last.pt", state, SETTINGS)
    other = new_run(SETTINGS)
    other.patients = {"training": training, "validation": validation}
    with pytest.raises(OtherSplitError, match=said) as caught:
        checkpoint.restore(tmp_path / "last.pt", other)
    assert caught.value.exit_code == 12
    assert "--fold" in caught.value.hint


def test_the_same_split_goes_on_in_any_order(tmp_path: Path) -> None:
    """So does a checkpoint of an earlier version, which does not know its patients."""
    state = new_run(SETTINGS)
    checkpoint.save(tmp_path / "unknown.pt", state, SETTINGS)
    state.patients = SPLIT
    checkpoint.save(tmp_path / "known.pt", state, SETTINGS)
    content = torch.load(tmp_path / "known.pt")
    del content["patients"]
    torch.save(content, tmp_path / "earlier.pt")
    for name in ("unknown", "known", "earlier"):
        resumed = new_run(SETTINGS)
        resumed.patients = {"training": ["c", "a", "b"], "validation": ["d"]}
        checkpoint.restore(tmp_path / f"{name}.pt", resumed)
        assert resumed.patients["training"] == ["c", "a", "b"]


def test_a_missing_checkpoint_is_named(tmp_path: Path) -> None:
    """A path that leads nowhere is an error about that path."""
    with pytest.raises(CheckpointError, match=r"none\.pt"):
        checkpoint.load_weights(tmp_path / "none.pt")


def test_code_in_a_checkpoint_is_not_run(tmp_path: Path) -> None:
    """Loading takes numbers and refuses objects, which could bring their own code."""
    torch.save({"weights": Path("harmless")}, tmp_path / "x.pt")
    with pytest.raises(CheckpointError):
        checkpoint.load_weights(tmp_path / "x.pt")


def test_a_failed_save_keeps_the_earlier_checkpoint(tmp_path: Path) -> None:
    """Where no checkpoint can be written it is an output error, and no file is touched."""
    (tmp_path / "occupied").write_text("mine")
    with pytest.raises(OutputError):
        checkpoint.save(tmp_path / "occupied" / "last.pt", new_run(SETTINGS), SETTINGS)
    assert (tmp_path / "occupied").read_text() == "mine"


def test_nothing_to_train_on_is_said(tmp_path: Path) -> None:
    """Without a case there is no run."""
    with pytest.raises(NothingToTrainOnError):
        next(iter(train(new_run(SETTINGS), Crops([], SETTINGS), unmeasured, tmp_path)))


def test_not_a_number_stops_the_run(tmp_path: Path) -> None:
    """A loss that is no number ends training before it reaches the weights."""
    broken = replace(CASES[0], image=np.full_like(CASES[0].image, np.nan))
    state = new_run(SETTINGS)
    before = {name: value.clone() for name, value in state.network.state_dict().items()}
    with pytest.raises(DivergedError) as caught:
        next(iter(train(state, Crops([broken], SETTINGS), unmeasured, tmp_path)))
    assert caught.value.exit_code == 12
    assert all(torch.equal(value, before[n]) for n, value in state.network.state_dict().items())


def test_false_enhancing_tumor_counts_against_a_network() -> None:
    """A milliliter weighs as much as 0.02 of mean Dice, and is not averaged with it."""
    regions = {"WT": 0.9, "TC": 0.8, "ET": 0.7}
    assert score(regions) == pytest.approx(0.8)
    assert score({**regions, FALSE_ET: 0.5}) == pytest.approx(0.79)
    assert score({}) == 0.0


def test_every_validated_average_is_kept(tmp_path: Path) -> None:
    """Also those that were not the best; the best is one of them."""
    settings = replace(SETTINGS, validate_every=2)
    falling = iter((0.5, 0.7, 0.6))
    state = new_run(settings)
    for _ in train(state, Crops(CASES, settings), lambda _: {"WT": next(falling)}, tmp_path):
        pass
    kept = {path.name: path for path in (tmp_path / "validated").iterdir()}
    assert sorted(kept) == ["000002.pt", "000004.pt", "000006.pt"]
    best = checkpoint.load_weights(tmp_path / "best.pt").state_dict()
    second = checkpoint.load_weights(kept["000004.pt"]).state_dict()
    assert all(torch.equal(best[name], second[name]) for name in best)
    assert state.best_measured == {"WT": 0.7}
