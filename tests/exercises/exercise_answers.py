"""Turn what an exercise computes into an answer as a learner would hand it in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import FunctionType
from typing import Any

import pytest

from bertlab import exercises
from bertlab.exercises import CheckResult, engine
from bertlab.exercises.spec import Spec


def as_learners(function: Any) -> Callable[..., Any]:
    """Copy a function, so that it isn't taken for the exercise's own."""
    copy = FunctionType(function.__code__.replace(co_name="answer"), function.__globals__, "answer")
    copy.__kwdefaults__ = function.__kwdefaults__
    copy.__defaults__ = function.__defaults__
    return copy


def check_planted(spec: Spec, flags: Mapping[str, Any], seed: int = 0) -> CheckResult:
    """Check what the exercise computes with some mistakes' flags; none: what is right.

    Where something stands between a class and its examples, this goes round it; the exercise's own
    tests go through it.
    """
    reference = as_learners(spec.compute)

    def answer(*arguments: Any) -> Any:
        return reference(*arguments, **flags)

    seeds: Sequence[int] = range(seed * 3, (seed + 1) * 3)
    if spec.asks == "value":
        return engine.examine(spec, spec.compute(**flags), seeds)
    return engine.examine(replace(spec, asks="function", use=None), answer, seeds)


def assert_named(name: str, mistake: str, answer: Any) -> None:
    """Check that an exercise finds this mistake in an answer, and names it when it is strict."""
    result = exercises.check(name, answer)
    assert not result
    assert result.mistake == mistake, result
    with pytest.raises(AssertionError, match=f"✗ {name}: {mistake.replace('-', ' ')}"):
        exercises.check(name, answer, strict=True, seed=3)
