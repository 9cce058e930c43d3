"""Chapter 5's exercise on pseudo-perplexity.

Dimensions: ``B`` batch, ``T`` tokens, ``V`` vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bertlab.exercises.spec import Case, Exercise, Failure, Mistake, Spec

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class ToyModel:
    """Logits ``(B, T, V)`` for ids ``(B, T)``; each depends on every id of its row."""

    V: int
    seed: int

    def __repr__(self) -> str:
        return f"(a toy model that knows {self.V} pieces)"

    def __call__(self, ids: Tensor) -> Tensor:
        """Return the logits.

        Raises:
            ValueError: when the ids are no batch of rows.
        """
        import torch

        if not isinstance(ids, torch.Tensor) or ids.dim() != 2:
            found = tuple(ids.shape) if isinstance(ids, torch.Tensor) else type(ids).__name__
            raise ValueError(f"the model takes ids of shape (B, T), found {found}")
        generator = torch.Generator().manual_seed(self.seed)
        near, own = torch.randn((2, self.V, self.V), generator=generator)
        T = ids.size(1)
        places = torch.arange(T)
        weight = 1.0 / (1 + (places[:, None] - places).abs())  # (T, T)
        weight = weight * torch.where(places[:, None] < places, 1.0, -0.6)  # sides differ
        return weight @ near[ids] + own[ids] + 2 * torch.eye(self.V)[ids]  # (B, T, V)


def _pseudo_perplexity(
    predict: ToyModel,
    input_ids: Tensor,
    mask_id: int,
    *,
    masking: str = "each",
    places: str = "ordinary",
    read: str = "there",
    piece: str = "true",
    average: str = "mean log",
    sign: int = -1,
    exponential: str = "e",
) -> Tensor:
    """``exp(-mean ln P(w_t | all others))``; each keyword makes one step wrong."""
    import torch

    T = len(input_ids)
    chosen = list(range(T)) if places == "all" else list(range(1, T - 1))
    rows = input_ids.repeat(len(chosen), 1)  # a row for each place
    for row, place in enumerate(chosen):
        if masking == "each":
            rows[row, place] = mask_id
        elif masking == "all at once":
            rows[row, chosen] = mask_id
        elif masking == "left stays":
            rows[row, chosen[: row + 1]] = mask_id
        elif masking == "right as well":
            rows[row, place : chosen[-1] + 1] = mask_id
    scores = predict(rows).double().log_softmax(-1)  # (rows, T, V)
    at = torch.tensor(chosen) - (1 if read == "one before" else 0)
    scores = scores[torch.arange(len(chosen)), at]  # (rows, V)
    true = torch.full_like(rows[:, 0], mask_id) if piece == "[MASK]" else input_ids[chosen]
    log_p = scores.amax(-1) if piece == "best" else scores[range(len(chosen)), true]

    if average == "sum":
        mean = log_p.sum()
    elif average == "all places":
        mean = log_p.sum() / T
    elif average == "mean of P":
        mean = log_p.exp().mean().log()
    elif average == "mean of 1/P":
        mean = -(-log_p).exp().mean().log()
    else:
        mean = log_p.mean()
    if exponential == "none":
        return sign * mean
    return (sign * mean).exp() if exponential == "e" else 2 ** (sign * mean)


def _cases(seed: int) -> list[Case]:
    import torch

    generator = torch.Generator().manual_seed(seed)
    cases = []
    for number, (stage, label, words, V) in enumerate(
        [
            (1, "one word", 1, 9),
            (1, "four words", 4, 12),
            (1, "two words", 2, 10),
            (2, "a long sentence", 11, 30),
        ]
    ):
        ids = torch.randperm(V - 3, generator=generator)[:words] + 3
        ids[-1] = ids[0]  # a word may occur twice
        row = torch.cat([torch.tensor([0]), ids, torch.tensor([1])])
        model = ToyModel(V, 10 * seed + number)
        cases.append(Case(stage, label, {"predict": model, "input_ids": row, "mask_id": 2}))
    return cases


def _too(failure: Failure) -> str:
    found, expected = failure.found[0].item(), failure.expected[0].item()
    return f"Your value is {found:.4g}, and should be {expected:.4g}"


def _mistake(name: str, explanation: str, **flags: object) -> Mistake:
    return Mistake(name, flags, explanation, _too)


PSEUDO_PERPLEXITY = Spec(
    Exercise("pseudo_perplexity", 5, "hard", 20),
    question=(
        "The pseudo-perplexity of one sentence. input_ids is (T,): [CLS], the sentence, [SEP].\n"
        "predict takes ids (B, T) and returns logits (B, T, V). Mask each place but the first\n"
        "and the last, one at a time, and take ln P of the true piece there. Return exp of minus\n"
        "their mean: a number, or a tensor of one."
    ),
    formula="PPPL = exp(-1/n Σ_t ln P(w_t | all others)),   n = T - 2",
    stub="def pseudo_perplexity(predict, input_ids, mask_id):\n    raise NotImplementedError",
    hints=(
        "A row for each place: `rows = input_ids.repeat(T - 2, 1)`, and in row i place i + 1 is "
        "masked. One call of `predict` does them all.",
        "In row i only the logits at place i + 1 matter: `log_softmax` there, and the column of "
        "the true id.",
        "The true ids are `input_ids[1:-1]`: keep them before anything is masked.",
    ),
    verified=(
        "sentences of one to eleven words, with a word that occurs twice; one place masked at a "
        "time, special tokens not scored; arguments unchanged."
    ),
    outputs={"pseudo-perplexity": "number"},
    compute=_pseudo_perplexity,
    cases=_cases,
    equation="5.6",
    mistakes=(
        _mistake(
            "word-left-visible",
            "nothing was masked, so the model could read the word that it was asked for. Put "
            "[MASK] at the place first.",
            masking="none",
        ),
        _mistake(
            "all-masked-at-once",
            "all places were masked at once, so the model saw no word at all. Mask one place at a "
            "time, and let all others be seen.",
            masking="all at once",
        ),
        _mistake(
            "masks-pile-up",
            "a masked place stayed masked when the next one's turn came: the model saw only the "
            "right side. Start from the whole sentence for each place.",
            masking="left stays",
        ),
        _mistake(
            "right-side-masked",
            "everything to the right was masked as well. A masked model reads both sides: mask "
            "one place only.",
            masking="right as well",
        ),
        _mistake(
            "special-tokens-scored",
            "[CLS] and [SEP] were scored too. They are always the same, and no part of the "
            "sentence. Leave the first and the last place out.",
            places="all",
        ),
        _mistake(
            "divided-by-all-places",
            "the sum over the words was divided by T, [CLS] and [SEP] included. Divide by T - 2.",
            average="all places",
        ),
        _mistake(
            "summed-not-averaged",
            "the logarithms were added up, not averaged: a longer sentence would always be worse. "
            "Divide by T - 2.",
            average="sum",
        ),
        _mistake(
            "probabilities-averaged",
            "the probabilities were averaged, and the logarithm taken after that. Average the "
            "logarithms.",
            average="mean of P",
        ),
        _mistake(
            "perplexities-averaged",
            "1/P was averaged over the places. Average ln P first, then take the exponential.",
            average="mean of 1/P",
        ),
        _mistake(
            "sign-missing",
            "the sign is missing: a perplexity is 1 at least. It is exp of *minus* the mean.",
            sign=1,
        ),
        _mistake(
            "no-exponential",
            "this is the mean loss. The perplexity is its exponential.",
            exponential="none",
        ),
        _mistake(
            "base-two",
            "2 was raised to a loss in nats. The base of the power is that of the logarithm: e.",
            exponential="2",
        ),
        _mistake(
            "best-piece-scored",
            "the highest probability was taken. What counts is the probability of the piece that "
            "stands in the sentence.",
            piece="best",
        ),
        _mistake(
            "label-taken-after-masking",
            "what was scored is [MASK] itself: the true id was read after it had been masked. Keep "
            "`input_ids` as it is, and mask a copy.",
            piece="[MASK]",
        ),
        _mistake(
            "read-one-place-before",
            "the logits were read one place before the masked one, as in a left-to-right model. "
            "BERT answers at the masked place itself.",
            read="one before",
        ),
    ),
)

EXERCISES = (PSEUDO_PERPLEXITY,)
