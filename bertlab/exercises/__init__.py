"""Exercises that check themselves and name the mistake.

``check(name, answer)`` tries an answer on examples and says what was verified, or which
misunderstanding the answer shows. It serves honest learners: it runs the answer in this process,
for 10 seconds at most, and does not withstand attacks.

Names of passed exercises are noted in a small file of the user's own, for ``catalog()``;
``remember(False)`` or the environment variable ``BERTLAB_PROGRESS=off`` turns that off.
"""

from __future__ import annotations

import difflib
import inspect
from dataclasses import replace
from typing import Any, Literal, overload

from bertlab.exercises import (
    assignment_attention_heads,
    assignment_attention_lengths,
    assignment_attention_mask,
    assignment_attention_multi_head,
    assignment_attention_softmax,
    assignment_encoder_layer,
    assignment_encoder_parts,
    assignment_encoder_sizes,
    assignment_finetuning_answers,
    assignment_finetuning_batches,
    assignment_finetuning_fit,
    assignment_finetuning_loss,
    assignment_finetuning_scores,
    assignment_finetuning_spans,
    assignment_finetuning_windows,
    assignment_finetuning_words,
    assignment_masking_loss,
    assignment_masking_pairs,
    assignment_masking_places,
    assignment_masking_steps,
    assignment_masking_tokens,
    assignment_masking_words,
    ch01_pairs,
    ch01_tokens,
    ch02_attention,
    ch02_heads,
    ch02_values,
    ch03_block,
    ch03_encoder,
    ch03_parameters,
    ch04_attention,
    ch04_heads,
    ch05_head,
    ch05_loss,
    ch05_masking,
    ch05_scoring,
    ch06_loss,
    ch06_pairs,
    ch07_adamw,
    ch07_schedule,
    ch08_loss,
    ch08_optimizer,
    ch08_padding,
    ch08_prediction,
    ch08_scores,
    ch09_entities,
    ch09_tag_lists,
    ch09_viterbi,
    ch10_scores,
    ch10_spans,
    ch10_windows,
    engine,
    progress,
)
from bertlab.exercises.catalogue import Catalog
from bertlab.exercises.progress import remember
from bertlab.exercises.result import CheckResult
from bertlab.exercises.spec import Exercise, Spec

__all__ = ["Catalog", "CheckResult", "Exercise", "catalog", "check", "hint", "remember", "show"]

_MODULES = (
    ch01_tokens,
    ch01_pairs,
    ch02_attention,
    ch02_heads,
    ch02_values,
    ch03_encoder,
    ch03_parameters,
    ch03_block,
    ch04_heads,
    ch04_attention,
    ch05_masking,
    ch05_loss,
    ch05_scoring,
    ch05_head,
    ch06_loss,
    ch06_pairs,
    ch07_schedule,
    ch07_adamw,
    ch08_padding,
    ch08_scores,
    ch08_loss,
    ch08_prediction,
    ch08_optimizer,
    ch09_entities,
    ch09_viterbi,
    ch09_tag_lists,
    ch10_spans,
    ch10_scores,
    ch10_windows,
    assignment_attention_softmax,
    assignment_attention_mask,
    assignment_attention_heads,
    assignment_attention_multi_head,
    assignment_attention_lengths,
    assignment_encoder_parts,
    assignment_encoder_layer,
    assignment_encoder_sizes,
    assignment_masking_places,
    assignment_masking_tokens,
    assignment_masking_words,
    assignment_masking_loss,
    assignment_masking_pairs,
    assignment_masking_steps,
    assignment_finetuning_batches,
    assignment_finetuning_words,
    assignment_finetuning_spans,
    assignment_finetuning_scores,
    assignment_finetuning_loss,
    assignment_finetuning_windows,
    assignment_finetuning_answers,
    assignment_finetuning_fit,
)
_SPECS: dict[str, Spec] = {
    spec.exercise.name: spec for module in _MODULES for spec in module.EXERCISES
}
_hints_given: dict[str, int] = {}
_SEEDS_PER_CHECK = 3


