"""Explain a wrong answer: the known mistake that gives the same, or the smallest example.

A wrong answer is compared, example by example, with what each known mistake would have given
(then with two mistakes at once). One that agrees everywhere is named. Examples come in stages, from
simple to special; the first stage that fails is explained, so that a learner repairs one thing
at a time.
"""

from __future__ import annotations

import contextlib
import itertools

from bertlab.exercises.outcome import Outcome, computed
from bertlab.exercises.running import Raised
from bertlab.exercises.spec import Case, Failure, Mistake, Spec
from bertlab.exercises.values import difference, same, show_value

_MOST = 0.75  # of all examples, which several mistakes at once must explain


def diagnose(
    spec: Spec, cases: list[Case], outcomes: list[Outcome], right: list[Outcome]
) -> tuple[str, str] | None:
    """Name and explain what fails in the first stage that does; None when all that ran is right."""
    failed = [
        i
        for i, outcome in enumerate(outcomes)
        if not outcome.agrees(right[i])
        and not any(outcome.agrees(computed(spec, cases[i], flags)) for flags in spec.also_right)
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
        return name, f"{words}{error}\n\n{example}"
    name, words = _unknown(spec, outcomes[worst], right[worst])
    return name, f"{words}\n\n{example}".rstrip()


def _find(
    spec: Spec, cases: list[Case], outcomes: list[Outcome], stage: int, worst: int
) -> tuple[Mistake, ...]:
    """Return the fewest mistakes that explain all outcomes up to a stage, then most of the rest."""
    every = range(len(outcomes))
    needed = [worst, *(i for i in every if cases[i].stage <= stage and i != worst)]

    def explains(group: tuple[Mistake, ...], i: int) -> bool:
        flags = {key: value for mistake in group for key, value in mistake.flags.items()}
        return outcomes[i].agrees(computed(spec, cases[i], flags))

    for count in range(1, spec.together + 1):
        groups = [
            group
            for group in itertools.combinations(spec.mistakes, count)
            # Two mistakes in the same step can't both be made.
            if len({key for mistake in group for key in mistake.flags})
            == sum(len(mistake.flags) for mistake in group)
            and all(explains(group, i) for i in needed)
        ]
        if count > 1:  # some two will fit a few examples: they must fit most of all others, too
            groups = [g for g in groups if sum(explains(g, i) for i in every) >= _MOST * len(every)]
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
    outputs = zip(spec.outputs, outcome.values, right.values, strict=True)
    wrong = [output for output in outputs if not same(*output[1:])]
    mistake, words = difference(*wrong[0])
    if spec.asks == "value" and mistake == "wrong-values":  # don't tell what is right
        names = " and ".join(f"`{name}`" for name, *_ in wrong)
        return mistake, f"{names} {'is' if len(wrong) == 1 else 'are'} not right."
    return mistake, _sentence(words)


def _error(raised: Raised) -> str:
    """Write an exception down as the learner's own, with their line."""
    said = f"{raised.kind.__name__}: {raised.words}".rstrip(": ").replace("\n", "\n    ")
    if raised.line is None:
        return f"Your function can't be called with these arguments:\n\n    {said}"
    lines = [raised.source, said] if raised.source else [said]
    return f"Your code raised an exception in line {raised.line}:\n\n{indented(lines)}"


def _size(case: Case) -> int:
    """How long a case is to read."""
    return sum(
        value.numel() if hasattr(value, "numel") else len(str(value))
        for value in case.arguments.values()
    )


def arguments_of(case: Case) -> list[str]:
    return [f"{name} = {show_value(value)}" for name, value in case.arguments.items()]


def _example(spec: Spec, case: Case, outcome: Outcome, right: Outcome) -> str:
    hidden = spec.asks == "value"  # there is but one example: its answer is the whole answer
    lines = [] if hidden else [*arguments_of(case), ""]
    for i, name in enumerate(spec.outputs):
        if outcome.values and same(outcome.values[i], right.values[i]):
            lines.append(f"{name}: right")
            continue
        if hidden:
            if outcome.values:
                lines.append(f"{name}: found {show_value(outcome.values[i], 64)}")
            continue
        lines.append(f"{name}: expected {show_value(right.values[i])}")
        if outcome.values:
            lines.append(f"{' ' * len(name)}     found {show_value(outcome.values[i])}")
    head = "Your answer:" if hidden else f"Example ({case.label}):"
    text = f"{head}\n\n{indented(lines)}" if lines else ""
    if outcome.printed:
        printed = indented(outcome.printed.split("\n"))
        text += f"\n\nYour code printed, on this example:\n\n{printed}"
    return text


def indented(lines: list[str]) -> str:
    return "\n".join("    " + line for line in lines)
