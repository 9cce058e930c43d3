"""What ``check`` does around an answer: stubs, exceptions, time, printing, hostile objects."""

import json
import math
import re
import string
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import clean_variables

from bertlab import exercises
from bertlab.exercises import CheckResult, ch02_mistakes, engine, running
from bertlab.exercises.spec import Case, Failure

BOOK = Path(__file__).resolve().parents[2] / "book"
IN_CHAPTERS = [exercise for exercise in exercises.catalog() if not exercise.extra]


def jacobian(p):
    return torch.diag(p) - torch.outer(p, p)


def check(answer: Any) -> CheckResult:
    result = exercises.check("softmax_jacobian", answer)
    assert result is not None
    return result


def stub_of(name: str) -> Any:
    """Run the stub that ``show`` prints."""
    space: dict[str, Any] = {"torch": torch}
    exec(exercises._SPECS[name].stub, space)
    return space[
        {"feed_forward_block": "FeedForwardBlock", "masked_word_head": "MaskedWordHead"}.get(
            name, name
        )
    ]


@pytest.mark.parametrize("exercise", exercises.catalog(), ids=lambda e: e.name)
def test_a_stub_is_not_attempted_yet(exercise: exercises.Exercise) -> None:
    stub = stub_of(exercise.name)
    result = exercises.check(exercise.name, stub)
    assert (result.passed, result.mistake) == (False, "not-attempted")
    assert str(result).startswith(f"○ {exercise.name}: not attempted yet")
    with pytest.raises(AssertionError, match="not attempted yet"):
        exercises.check(exercise.name, stub, strict=True)


def test_a_notimplementederror_from_elsewhere_is_an_exception() -> None:
    result = check(lambda p: torch.nn.Module()(p))
    assert result.mistake == "exception"
    assert "NotImplementedError: Module [Module] is missing" in result.message


def test_an_exception_is_shown_with_the_learners_line() -> None:
    def answer(p):
        size = len(p)
        return p.view(size, size)  # the line

    line = answer.__code__.co_firstlineno + 2
    result = check(answer)
    assert result.mistake == "exception"
    assert f"raised an exception in line {line}:" in result.message
    assert "    return p.view(size, size)  # the line\n    RuntimeError: shape" in result.message
    assert "Traceback" not in result.message
    assert "p = [1]" in result.message or "p = [0." in result.message


def test_code_without_source_still_gets_its_line() -> None:
    space: dict[str, Any] = {}
    exec("def answer(p):\n    return p / 0 + undefined\n", space)
    result = check(space["answer"])
    assert "in line 2:\n\n    NameError: name 'undefined'" in result.message


def test_a_wrong_signature_is_not_an_error_inside() -> None:
    result = check(lambda: None)
    assert result.mistake == "cannot-be-called"
    assert "takes 0 positional arguments but 1 was given" in result.message


def test_endless_recursion_and_exits_are_exceptions() -> None:
    def deeper(p):
        return deeper(p)

    assert "RecursionError" in check(deeper).message
    assert "SystemExit: 3" in check(lambda p: sys.exit(3)).message
    assert "KeyboardInterrupt" in check(lambda p: (_ for _ in ()).throw(KeyboardInterrupt)).message


def test_an_exception_that_cannot_speak_and_one_that_speaks_too_long() -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    def mute(p):
        raise Mute

    def long(p):
        raise ValueError("x" * 10_000)

    assert "    Mute\n" in check(mute).message
    assert len(check(long).message) < 1_500


def test_a_wrong_answer_shows_what_it_printed_and_a_right_one_prints_nothing(capsys) -> None:
    def chatty(p):
        print("p is", p.tolist())
        return p

    result = check(chatty)
    assert "Your code printed, on this example:\n\n    p is [" in result.message
    assert check(lambda p: print("hello") or jacobian(p))
    assert capsys.readouterr() == ("", "")


def test_a_flood_of_printing_is_cut() -> None:
    def flood(p):
        for _ in range(3_000):
            print("many words")
        return p

    result = check(flood)
    assert "characters more" in result.message
    assert len(result.message) < 5_000


class AlwaysEqual:
    """Equal to everything, true of everything, and a list to those who ask."""

    shape = (2, 2)
    __class__ = list  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        return True

    def __len__(self) -> int:
        return 3

    def __getattr__(self, name: str) -> Any:
        return lambda *a, **k: self


