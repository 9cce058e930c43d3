"""Chapter 3's exercise on the number of parameters.

Dimensions: ``D`` width, ``V`` vocabulary, ``P`` positions, ``S`` token types, ``F`` feed-forward
width, ``L`` layers.
"""

from __future__ import annotations

import random

from bertlab.exercises.spec import Case, Exercise, Failure, Mistake, Spec


def _count_parameters(
    vocab_size: int,
    hidden_size: int,
    num_hidden_layers: int,
    intermediate_size: int,
    max_position_embeddings: int = 512,
    type_vocab_size: int = 2,
    *,
    words: bool = True,
    positions: bool = True,
    types: bool = True,
    fixed: str = "",
    attention_biases: bool = True,
    feed_forward_biases: bool = True,
    pooler_bias: bool = True,
    embedding_norm: bool = True,
    norms: int = 2,
    norm_vectors: int = 2,
    matrices: int = 4,
    feed_forward: int = 2,
    pooler: bool = True,
    head: bool = False,
    layers: bool = True,
) -> int:
    """The count, right by default; each keyword leaves something out or adds it."""
    V, D, L, F = vocab_size, hidden_size, num_hidden_layers, intermediate_size
    P, S = max_position_embeddings, type_vocab_size
    P = 512 if fixed == "positions" else P
    S = 2 if fixed == "types" else S
    F = 4 * D if fixed == "feed-forward" else F
    layer_norm = norm_vectors * D
    embeddings = (V * words + P * positions + S * types) * D + layer_norm * embedding_norm
    attention = matrices * (D * D + D * attention_biases)
    mlp = feed_forward * D * F
    if feed_forward_biases:
        mlp += F + D if feed_forward == 2 else F
    layer = attention + mlp + norms * layer_norm
    total = embeddings + (L if layers else 1) * layer
    if pooler:
        total += D * D + D * pooler_bias
    if head:
        total += D * D + D + layer_norm + V
    return total


def _count_parameters_cases(seed: int) -> list[Case]:
    rng = random.Random(seed)
    cases = []
    for label, others in (("defaults for positions and types", 0), ("all sizes given", 2)):
        for _ in range(3):
            D = rng.randint(2, 40)
            sizes = [rng.randint(50, 999), D, rng.randint(2, 9), rng.randint(2, 200)]
            sizes += [rng.randint(10, 99), rng.randint(3, 9)][:others]
            cases.append(Case(1 + (others > 0), label, dict(zip(_NAMES, sizes, strict=False))))
    cases.append(Case(3, "BERT-base", dict(zip(_NAMES, (30_522, 768, 12, 3_072), strict=False))))
    return cases


_NAMES = (
    "vocab_size",
    "hidden_size",
    "num_hidden_layers",
    "intermediate_size",
    "max_position_embeddings",
    "type_vocab_size",
)


def _off_by(failure: Failure) -> str:
    off = failure.found[0] - failure.expected[0]
    return f"Your count for the sizes below is {abs(off):,} too {'high' if off > 0 else 'low'}"


def _mistake(name: str, explanation: str, **flags: object) -> Mistake:
    return Mistake(name, flags, explanation, _off_by)


COUNT_PARAMETERS = Spec(
    Exercise("count_parameters", 3, "medium", 15),
    question=(
        "How many parameters has a BertModel, pooler included? Embeddings: three tables and a\n"
        "LayerNorm. Each layer: four D × D maps of attention, two of the feed-forward network,\n"
        "two LayerNorms. The pooler: one D × D map. Every map has a bias, every LayerNorm two\n"
        "vectors. F need not be 4 D."
    ),
    formula="(V + P + S + 2) D + L (4 D² + 2 D F + 9 D + F) + D² + D",
    stub=(
        "def count_parameters(vocab_size, hidden_size, num_hidden_layers, intermediate_size,\n"
        "                     max_position_embeddings=512, type_vocab_size=2):\n"
        "    raise NotImplementedError"
    ),
    hints=(
        "Three sums: the embeddings, one layer (times the number of layers), the pooler.",
        "A map from m to n numbers has m·n weights and n biases; a LayerNorm of width D has 2 D.",
        "Attention has four maps, the fourth mixes the heads. In all, a layer has 9 D + F numbers "
        "that are not in a matrix.",
    ),
    verified="BERT-base, 109,482,240, and many other sizes, some with other numbers of positions "
    "and token types.",
    outputs={"count": "integer"},
    compute=_count_parameters,
    cases=_count_parameters_cases,
    equation="3.14",
    together=3,
    mistakes=(
        _mistake(
            "biases-forgotten",
            "no map has a bias. A map from m to n numbers has n of them.",
            attention_biases=False,
            feed_forward_biases=False,
            pooler_bias=False,
        ),
        _mistake(
            "layer-biases-forgotten",
            "the maps in the layers have no biases: 4 D for attention, F + D for the feed-forward "
            "network.",
            attention_biases=False,
            feed_forward_biases=False,
        ),
        _mistake(
            "attention-biases-or-layernorms-forgotten",
            "4 D numbers are missing in each layer. Either attention's four biases were forgotten, "
            "of D each, or the two LayerNorms, of 2 D each: the sums are the same.",
            attention_biases=False,
        ),
        _mistake(
            "feed-forward-biases-forgotten",
            "the feed-forward network's two maps have biases: F and D numbers.",
            feed_forward_biases=False,
        ),
        _mistake(
            "pooler-bias-forgotten", "the pooler's map has a bias of D numbers.", pooler_bias=False
        ),
        _mistake(
            "layernorms-forgotten",
            "no LayerNorm was counted. The embeddings have one and each layer two, of 2 D each.",
            embedding_norm=False,
            norms=0,
        ),
        _mistake(
            "embedding-layernorm-forgotten",
            "the embeddings end in a LayerNorm, with 2 D numbers.",
            embedding_norm=False,
        ),
        _mistake(
            "one-layernorm-a-layer",
            "each layer has two LayerNorms, one after attention and one after the feed-forward "
            "network; one was counted.",
            norms=1,
        ),
        _mistake(
            "layernorm-one-vector",
            "a LayerNorm has two vectors, gamma and beta; one was counted.",
            norm_vectors=1,
        ),
        _mistake("words-forgotten", "the word table has V · D numbers.", words=False),
        _mistake("positions-forgotten", "the position table has P · D numbers.", positions=False),
        _mistake("token-types-forgotten", "the token type table has S · D numbers.", types=False),
        _mistake(
            "output-projection-forgotten",
            "attention has a fourth map, which mixes the heads after they are put side by side.",
            matrices=3,
        ),
        _mistake(
            "one-feed-forward-map",
            "the feed-forward network has two maps, from D to F and back; one was counted.",
            feed_forward=1,
        ),
        _mistake("pooler-forgotten", "the pooler has D² + D numbers.", pooler=False),
        _mistake(
            "mlm-head-counted",
            "the masked-word head was counted too. BertModel ends with the pooler.",
            head=True,
        ),
        _mistake(
            "one-layer", "one layer was counted. Multiply by the number of layers.", layers=False
        ),
        _mistake(
            "fixed-512-positions",
            "512 is written into the code. Use `max_position_embeddings`.",
            fixed="positions",
        ),
        _mistake(
            "fixed-two-types", "2 is written into the code. Use `type_vocab_size`.", fixed="types"
        ),
        _mistake(
            "fixed-4d",
            "the feed-forward width was taken as 4 D. Use `intermediate_size`.",
            fixed="feed-forward",
        ),
    ),
)

EXERCISES = (COUNT_PARAMETERS,)
