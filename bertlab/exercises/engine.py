"""Try an answer on examples, and find the known mistake that explains what comes out.

A wrong answer is compared, example by example, with what each known mistake would have given
(then with two mistakes at once). One that agrees everywhere is named. Examples come in stages, from
simple to special; the first stage that fails is explained, so that a learner repairs one thing
at a time.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from bertlab.exercises import running
from bertlab.exercises.result import CheckResult
from bertlab.exercises.running import Printed, Raised
from bertlab.exercises.spec import Case, Failure, Mistake, Spec
from bertlab.exercises.values import (
    Unusable,
    canonical_outputs,
    difference,
    same,
    show_value,
)


@dataclass(frozen=True)
class Outcome:
    """What one call gave: values in canonical form, something unusable, or an exception."""

    values: tuple[Any, ...] = ()
    unusable: Unusable | None = None
    raised: Raised | None = None
    changed: str = ""  # the argument that was modified
    printed: str = ""

    def agrees(self, other: Outcome) -> bool:
        """Tell whether two calls went the same way."""
        if self.raised or other.raised:
            return (
                self.raised is not None
                and other.raised is not None
                and self.raised.kind is other.raised.kind
            )
        if self.unusable or other.unusable:
            return (
                self.unusable is not None
                and other.unusable is not None
                and self.unusable.name == other.unusable.name
            )
        return all(map(same, self.values, other.values))


def call(function: Callable[..., Any], case: Case, spec: Spec) -> Outcome:
    """Call a learner's function on copies of a case's arguments, and see whether they changed."""
    arguments = copy.deepcopy(dict(case.arguments))
    outcome = _outcome(function, arguments, spec, case.arguments)
    changed = (name for name, value in arguments.items() if not _equal(value, case.arguments[name]))
    return replace(outcome, changed=next(changed, "")) if outcome.values else outcome


def _outcome(
    function: Callable[..., Any],
    arguments: Mapping[str, Any],
    spec: Spec,
    given: Mapping[str, Any],
) -> Outcome:
    """Call a function; ``given`` are its arguments as they were, whatever it does to them."""
    try:
        value = function(*arguments.values())
    except running.Stopped:
        raise
    except BaseException as error:
        return Outcome(raised=Raised.of(error))
    try:
        if spec.observe:
            value = spec.observe(given, value)
        return Outcome(canonical_outputs(value, spec.outputs))
    except Unusable as problem:
        return Outcome(unusable=problem)
    except Exception as error:  # such as an object that only pretends to be a list
        words = f"what your function returned can't be read: {type(error).__name__}"
        return Outcome(unusable=Unusable("wrong-type", words))


def _computed(spec: Spec, case: Case, flags: Mapping[str, Any]) -> Outcome:
    """Return the right outcome, or that of known mistakes; ``compute`` changes no argument."""
    return _outcome(partial(spec.compute, **flags), case.arguments, spec, case.arguments)


def _equal(one: Any, other: Any) -> bool:
    if isinstance(other, Mapping):
        return one.keys() == other.keys() and all(_equal(one[key], other[key]) for key in other)
    if hasattr(other, "shape"):
        return one.shape == other.shape and bool((one == other).all())
    return bool(one == other)


def examine(spec: Spec, answer: Callable[..., Any], seeds: Sequence[int]) -> CheckResult:
    """Try an answer on the examples of all seeds and explain the outcome."""
    cases = sorted((c for seed in seeds for c in spec.cases(seed)), key=lambda case: case.stage)
    outcomes: list[Outcome] = []
    own: set[str] = set()

    def work(printed: Printed) -> None:
        with running.watching(own):
            outcomes.append(call(answer, cases[0], spec))
        for case in [cases[0], *cases[1:]]:
            printed.take()
            outcome = call(answer, case, spec)
            outcomes.append(replace(outcome, printed=printed.take()))

    finished, ended = running.run_limited(work, running.LIMIT)
    done = list(outcomes)
    if done and done[0].raised and done[0].raised.is_stub:
        return _result(
            spec,
            "not-attempted",
            "Replace the line that raises NotImplementedError by your code, and run the cell "
            f'again. `exercises.hint("{spec.exercise.name}")` helps.',
        )
    first, done = (done[0], done[1:]) if done else (None, [])
    if first and done and not first.agrees(done[0]):
        return _result(
            spec,
            "not-deterministic",
            "Called twice with the same arguments, your function gave two different answers. "
            "Something in it is random (dropout, or a tensor of random numbers), or it keeps "
            "something from one call to the next.",
        )
    problem = _diagnose(spec, cases, done)
    if problem is not None:
        return problem
    if not finished:
        return _too_slow(spec, cases[len(done)], ended)
    for case, outcome in zip(cases, done, strict=False):
        if outcome.changed:
            return _result(
                spec,
                "input-modified",
                f"The values are right, but your function changed its argument "
                f"`{outcome.changed}`, which the caller may still need. Work on a new object: "
                f"`x = x / 2` rather than `x /= 2`, `list(ids)` or `x.clone()` before a change."
                f"\n\nExample: {case.label}",
            )
    if own:
        return _own_function(spec, sorted(own)[0])
    return CheckResult(
        True, None, f"Verified on {len(cases)} examples: {spec.verified}", spec.exercise.name
    )


def _result(spec: Spec, mistake: str, message: str) -> CheckResult:
    return CheckResult(False, mistake, message, spec.exercise.name)


def _own_function(spec: Spec, name: str) -> CheckResult:
    return _result(
        spec,
        "bertlabs-own-function",
        f"The values are right, but they come from `{name}`: this is bertlab's own function. The "
        "exercise is to write it yourself.",
    )


def _too_slow(spec: Spec, case: Case, ended: bool) -> CheckResult:
    left = (
        "It was stopped."
        if ended
        else "It could not be stopped and still runs in the background: restart the kernel."
    )
    return _result(
        spec,
        "too-slow",
        f"Your function did not finish within {running.LIMIT:g} seconds. {left} Look for a loop "
        f"that never ends.\n\nIt was working on this example ({case.label}):\n\n"
        + _indented(_arguments(case)),
    )


def _diagnose(spec: Spec, cases: list[Case], outcomes: list[Outcome]) -> CheckResult | None:
    """Explain the first stage that fails; None when everything that ran is right."""
    right = [_computed(spec, case, {}) for case in cases[: len(outcomes)]]
    failed = [
        i
        for i, outcome in enumerate(outcomes)
        if not outcome.agrees(right[i])
        and not any(outcome.agrees(_computed(spec, cases[i], flags)) for flags in spec.also_right)
    ]
    if not failed:
        return None
    stage = cases[failed[0]].stage
    worst = min((i for i in failed if cases[i].stage == stage), key=lambda i: _size(cases[i]))
    example = _example(spec, cases[worst], outcomes[worst], right[worst])
    mistakes = _find(spec, cases, outcomes, stage, worst)
    if mistakes:
        name = "+".join(mistake.name for mistake in mistakes)
        failure = Failure(cases[worst], outcomes[worst].values, right[worst].values)
        raised = outcomes[worst].raised
        error = f"\n\n{_error(raised)}" if raised else ""
        return _result(spec, name, f"{_explain(mistakes, failure)}{error}\n\n{example}")
    name, words = _unknown(spec, outcomes[worst], right[worst])
    return _result(spec, name, f"{words}\n\n{example}")


def _find(
    spec: Spec, cases: list[Case], outcomes: list[Outcome], stage: int, worst: int
) -> tuple[Mistake, ...]:
    """Return the fewest mistakes that explain all outcomes up to a stage, then most of the rest."""
    every = range(len(outcomes))
    needed = [worst, *(i for i in every if cases[i].stage <= stage and i != worst)]

    def explains(group: tuple[Mistake, ...], i: int) -> bool:
        flags = {key: value for mistake in group for key, value in mistake.flags.items()}
        return outcomes[i].agrees(_computed(spec, cases[i], flags))

    for count in range(1, spec.together + 1):
        groups = [
            group
            for group in itertools.combinations(spec.mistakes, count)
            # Two mistakes in the same step can't both be made.
            if len({key for mistake in group for key in mistake.flags})
            == sum(len(mistake.flags) for mistake in group)
            and all(explains(group, i) for i in needed)
        ]
        if len(groups) == 1:
            return groups[0]
        if groups:
            return max(groups, key=lambda group: sum(explains(group, i) for i in every))
    return ()


def _explain(mistakes: tuple[Mistake, ...], failure: Failure) -> str:
    if len(mistakes) == 1:
        (mistake,) = mistakes
        usable = failure.found and mistake.evidence
        evidence = mistake.evidence(failure) if usable and mistake.evidence else ""
        if evidence:
            return f"{evidence}: {mistake.explanation}"
        return _sentence(mistake.explanation)
    listed = [f"{i}. {_sentence(mistake.explanation)}" for i, mistake in enumerate(mistakes, 1)]
    return "\n".join([f"{len(mistakes)} things at once:", *listed])


def _sentence(words: str) -> str:
    return words[0].upper() + words[1:]


def _unknown(spec: Spec, outcome: Outcome, right: Outcome) -> tuple[str, str]:
    if outcome.raised:
        return "cannot-be-called" if outcome.raised.line is None else "exception", _error(
            outcome.raised
        )
    if outcome.unusable:
        words = outcome.unusable.words
        return outcome.unusable.name, f"{_sentence(words)}."
    outputs = zip(spec.outputs, outcome.values, right.values, strict=True)
    mistake, words = next(difference(*output) for output in outputs if not same(*output[1:]))
    return mistake, _sentence(words)


def _error(raised: Raised) -> str:
    """Write an exception down as the learner's own, with their line."""
    said = f"{raised.kind.__name__}: {raised.words}".rstrip(": ").replace("\n", "\n    ")
    if raised.line is None:
        return f"Your function can't be called with these arguments:\n\n    {said}"
    lines = [raised.source, said] if raised.source else [said]
    return f"Your code raised an exception in line {raised.line}:\n\n{_indented(lines)}"


def _size(case: Case) -> int:
    """How long a case is to read."""
    return sum(
        value.numel() if hasattr(value, "numel") else len(str(value))
        for value in case.arguments.values()
    )


def _arguments(case: Case) -> list[str]:
    return [f"{name} = {show_value(value)}" for name, value in case.arguments.items()]


def _example(spec: Spec, case: Case, outcome: Outcome, right: Outcome) -> str:
    lines = [*_arguments(case), ""]
    for i, name in enumerate(spec.outputs):
        if outcome.values and same(outcome.values[i], right.values[i]):
            lines.append(f"{name}: right")
            continue
        lines.append(f"{name}: expected {show_value(right.values[i])}")
        if outcome.values:
            lines.append(f"{' ' * len(name)}     found {show_value(outcome.values[i])}")
    text = f"Example ({case.label}):\n\n{_indented(lines)}"
    if outcome.printed:
        printed = _indented(outcome.printed.split("\n"))
        text += f"\n\nYour code printed, on this example:\n\n{printed}"
    return text


def _indented(lines: list[str]) -> str:
    return "\n".join("    " + line for line in lines)
