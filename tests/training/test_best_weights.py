"""Epochs, scores, and which weights are left: in the model, on the disk, after any interruption."""

from __future__ import annotations

import math
import os
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import accelerate
import accelerate.tracking
import pytest
import torch
from accelerate.utils import LoggerType
from torch import Tensor, nn
from toy_runs import VOCABULARY, Endless, Toy, assert_same, fit, timeless, weights

from bertlab.training import History, TrainingConfig, train
from bertlab.training import run as run_module
from bertlab.training.batching import EpochBatches

BEST = "best.pt"


class Scripted:
    """A task of 10 rows, 3 batches an epoch, whose scores are given: one for each evaluation."""

    metric = "score"
    dev = "some records"

    def __init__(
        self, *scores: float, stop_at: int | None = None, stop_while_measuring: bool = False
    ) -> None:
        self.scores, self.stop_at, self.late = scores, stop_at, stop_while_measuring
        self.measured: dict[int, dict[str, Tensor]] = {}  # the weights at each evaluated step

    def batches(self, config: TrainingConfig) -> EpochBatches:
        words = torch.Generator().manual_seed(7)
        lines = [
            torch.randint(VOCABULARY, (3 + row % 4,), generator=words).tolist() for row in range(10)
        ]
        rows = [
            {"input_ids": ids, "labels": [(3 * x + 1) % VOCABULARY for x in ids]} for ids in lines
        ]
        self.given = EpochBatches(rows, config.batch_size, pad_token_id=0, seed=config.seed)
        next_batch = self.given.next_batch

        def interrupting(progress: float) -> dict[str, Tensor]:
            batch = next_batch(progress)
            if self.step == self.stop_at and not self.late:
                os.kill(os.getpid(), signal.SIGINT)
            return batch

        self.given.next_batch = interrupting  # type: ignore[method-assign]
        return self.given

    @property
    def step(self) -> int:
        return int(self.given.state_dict()["place"])

    def measure(self, model: nn.Module) -> dict[str, Any]:
        self.measured[self.step] = weights(model)
        if self.step == self.stop_at and self.late:
            os.kill(os.getpid(), signal.SIGINT)
        return {"loss": 9.0, "score": self.scores[math.ceil(self.step / 3) - 1]}

    def finish(self, figures: dict[str, Any]) -> None:
        self.finished_with = figures


def epochs(number: float = 4, **changes: Any) -> TrainingConfig:
    given = {"epochs": number, "batch_size": 4, "learning_rate": 0.05, "precision": "fp32"}
    return TrainingConfig(**{**given, **changes})


def run(
    task: Any, config: TrainingConfig, folder: Path, **options: Any
) -> tuple[Toy, History, dict[str, Tensor]]:
    """Train with dropout; return the model, the history and the weights on the disk."""
    model = Toy(dropout=0.3)

    def save(present: nn.Module) -> None:
        torch.save(present.state_dict(), folder / BEST)

    history = fit(model, task, config, output=folder, save_model=save, **options)
    return model, history, torch.load(folder / BEST)


def evaluated(history: History) -> list[int]:
    return [record["step"] for record in history.evaluations]


# --- epochs


@pytest.mark.parametrize(
    ("number", "steps", "evaluations"),
    [
        (1, 3, [3]),
        (3, 9, [3, 6, 9]),
        (2.5, 8, [3, 6, 8]),
        (1.4, 4, [3, 4]),
        (0.5, 2, [2]),
        (0.01, 1, [1]),
    ],
)
def test_epochs_are_counted_in_steps_and_each_ends_with_an_evaluation(
    tmp_path: Path, number: float, steps: int, evaluations: list[int]
) -> None:
    """Also parts of an epoch; the run's end is an end, too."""
    _, history, _ = run(Scripted(*[0.5] * 3), epochs(number, log_every=1), tmp_path)
    assert evaluated(history) == evaluations
    assert [record["step"] for record in history.steps] == list(range(1, steps + 1))
    assert [record["epoch"] for record in history] == [
        round(record["step"] / 3, 3) for record in history
    ]
    assert history.steps[-1]["rate"] > 0, "the rate's middle of the last step"


def test_a_run_in_steps_over_a_tasks_batches_has_epochs_in_its_history(tmp_path: Path) -> None:
    config = epochs(epochs=None, steps=4, evaluate_every=0.5)
    _, history, _ = run(Scripted(0.5, 0.5), config, tmp_path)
    assert [(r["epoch"], r["step"]) for r in history.evaluations] == [(0.667, 2), (1.333, 4)]


def test_batches_without_an_end_have_no_epochs() -> None:
    with pytest.raises(ValueError, match="in epochs, but its batches have no end: give steps"):
        fit(Toy(), Endless(), epochs())


