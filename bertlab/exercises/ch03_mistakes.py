"""What goes wrong in chapter 3's exercise on embeddings, and how it shows."""

from __future__ import annotations

from bertlab.exercises.spec import Failure, Mistake
from bertlab.exercises.values import number


def _variance(failure: Failure) -> str:
    D = failure["word"].size(1)
    inner = (failure.found[0] - failure["beta"]) / failure["gamma"]
    found = inner.var(-1, correction=0)[0, 0].item()
    return f"Without gamma and beta, your first vector of {D} has the variance {number(found)}"


_NORM = (
    "LayerNorm: gamma · (x - mean) / √(variance + eps) + beta, over the D numbers of each place. "
    "Equation 3.3."
)

MISTAKES = (
    Mistake(
        "layernorm-missing",
        {"normalise": "not at all"},
        f"this is the sum of the three rows, without LayerNorm. {_NORM}",
    ),
    Mistake(
        "position-after-layernorm",
        {"after": "positions"},
        "the position rows were added after LayerNorm. Sum all three first, then normalise.",
    ),
    Mistake(
        "token-type-after-layernorm",
        {"after": "types"},
        "the token type rows were added after LayerNorm. Sum all three first, then normalise.",
    ),
    Mistake(
        "position-normalised-alone",
        {"after": "positions alone"},
        "the position rows were normalised alone. Sum all three first, then normalise.",
    ),
    Mistake(
        "each-normalised-alone",
        {"after": "each"},
        "each of the three was normalised before the sum. Sum first, then normalise once.",
    ),
    Mistake(
        "positions-missing",
        {"parts": "no positions"},
        "the position rows are missing. Without them BERT can't tell orders apart.",
    ),
    Mistake(
        "token-types-missing",
        {"parts": "no types"},
        "the token type rows are missing. Type 0 has a row too: `token_type[token_type_ids]`.",
    ),
    Mistake("words-missing", {"parts": "no words"}, "the word rows are missing."),
    Mistake(
        "words-scaled",
        {"parts": "words scaled"},
        "the word rows were multiplied by √D. The Transformer of 2017 does that, BERT doesn't.",
    ),
    Mistake(
        "positions-restarted",
        {"positions": "restarted"},
        "positions start again at 0 in the second text. They run on from 0 to T - 1; the token "
        "types tell the texts apart.",
    ),
    Mistake(
        "positions-from-one",
        {"positions": "from one"},
        "positions are counted from 1 (RoBERTa has an offset, BERT doesn't). Count from 0: "
        "`position[:T]`.",
    ),
    Mistake(
        "positions-by-word-id",
        {"positions": "ids"},
        "the position table was read at the word ids. Read it at the places 0 to T - 1.",
    ),
    Mistake(
        "positions-all-zero",
        {"positions": "zero"},
        "every place got the row of position 0. Place t gets row t: `position[:T]`.",
    ),
    Mistake(
        "positions-sinusoidal",
        {"positions": "sinusoids"},
        "sines and cosines were used for positions. BERT learns them: use the rows of the "
        "table `position`.",
    ),
    Mistake(
        "averaged-not-summed",
        {"combine": "mean"},
        "the three rows were averaged. BERT adds them. (LayerNorm hides the factor, except for "
        "eps.)",
    ),
    Mistake("multiplied-not-summed", {"combine": "product"}, "the rows were multiplied. Add them."),
    Mistake(
        "variance-over-n-minus-1",
        {"variance": "n - 1"},
        "the variance was divided by D - 1, PyTorch's default for `var` and `std`. LayerNorm "
        "divides by D: `correction=0`. Equation 3.3.",
        _variance,
    ),
    Mistake(
        "eps-outside-root",
        {"root": "eps outside"},
        "eps was added to the standard deviation. It belongs inside the root: √(variance + eps). "
        "Equation 3.3.",
    ),
    Mistake(
        "divided-by-variance",
        {"root": "none"},
        f"the numbers were divided by the variance, not by its root. {_NORM}",
        _variance,
    ),
    *(
        Mistake(
            "eps-not-used",
            {"epsilon": which},
            "the argument `eps` was not used, so another one (such as PyTorch's default, 1e-5) "
            "was. Pass it on.",
        )
        for which in ("usual default", "BERT's")
    ),
    Mistake(
        "mean-not-subtracted",
        {"centre": "nothing"},
        f"the mean was not subtracted. {_NORM}",
    ),
    Mistake(
        "gamma-and-beta-missing",
        {"affine": "neither"},
        f"gamma and beta were not used. {_NORM}",
    ),
    Mistake("gamma-missing", {"affine": "no gamma"}, f"gamma was not used. {_NORM}"),
    Mistake("beta-missing", {"affine": "no beta"}, f"beta was not used. {_NORM}"),
    Mistake(
        "normalised-over-tokens",
        {"normalise": "tokens"},
        "mean and variance were taken over the tokens of a text. LayerNorm takes them over the "
        "D numbers of each place: `dim=-1`. Equation 3.3.",
    ),
    Mistake(
        "normalised-over-texts",
        {"normalise": "texts"},
        "mean and variance were taken over a whole text at once. LayerNorm takes them over the "
        "D numbers of each place: `dim=-1`. Equation 3.3.",
    ),
)
