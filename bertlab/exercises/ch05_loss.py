"""Chapter 5's exercise on the masked-word loss.

Dimensions: ``B`` batch, ``T`` tokens, ``V`` vocabulary.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from bertlab.exercises.spec import Case, Exercise, Failure, Mistake, Spec

if TYPE_CHECKING:
    from torch import Tensor


def _masked_lm_loss(
    logits: Tensor,
    labels: Tensor,
    *,
    softmax: str = "vocabulary",
    average: str = "labelled",
    zero: str = "a piece",
    sign: int = 1,
    logarithm: str = "natural",
    rounding: str = "safe",
) -> Tensor:
    """The mean of -ln P(true piece) over labelled places; each keyword makes one step wrong."""
    import torch

    logits = logits.double()
    B, _, V = logits.shape
    labelled = labels != -100 if zero == "a piece" else labels > 0  # (B, T)
    index = labels.clamp(min=0)[..., None]  # (B, T, 1)
    if rounding == "overflow":
        shares = logits.exp() / logits.exp().sum(-1, keepdim=True)
        scores = shares.log()
    elif rounding == "underflow":
        scores = logits.softmax(-1).log()
    elif softmax == "places":
        scores = logits.log_softmax(1)
    elif softmax == "twice":
        scores = logits.softmax(-1).log_softmax(-1)
    elif softmax == "none":
        scores = logits
    elif softmax == "sigmoid":
        scores = torch.nn.functional.logsigmoid(logits)
    else:
        scores = logits.log_softmax(-1)
    losses = -scores.gather(-1, index).squeeze(-1)  # (B, T)
    if softmax == "binary":
        truth = torch.nn.functional.one_hot(index.squeeze(-1), V).double()
        each = torch.nn.functional.binary_cross_entropy_with_logits
        losses = each(logits, truth, reduction="none").mean(-1)
    losses = sign * losses / (math.log(2) if logarithm == "base 2" else 1)

    chosen = losses.where(labelled, 0.0)
    count = labelled.sum()
    if average == "every place":
        return losses.mean()
    if average == "zeros counted":
        return chosen.mean()
    if average == "mask after mean":
        return losses.mean() * labelled.double().mean()
    if average == "rows":
        return (chosen.sum(1) / labelled.sum(1)).mean()
    if average == "sum":
        return chosen.sum()
    if average == "rows' sums":
        return chosen.sum() / B
    return chosen.sum() / count


def _cases(seed: int) -> list[Case]:
    import torch

    generator = torch.Generator().manual_seed(seed)

    def case(stage: int, label: str, rows: list[str], V: int, size: float = 1.0) -> Case:
        """In a row, "x" has a label, "0" the label 0, "." none."""
        B, T = len(rows), len(rows[0])
        logits = size * torch.randn((B, T, V), generator=generator)
        pieces = torch.randint(1, V, (B, T), generator=generator)
        signs = torch.tensor([[ord(sign) for sign in row] for row in rows])
        labels = pieces.where(signs != ord("0"), 0).where(signs != ord("."), -100)
        return Case(stage, label, {"logits": logits, "labels": labels})

    return [
        case(1, "one row, one place with a label", [".x."], 4),
        case(1, "one row, two places with a label", [".x.x"], 5),
        case(1, "a batch", ["x..x.", ".xx.."], 7),
        case(2, "rows with one and three labels", ["x....", ".xxx."], 6),
        case(2, "padding: a row with labels at its beginning only", ["xxx.x.xx", "x......."], 9),
        case(2, "the true piece has id 0", ["0.x", "x.0"], 5),
        case(3, "large logits", [".x.x", "xx.."], 6, size=2_000.0),
    ]


def _too(failure: Failure) -> str:
    found, expected = failure.found[0].item(), failure.expected[0].item()
    return f"Your loss is {found:.4f}, and should be {expected:.4f}"


def _mistake(name: str, explanation: str, **flags: object) -> Mistake:
    return Mistake(name, flags, explanation, _too)


_SOFTMAX = "At each place, take the softmax over the vocabulary, the last axis."
_MEAN = "Add up the losses where labels != -100, and divide by the number of those places."

MASKED_LM_LOSS = Spec(
    Exercise("masked_lm_loss", 5, "easy", 10),
    question=(
        "The loss of a masked language model. logits is (B, T, V): a score for each piece at each\n"
        "place. labels is (B, T), int64: the true id at chosen places, -100 elsewhere. Return the\n"
        "mean of -ln P(true piece) over the chosen places of the whole batch, a tensor of one\n"
        "number. At least one place has a label. Do it without cross_entropy."
    ),
    formula="loss = -1/|M| Σ_{t in M} ln softmax(logits_t)[label_t],   M: labels != -100",
    stub="def masked_lm_loss(logits, labels):\n    raise NotImplementedError",
    hints=(
        "`chosen = labels != -100`. Then `logits[chosen]` is (M, V) and `labels[chosen]` (M,).",
        "`log_softmax(dim=-1)` gives ln P for all pieces. Of each row, pick the label's column.",
        "`scores[torch.arange(len(truth)), truth]` picks one number a row.",
    ),
    verified=(
        "values for single rows and batches, rows with unequal numbers of labels, padding, the "
        "label 0, and large logits; arguments unchanged."
    ),
    outputs={"loss": "tensor"},
    compute=_masked_lm_loss,
    cases=_cases,
    equation="5.4",
    ready_made=("cross_entropy",),
    mistakes=(
        _mistake(
            "averaged-over-all-places",
            "places without a label were counted as if their true piece had id 0 (a clamp does "
            f"that, or an index that is used before the mask). {_MEAN}",
            average="every place",
        ),
        _mistake(
            "divided-by-all-places",
            "the losses of places without a label were set to 0, but these places still count in "
            f"the mean. So the loss shrinks when padding is added. {_MEAN}",
            average="zeros counted",
        ),
        _mistake(
            "masked-after-the-mean",
            "the mean was taken over all places first, and the mask came after it. What is "
            f"averaged already can't be left out any more. {_MEAN}",
            average="mask after mean",
        ),
        _mistake(
            "mean-of-row-means",
            "each row was averaged alone, and then the rows. A place in a row with few labels "
            "counts more than one in a row with many. Average over all chosen places at once.",
            average="rows",
        ),
        _mistake(
            "summed-not-averaged",
            "the losses were added up. Divide by the number of chosen places.",
            average="sum",
        ),
        _mistake(
            "divided-by-rows",
            "the sum was divided by the number of rows. Divide by the number of chosen places.",
            average="rows' sums",
        ),
        _mistake(
            "label-zero-ignored",
            "places whose true piece has id 0 were left out. 0 is a piece like any other; only "
            "-100 says that there is no label.",
            zero="no label",
        ),
        _mistake(
            "softmax-over-places",
            "the softmax ran over the places of the sentence. The model doesn't choose among the "
            f"sentence's words. {_SOFTMAX}",
            softmax="places",
        ),
        _mistake(
            "sigmoid-of-true-piece",
            "each score went through a sigmoid of its own, so the other pieces' scores don't "
            f"matter. {_SOFTMAX}",
            softmax="sigmoid",
        ),
        _mistake(
            "binary-cross-entropy",
            "each piece was treated as a yes-or-no question of its own. Exactly one piece is right "
            f"at a place. {_SOFTMAX}",
            softmax="binary",
        ),
        _mistake(
            "softmax-twice",
            "the softmax was taken twice. `cross_entropy` and `log_softmax` take logits, not "
            "probabilities.",
            softmax="twice",
        ),
        _mistake(
            "no-softmax",
            f"the score itself was taken for ln P. {_SOFTMAX}",
            softmax="none",
        ),
        _mistake(
            "sign-flipped",
            "the sign is missing. ln P is negative, and the loss is its negative.",
            sign=-1,
        ),
        _mistake(
            "base-two",
            "the logarithm has base 2. Losses here are in nats: use the natural logarithm.",
            logarithm="base 2",
        ),
        Mistake(
            "log-of-softmax",
            {"rounding": "underflow"},
            "with large logits the loss is infinite: a softmax rounds small probabilities to 0, "
            "and ln 0 is -inf. `log_softmax` computes both in one step and stays finite.",
        ),
        Mistake(
            "exponentials-overflow",
            {"rounding": "overflow"},
            "with large logits the loss is NaN: the exponentials overflow, and inf/inf is NaN. "
            "`log_softmax` subtracts the largest logit first.",
        ),
    ),
)

EXERCISES = (MASKED_LM_LOSS,)