@overload
def check(
    name: str, answer: Any, strict: Literal[False] = False, *, seed: int = 0
) -> CheckResult: ...
@overload
def check(name: str, answer: Any, strict: Literal[True], *, seed: int = 0) -> None: ...
@overload
def check(name: str, answer: Any, strict: bool, *, seed: int = 0) -> CheckResult | None: ...
def check(name: str, answer: Any, strict: bool = False, *, seed: int = 0) -> CheckResult | None:
    """Try an answer and say what was verified, or what the mistake is.

    Args:
        name: the exercise's name; ``catalog()`` lists them.
        answer: what the exercise asks for: a function, a class, or a value.
        strict: for assignments: raise AssertionError unless passed, and return None.
        seed: another seed, other examples.

    Returns:
        The result, shown by a notebook as rich text; None if ``strict``.

    Raises:
        AssertionError: only if ``strict``.
    """
    try:
        result = _check(name, answer, seed)
    except Exception as error:
        result = CheckResult(
            False,
            "checker-error",
            f"The check itself failed ({type(error).__name__}: {error}). This is not your mistake: "
            "please report it at https://github.com/bertlab/bertlab/issues",
            name if isinstance(name, str) else type(name).__name__,
        )
    if not strict:
        if result.passed:
            progress.note(result.exercise)
        return result
    if not result.passed:
        raise AssertionError(str(result))
    return None


def _check(name: str, answer: Any, seed: int) -> CheckResult:
    if not isinstance(name, str) or name not in _SPECS:
        return CheckResult(False, "unknown-exercise", _unknown(name), str(name))
    spec = _SPECS[name]
    if spec.asks == "value" and _is_open(answer):
        return engine.not_attempted(spec)
    wrong_kind = _wrong_kind(spec, answer)
    if wrong_kind:
        return CheckResult(False, f"not-a-{spec.asks}", wrong_kind, name)
    seeds = range(seed * _SEEDS_PER_CHECK, (seed + 1) * _SEEDS_PER_CHECK)
    return engine.examine(spec, answer, seeds)


def _is_open(answer: Any) -> bool:
    """Tell whether a value is, or holds, the `...` of its stub."""
    if isinstance(answer, (list, tuple)):
        return any(item is ... for item in answer)
    return answer is None or answer is ...


def _wrong_kind(spec: Spec, answer: Any) -> str:
    """Say what to hand in where it is not what the question asks for; "" where it is."""
    name = spec.exercise.name
    found = f"What was handed in has the type {type(answer).__name__}."
    is_class = issubclass(type(answer), type)
    if spec.asks == "class":
        if is_class:
            return ""
        return (
            "Hand in the class itself, without making an object of it: "
            f"`exercises.check({name!r}, {_class_name(spec)})`. {found}"
        )
    if spec.asks == "value":
        if is_class or inspect.isroutine(answer):
            return f"Hand in the answer itself, not what computes it. {found}"
        return ""
    if is_class:
        return f"Hand in a function. {answer.__name__} is a class."
    if not callable(answer):
        return (
            f"Hand in the function itself, without calling it: `exercises.check({name!r}, {name})`."
            f" {found}"
        )
    return ""


def _class_name(spec: Spec) -> str:
    return spec.stub.removeprefix("class ").partition("(")[0]


def show(name: str) -> None:
    """Print an exercise: the question, the formula and the stub.

    Raises:
        ValueError: when no exercise has this name.
    """
    spec = _find(name)
    e = spec.exercise
    place = f"assignment {e.assignment}" if e.assignment else f"chapter {e.chapter}"
    head = f"{e.name} · {place} · {e.level} · {e.minutes} minutes"
    print(f"{head}\n\n{spec.question}\n\n{spec.formula}\n\n{spec.stub}")


def hint(name: str) -> None:
    """Print the next hint of an exercise, one more at each call.

    Raises:
        ValueError: when no exercise has this name.
    """
    hints = _find(name).hints
    given = min(_hints_given.get(name, 0) + 1, len(hints))
    _hints_given[name] = given
    for number, text in enumerate(hints[:given], 1):
        print(f"Hint {number} of {len(hints)}: {text}")


def catalog() -> Catalog:
    """Return the book's exercises, in its order, and which of them have been passed.

    Those of assignments are not among them. Some are more practice, beyond the chapters' text.
    """
    done = progress.passed()
    return Catalog(
        replace(spec.exercise, passed=spec.exercise.name in done)
        for spec in sorted(_SPECS.values(), key=lambda spec: spec.exercise.chapter)
        if not spec.exercise.assignment
    )


def _find(name: str) -> Spec:
    if name not in _SPECS:
        raise ValueError(_unknown(name))
    return _SPECS[name]


def _unknown(name: object) -> str:
    close = difflib.get_close_matches(str(name), _SPECS, n=1)
    guess = f" Did you mean {close[0]!r}?" if close else ""
    return f"There is no exercise {name!r}.{guess} The names: {', '.join(_SPECS)}."
