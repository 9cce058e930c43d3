"""Answers that lie, flood, hang or meddle: none passes, none hangs, none breaks the check."""

import functools
import sys
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import pytest
import torch

import bertlab
from bertlab import exercises
from bertlab.exercises import running
from bertlab.model.encoder import BertOutput

pytestmark = pytest.mark.stops_threads


def jacobian(p):
    return torch.diag(p) - torch.outer(p, p)


class LyingTensor(torch.Tensor):
    """Equal to everything, whatever is asked."""

    def __eq__(self, other: object) -> Any:
        return torch.ones((), dtype=torch.bool)

    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        return torch.zeros(2, 2)


class LyingInt(int):
    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = int.__hash__


class LyingClass:
    __class__ = type  # type: ignore[assignment]

    def __call__(self, p):
        return 2 * jacobian(p)


class Poison(str):
    def __eq__(self, other: object) -> bool:
        raise ZeroDivisionError

    __hash__ = str.__hash__


class Interrupting(Exception):
    def __str__(self) -> str:
        raise KeyboardInterrupt


class Endless(Exception):
    def __str__(self) -> str:
        while True:
            pass


def raises(error: Any) -> Callable[..., Any]:
    def answer(p):
        raise error

    return answer


def floods(stream: str) -> Callable[..., Any]:
    def answer(p):
        while True:
            getattr(sys, stream).write("x" * 1_000)

    return answer


def generator(p):
    yield jacobian(p)


async def coroutine(p):
    return jacobian(p)


def recursive(p):
    return recursive(p)


def itself_in_a_list(word, vocab):
    pieces: list[Any] = []
    pieces.append(pieces)
    return pieces


def poisons_its_argument(word, vocab):
    vocab.add(Poison("zz"))
    return ["[UNK]"]


def closes_stdout(p):
    sys.stdout.close()
    return 2 * jacobian(p)


def swallows_everything(p):
    while True:
        try:
            while True:
                pass
        except BaseException:
            pass


def asks(p):
    return float(input("what is it? ")) * jacobian(p)


HOSTILE: list[tuple[str, Any, str]] = [
    ("softmax_jacobian", lambda p: torch.zeros(2, 2).as_subclass(LyingTensor), "wrong-type"),
    ("softmax_jacobian", LyingClass(), "wrong-values"),
    ("softmax_jacobian", LyingTensor, "not-a-function"),
    ("softmax_jacobian", raises(Interrupting()), "exception"),
    ("softmax_jacobian", raises(Endless()), "too-slow"),
    ("softmax_jacobian", raises(SystemExit(3)), "exception"),
    ("softmax_jacobian", raises(running.Stopped()), "ended-early"),
    ("softmax_jacobian", floods("stdout"), "too-slow"),
    ("softmax_jacobian", floods("stderr"), "too-slow"),
    ("softmax_jacobian", swallows_everything, "too-slow"),
    ("softmax_jacobian", generator, "wrong-type"),
    ("softmax_jacobian", coroutine, "wrong-type"),
    ("softmax_jacobian", recursive, "exception"),
    ("softmax_jacobian", closes_stdout, "wrong-values"),
    ("softmax_jacobian", lambda p: torch.zeros(1).expand(10**6, 10**6), "wrong-shape"),
    ("softmax_jacobian", lambda p: jacobian(p).to("meta"), "wrong-type"),
    ("softmax_jacobian", lambda p: jacobian(p).to_sparse(), "wrong-type"),
    ("softmax_jacobian", lambda p: jacobian(p) + 0j, "wrong-dtype"),
    ("softmax_jacobian", lambda p: jacobian(p).half(), "wrong-dtype"),
    ("wordpiece", itself_in_a_list, "wrong-type"),
    ("wordpiece", poisons_its_argument, "last-letter-never-reached"),
    ("encode_pair", lambda *a: ([10**6_000], [1], [2]), "wrong-values"),
    ("count_parameters", lambda *a: 10**6_000, "wrong-values"),
    ("count_parameters", lambda *a: LyingInt(3), "wrong-values"),
    ("macro_f1", lambda *a: 10**400, "wrong-type"),
    ("macro_f1", lambda *a: LyingInt(1), "wrong-values"),
    ("macro_f1", lambda *a: True, "wrong-type"),
    ("dot_product_variances", (LyingInt(7),) * 3, "wrong-values"),
    ("dot_product_variances", [10**6_000] * 3, "wrong-type"),
    ("attention_pattern", [[10**400] * 5] * 5, "wrong-type"),
    ("attention_pattern", torch.zeros(5, 5).as_subclass(LyingTensor), "wrong-shape"),
    ("feed_forward_block", torch.nn.Linear, "wrong-parameters"),
    ("feed_forward_block", dict, "cannot-be-called"),
    ("masked_word_head", torch.nn.Identity, "wrong-shape"),
]