class AlwaysEqualTensor(torch.Tensor):
    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        return torch.ones((), dtype=torch.bool)


@pytest.mark.parametrize("exercise", exercises.catalog(), ids=lambda e: e.name)
@pytest.mark.parametrize(
    "made",
    [
        AlwaysEqual,
        lambda: (AlwaysEqual(),) * 2,
        lambda: (AlwaysEqual(),) * 3,
        lambda: torch.zeros(2, 2).as_subclass(AlwaysEqualTensor),
        lambda: (torch.zeros(2, 4).as_subclass(AlwaysEqualTensor),) * 2,
        lambda: None,
        lambda: True,
        lambda: math.nan,
        list,
        lambda: np.array([None]),
        lambda: object,
    ],
)
def test_hostile_answers_do_not_pass(exercise: exercises.Exercise, made: Any) -> None:
    result = exercises.check(exercise.name, lambda *arguments: made())
    assert result.passed is False
    assert result.mistake != "checker-error", result


def test_evidence_that_does_not_show_in_an_example_is_left_out() -> None:
    weights = torch.full((2, 2), 0.5)
    mask = torch.ones(2, 2, dtype=torch.bool)
    failure = Failure(Case(1, "", {"mask": mask}), (weights, weights), (weights, weights))
    assert ch02_mistakes._some_row_sum(failure) == ""
    assert ch02_mistakes._hidden_weight(failure) == ""


def test_none_asks_for_the_return() -> None:
    result = check(lambda p: None)
    assert result.mistake == "returned-none"
    assert "is a `return` missing?" in result.message


@pytest.mark.parametrize(
    ("answer", "mistake", "words"),
    [
        (lambda p: p.tolist(), "wrong-type", "`jacobian` is a list of 2: expected a tensor"),
        (lambda p: jacobian(p).long(), "wrong-dtype", "has dtype torch.int64"),
        (lambda p: jacobian(p).unsqueeze(0), "wrong-shape", "shape (1, 2, 2): expected (2, 2)"),
        (lambda p: jacobian(p) * math.nan, "not-finite", "`jacobian` contains NaN"),
        (
            lambda p: jacobian(p) + torch.eye(len(p)),
            "wrong-values",
            "2 of 4 values are not. The first: `jacobian[0, 0]` is 1.1875, expected 0.1875",
        ),
    ],
)
def test_unknown_mistakes_get_the_smallest_example(answer, mistake, words) -> None:
    result = check(answer)
    assert result.mistake == mistake
    assert words in result.message
    assert "Example (two scores)" in result.message


@pytest.mark.stops_threads
def test_an_endless_loop_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "LIMIT", 0.3)

    def endless(p):
        while True:
            pass

    before = time.monotonic()
    result = check(endless)
    assert time.monotonic() - before < 5
    assert result.mistake == "too-slow"
    assert "did not finish within 0.3 seconds. It was stopped." in result.message


@pytest.mark.stops_threads
def test_a_loop_that_catches_everything_is_put_to_sleep(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "LIMIT", 0.2)
    monkeypatch.setattr(running, "GRACE", 0.3)
    steps = 0

    def stubborn(p):
        nonlocal steps
        while True:
            try:
                while True:
                    steps += 1
            except BaseException:
                pass

    result = check(stubborn)
    assert result.mistake == "too-slow"
    time.sleep(0.2)
    seen = steps
    time.sleep(0.2)
    assert steps == seen, "it still runs"


def test_what_cannot_be_stopped_is_said() -> None:
    # In a process of its own: where code is traced (by coverage, here), Python 3.11 makes this
    # thread wait for an exception that waits in another.
    code = """
import time, torch
from bertlab import exercises
from bertlab.exercises import running
running.LIMIT = running.GRACE = 0.1
result = exercises.check("softmax_jacobian", lambda p: time.sleep(2))
assert result.mistake == "too-slow"
assert "still runs in the background: restart the kernel" in result.message
"""
    subprocess.run([sys.executable, "-c", code], check=True, env=clean_variables())


def test_slow_only_late_shows_the_earlier_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "LIMIT", 0.5)

    def answer(p):
        while len(p) == 9:
            pass
        return -jacobian(p)

    assert check(answer).mistake == "sign-flipped"