def test_a_task_without_dev_keeps_the_last_weights(tmp_path: Path) -> None:
    task = Scripted()
    task.dev = None  # type: ignore[assignment]
    model, history, saved = run(task, epochs(), tmp_path)
    assert not task.measured
    assert not history.evaluations
    assert_same(weights(model), saved)


# --- the best weights


@pytest.mark.parametrize(
    ("scores", "best"),
    [
        ([0.9, 0.5, 0.7, 0.6], 3),
        ([0.1, 0.9, 0.5, 0.7], 6),
        ([0.1, 0.2, 0.3, 0.4], 12),
        ([0.4, 0.8, 0.8, 0.8], 6),  # of equal ones, the earlier
        ([-3.0, -2.0, -1.0, -4.0], 9),
        ([math.nan, 0.0, 0.5, math.nan], 9),
        ([math.nan, math.nan, math.nan, math.nan], 3),
        ([math.nan, -math.inf, -7.0, math.inf], 9),
    ],
)
def test_the_best_weights_are_left_not_the_last(
    tmp_path: Path, scores: list[float], best: int
) -> None:
    """In the model and on the disk; NaN is no score."""
    task = Scripted(*scores)
    model, history, saved = run(task, epochs(), tmp_path)
    assert evaluated(history) == [3, 6, 9, 12]
    assert_same(weights(model), task.measured[best])
    assert_same(saved, task.measured[best])
    others = [w for step, w in task.measured.items() if step != best]
    assert not any(torch.equal(w["out.weight"], saved["out.weight"]) for w in others)
    assert not model.training


def test_weights_are_kept_and_saved_without_a_folder_too() -> None:
    task, saved = Scripted(0.1, 0.9, 0.5, 0.7), []
    model = Toy()
    fit(model, task, epochs(), save_model=lambda model: saved.append(weights(model)))
    assert_same(weights(model), task.measured[6])
    assert len(saved) == 2
    assert_same(saved[-1], task.measured[6])


def test_another_figure_can_decide(tmp_path: Path) -> None:
    class Two(Scripted):
        def measure(self, model: nn.Module) -> dict[str, Any]:
            figures = super().measure(model)
            return figures | {"opposite": -figures["score"]}

    task = Two(0.1, 0.9, 0.5, 0.7)
    model, *_ = run(task, epochs(), tmp_path, metric="opposite")
    assert_same(weights(model), task.measured[3])


def test_an_evaluation_of_ones_own_decides_with_its_own_metric(tmp_path: Path) -> None:
    task = Scripted(0.1, 0.9, 0.5, 0.7)

    def worse(model: nn.Module) -> dict[str, Any]:
        return {"badness": -task.measure(model)["score"]}

    model, *_ = run(task, epochs(), tmp_path, evaluate=worse, metric="badness")
    assert_same(weights(model), task.measured[3])
    task = Scripted(0.1, 0.9, 0.5, 0.7)
    model, *_ = run(task, epochs(), tmp_path, evaluate=worse)
    assert_same(weights(model), task.measured[12])


def test_a_metric_that_is_not_measured_is_refused(tmp_path: Path) -> None:
    """It would keep the first weights without a word."""
    with pytest.raises(ValueError, match=r"metric is 'f1': expected one .*\(loss, score\)"):
        run(Scripted(0.5), epochs(), tmp_path, metric="f1")


def test_checkpoints_between_evaluations_leave_the_best_ones_alone(tmp_path: Path) -> None:
    task, saved = Scripted(0.1, 0.9, 0.5, 0.7), []
    config = epochs(save_every=0)
    fit(
        Toy(), task, config, output=tmp_path,
        save_model=lambda _: saved.append(task.step),
    )  # fmt: skip
    assert saved == [1, 2, 3, 6]


# --- patience


@pytest.mark.parametrize(
    ("patience", "scores", "last", "best"),
    [
        (0, [0.9, 0.1, 0.1, 0.1, 0.1], 15, 3),
        (1, [0.1, 0.9, 0.5, 0.95, 0.1], 9, 6),
        (2, [0.1, 0.9, 0.5, 0.95, 0.1], 15, 12),
        (2, [0.1, 0.9, 0.9, 0.9, 0.1], 12, 6),
        (3, [0.9, math.nan, 0.1, 0.2, 1.0], 12, 3),
        (2, [0.1, 0.2, 0.9, 0.3, 0.4], 15, 9),
    ],
)
def test_a_run_without_progress_stops_early(
    tmp_path: Path, patience: int, scores: list[float], last: int, best: int
) -> None:
    """So many evaluations in a row without a better score; equal is not better."""
    task = Scripted(*scores)
    model, history, saved = run(task, epochs(5, patience=patience), tmp_path)
    assert evaluated(history)[-1] == last
    assert_same(weights(model), task.measured[best])
    assert_same(saved, task.measured[best])