@pytest.mark.filterwarnings("ignore:coroutine 'coroutine' was never awaited")
@pytest.mark.parametrize(
    ("name", "answer", "mistake"),
    HOSTILE,
    ids=[f"{name}-{number}" for number, (name, *_) in enumerate(HOSTILE)],
)
def test_hostile_answers_fail_in_time_and_by_name(
    name: str, answer: Any, mistake: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if mistake == "too-slow":
        monkeypatch.setattr(running, "LIMIT", 0.3)
    before = time.monotonic()
    result = exercises.check(name, answer)
    assert time.monotonic() - before < running.LIMIT + 10
    assert (result.passed, result.mistake) == (False, mistake), result
    assert len(result.message) < 5_000
    assert "Traceback" not in result.message
    with pytest.raises(AssertionError):
        exercises.check(name, answer, strict=True)


def test_what_can_be_asked_of_nobody_is_an_exception(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(prompt: str = "") -> str:
        raise EOFError

    monkeypatch.setattr("builtins.input", nobody)
    assert exercises.check("softmax_jacobian", asks).mistake == "exception"


@pytest.fixture
def _torch_as_it_was() -> Iterator[None]:
    isclose = torch.Tensor.isclose
    yield
    torch.Tensor.isclose = isclose  # type: ignore[method-assign]


@pytest.mark.usefixtures("_torch_as_it_was")
def test_an_answer_that_replaces_what_compares_it_does_not_pass() -> None:
    def patches(p):
        torch.Tensor.isclose = lambda found, *a, **k: torch.ones_like(found, dtype=torch.bool)
        return 0 * jacobian(p)

    result = exercises.check("softmax_jacobian", patches)
    assert result.mistake == "check-out-of-order"
    assert "restart the kernel" in result.message


def test_an_answer_that_finds_the_solution_in_its_callers_is_noticed() -> None:
    def peeks(p):
        frame: FrameType | None = sys._getframe()
        while frame and not hasattr(frame.f_locals.get("spec"), "compute"):
            frame = frame.f_back
        return frame.f_locals["spec"].compute(p)

    result = exercises.check("softmax_jacobian", peeks)
    assert result.mistake == "bertlabs-own-function"


own = bertlab.scaled_dot_product_attention


@functools.wraps(own)
def wrapped(*arguments):
    return own(*arguments)


class Extended(BertOutput):
    pass


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("attention", own),
        ("attention", wrapped),
        ("attention", functools.partial(own)),
        ("attention", lambda query, key, value, mask=None: own(query, key, value, mask)),
        ("attention", lambda *a: own(*a) if len(a) > 3 else own(*a, None)),
        ("entity_f1", bertlab.metrics.entity_scores),
        ("feed_forward_block", BertOutput),
        ("feed_forward_block", Extended),
    ],
)
def test_bertlabs_own_work_is_noticed_however_it_is_dressed(name: str, answer: Any) -> None:
    result = exercises.check(name, answer)
    assert result.mistake == "bertlabs-own-function"
    assert "bertlab." in result.message
    with pytest.raises(AssertionError, match="bertlabs own"):
        exercises.check(name, answer, strict=True)


def weights_beside(query, key, value, mask=None):
    scores = query @ key.mT / query.size(-1) ** 0.5
    if mask is not None:
        scores = scores.masked_fill(~mask, -1e9)
    output = torch.nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
    return output.nan_to_num(), scores.softmax(-1)


def with_sklearn(true, predicted):
    from sklearn.metrics import f1_score

    return f1_score(true, predicted, average="macro", zero_division=0)


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("attention", torch.nn.functional.scaled_dot_product_attention),
        ("attention", weights_beside),
        (
            "masked_lm_loss",
            lambda x, y: torch.nn.functional.cross_entropy(x.flatten(0, 1), y.flatten()),
        ),
        ("masked_lm_loss", lambda x, y: torch.nn.CrossEntropyLoss()(x.mT, y)),
        ("multi_label_loss", torch.nn.functional.binary_cross_entropy_with_logits),
        ("macro_f1", with_sklearn),
    ],
)
def test_a_ready_made_function_that_does_all_the_work_is_named(name: str, answer: Any) -> None:
    result = exercises.check(name, answer)
    assert result.mistake == "ready-made-function"
    assert "Write it out yourself" in result.message


def test_a_ready_made_function_used_wrongly_gets_the_mistakes_name() -> None:
    result = exercises.check(
        "masked_lm_loss", lambda x, y: torch.nn.functional.cross_entropy(x.softmax(-1).mT, y)
    )
    assert result.mistake == "softmax-twice"


def test_a_hostile_name_is_an_unknown_exercise() -> None:
    class Name:
        def __str__(self) -> str:
            raise RuntimeError

        __repr__ = __str__

    result = exercises.check(Name(), jacobian)  # type: ignore[arg-type]
    assert not result.passed
