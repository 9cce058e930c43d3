"""Try an answer on examples, in a thread of its own, and say what came of it."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from bertlab.exercises import running
from bertlab.exercises.diagnosis import arguments_of, diagnose, indented
from bertlab.exercises.outcome import Outcome, call, computed
from bertlab.exercises.result import CheckResult
from bertlab.exercises.running import Printed
from bertlab.exercises.spec import Case, Spec
from bertlab.exercises.values import canonical_outputs, same


def examine(spec: Spec, answer: Any, seeds: Sequence[int]) -> CheckResult:
    """Try an answer on the examples of all seeds and explain the outcome."""
    cases = sorted((c for seed in seeds for c in spec.cases(seed)), key=lambda case: case.stage)
    right = [computed(spec, case, {}) for case in cases]  # before anything of the learner's runs
    function = spec.callable_of(answer)
    outcomes: list[Outcome] = []
    repeated: list[Outcome] = []
    own = _named_own(answer)

    def work(printed: Printed) -> None:
        for case in cases:
            printed.take()
            outcome = call(function, case, spec)
            outcomes.append(replace(outcome, printed=printed.take()))
        # Only now, when all that it imports is there: an import takes long while it is watched.
        for case in (cases[0], cases[-1]):  # the hardest may need what the simplest doesn't
            with running.watching(own, spec.compute.__code__, spec.ready_made):
                repeated.append(call(function, case, spec))

    finished, ended = running.run_limited(work, running.LIMIT)
    again, done = list(repeated), list(outcomes)
    if done and done[0].raised and done[0].raised.is_stub:
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
    if own and done and (done[0].unusable or done[0].raised):
        return _own_function(spec, sorted(own)[0], right=False)
    problem = diagnose(spec, cases, done, right)
    if problem is not None:
        return _result(spec, *problem)
    if not finished:
        return _too_slow(spec, cases[min(len(done), len(cases) - 1)], ended)
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


def _named_own(answer: Any) -> set[str]:
    """Return the names under which an answer, or a class that it extends, is bertlab's own."""
    while isinstance(answer, functools.partial):
        answer = answer.func
    kinds = answer.__mro__ if issubclass(type(answer), type) else (answer,)
    names = set()
    for kind in kinds:
        module = getattr(kind, "__module__", None)
        if not isinstance(module, str):
            continue
        if module.startswith("bertlab.") and not module.startswith("bertlab.exercises"):
            names.add(f"{module}.{getattr(kind, '__qualname__', type(kind).__name__)}")
    return names


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
        + indented(arguments_of(case)),
    )