def test_a_run_that_stops_early_tells_of_its_last_steps(tmp_path: Path) -> None:
    """Also when no line of the history is due by then."""
    task = Scripted(0.9, 0.1, 0.1)
    _, history, _ = run(task, epochs(5, patience=1, log_every=1000), tmp_path)
    assert [record["step"] for record in history.steps] == [6]
    assert History.read(tmp_path) == history
    finished = Toy()
    assert fit(finished, task, epochs(5, patience=1), output=tmp_path, resume=True) == history
    assert_same(weights(finished), task.measured[3])


def test_a_stopped_run_goes_on_with_more_patience(tmp_path: Path) -> None:
    scores = [0.1, 0.5, 0.2, 0.3, 0.9]
    impatient, patient = Scripted(*scores), Scripted(*scores)
    run(impatient, epochs(5, patience=1, log_every=1), tmp_path)
    assert max(impatient.measured) == 9
    model, history, saved = run(patient, epochs(5, patience=3, log_every=1), tmp_path, resume=True)
    assert evaluated(history) == [3, 6, 9, 12, 15]
    whole = Scripted(*scores)
    (tmp_path / "whole").mkdir()
    expected, *_ = run(whole, epochs(5, log_every=1), tmp_path / "whole")
    assert_same(weights(model), weights(expected))
    assert_same(saved, weights(expected))


def test_patience_needs_something_to_wait_for() -> None:
    for options in ({}, {"evaluate": lambda model: {}}):
        with pytest.raises(ValueError, match="patience is 2, but nothing says which weights"):
            fit(Toy(), Endless(), epochs(epochs=None, steps=2, patience=2), **options)


# --- interruptions


@pytest.mark.parametrize("late", [False, True], ids=["while training", "while measuring"])
@pytest.mark.parametrize("patience", [0, 1])
@pytest.mark.parametrize("best", [0, 1, 2])
def test_a_run_that_is_stopped_at_any_step_goes_on_to_the_same_end(
    tmp_path: Path, best: int, patience: int, late: bool
) -> None:
    """Before, at and after the best weights: the same ones are left, by the same history."""
    scores = [0.9 if epoch == best else 0.5 for epoch in range(3)]
    config = epochs(3, patience=patience, log_every=2)
    (tmp_path / "whole").mkdir()
    expected, history, saved = run(Scripted(*scores), config, tmp_path / "whole")
    last = history.steps[-1]["step"]

    stops = [step for step in range(1, last) if not late or step % 3 == 0]
    for step in stops:
        folder = tmp_path / str(step)
        folder.mkdir()
        with pytest.raises(KeyboardInterrupt, match="stopped after step"):
            run(Scripted(*scores, stop_at=step, stop_while_measuring=late), config, folder)
        again = run(Scripted(*scores), config, folder, resume=True)
        assert_same(weights(again[0]), weights(expected))
        assert_same(again[2], saved)
        assert timeless(again[1]) == timeless(history)
        assert History.read(folder) == again[1]
    assert stops


def test_stopped_again_and_again(tmp_path: Path) -> None:
    """At each step of one run, each time after a resumption."""
    scores, config = [0.2, 0.9, 0.1, 0.4], epochs(4, log_every=1)
    (tmp_path / "whole").mkdir()
    (tmp_path / "run").mkdir()
    expected, history, saved = run(Scripted(*scores), config, tmp_path / "whole")
    for step in range(1, 12):
        with pytest.raises(KeyboardInterrupt, match=f"stopped after step {step};"):
            run(Scripted(*scores, stop_at=step), config, tmp_path / "run", resume=step > 1)
    model, again, left = run(Scripted(*scores), config, tmp_path / "run", resume=True)
    assert_same(weights(model), weights(expected))
    assert_same(left, saved)
    assert timeless(again) == timeless(history)


