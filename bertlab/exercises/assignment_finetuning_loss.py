"""Three kinds of label, three losses. A question of the assignment ``finetuning``.

Dimensions: ``B`` texts, ``C`` classes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bertlab.exercises.spec import Case, Exercise, Failure, Mistake, Spec

if TYPE_CHECKING:
    from torch import Tensor


def _task_loss(
    logits: Tensor,
    labels: Tensor,
    problem: str,
    *,
    single: str = "cross-entropy",
    multi: str = "binary",
    regression: str = "squared",
) -> Tensor:
    """The loss that fits the labels, right by default; each keyword makes one of them wrong."""
    import torch
    from torch.nn import functional

    z = logits.double()
    binary = functional.binary_cross_entropy_with_logits
    if problem == "single":
        truth = functional.one_hot(labels, z.shape[1]).double()
        return {
            "softmax twice": lambda: functional.cross_entropy(z.softmax(-1), labels),
            "binary": lambda: binary(z, truth),
            "sum": lambda: functional.cross_entropy(z, labels, reduction="sum"),
            "over texts": lambda: -(z.log_softmax(0) * truth).sum() / len(z),
            "squared": lambda: (z.softmax(-1) - truth).square().mean(),
        }.get(single, lambda: functional.cross_entropy(z, labels))()
    if problem == "multi":
        y = labels.double()
        each = binary(z, y, reduction="none")
        return {
            "not floats": lambda: binary(z.float(), labels),
            "softmax": lambda: -(z.log_softmax(-1) * y).sum(-1).mean(),
            "sigmoid twice": lambda: binary(z.sigmoid(), y),
            "sum of labels": lambda: each.sum(-1).mean(),
            "largest only": lambda: functional.cross_entropy(z, labels.argmax(-1)),
        }.get(multi, lambda: each.mean())()
    y = labels.double()
    return {
        "broadcast": lambda: (z - y).square().mean(),
        "absolute": lambda: (z[:, 0] - y).abs().mean(),
        "root": lambda: (z[:, 0] - y).square().mean().sqrt(),
        "sum": lambda: (z[:, 0] - y).square().sum(),
        "half": lambda: (z[:, 0] - y).square().mean() / 2,
        "cross-entropy": lambda: torch.zeros((), dtype=torch.double),
    }.get(regression, lambda: (z[:, 0] - y).square().mean())()


def _cases(seed: int) -> list[Case]:
    import torch

    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return (1.5 * torch.randn(shape, generator=generator)).round(decimals=1)

    def single(B: int, C: int) -> Case:
        labels = torch.randint(C, (B,), generator=generator)
        values = {"logits": normal(B, C), "labels": labels, "problem": "single"}
        return Case(1, f"one of {C} classes", values)

    def multi(table: list[list[int]]) -> Case:
        labels = torch.tensor(table)
        values = {"logits": normal(*labels.shape), "labels": labels, "problem": "multi"}
        return Case(2, "any number of labels", values)

    def regression(B: int) -> Case:
        labels = torch.randint(1, 6, (B,), generator=generator).float()
        labels[0] = labels[1] + 1 - 2 * (labels[1] > 1)  # not all alike
        values = {"logits": normal(B, 1) + 3, "labels": labels, "problem": "regression"}
        return Case(3, "a number", values)

    return [
        single(2, 3),
        single(5, 4),
        multi([[1, 0, 1], [0, 0, 0]]),
        multi([[0, 1, 0, 0], [1, 1, 0, 1], [0, 0, 1, 0]]),
        regression(3),
        regression(4),
    ]


def _too(failure: Failure) -> str:
    found, expected = failure.found[0].item(), failure.expected[0].item()
    problem = failure["problem"]
    return f'With problem "{problem}" your loss is {found:.4f}, and should be {expected:.4f}'


def _mistake(name: str, explanation: str, **flags: object) -> Mistake:
    return Mistake(name, flags, explanation, _too)


TASK_LOSS = Spec(
    Exercise("task_loss", 8, "medium", 8, "finetuning"),
    question=(
        "Three kinds of label, three losses; each a mean, a tensor without dimensions.\n"
        '- problem "single": `logits` (B, C), `labels` (B,), class numbers. One class a text.\n'
        '- problem "multi": `logits` (B, C), `labels` (B, C), whole numbers 0 and 1. Any number\n'
        "  of labels a text; the mean is over all B · C decisions.\n"
        '- problem "regression": `logits` (B, 1), `labels` (B,), floats. The squared error.\n'
        "The functions of torch.nn.functional are welcome here."
    ),
    formula="cross-entropy (8.3)    binary cross-entropy (8.5)    mean squared error (8.6)",
    stub="def task_loss(logits, labels, problem):\n    raise NotImplementedError",
    hints=(
        "`cross_entropy` and `binary_cross_entropy_with_logits` take logits: no softmax or "
        "sigmoid before them.",
        "The second wants floats as labels. For the third, look at the shapes: (B, 1) - (B,) is "
        "(B, B).",
    ),
    verified="one label, any number of labels, and numbers, in batches.",
    outputs={"loss": "number"},
    compute=_task_loss,
    cases=_cases,
    mistakes=(
        _mistake(
            "softmax-before-cross-entropy",
            "a softmax ran before `cross_entropy`, which takes logits and has its own.",
            single="softmax twice",
        ),
        _mistake(
            "binary-for-one-label",
            "a binary cross-entropy was taken where each text has exactly one class. The classes "
            "compete: softmax and cross-entropy.",
            single="binary",
        ),
        _mistake(
            "softmax-over-the-batch",
            "the softmax ran over the texts. It runs over the classes, the last axis.",
            single="over texts",
        ),
        _mistake(
            "squared-error-of-probabilities",
            "the squared error of the probabilities was taken. One label a text: cross-entropy.",
            single="squared",
        ),
        _mistake(
            "summed-not-averaged",
            "the losses were added up. Take the mean over the texts.",
            single="sum",
        ),
        _mistake(
            "labels-not-floats",
            "`binary_cross_entropy_with_logits` wants labels of the logits' dtype: "
            "`labels.float()`.",
            multi="not floats",
        ),
        _mistake(
            "softmax-over-labels",
            "labels compete in a softmax. Each of several labels is a yes-or-no question of its "
            "own: binary cross-entropy.",
            multi="softmax",
        ),
        _mistake(
            "first-label-only",
            "only the first label of each text was used (`argmax`). A text may have several, or "
            "none.",
            multi="largest only",
        ),
        _mistake(
            "sigmoid-twice",
            "a sigmoid ran before `binary_cross_entropy_with_logits`, which has its own.",
            multi="sigmoid twice",
        ),
        _mistake(
            "labels-summed",
            "the losses of a text's labels were added up. Take the mean over all B · C decisions.",
            multi="sum of labels",
        ),
        _mistake(
            "every-text-with-every-label",
            "(B, 1) - (B,) broadcasts to (B, B): every text was compared with every label. Take "
            "`logits[:, 0]`.",
            regression="broadcast",
        ),
        _mistake(
            "cross-entropy-for-numbers",
            "a softmax over a single logit is always 1, and its loss 0. Numbers want the squared "
            "error.",
            regression="cross-entropy",
        ),
        _mistake(
            "absolute-error",
            "this is the mean absolute error. Take the squared one.",
            regression="absolute",
        ),
        _mistake(
            "root-taken",
            "this is the root of the mean squared error. Leave the root out.",
            regression="root",
        ),
        _mistake("half-the-error", "this is half the mean squared error.", regression="half"),
        _mistake(
            "squares-summed",
            "the squares were added up. Take their mean.",
            regression="sum",
        ),
    ),
)

EXERCISES = (TASK_LOSS,)
