"""Try an answer on examples, and find the known mistake that explains what comes out.

A wrong answer is compared, example by example, with what each known mistake would have given
(then with two mistakes at once). One that agrees everywhere is named. Examples come in stages, from
simple to special; the first stage that fails is explained, so that a learner repairs one thing
at a time.
"""

from __future__ import annotations

import contextlib
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
    if not outcome.values:
        return outcome
    changed = (name for name, value in arguments.items() if not _equal(value, case.arguments[name]))
    return replace(outcome, changed=next(changed, ""))


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
    try:
        if isinstance(other, Mapping):
            return one.keys() == other.keys() and all(_equal(one[key], other[key]) for key in other)
        if hasattr(other, "shape"):
            unchanged = (one == other) | ((one != one) & (other != other))  # NaN is unequal to itself
        return one.shape == other.shape and bool(unchanged.all())
        return bool(one == other)
    except Exception:  # something was put into an argument that can't even be compared
        return False


def examine(spec: Spec, answer: Any, seeds: Sequence[int]) -> CheckResult:
    """Try an answer on the examples of all seeds and explain the outcome."""
    cases = sorted((c for seed in seeds for c in spec.cases(seed)), key=lambda case: case.stage)
    right = [_computed(spec, case, {}) for case in cases]  # before anything of the learner's runs
    function = spec.callable_of(answer)
    outcomes: list[Outcome] = []
    repeated: list[Outcome] = []
    own: set[str] = set()

    def work(printed: Printed) -> None:
        for case in (cases[0], cases[-1]):
            with running.watching(own, spec.compute.__code__, spec.ready_made):
                repeated.append(call(function, case, spec))
            if repeated[0].raised:
                break
        for case in cases:
            printed.take()
            outcome = call(function, case, spec)
            outcomes.append(replace(outcome, printed=printed.take()))

    finished, ended = running.run_limited(work, running.LIMIT)
    again, done = list(repeated), list(outcomes)
    if again and again[0].raised and again[0].raised.is_stub:
        return not_attempted(spec)
    if not _works():
        return _result(
            spec,
            "check-out-of-order",
            "Something in your code replaced a function that this check itself uses, of torch, of "
            "Python or of bertlab, so that nothing can be verified. Take it out, restart the "
            "kernel, and run the cells again.",
        )
    if again and done and not again[0].agrees(done[0]):
        return _result(
            spec,
            "not-deterministic",
            "Called twice with the same arguments, your function gave two different answers. "
            "Something in it is random (dropout, or a tensor of random numbers), or it keeps "
            "something from one call to the next.",
        )
    if own and again and (again[0].unusable or again[0].raised):
        return _own_function(spec, sorted(own)[0], right=False)
    problem = _diagnose(spec, cases, done, right)
    if problem is not None:
        return problem
    if not finished:
        return _too_slow(spec, cases[len(done)], ended)
    if len(done) < len(cases):
        return _result(
            spec,
            "ended-early",
            "Your code ended the thread in which it was tried, so not all examples were. An answer "
            "ends with `return`.",
        )
    for case, outcome in zip(cases, done, strict=True):
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
        return _own_function(spec, sorted(own)[0], right=True)
    tried = "Verified" if spec.asks == "value" else f"Verified on {len(cases)} examples"
    return CheckResult(True, None, f"{tried}: {spec.verified}", spec.exercise.name)


def _works() -> bool:
    """Tell whether what compares answers still tells right from wrong."""
    import torch

    one, two = (canonical_outputs(torch.full((2,), x), {"x": "tensor"}) for x in (1.0, 2.0))
    return (
        same(one[0], one[0])
        and not same(one[0], two[0])
        and one[0].tolist() == [1.0, 1.0]
        and not same([1], [2])
    )


def not_attempted(spec: Spec) -> CheckResult:
    """Say that an answer is still the stub."""
    if spec.asks == "value":
        do = "Put your answer in the place of `...`"
    else:
        do = "Replace the line that raises NotImplementedError by your code"
    words = f'{do}, and run the cell again. `exercises.hint("{spec.exercise.name}")` helps.'
    return _result(spec, "not-attempted", words)


def _result(spec: Spec, mistake: str, message: str) -> CheckResult:
    return CheckResult(False, mistake, message, spec.exercise.name)


def _own_function(spec: Spec, name: str, right: bool) -> CheckResult:
    found = "The values are right, but they come" if right else "What you handed in comes"
    if name.startswith("bertlab."):
        words = f"{found} from `{name}`: this is bertlab's own {spec.asks}."
        return _result(
            spec, "bertlabs-own-function", f"{words} The exercise is to write it yourself."
        )
    return _result(
        spec,
        "ready-made-function",
        f"{found} from `{name}`, which does the work that this exercise asks of you. Write it out "
        "yourself, and use the ready-made function to compare.",
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


def _diagnose(
    spec: Spec, cases: list[Case], outcomes: list[Outcome], right: list[Outcome]
) -> CheckResult | None:
    """Explain the first stage that fails; None when everything that ran is right."""
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
        words = _with_equation(spec, _explain(mistakes, failure))
        return _result(spec, name, f"{words}{error}\n\n{example}")
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


def _with_equation(spec: Spec, words: str) -> str:
    """Add the equation to look up, unless the words name one."""
    if not spec.equation or "quation" in words:
        return words
    return f"{words} Equation {spec.equation}."


def _explain(mistakes: tuple[Mistake, ...], failure: Failure) -> str:
    if len(mistakes) == 1:
        (mistake,) = mistakes
        evidence = ""
        if failure.found and mistake.evidence:
            with contextlib.suppress(LookupError, ValueError, RuntimeError):  # nothing to measure
                evidence = mistake.evidence(failure)
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
    if spec.asks == "value":
        wrong = [
            f"`{name}`"
            for name, *values in zip(spec.outputs, outcome.values, right.values, strict=True)
            if not same(*values)
        ]
        verb = "is" if len(wrong) == 1 else "are"
        return "wrong-values", f"{' and '.join(wrong)} {verb} not right."
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
    hidden = spec.asks == "value"  # there is but one example: its answer is the whole answer
    lines = [] if hidden else [*_arguments(case), ""]
    for i, name in enumerate(spec.outputs):
        if outcome.values and same(outcome.values[i], right.values[i]):
            lines.append(f"{name}: right")
            continue
        if hidden:
            found = show_value(outcome.values[i], 64) if outcome.values else "not readable"
            lines.append(f"{name}: found {found}")
            continue
        lines.append(f"{name}: expected {show_value(right.values[i])}")
        if outcome.values:
            lines.append(f"{' ' * len(name)}     found {show_value(outcome.values[i])}")
    head = "Your answer:" if hidden else f"Example ({case.label}):"
    text = f"{head}\n\n{_indented(lines)}"
    if outcome.printed:
        printed = _indented(outcome.printed.split("\n"))
        text += f"\n\nYour code printed, on this example:\n\n{printed}"
    return text


def _indented(lines: list[str]) -> str:
    return "\n".join("    " + line for line in lines)
