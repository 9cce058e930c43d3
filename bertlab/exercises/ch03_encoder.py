"""The exercises of chapter 3: BERT's embeddings, and how many parameters it has.

Dimensions: ``B`` batch, ``T`` tokens, ``D`` width, ``V`` vocabulary, ``P`` positions,
``S`` token types, ``F`` feed-forward width, ``L`` layers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bertlab.exercises.spec import Case, Exercise, Failure, Mistake, Spec
from bertlab.exercises.values import number

if TYPE_CHECKING:
    from torch import Tensor


def _embed(
    input_ids: Tensor,
    token_type_ids: Tensor,
    word: Tensor,
    position: Tensor,
    token_type: Tensor,
    gamma: Tensor,
    beta: Tensor,
    eps: float = 1e-12,
    *,
    parts: str = "all",
    positions: str = "run on",
    combine: str = "sum",
    after: str = "",
    normalise: str = "places",
    variance: str = "n",
    centre: str = "mean",
    root: str = "around eps",
    epsilon: str = "given",
    affine: str = "both",
) -> Tensor:
    """The sum of three rows, then LayerNorm; each keyword makes one step wrong."""
    import torch

    T, D = input_ids.size(1), word.size(1)
    places = torch.arange(T).expand_as(input_ids)
    if positions == "restarted":  # at the first place of the second text
        starts = (token_type_ids == 0).sum(1, keepdim=True)
        places = torch.where(token_type_ids == 1, places - starts, places)
    elif positions == "from one":
        places = places + 1
    elif positions == "ids":
        places = input_ids
    elif positions == "zero":
        places = torch.zeros_like(places)
    words = word.double()[input_ids]  # (B, T, D)
    places_rows = position.double()[places]
    if positions == "sinusoids":
        places_rows = _sinusoids(T, D).expand_as(words)
    types = token_type.double()[token_type_ids]
    if parts == "words scaled":
        words = words * D**0.5
    terms = {"words": words, "positions": places_rows, "types": types}
    terms = {name: term for name, term in terms.items() if parts != f"no {name}"}

    if epsilon == "usual default":
        eps = 1e-5
    elif epsilon == "BERT's":
        eps = 1e-12

    def layer_norm(x: Tensor) -> Tensor:
        if normalise == "not at all":
            return x
        axes = {"tokens": 1, "texts": (1, 2), "batch": 0}.get(normalise, -1)
        mean = x.mean(axes, keepdim=True)
        var = x.var(axes, keepdim=True, correction=1 if variance == "n - 1" else 0)
        if root == "eps outside":
            divisor = var.sqrt() + eps
        else:
            divisor = var + eps if root == "none" else (var + eps).sqrt()
        x = (x if centre == "nothing" else x - mean) / divisor
        if affine != "no gamma" and affine != "neither":
            x = x * gamma.double()
        return x if affine in ("no beta", "neither") else x + beta.double()

    late = terms.pop(after) if after in terms and after != "positions alone" else None
    if after == "positions alone" and "positions" in terms:
        alone = layer_norm(terms.pop("positions"))
        return sum(terms.values()) + alone
    if after == "each":
        return sum(map(layer_norm, terms.values()))  # type: ignore[return-value]
    total: Any = sum(terms.values())
    if combine == "mean":
        total = total / len(terms)
    elif combine == "product":
        total = torch.stack(list(terms.values())).prod(0)
    result = layer_norm(total)
    return result if late is None else result + late


def _sinusoids(T: int, D: int) -> Tensor:
    """The positions of Vaswani et al. 2017, section 3.5; D even."""
    import torch

    angle = torch.arange(T)[:, None] / 10_000 ** (torch.arange(0, D, 2).double() / D)
    return torch.stack((angle.sin(), angle.cos()), dim=-1).flatten(1)


def _embed_cases(seed: int) -> list[Case]:
    import torch

    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float32)

    def case(
        stage: int, label: str, B: int, T: int, D: int, size: float = 1.0, **eps: float
    ) -> Case:
        first = torch.randint(1, T + 1, (B, 1), generator=generator)  # tokens of the first text
        if stage == 1:
            first[:] = T
        arguments: dict[str, Any] = {
            "input_ids": torch.randint(0, 11, (B, T), generator=generator),
            "token_type_ids": (torch.arange(T) >= first).long(),
            "word": normal(11, D) * size,
            "position": normal(12, D) * size,
            "token_type": normal(2, D) * size,
            "gamma": 1 + 0.3 * normal(D),
            "beta": 0.3 * normal(D),
        }
        return Case(stage, label, arguments | eps)

    pair = case(2, "a pair of texts", 1, 4, 4)
    pair.arguments["token_type_ids"].copy_(torch.tensor([[0, 0, 1, 1]]))
    return [
        case(1, "one text of three tokens", 1, 3, 4),
        case(1, "a batch of texts", 2, 5, 8),
        case(1, "one token", 1, 1, 6),
        pair,
        case(2, "a batch of pairs", 3, 7, 8),
        case(3, "a large eps, 0.5", 2, 3, 6, eps=0.5),
        case(3, "small numbers, the default eps", 2, 3, 6, size=1e-3),
    ]


def _variance(failure: Failure) -> str:
    D = failure["word"].size(1)
    inner = (failure.found[0] - failure["beta"]) / failure["gamma"]
    found = inner.var(-1, correction=0)[0, 0].item()
    return f"Without gamma and beta, your first vector of {D} has the variance {number(found)}"


_NORM = (
    "LayerNorm: gamma · (x - mean) / √(variance + eps) + beta, over the D numbers of each place."
)

EMBED = Spec(
    Exercise("embed", 3, "easy", 10),
    question=(
        "BERT's embeddings in one function: for each token the sum of its word row, its position\n"
        "row and its token type row, then LayerNorm over the last axis. input_ids and\n"
        "token_type_ids are (B, T); word (V, D), position (P, D) and token_type (S, D) are tables;\n"
        "gamma and beta are (D,). Return (B, T, D)."
    ),
    formula="x = word[id] + position[t] + token_type[type];  gamma (x - mean) / √(variance + eps) + beta",
    stub=(
        "def embed(input_ids, token_type_ids, word, position, token_type, gamma, beta, eps=1e-12):\n"
        "    raise NotImplementedError"
    ),
    hints=(
        "`word[input_ids]` picks a row for each id: (B, T) -> (B, T, D).",
        "Positions are 0 to T - 1 in every text, whatever the token types: `position[:T]`.",
        "The variance divides by D, not D - 1 (`correction=0`), and eps stands inside the root.",
    ),
    verified=(
        "shapes and values for batches, pairs and a single token; eps used, and inside the root; "
        "small numbers; arguments unchanged."
    ),
    outputs={"embeddings": "tensor"},
    compute=_embed,
    cases=_embed_cases,
    mistakes=(
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
            "LayerNorm ran over the position rows alone. Sum all three first, then normalise.",
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
            "the token type rows are missing. Type 0 has a row as well: `token_type[token_type_ids]`.",
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
        Mistake(
            "multiplied-not-summed", {"combine": "product"}, "the rows were multiplied. Add them."
        ),
        Mistake(
            "variance-over-n-minus-1",
            {"variance": "n - 1"},
            "the variance was divided by D - 1, PyTorch's default for `var` and `std`. LayerNorm "
            "divides by D: `correction=0`.",
            _variance,
        ),
        Mistake(
            "eps-outside-root",
            {"root": "eps outside"},
            "eps was added to the standard deviation. It stands inside the root: √(variance + eps).",
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
            "D numbers of each place: `dim=-1`.",
        ),
        Mistake(
            "normalised-over-texts",
            {"normalise": "texts"},
            "mean and variance were taken over a whole text at once. LayerNorm takes them over the "
            "D numbers of each place: `dim=-1`.",
        ),
    ),
)

EXERCISES = (EMBED,)
