"""What a run leaves on the disk: whole files, read back as they were written."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from bertlab.training import History
from bertlab.training.state import STATE, load_state, save_state


def test_a_history_comes_back_and_tells_steps_from_evaluations(tmp_path: Path) -> None:
    step, evaluation = {"step": 1, "loss": 2.5}, {"step": 1, "held_out": {"accuracy": 0.5}}
    history = History([step, evaluation, step])
    history.write(tmp_path)
    again = History.read(str(tmp_path))
    assert list(again) == history.records
    assert again == history
    assert len(again) == 3
    assert again.steps == [step, step]
    assert again.evaluations == [evaluation]
    assert [path.name for path in tmp_path.iterdir()] == ["history.jsonl"]


def test_a_state_comes_back(tmp_path: Path) -> None:
    state = {"model": {"weight": torch.arange(3.0)}, "random": torch.get_rng_state(), "steps": 7}
    save_state(tmp_path, state)
    again = load_state(tmp_path)
    assert again["steps"] == 7
    assert torch.equal(again["model"]["weight"], torch.arange(3.0))
    assert torch.equal(again["random"], state["random"])


def test_an_interrupted_write_leaves_the_state_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_state(tmp_path, {"steps": 1})

    def break_off(_state: object, path: Path) -> None:
        path.write_bytes(b"half of it")
        raise KeyboardInterrupt

    monkeypatch.setattr(torch, "save", break_off)
    with pytest.raises(KeyboardInterrupt):
        save_state(tmp_path, {"steps": 2})
    assert load_state(tmp_path) == {"steps": 1}
    assert [path.name for path in tmp_path.iterdir()] == [STATE]


def test_what_cannot_be_resumed_is_said(tmp_path: Path) -> None:
    with pytest.raises(
        FileNotFoundError, match=r"holds no training_state\.pt, so there is nothing"
    ):
        load_state(tmp_path)
    (tmp_path / STATE).write_bytes(b"no state")
    with pytest.raises(ValueError, match=r"training_state\.pt is damaged: start the run anew"):
        load_state(tmp_path)


def test_the_best_evaluation_is_the_first_of_equals_and_a_number() -> None:
    scores = [math.nan, 0.5, 0.7, 0.7, math.inf]
    history = History([{"step": i, "held_out": {"f1": score}} for i, score in enumerate(scores)])
    assert history.best("f1")["step"] == 2
    with pytest.raises(ValueError, match="empty"):
        History([{"step": 1, "loss": 1.0}]).best("f1")
