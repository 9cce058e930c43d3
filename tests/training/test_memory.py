"""Large blocks are asked for once, not in each update; where memory is full, words help."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from datasets import Dataset
from torch import nn
from toy_runs import Endless, Toy, settings

import bertlab
from bertlab.tasks import Classification
from bertlab.training import memory, train

TOO_MUCH = 2**50  # bytes; no machine has a pebibyte

# The number of pages that the system had to bring, for twenty blocks of 48 MB, each freed.
COUNT = """
import resource, sys, torch
from bertlab.training.memory import keep_freed_memory
if sys.argv[1] == "keep" and not keep_freed_memory():
    sys.exit("no glibc")
for _ in range(20):  # aligned blocks take some room around them at first
    torch.zeros(12_000_000)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    torch.zeros(12_000_000)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc is Linux'")
def test_freed_blocks_are_used_again() -> None:
    faults = {}
    for how in ("keep", "leave"):
        done = subprocess.run(
            [sys.executable, "-c", COUNT, how], capture_output=True, text=True, check=False
        )
        if "no glibc" in done.stderr:
            pytest.skip("this system has another C library")
        faults[how] = int(done.stdout)
    assert faults["keep"] < faults["leave"] / 10


def test_other_systems_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert not memory.keep_freed_memory()
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(memory.ctypes, "CDLL", lambda _name: object())
    assert not memory.keep_freed_memory()


# ---------------------------------------------------------------------------------------------
# Full


@pytest.mark.parametrize(
    ("take", "whose"),
    [
        (lambda: torch.empty(TOO_MUCH, dtype=torch.int8), "the computer's"),
        (lambda: np.empty(TOO_MUCH, dtype=np.int8), "the computer's"),
        (lambda: bytearray(TOO_MUCH), "the computer's"),
        (lambda: fail(torch.OutOfMemoryError("CUDA out of memory. Tried to")), "the GPU's"),
        (lambda: fail(RuntimeError("MPS backend out of memory (MPS allocated")), "the GPU's"),
        (lambda: fail(RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED")), "the GPU's"),
    ],
)
def test_full_memory_is_told_by_whatever_ran_out(take, whose: str) -> None:
    """Of CPU, NumPy and Python these are the real errors; of GPUs, what PyTorch says there."""
    with (
        pytest.raises(memory.OutOfMemory, match=rf"{whose} memory is full. What helps: fewer"),
        memory.explained("fewer"),
        memory.explained("fewer"),  # within: explained once
    ):
        take()


def fail(error: Exception) -> None:
    raise error


def test_another_error_stays_itself() -> None:
    with pytest.raises(RuntimeError, match="a bug"), memory.explained("fewer"):
        fail(RuntimeError("a bug"))


class Greedy(nn.Module):
    """A model that wants more memory than there is."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, **_: torch.Tensor) -> torch.Tensor:
        return torch.empty(TOO_MUCH, dtype=torch.int8)


def test_training_and_prediction_name_the_settings_that_help() -> None:
    def greedy(_: int) -> None:
        torch.empty(TOO_MUCH, dtype=torch.int8)

    with pytest.raises(memory.OutOfMemory, match=r"accumulation=2.*--max-length.*bf16.*restart"):
        train(Toy(), Endless(greedy), settings(steps=2), progress_bar=False)
    records = Dataset.from_list([{"text": "a", "label": "x"}, {"text": "b", "label": "y"}])
    task = Classification(bertlab.load_tokenizer("bertlab-mini"), records)
    model = Greedy().train()
    with pytest.raises(memory.OutOfMemory, match="smaller batch_size"):
        list(task.predict(model, records))
    assert model.training, "it is left as it was, after an error, too"


def test_a_model_that_does_not_fit_is_told_before_the_first_step(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr("bertlab.training.loop.Run", full)
    with pytest.raises(memory.OutOfMemory, match="the GPU's memory is full"):
        train(Toy(), Endless(), settings(steps=2), progress_bar=False)
