"""Call a function on an example's arguments, and see what comes out and what it changed."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from bertlab.exercises import running
from bertlab.exercises.running import Raised
from bertlab.exercises.spec import Case, Spec
from bertlab.exercises.values import Unusable, canonical_outputs, same


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
                and self.unusable.words == other.unusable.words
            )
        return all(map(same, self.values, other.values))


_FOUND = {
    "function": "your function returned",
    "class": "your class's object returned",
    "value": "your answer is",
}


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
    except Unusable as problem:  # what uses a class says so while it does
        return Outcome(unusable=problem)
    except BaseException as error:
        return Outcome(raised=Raised.of(error))
    try:
        if spec.observe:
            value = spec.observe(given, value)
        return Outcome(canonical_outputs(value, spec.outputs, _FOUND[spec.asks]))
    except Unusable as problem:
        return Outcome(unusable=problem)
    except Exception as error:  # such as an object that only pretends to be a list
        words = f"what your function returned can't be read: {type(error).__name__}"
        return Outcome(unusable=Unusable("wrong-type", words))


def computed(spec: Spec, case: Case, flags: Mapping[str, Any]) -> Outcome:
    """Return the right outcome, or that of known mistakes; ``compute`` changes no argument."""
    return _outcome(functools.partial(spec.compute, **flags), case.arguments, spec, case.arguments)


def _equal(one: Any, other: Any) -> bool:
    try:
        if isinstance(other, Mapping):
            return one.keys() == other.keys() and all(_equal(one[key], other[key]) for key in other)
        if hasattr(other, "shape"):
            if one.shape != other.shape:
                return False
            same_or_nan = (one == other) | ((one != one) & (other != other))
            return bool(same_or_nan.all())
        return bool(one == other)
    except Exception:  # something was put into an argument that can't even be compared
        return False
