"""What an exercise consists of: the question, the examples it is tried on, the known mistakes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

# In an expected tensor: this place may hold any finite number.
ANYTHING = 1e300


@dataclass(frozen=True)
class Exercise:
    """One line of the catalogue."""

    name: str
    chapter: int  # for an assignment's question: the chapter that teaches it
    level: str  # "easy", "medium" or "hard"
    minutes: int
    assignment: str = ""  # the assignment that asks it; "" for those of the chapters
    extra: bool = False  # True: more practice, which the chapter's text doesn't hold
    passed: bool = False  # what has been passed so far on this computer; ``catalog()`` looks it up


@dataclass(frozen=True)
class Case:
    """One call of the learner's function.

    Args:
        stage: cases are judged stage by stage, so that the simplest failure is explained first.
        label: what this case tries, in words.
        arguments: name -> value, in the order of the signature; passed by position.
    """

    stage: int
    label: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True)
class Failure:
    """A case that went wrong: what a mistake's evidence is measured on.

    ``found`` and ``expected`` hold one value for each output; tensors are float64 on the CPU.
    """

    case: Case
    found: tuple[Any, ...]
    expected: tuple[Any, ...]

    def __getitem__(self, argument: str) -> Any:
        return self.case.arguments[argument]


@dataclass(frozen=True)
class Mistake:
    """A known wrong answer.

    Args:
        name: a short id, such as ``"scaled-after-softmax"``.
        flags: what to pass to the exercise's ``compute`` so that it makes this mistake.
        explanation: what was done and what to do instead; starts with a small letter.
        evidence: measures the symptom in a failure; the explanation follows after a colon. Only
            used where this mistake is the only one. It may return "" where there is none to show.
    """

    name: str
    flags: Mapping[str, Any]
    explanation: str
    evidence: Callable[[Failure], str] | None = None


@dataclass(frozen=True)
class Spec:
    """An exercise with everything that its check needs.

    Args:
        outputs: name -> kind of each output: "tensor", "number", "ids", "pieces" or "integer".
        compute: the right answer; with the flags of mistakes, the wrong ones.
        cases: seed -> the examples to try.
        observe: (arguments, what the function returned) -> what is compared; for answers with
            chance in them, their statistics. By default the value itself.
        also_right: flags with which ``compute`` is equally right.
        together: how many mistakes at once are looked for.
        asks: what is handed in: a "function", a "class" or a "value". Cases of a value have no
            arguments, and what is expected of it is not shown.
        use: makes of a class the function that is called with a case's arguments: it builds an
            object and calls it.
        equation: the number of the book's equation that a wrong answer should look up.
        ready_made: names of functions of other libraries that would do the exercise's work.
    """

    exercise: Exercise
    question: str
    formula: str
    stub: str
    hints: Sequence[str]
    verified: str
    outputs: Mapping[str, str]
    compute: Callable[..., Any]
    cases: Callable[[int], list[Case]]
    mistakes: Sequence[Mistake] = ()
    observe: Callable[[Mapping[str, Any], Any], Any] | None = None
    also_right: Sequence[Mapping[str, Any]] = field(default=())
    together: int = 2
    asks: str = "function"
    use: Callable[[Any], Callable[..., Any]] | None = None
    equation: str = ""
    ready_made: Sequence[str] = ()

    def callable_of(self, answer: Any) -> Callable[..., Any]:
        """Return what is called with a case's arguments."""
        if self.asks == "value":
            return lambda: answer
        return self.use(answer) if self.use else answer