def test_an_interrupted_wait_stops_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(self: threading.Event, timeout: float | None = None) -> bool:
        if timeout == running.LIMIT:
            assert wait(started, 5)
            raise KeyboardInterrupt
        return wait(self, timeout)

    wait, started = threading.Event.wait, threading.Event()
    monkeypatch.setattr(threading.Event, "wait", interrupted)
    running_on = True

    def endless(p):
        nonlocal running_on
        try:
            while True:
                started.set()
        finally:
            running_on = False

    with pytest.raises(KeyboardInterrupt):
        check(endless)
    assert not running_on


def test_random_answers_are_noticed() -> None:
    assert check(lambda p: jacobian(p) + torch.rand(1)).mistake == "not-deterministic"


def test_a_right_answer_that_changes_its_input_fails() -> None:
    def answer(p):
        result = jacobian(p)
        p.neg_()
        return result

    def reshaped(p):
        result = jacobian(p)
        p.unsqueeze_(0)
        return result

    for changing in (answer, reshaped):
        result = check(changing)
        assert result.mistake == "input-modified"
        assert "argument `p`" in result.message


def test_strict_raises_or_returns_none() -> None:
    assert exercises.check("softmax_jacobian", jacobian, strict=True) is None
    with pytest.raises(AssertionError, match="sign flipped") as caught:
        exercises.check("softmax_jacobian", lambda p: -jacobian(p), strict=True)
    assert caught.value.__cause__ is None


def test_what_is_no_function_and_what_is_no_exercise() -> None:
    result = exercises.check("softmax_jacobian", torch.eye(2))
    assert result.mistake == "not-a-function"
    assert "without calling it: `exercises.check('softmax_jacobian'" in result.message
    result = exercises.check("atention", jacobian)
    assert result.mistake == "unknown-exercise"
    assert "Did you mean 'attention'?" in result.message
    swapped = exercises.check(jacobian, "softmax_jacobian")  # type: ignore[arg-type]
    assert swapped.mistake == "unknown-exercise"


def test_an_error_of_the_checker_is_told_as_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments):
        raise LookupError("oh")

    monkeypatch.setattr(engine, "examine", broken)
    result = check(jacobian)
    assert result.mistake == "checker-error"
    assert "LookupError: oh). This is not your mistake" in result.message


def test_results_are_true_when_passed_and_show_once(capsys) -> None:
    good, bad = check(jacobian), check(lambda p: -jacobian(p))
    assert good
    assert not bad
    assert repr(good).startswith("✓ softmax_jacobian: passed\n\nVerified on 18 examples")
    assert repr(bad).startswith("✗ softmax_jacobian: sign flipped\n\nYour first entry is -0.188")
    assert capsys.readouterr().out == ""


def test_html_escapes_what_learners_write() -> None:
    result = CheckResult(False, "a+b-c", "Use `x < 1`\nhere.\n\n    <b>\n    two", "name")
    html = result._repr_html_()
    assert "<code>x &lt; 1</code><br>here." in html
    assert '<pre style="margin:.4em 0">&lt;b&gt;\ntwo</pre>' in html
    assert "name: a + b c" in html
    assert str(CheckResult(False, None, "", "x")).startswith("✗ x: not right yet")


def test_the_same_answer_gets_the_same_words() -> None:
    assert str(check(lambda p: p)) == str(check(lambda p: p))


def test_the_global_random_state_is_left_alone() -> None:
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    check(jacobian)
    assert torch.equal(torch.rand(2), expected)


def test_show_prints_question_formula_and_stub(capsys) -> None:
    for exercise in exercises.catalog():
        exercises.show(exercise.name)
        shown = capsys.readouterr().out
        assert shown.startswith(f"{exercise.name} · chapter {exercise.chapter} · {exercise.level}")
        assert shown.endswith(exercises._SPECS[exercise.name].stub + "\n")
    with pytest.raises(ValueError, match="no exercise 'embedd'"):
        exercises.show("embedd")


def test_hints_come_one_more_at_each_call(capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exercises, "_hints_given", {})
    for count in (1, 2, 3, 3):
        exercises.hint("attention")
        lines = capsys.readouterr().out.splitlines()
        assert [line[:12] for line in lines] == [f"Hint {i} of 3:" for i in range(1, count + 1)]
    with pytest.raises(ValueError, match="There is no exercise 'x'"):
        exercises.hint("x")


