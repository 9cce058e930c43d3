"""Killed, stopped and resumed: fine-tuning ends in the same bytes, whatever happened on the way.

The processes are real, and so are the signals.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from fine_tuning_files import questions, write_files, write_model
from killing import Starter, kill_and_resume, timeless, wait_for
from safetensors.torch import load_file

from bertlab.tasks.answering import load_task

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked here")
EPOCHS, STEPS = 4, 12
SAME = ("model.safetensors", "config.json", "tokenizer.json", "task.json", "predictions.jsonl")


class Finetuning(Starter):
    """``bertlab finetune qa``: it has a setting that dev decides, beside the weights."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        write_files(folder)
        write_model(folder / "model", hidden_dropout_prob=0.1)
        write_model(folder / "still", hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)

    def words(self, output: Path, *more: str) -> list[str]:
        files = [(f"--{n}", str(self.folder / f"questions-{n}.json")) for n in ("train", "dev")]
        model = [] if "--model" in more else ["--model", str(self.folder / "model")]
        return [
            *("finetune", "qa", *model, "--output", str(output)),
            *(word for option in files for word in option),
            *("--test", str(self.folder / "questions-test.json"), "--learning-rate", "1e-2"),
            *("--epochs", str(EPOCHS), "--batch-size", "8", "--precision", "fp32"),
            *("--log-every", "2", "--save-every", "0", *more),
        ]


@pytest.fixture(scope="module")
def starter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Starter]:
    starter = Finetuning(tmp_path_factory.mktemp("kills"))
    yield starter
    starter.close()


@pytest.fixture(scope="module")
def whole(starter: Starter) -> Path:
    """A run that nothing disturbed."""
    output = starter.folder / "whole"
    starter.finish(output)
    return output


def metrics(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "metrics.json").read_text())
    for clock in ("seconds", "examples_per_second"):
        del found["train"][clock]
    return found


def assert_the_same(folder: Path, whole: Path) -> None:
    for name in SAME:
        assert (folder / name).read_bytes() == (whole / name).read_bytes(), name
    assert timeless(folder) == timeless(whole)
    assert metrics(folder) == metrics(whole)
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        path.name for path in whole.iterdir()
    ), "something is left over"


def test_killed_twice_at_random_moments(starter: Starter, whole: Path, tmp_path: Path) -> None:
    kill_and_resume(starter, tmp_path / "run", seed=0, kills=2)
    assert_the_same(tmp_path / "run", whole)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 6))
def test_killed_ten_times_at_random_moments(
    starter: Starter, whole: Path, tmp_path: Path, seed: int
) -> None:
    kill_and_resume(starter, tmp_path / "run", seed, kills=10)
    assert_the_same(tmp_path / "run", whole)


@pytest.mark.parametrize(
    ("module", "name", "nth"),
    [
        ("os", "fsync", 1),  # run.json is not there yet
        pytest.param("bertlab.tasks.run", "_begin", 1, marks=pytest.mark.slow),  # only run.json is
        pytest.param("safetensors.torch", "save_file", 2, marks=pytest.mark.slow),
        ("torch", "save", 5),  # the model is newer than the state
        pytest.param("bertlab.tasks.run", "_measure", 1, marks=pytest.mark.slow),  # only trained
        ("bertlab.tasks.run", "write_json", 1),  # predictions are there, metrics aren't
    ],
)
def test_killed_in_the_middle_of(
    starter: Starter, whole: Path, tmp_path: Path, module: str, name: str, nth: int
) -> None:
    output = tmp_path / "run"
    assert starter.killed_at(output, module, name, nth)
    starter.finish(output, "--resume")
    assert_the_same(output, whole)


