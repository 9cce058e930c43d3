"""Chapter 8's exercise on the loss of several labels. Dimensions: ``B`` texts, ``C`` labels."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from bertlab.exercises.spec import Case, Exercise, Failure, Mistake, Spec

if TYPE_CHECKING:
    from torch import Tensor


def _multi_label_loss(
    logits: Tensor,
    labels: Tensor,
    *,
    form: str = "sigmoid",
    terms: str = "both",
    average: str = "all",
    sign: int = -1,
    base: float = math.e,
) -> Tensor:
    """The loss in float64, right by default; each keyword makes one step wrong."""
    from torch.nn.functional import logsigmoid

    z, y = logits.double(), labels.double()
    yes, no = logsigmoid(z), logsigmoid(-z)  # (B, C): ln P(has the label), ln P(hasn't)
    if form == "softmax":
        yes = z.log_softmax(-1)
        no = (1 - yes.exp()).log()
    elif form == "twice":
        yes, no = logsigmoid(z.sigmoid()), logsigmoid(-z.sigmoid())
    elif form == "log of sigmoid":
        shares = logits.float().sigmoid()
        yes, no = shares.log().double(), (1 - shares).log().double()
    elif form == "no logarithm":
        yes, no = z.sigmoid(), (-z).sigmoid()
    gains = {
        "both": y * yes + (1 - y) * no,
        "present only": y * yes,
        "absent only": (1 - y) * no,
        "swapped": (1 - y) * yes + y * no,
    }[terms]
    divisors: dict[str, Any] = {
        "all": y.numel(),
        "texts": len(y),
        "labels": y.shape[1],
        "present": y.sum(),
        "nothing": 1,
    }
    return sign * gains.sum() / divisors[average] / math.log(base)


def _cases(seed: int) -> list[Case]:
    import torch

    generator = torch.Generator().manual_seed(seed)

    def case(stage: int, label: str, labels: list[list[int]], size: float = 1.5) -> Case:
        table = torch.tensor(labels, dtype=torch.float32)  # (B, C)
        logits = (size * torch.randn(table.shape, generator=generator)).round(decimals=1)
        return Case(stage, label, {"logits": logits, "labels": table})

    far = Case(
        4,
        "logits far apart",
        {
            "logits": torch.tensor([[150.0 + seed, -120.0, 2.0]]),
            "labels": torch.tensor([[0.0, 1.0, 1.0]]),
        },
    )
    return [
        case(1, "one text with one of three labels", [[1, 0, 0]]),
        case(1, "one text with two of three labels", [[1, 0, 1]]),
        case(2, "a batch", [[1, 0, 1, 1], [0, 0, 1, 0]]),
        case(3, "a text with no label, and one with all", [[0, 0, 0], [1, 1, 1], [1, 0, 0]]),
        far,
    ]


def _too(failure: Failure) -> str:
    found, expected = failure.found[0].item(), failure.expected[0].item()
    return f"Your loss is {found:.4f}, and should be {expected:.4f}"


def _mistake(name: str, explanation: str, **flags: object) -> Mistake:
    return Mistake(name, flags, explanation, _too)


_MEAN = "Take the mean over all B · C decisions."

MULTI_LABEL_LOSS = Spec(
    Exercise("multi_label_loss", 8, "medium", 15),
    question=(
        "A text may have any number of C labels, none included. `logits` is (B, C); `labels` is\n"
        "(B, C), 1.0 where a text has a label and 0.0 where it hasn't. Return the mean binary\n"
        "cross-entropy over all B · C decisions, a tensor without dimensions. It must stay finite\n"
        "for logits of any size. Do it without binary_cross_entropy."
    ),
    formula="loss = -1/(B C) Σ_b Σ_k [ y ln σ(z) + (1 - y) ln(1 - σ(z)) ],  with 1 - σ(z) = σ(-z)",
    stub="def multi_label_loss(logits, labels):\n    raise NotImplementedError",
    hints=(
        "Each label is a yes-or-no question of its own: no softmax.",
        "`torch.nn.functional.logsigmoid` gives ln σ and stays finite; 1 - σ(z) is σ(-z).",
    ),
    verified="texts with one label, with several, with none and with all; logits far apart.",
    outputs={"loss": "tensor"},
    compute=_multi_label_loss,
    cases=_cases,
    equation="8.5",
    ready_made=("binary_cross_entropy", "binary_cross_entropy_with_logits"),
    mistakes=(
        _mistake(
            "softmax-over-labels",
            "a softmax ran over the labels, so that they compete: one label's probability can "
            "only rise at another's cost. Each label has a sigmoid of its own.",
            form="softmax",
        ),
        _mistake(
            "sigmoid-twice",
            "the sigmoid was taken twice. `binary_cross_entropy_with_logits` and `logsigmoid` "
            "want the logits.",
            form="twice",
        ),
        _mistake(
            "logarithm-missing",
            "the logarithm is missing: probabilities were added up, not their logarithms.",
            form="no logarithm",
        ),
        Mistake(
            "log-of-sigmoid",
            {"form": "log of sigmoid"},
            "with logits far from 0 the loss is infinite or NaN: the sigmoid was rounded to 0 or "
            "1, and ln 0 is -inf. `logsigmoid` computes both in one step.",
        ),
        _mistake(
            "absent-labels-left-out",
            "only labels that the text has were counted. A model that says yes to everything "
            "would have no loss: an absent label costs -ln(1 - σ(z)).",
            terms="present only",
        ),
        _mistake(
            "present-labels-left-out",
            "only labels that the text lacks were counted. A label that it has costs -ln σ(z).",
            terms="absent only",
        ),
        _mistake(
            "labels-swapped",
            "present and absent are swapped: 1.0 means that the text has the label.",
            terms="swapped",
        ),
        _mistake(
            "divided-by-texts",
            f"the sum was divided by the number of texts alone. {_MEAN}",
            average="texts",
        ),
        _mistake(
            "divided-by-labels",
            f"the sum was divided by the number of labels alone. {_MEAN}",
            average="labels",
        ),
        _mistake(
            "divided-by-present-labels",
            f"the sum was divided by the number of labels that are present. {_MEAN}",
            average="present",
        ),
        _mistake("summed-not-averaged", f"the losses were added up. {_MEAN}", average="nothing"),
        _mistake(
            "sign-missing",
            "the sign is missing. A logarithm of a probability is negative, a loss is not.",
            sign=1,
        ),
        _mistake(
            "base-two",
            "the logarithm has base 2. Losses here are in nats: use the natural logarithm.",
            base=2.0,
        ),
    ),
)

EXERCISES = (MULTI_LABEL_LOSS,)