@pytest.mark.parametrize("nth", range(1, 5))
@pytest.mark.parametrize("where", ["before the state", "after the state"])
def test_a_run_that_dies_at_a_checkpoint_goes_on_to_the_same_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nth: int, where: str
) -> None:
    """When the model on the disk is newer than the state, and when both are there."""

    class Killed(Exception):
        pass

    scores, config = [0.2, 0.3, 0.1, 0.4], epochs(4, log_every=1)
    (tmp_path / "whole").mkdir()
    folder = tmp_path / "run"
    folder.mkdir()
    expected, history, saved = run(Scripted(*scores), config, tmp_path / "whole")

    save_state, calls = run_module.save_state, 0

    def dying(*arguments: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == nth and where == "before the state":
            raise Killed
        save_state(*arguments)
        if calls == nth:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(run_module, "save_state", dying)
        with pytest.raises(Killed):
            run(Scripted(*scores), config, folder)
    begun = (folder / "training_state.pt").exists()
    model, again, left = run(Scripted(*scores), config, folder, resume=begun)
    assert_same(weights(model), weights(expected))
    assert_same(left, saved)
    assert timeless(again) == timeless(history)


def test_a_stop_before_the_first_evaluation_leaves_the_weights_there_are(tmp_path: Path) -> None:
    model = Toy()
    saved: list[dict[str, Tensor]] = []
    with pytest.raises(KeyboardInterrupt):
        fit(
            model, Scripted(0.5, stop_at=2), epochs(1), output=tmp_path,
            save_model=lambda model: saved.append(weights(model)),
        )  # fmt: skip
    assert len(saved) == 1
    assert_same(saved[0], weights(model))


def test_a_stop_after_it_leaves_the_best_ones(tmp_path: Path) -> None:
    task = Scripted(0.2, 0.9, 0.1, 0.4, stop_at=11)
    with pytest.raises(KeyboardInterrupt):
        run(task, epochs(), tmp_path)
    assert_same(torch.load(tmp_path / BEST), task.measured[6])


# --- who is told


def test_each_record_is_told_as_it_is_made(tmp_path: Path) -> None:
    told: list[dict[str, Any]] = []
    sizes: list[int] = []

    def tell(record: dict[str, Any]) -> None:
        told.append(record)
        sizes.append(len(History.read(tmp_path)))

    config = epochs(2, log_every=2)
    _, history, _ = run(Scripted(0.5, 0.6), config, tmp_path, on_record=tell)
    assert told == history.records
    assert [("loss" in record, record["step"]) for record in told] == [
        (True, 2), (False, 3), (True, 4), (True, 6), (False, 6),
    ]  # fmt: skip
    assert sizes == [1, 2, 3, 4, 5], "each is on the disk by then"


def test_a_resumed_run_tells_of_its_own_records_only(tmp_path: Path) -> None:
    config = epochs(2, log_every=1)
    with pytest.raises(KeyboardInterrupt):
        run(Scripted(0.5, 0.6, stop_at=4), config, tmp_path)
    told: list[dict[str, Any]] = []
    run(Scripted(0.5, 0.6), config, tmp_path, resume=True, on_record=told.append)
    assert [record["step"] for record in told] == [5, 6, 6]


def test_the_bar_shows_epochs_and_the_best_score(capsys: pytest.CaptureFixture[str]) -> None:
    train(Toy(), Scripted(0.25, 0.125), epochs(2, log_every=1))
    shown = capsys.readouterr().err
    assert "epoch 2.0, loss " in shown
    assert " examples/s, best score 0.250" in shown


class Writer:
    """In place of tensorboard's: keeps what it is given."""

    folder: str
    closed = False
    scalars: list[tuple[str, float, int]]

    def __init__(self, folder: str) -> None:
        Writer.folder, Writer.scalars, Writer.closed = folder, [], False

    def add_scalar(self, name: str, value: float, global_step: int) -> None:
        Writer.scalars.append((name, value, global_step))

    def flush(self) -> None:
        pass

    def close(self) -> None:
        Writer.closed = True


def test_a_tracker_gets_the_history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Training and dev have a loss each: they are two curves."""
    stand_in = SimpleNamespace(SummaryWriter=Writer)
    monkeypatch.setattr(torch.utils, "tensorboard", stand_in, raising=False)
    monkeypatch.setattr(accelerate.utils, "is_tensorboard_available", lambda: True)
    monkeypatch.setattr(
        accelerate.tracking, "get_available_trackers", lambda: [LoggerType.TENSORBOARD]
    )
    config = epochs(2, log_every=2, track="tensorboard")
    _, history, _ = run(Scripted(0.5, 0.75), config, tmp_path)
    assert Path(Writer.folder) == tmp_path / "tensorboard"
    assert Writer.closed

    def curve(name: str) -> list[tuple[int, float]]:
        return [(step, value) for found, value, step in Writer.scalars if found == name]

    assert curve("loss") == [(record["step"], record["loss"]) for record in history.steps]
    assert curve("held_out/score") == [(3, 0.5), (6, 0.75)]
    assert curve("held_out/loss") == [(3, 9.0), (6, 9.0)]
    assert [step for step, _ in curve("rate")] == [2, 4, 6]


def test_a_tracker_that_is_not_there_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Accelerate would go on without it."""
    config = epochs(1, track="tensorboard")
    monkeypatch.setattr(accelerate.utils, "is_tensorboard_available", lambda: False)
    with pytest.raises(ValueError, match="needs that package: pip install tensorboard"):
        fit(Toy(), Scripted(0.5), config, output=tmp_path)
    monkeypatch.setattr(accelerate.utils, "is_tensorboard_available", lambda: True)
    with pytest.raises(ValueError, match="tracking needs a folder to write to: give output"):
        fit(Toy(), Scripted(0.5), config)
    with pytest.raises(ValueError, match="track is 'wandb': expected tensorboard"):
        epochs(1, track="wandb")
