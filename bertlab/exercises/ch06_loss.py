"""Chapter 6's exercise on the loss. Dimensions: ``B`` pairs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from bertlab.exercises.spec import Case, Exercise, Mistake, Spec

if TYPE_CHECKING:
    from torch import Tensor


def _next_sentence_loss(
    logits: Tensor,
    labels: Tensor,
    *,
    direction: str = "right",
    ignored: str = "none",
    form: str = "right",
    axis: int = 1,
    reduction: str = "mean",
    sign: int = -1,
    base: float = math.e,
) -> Tensor:
    """The loss in float64, right by default; each keyword makes one step wrong."""
    import torch

    truth = 1 - labels if direction == "swapped" else labels
    if direction == "always next":
        truth = torch.zeros_like(labels)
    logits = logits.double()
    if form == "sigmoid on both":
        one_hot = torch.nn.functional.one_hot(truth, 2).double()
        gains = -torch.nn.functional.binary_cross_entropy_with_logits(
            logits, one_hot, reduction="none"
        ).mean(1)
    elif form == "sigmoid on one":
        gains = -torch.nn.functional.binary_cross_entropy_with_logits(
            logits[:, 1], truth.double(), reduction="none"
        )
    else:
        if form == "softmax twice":
            logits = logits.softmax(axis)
        if form == "log of softmax":
            table = logits.float().softmax(axis).log().double()
        elif form == "no logarithm":
            table = logits.softmax(axis)
        elif form == "no softmax":
            table = logits
        else:
            table = logits.log_softmax(axis)
        gains = table.gather(1, truth[:, None]).squeeze(1)  # (B,)
    count: float = len(labels)
    if ignored != "none":
        keep = labels != 0
        gains = gains * keep
        count = float(keep.sum()) if ignored == "left out" else count
    total = gains.sum() / math.log(base)
    if reduction == "mean":
        total = total / count if count else total * math.nan
    return sign * total


def _next_sentence_loss_cases(seed: int) -> list[Case]:
    import torch

    generator = torch.Generator().manual_seed(seed)

    def case(stage: int, label: str, labels: list[int], scale: float = 1.0) -> Case:
        logits = (scale * torch.randn(len(labels), 2, generator=generator)).round(decimals=1)
        return Case(stage, label, {"logits": logits, "labels": torch.tensor(labels)})

    far = Case(
        4,
        "logits far apart",
        {
            "logits": torch.tensor([[150.0, -120.0 - seed], [-3.0, 2.0]]),
            "labels": torch.tensor([1, 1]),
        },
    )
    return [
        case(1, "one random pair", [1], 2.0),
        case(1, "one pair that is next", [0], 2.0),
        case(2, "a batch", [0, 1, 1, 0], 2.0),
        case(2, "a larger batch", [1, 0, 0, 1, 0, 1, 1], 2.0),
        case(3, "all pairs are next", [0, 0, 0]),
        far,
    ]


NEXT_SENTENCE_LOSS = Spec(
    Exercise("next_sentence_loss", 6, "easy", 10),
    question=(
        "The next-sentence loss of a batch: the mean cross-entropy, in nats. `logits` is (B, 2),\n"
        "column 0 for B follows A, column 1 for B is random; `labels` is (B,), 0 or 1, and every\n"
        "pair counts. The result is a tensor without dimensions."
    ),
    formula="loss = - 1/B Σ_i log softmax(logits_i)[labels_i]",
    stub="def next_sentence_loss(logits, labels):\n    raise NotImplementedError",
    hints=(
        "It is the ordinary cross-entropy of two classes.",
        "`logits.log_softmax(-1)` is safe where a probability is too small for a float.",
    ),
    verified="single pairs of both labels, batches, a batch of one label, and logits far apart.",
    outputs={"loss": "tensor"},
    compute=_next_sentence_loss,
    cases=_next_sentence_loss_cases,
    equation="6.4",
    mistakes=(
        Mistake(
            "label-swapped",
            {"direction": "swapped"},
            "the label's direction is swapped. Column 0 and label 0 say that B follows A.",
        ),
        Mistake(
            "label-not-used",
            {"direction": "always next"},
            "the loss doesn't depend on the label. Take the column that the label names.",
        ),
        Mistake(
            "label-zero-ignored",
            {"ignored": "left out"},
            "pairs with label 0 are ignored, as if 0 were padding. Here 0 is a class, next. "
            "Ignoring it leaves a model that calls everything random.",
        ),
        Mistake(
            "label-zero-counts-nothing",
            {"ignored": "zeroed"},
            "pairs with label 0 add nothing to the sum. Each pair adds the logarithm of the "
            "probability of its own label.",
        ),
        Mistake(
            "sigmoid-on-both-logits",
            {"form": "sigmoid on both"},
            "each logit went through a sigmoid of its own. The two are a softmax: one question "
            "with two answers, whose probabilities add up to 1.",
        ),
        Mistake(
            "sigmoid-on-one-logit",
            {"form": "sigmoid on one"},
            "only column 1 was used, with a sigmoid. The head has two logits, and their difference "
            "counts.",
        ),
        Mistake(
            "softmax-twice",
            {"form": "softmax twice"},
            "the softmax was taken twice. `cross_entropy` and `log_softmax` want the logits.",
        ),
        Mistake(
            "log-of-softmax",
            {"form": "log of softmax"},
            "a probability fell to 0 in floating point, and its logarithm to minus infinity. Use "
            "`log_softmax`, which never forms the probability.",
        ),
        Mistake(
            "logarithm-missing",
            {"form": "no logarithm"},
            "the logarithm is missing. Cross-entropy is the negative logarithm of the probability "
            "of the right answer.",
        ),
        Mistake(
            "softmax-missing",
            {"form": "no softmax"},
            "the logits were taken as they are. Take the logarithm of their softmax.",
        ),
        Mistake(
            "softmax-over-the-batch",
            {"axis": 0},
            "the softmax runs over the pairs of the batch. It runs over the two columns.",
        ),
        Mistake(
            "sum-not-mean",
            {"reduction": "sum"},
            "the losses are summed. Take their mean, or the loss grows with the batch.",
        ),
        Mistake(
            "sign-missing",
            {"sign": 1},
            "the sign is wrong: a logarithm of a probability is negative, a loss is not.",
        ),
        Mistake(
            "base-two",
            {"base": 2.0},
            "the logarithm is to base 2. In nats it is the natural one.",
        ),
    ),
)

EXERCISES = (NEXT_SENTENCE_LOSS,)