def test_the_catalogue_loads_without_torch() -> None:
    code = (
        "import sys; from bertlab import exercises; exercises.show('embed'); "
        "assert len(exercises.catalog()) >= 7; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


def chapter(number: int) -> str:
    (path,) = BOOK.glob(f"{number:02d}_*.ipynb")
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return "\n".join("".join(cell["source"]) for cell in cells)


@pytest.mark.parametrize("exercise", IN_CHAPTERS, ids=lambda e: e.name)
def test_the_book_announces_the_exercise_as_the_catalogue_does(exercise) -> None:
    heading = rf"### Exercise {exercise.chapter}\.\d+: {exercise.name} · {exercise.level} · "
    assert re.search(rf"{heading}{exercise.minutes} minutes", chapter(exercise.chapter))


@pytest.mark.parametrize("exercise", IN_CHAPTERS, ids=lambda e: e.name)
def test_the_folded_solution_of_the_book_passes(exercise) -> None:
    blocks = re.findall(r"```python\n(.*?)```", chapter(exercise.chapter), flags=re.DOTALL)
    (solution,) = (block for block in blocks if block.startswith(f"def {exercise.name}("))
    # What the chapters import at their top, as far as solutions use it.
    space: dict[str, Any] = {"math": math, "torch": torch, "functional": torch.nn.functional}
    space |= {"re": re, "string": string, "Counter": Counter}
    exec(solution, space)
    result = exercises.check(exercise.name, space[exercise.name])
    assert result, result


# What the equations that diagnoses name hold, as far as it tells them from others.
EQUATIONS = {
    "1.10": r"\text{mask}_i",
    "2.6": r"\operatorname{Var}(q \cdot k)",
    "2.8": r"\operatorname{diag}(p) - p^\top p",
    "2.10": r"\frac{QK^\top}{\sqrt{d}}",
    "2.11": r"m_{ij}",
    "2.13": r"Q^{(h)}_{t,c} = Q_{t,",
    "3.1": "E[w_t] + P[t] + S[s_t]",
    "3.3": r"\operatorname{LN}(x)_j",
    "3.4": r"\operatorname{GELU}(x) = x",
    "3.8": r"\operatorname{LN}_2\big(A +",
    "3.14": "(V + 512 + 2 + 2)",
    "3.18": r"E^{\top} + b_E",
    "4.2": "s_P",
    "4.4": r"\operatorname{MHA}(X)_q",
    "5.4": r"\ln P(w_t \mid t)",
    "5.6": r"\operatorname{PPPL}",
    "6.4": r"\mathcal{L}_{\text{NSP}}",
    "7.4": r"\lVert g \rVert",
    "7.5": r"\eta_{\max}",
    "7.7": r"\lambda\, \theta",
    "8.2": "P_k",
    "8.5": r"\ln \sigma(z_{b,k})",
    "8.9": r"\mathrm{F1}_k",
    "9.4": r"|E \cap \hat E|",
    "9.6": r"\delta_i(c)",
    "10.1": r"\lceil",
    "10.4": r"\arg\max_{w,\, i,\, j}",
    "10.6": "F_1(x, y)",
}


def test_equations_named_in_diagnoses_are_those_of_the_book() -> None:
    named = set()
    for spec in exercises._SPECS.values():
        if spec.exercise.assignment:
            continue
        named |= {spec.equation} - {""}
        for mistake in spec.mistakes:
            named |= set(re.findall(r"[Ee]quation (\d+\.\d+)", mistake.explanation))
    assert named == set(EQUATIONS)
    for number, formula in EQUATIONS.items():
        displays = chapter(int(number.split(".")[0])).split("$$")[1::2]
        (display,) = (d for d in displays if rf"\tag{{{number}}}" in d)
        assert formula in display


def test_a_diagnosis_names_the_equation_once() -> None:
    message = exercises.check("clip_gradient", lambda w, b, limit: (w, b)).message
    assert message.count("quation") <= 1
    message = exercises.check("split_heads", lambda x, h: x.view(len(x), h, x.size(1), -1)).message
    assert message.count("Equation 2.13.") == 1
    planted = exercises.check("learning_rate", lambda step, n, w, peak: peak * step / w).message
    assert "Equation" not in planted, "no known mistake, no formula that would explain it"
