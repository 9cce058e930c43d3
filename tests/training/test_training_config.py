"""How long a run is and how fast it learns: what is refused, and the two lines of the rate."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import get_linear_schedule_with_warmup

from bertlab.training import TrainingConfig


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"steps": None},
            "length is given by nothing: expected one of epochs, steps, tokens, minutes",
        ),
        ({"minutes": 1}, "length is given by steps and minutes: expected one"),
        ({"tokens": 5, "minutes": 1.0}, "given by steps and tokens and minutes"),
        ({"steps": 0}, "steps is 0: expected a number above 0"),
        ({"steps": None, "tokens": -1}, "tokens is -1: expected a number above 0"),
        ({"steps": None, "minutes": math.nan}, "minutes is nan: expected a number above 0"),
        ({"steps": None, "minutes": math.inf}, "minutes is inf: expected a number above 0"),
        ({"learning_rate": 0.0}, "learning_rate is 0.0: expected a number above 0"),
        ({"learning_rate": math.inf}, "learning_rate is inf"),
        ({"clip": 0}, "clip is 0"),
        ({"eps": -1e-6}, "eps is -1e-06"),
        ({"accumulation": 0}, "accumulation is 0"),
        ({"log_every": 0}, "log_every is 0"),
        ({"evaluate_every": 0.0}, "evaluate_every is 0.0"),
        ({"steps": None, "epochs": 0}, "epochs is 0: expected a number above 0"),
        ({"epochs": 3}, "length is given by epochs and steps: expected one"),
        ({"batch_size": 0}, "batch_size is 0: expected a number above 0"),
        ({"patience": -1}, "patience is -1: expected a number from 0 on"),
        ({"track": "wandb"}, "track is 'wandb': expected tensorboard"),
        ({"save_every": -1.0}, "save_every is -1.0: expected a number from 0 on"),
        ({"save_every": math.nan}, "save_every is nan"),
        ({"seed": -1}, "seed is -1: expected a number from 0 on"),
        ({"warmup": 1.1}, "warmup is 1.1: expected a number from 0 to 1"),
        ({"warmup": math.nan}, "warmup is nan"),
        ({"weight_decay": -0.1}, "weight_decay is -0.1: expected a number from 0 to 1"),
        ({"betas": (0.9, 1.0)}, r"betas are \(0.9, 1.0\): expected two numbers from 0 to below 1"),
        ({"precision": "fp16"}, "precision is 'fp16': expected auto, fp32 or bf16"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TrainingConfig(**{"steps": 10, **settings})


def test_the_limits_themselves_are_allowed() -> None:
    TrainingConfig(steps=1, warmup=0, weight_decay=0, betas=(0, 0), save_every=0, seed=0)
    TrainingConfig(tokens=1, warmup=1, weight_decay=1)


def test_progress_follows_what_the_length_is_given_in() -> None:
    assert TrainingConfig(steps=8).progress(2, 999, 999) == 0.25
    assert TrainingConfig(tokens=1000).progress(999, 250, 999) == 0.25
    assert TrainingConfig(minutes=2).progress(999, 999, 30) == 0.25
    assert TrainingConfig(tokens=1000).progress(1, 1500, 1) == 1, "never beyond the end"


@pytest.mark.parametrize(
    ("epochs", "batches", "steps", "log_every"),
    [(3, 10, 30, 1), (2.5, 3, 8, 1), (0.01, 10, 1, 1), (4, 100, 400, 10), (10, 1000, 10_000, 50)],
)
def test_epochs_become_steps(epochs: float, batches: int, steps: int, log_every: int) -> None:
    """Short runs get forty lines of history; each epoch ends with an evaluation."""
    config = TrainingConfig(epochs=epochs).resolved(batches)
    assert (config.epochs, config.steps, config.log_every) == (None, steps, log_every)
    assert config.evaluate_every == pytest.approx(batches / steps)
    assert config.progress(steps, 0, 0) == 1
    given = TrainingConfig(epochs=epochs, log_every=7, evaluate_every=0.5).resolved(batches)
    assert (given.log_every, given.evaluate_every) == (7, 0.5)


def test_other_lengths_stay_as_they_are() -> None:
    for batches in (None, 10):
        config = TrainingConfig(tokens=500).resolved(batches)
        assert (config.tokens, config.steps) == (500, None)
        assert (config.log_every, config.evaluate_every) == (50, 0.05)


def test_epochs_of_batches_without_an_end_are_refused() -> None:
    with pytest.raises(ValueError, match="no end: give steps, tokens or minutes"):
        TrainingConfig(epochs=1).resolved(None)


@given(st.floats(0, 1), st.floats(0, 1))
def test_the_rate_is_two_lines(warmup: float, progress: float) -> None:
    config = TrainingConfig(steps=10, learning_rate=2e-3, warmup=warmup)
    rate = config.rate(progress)
    assert 0 <= rate <= 2e-3 * (1 + 1e-9)
    if progress < warmup:
        assert rate == pytest.approx(2e-3 * progress / warmup)
    elif warmup < 1 - 1e-9:
        assert rate == pytest.approx(2e-3 * (1 - progress) / (1 - warmup))


@pytest.mark.parametrize("warmup", [0.0, 0.1, 0.5, 0.9])
def test_the_rate_begins_at_0_peaks_after_the_warm_up_and_ends_at_0(warmup: float) -> None:
    config = TrainingConfig(steps=10, learning_rate=1e-3, warmup=warmup)
    assert config.rate(0) == (0 if warmup else 1e-3)
    assert config.rate(warmup) == pytest.approx(1e-3)
    assert config.rate(1) == 0


@pytest.mark.parametrize("warmup", [0.0, 0.1, 0.3])
def test_the_rate_at_each_step_is_that_of_transformers(warmup: float) -> None:
    """Theirs is the rate at a step's beginning, so that the first update of a warm-up is lost.

    Ours is the rate at its middle (``part_of_step`` in the loop): half a step further.
    """
    config = TrainingConfig(steps=40, learning_rate=1e-3, warmup=warmup)
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1e-3)
    schedule = get_linear_schedule_with_warmup(optimizer, round(warmup * 40), 40)
    steepest = 1e-3 / 40 / min([share for share in (warmup, 1 - warmup) if share])
    for step in range(40):
        theirs = schedule.get_last_lr()[0]
        assert config.rate(step / 40) == pytest.approx(theirs)
        assert abs(config.rate((step + 0.5) / 40) - theirs) <= steepest / 2 * (1 + 1e-9)
        optimizer.step()
        schedule.step()