@pytest.mark.slow
def test_killed_before_each_file_is_on_the_disk(
    starter: Starter, whole: Path, tmp_path: Path
) -> None:
    nth = 1
    while starter.killed_at(tmp_path / str(nth), "os", "fsync", nth):
        starter.finish(tmp_path / str(nth), "--resume")
        assert_the_same(tmp_path / str(nth), whole)
        nth += 2
    assert nth > STEPS


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_with_a_usable_checkpoint(
    starter: Starter, whole: Path, tmp_path: Path, number: int
) -> None:
    output = tmp_path / "run"
    process = starter.start(output, "--save-every", "1000")
    wait_for(lambda: (output / "history.jsonl").exists())  # its first line is of step 2
    process.send(number)
    code = process.wait()
    if code == 0:  # it was faster than the signal
        pytest.skip("done before the signal came")
    assert code == 130, process.output
    assert "Traceback" not in process.output
    assert "; --resume goes on from there" in process.output

    task, model = load_task("qa", output)
    answers = list(task.predict(model, questions(0, 3)))
    assert len(answers) == 3
    assert all(set(answer) >= {"answer", "n_best"} for answer in answers)
    starter.finish(output, "--resume")
    assert_the_same(output, whole)


@pytest.mark.parametrize(
    ("number", "name"), [(signal.SIGINT, "_begin"), (signal.SIGTERM, "_measure")]
)
def test_stopped_before_and_after_the_training(
    starter: Starter, whole: Path, tmp_path: Path, number: int, name: str
) -> None:
    output, mark = tmp_path / "run", tmp_path / "mark"
    process = starter.start(output, stall=("bertlab.tasks.run", name, 1, str(mark)))
    wait_for(mark.exists)
    process.send(number)
    assert process.wait() == 130, process.output
    assert process.output.rstrip().endswith("bertlab: stopped")
    assert "Traceback" not in process.output
    starter.finish(output, "--resume")
    assert_the_same(output, whole)


def assert_like(two: Path, one: Path) -> None:
    """Hold two processes to what one has found, but for rounding."""
    expected = load_file(one / "model.safetensors")
    for name, weight in load_file(two / "model.safetensors").items():
        torch.testing.assert_close(weight, expected[name], atol=2e-3, rtol=1e-2, msg=name)
    for a, b in zip(timeless(one), timeless(two), strict=True):
        assert a.get("tokens") == b.get("tokens")
        assert a.get("loss") == pytest.approx(b.get("loss"), abs=2e-3)
    answers = []
    for folder in (one, two):
        lines = (folder / "predictions.jsonl").read_text(encoding="utf-8").split("\n")[:-1]
        answers.append([json.loads(line)["answer"] for line in lines])
    assert answers[0] == answers[1]


def test_two_processes_train_as_one(starter: Starter, tmp_path: Path) -> None:
    """The same rows, shared out; without dropout, so that only rounding differs."""
    common = ("--model", str(starter.folder / "still"), "--accumulation", "3")
    starter.finish(tmp_path / "one", *common)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    processes = [
        starter.start(
            tmp_path / "two",
            *common,
            environment={
                "RANK": str(rank),
                "LOCAL_RANK": str(rank),
                "WORLD_SIZE": "2",
                "LOCAL_WORLD_SIZE": "2",
                "MASTER_ADDR": "127.0.0.1",
                "MASTER_PORT": str(port),
                "ACCELERATE_USE_CPU": "true",
            },
        )
        for rank in range(2)
    ]
    codes = [process.wait() for process in processes]
    assert codes == [0, 0], "".join(process.output for process in processes)
    assert_like(tmp_path / "two", tmp_path / "one")
    assert "the checkpoint is in" in processes[0].output
    assert "the checkpoint is in" not in processes[1].output, "one process speaks"


@pytest.mark.slow
def test_accelerate_launch_trains_as_one_process(starter: Starter, tmp_path: Path) -> None:
    """The same from outside, as users start it."""
    common = ("--model", str(starter.folder / "still"))
    starter.finish(tmp_path / "one", *common)
    launch = [sys.executable, "-m", "accelerate.commands.launch", "--cpu", "--num_processes", "2"]
    result = subprocess.run(
        [
            *(*launch, "--num_machines", "1", "-m", "bertlab.cli"),
            *starter.words(tmp_path / "two", *common),
        ],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert_like(tmp_path / "two", tmp_path / "one")
