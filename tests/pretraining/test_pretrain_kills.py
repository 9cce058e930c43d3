"""Killed, stopped and resumed: a run ends in the same bytes, whatever happened on the way.

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

import pytest
import torch
from killing import Starter, kill_and_resume, timeless, wait_for
from safetensors.torch import load_file
from text import write_text

import bertlab

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked here")
STEPS = 10


class Pretraining(Starter):
    """``bertlab pretrain`` on a small text."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.text = write_text(folder / "text.txt")

    def words(self, output: Path, *more: str) -> list[str]:
        """The command line; a checkpoint after each step."""
        return [
            *("pretrain", "--corpus", str(self.text), "--output", str(output)),
            *("--preset", "tiny", "--vocab-size", "120", "--steps", str(STEPS)),
            *("--stages", "8x32@0.15:0.5", "8x64@0.15:0.5", "--dropout", "0.1"),
            *("--log-every", "3", "--evaluate-every", "0.5", "--save-every", "0"),
            *("--hold-out", "0.1", "--precision", "fp32"),
            *("--cache", str(output.parent / "cache"), *more),
        ]


@pytest.fixture(scope="module")
def starter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Starter]:
    starter = Pretraining(tmp_path_factory.mktemp("kills"))
    yield starter
    starter.close()


@pytest.fixture(scope="module")
def whole(starter: Starter) -> Path:
    """A run that nothing disturbed."""
    output = starter.folder / "whole" / "run"
    starter.finish(output)
    return output


def assert_the_same(folder: Path, whole: Path) -> None:
    for name in ("model.safetensors", "config.json", "tokenizer.json"):
        assert (folder / name).read_bytes() == (whole / name).read_bytes(), name
    assert timeless(folder) == timeless(whole)
    metrics = [json.loads((f / "metrics.json").read_text()) for f in (folder, whole)]
    assert metrics[0]["held_out"] == metrics[1]["held_out"]
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
        ("bertlab.pretraining.run", "train_tokenizer", 1),
        ("bertlab.pretraining.tokens", "_append", 3),
        ("safetensors.torch", "save_file", 3),
        ("torch", "save", 3),  # the model is newer than the state
        ("bertlab.pretraining.run", "write_json", 1),  # trained, not measured yet
    ],
)
def test_killed_in_the_middle_of(
    starter: Starter, whole: Path, tmp_path: Path, module: str, name: str, nth: int
) -> None:
    """Of the vocabulary, the tokenising, and each kind of file."""
    output = tmp_path / "run"
    assert starter.killed_at(output, module, name, nth)
    starter.finish(output, "--resume")
    assert_the_same(output, whole)


@pytest.mark.slow
def test_killed_before_each_file_is_on_the_disk(
    starter: Starter, whole: Path, tmp_path: Path
) -> None:
    """One run, killed at the second write after each resumption, and at each write of a first."""
    kills = 0
    while starter.killed_at(tmp_path / "on" / "run", "os", "fsync", 7, *["--resume"][: kills > 0]):
        kills += 1
    assert kills > STEPS / 2
    assert_the_same(tmp_path / "on" / "run", whole)
    nth = 1
    while starter.killed_at(tmp_path / str(nth) / "run", "os", "fsync", nth):
        starter.finish(tmp_path / str(nth) / "run", "--resume")
        assert_the_same(tmp_path / str(nth) / "run", whole)
        nth += 4  # a checkpoint writes four files
    assert nth > 3 * STEPS


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_with_a_usable_checkpoint(
    starter: Starter, whole: Path, tmp_path: Path, number: int
) -> None:
    output = tmp_path / "run"
    process = starter.start(output, "--save-every", "1000")
    wait_for(lambda: "step 3," in process.output)
    process.send(number)
    code = process.wait()
    if code == 0:  # it was faster than the signal
        pytest.skip("done before the signal came")
    assert code == 130, process.output
    assert "Traceback" not in process.output
    assert "; --resume goes on from there" in process.output

    model = bertlab.BertForPreTraining.from_pretrained(output)
    tokenizer = bertlab.load_tokenizer(output)
    assert model(**tokenizer("the river", return_tensors="pt")).prediction_logits.isfinite().all()
    starter.finish(output, "--resume")
    assert_the_same(output, whole)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_before_the_training(starter: Starter, tmp_path: Path, number: int) -> None:
    mark = tmp_path / "mark"
    stall = ("bertlab.pretraining.tokens", "_append", 2, str(mark))
    process = starter.start(tmp_path / "run", stall=stall)
    wait_for(mark.exists)
    process.send(number)
    assert process.wait() == 130, process.output
    assert process.output.rstrip().endswith("bertlab: stopped")
    assert "Traceback" not in process.output
    assert list((tmp_path / "cache").iterdir()) == [], "no unfinished entry is left"


def test_two_processes_train_as_one(starter: Starter, tmp_path: Path) -> None:
    """The same rows, shared out; without dropout, so that only rounding differs."""
    common = ("--dropout", "0", "--accumulation", "3")  # with 6 parts of 8 rows
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
    for process in processes:
        assert process.wait() == 0, process.output
    one, two = tmp_path / "one", tmp_path / "two"
    expected = load_file(one / "model.safetensors")
    start = bertlab.BertConfig.tiny(vocab_size=1).initializer_range
    for name, weight in load_file(two / "model.safetensors").items():
        torch.testing.assert_close(weight, expected[name], atol=start / 20, rtol=1e-3, msg=name)
    records = zip(timeless(one), timeless(two), strict=True)
    for a, b in records:
        assert a.get("tokens") == b.get("tokens")
        assert a.get("loss") == pytest.approx(b.get("loss"), abs=1e-4)
        assert a.get("norm") == pytest.approx(b.get("norm"), abs=1e-3)
    assert "the checkpoint is in" in processes[0].output
    assert "the checkpoint is in" not in processes[1].output, "one process speaks"


@pytest.mark.slow
def test_accelerate_launch_trains_as_one_process(starter: Starter, tmp_path: Path) -> None:
    """The same from outside, as users start it."""
    starter.finish(tmp_path / "one", "--dropout", "0")
    launch = [sys.executable, "-m", "accelerate.commands.launch", "--cpu", "--num_processes", "2"]
    words = starter.words(tmp_path / "two", "--dropout", "0")
    result = subprocess.run(
        [*launch, "--num_machines", "1", "-m", "bertlab.cli", *words],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=False,
    )
    assert result.returncode == 0, result.stderr
    for a, b in zip(timeless(tmp_path / "one"), timeless(tmp_path / "two"), strict=True):
        assert a.get("loss") == pytest.approx(b.get("loss"), abs=1e-4)
