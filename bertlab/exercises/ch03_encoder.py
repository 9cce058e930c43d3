"""Chapter 3's exercise on BERT's embeddings.

Dimensions: ``B`` batch, ``T`` tokens, ``D`` width, ``V`` vocabulary, ``P`` positions,
``S`` token types.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bertlab.exercises.ch03_mistakes import MISTAKES
from bertlab.exercises.spec import Case, Exercise, Spec

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
        axes: Any = {"tokens": 1, "texts": (1, 2)}.get(normalise, -1)
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


EMBED = Spec(
    Exercise("embed", 3, "easy", 10),
    question=(
        "BERT's embeddings in one function: for each token the sum of its word row, its position\n"
        "row and its token type row, then LayerNorm over the last axis. input_ids and\n"
        "token_type_ids are (B, T); word (V, D), position (P, D) and token_type (S, D) are\n"
        "tables; gamma and beta are (D,). Return (B, T, D)."
    ),
    formula=(
        "x = word[id] + position[t] + token_type[type],  "
        "then gamma (x - mean) / √(variance + eps) + beta"
    ),
    stub=(
        "def embed(input_ids, token_type_ids, word, position, token_type,\n"
        "          gamma, beta, eps=1e-12):\n"
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
    equation="3.1",
    mistakes=MISTAKES,
)

EXERCISES = (EMBED,)
