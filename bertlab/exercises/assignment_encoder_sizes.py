"""The encoder assignment's exercises on sizes: how deep a model may be, what training holds.

Dimensions: ``V`` vocabulary, ``D`` width, ``F`` feed-forward width, ``L`` layers, ``B`` texts,
``H`` heads, ``T`` tokens.
"""

from __future__ import annotations

import random

from bertlab.exercises.spec import Case, Exercise, Failure, Mistake, Spec

_PLACES = 512
_TYPES = 2


def _deepest(
    budget: int,
    vocab_size: int,
    hidden_size: int,
    intermediate_size: int,
    *,
    rounding: str = "down",
    pooler: bool = True,
    embedding_norm: bool = True,
    words: bool = True,
    places: bool = True,
    biases: bool = True,
    norms: bool = True,
    negative: bool = False,
    fixed: bool = False,
) -> int:
    """The number of layers, right by default; each keyword makes one step wrong."""
    V, D, F = vocab_size, hidden_size, intermediate_size
    F = 4 * D if fixed else F
    layer = 4 * D * D + 2 * D * F + biases * (5 * D + F) + norms * 4 * D
    rest = (V * words + (_PLACES + _TYPES) * places + 2 * embedding_norm) * D
    rest += (D * D + D) * pooler
    left = budget - rest
    layers = {
        "down": left // layer,
        "up": -(-left // layer),
        "nearest": (2 * left + layer) // (2 * layer),
        "below": (left - 1) // layer,
    }[rounding]
    return layers if negative else max(0, layers)


def _deepest_cases(seed: int) -> list[Case]:
    rng = random.Random(seed)
    V, D, F = rng.randint(500, 999), rng.randint(8, 20), rng.randint(90, 150)
    L = rng.randint(3, 6)
    layer = 4 * D * D + 2 * D * F + 9 * D + F
    rest = (V + _PLACES + _TYPES + 2) * D + D * D + D
    exact = rest + L * layer

    def case(stage: int, label: str, budget: int, *sizes: int) -> Case:
        names = ("budget", "vocab_size", "hidden_size", "intermediate_size")
        return Case(stage, label, dict(zip(names, (budget, *(sizes or (V, D, F))), strict=True)))

    # A part that is forgotten shows where exactly its size is missing.
    parts = {D * D + D, 2 * D, L * (5 * D + F), L * 4 * D}
    missing = [case(2, f"{part} too few", exact - part) for part in sorted(parts)]
    missing += [case(2, f"{part + 1} too few", exact - part - 1) for part in sorted(parts)]
    return [
        case(1, "enough for some layers and a bit", exact + layer // 3),
        case(1, "enough for some layers and a bit more", exact + 2 * layer // 3),
        case(1, "exactly enough", exact),
        case(1, "BERT-base's 110 million", 110_000_000, 30_522, 768, 3_072),
        case(2, "one too few", exact - 1),
        *missing,
        case(3, "not even the tables fit", rest - 2 * layer),
        case(3, "no layer fits", rest + layer - 1),
    ]


def _deepest_evidence(failure: Failure) -> str:
    found, budget = failure.found[0], failure["budget"]
    if found <= failure.expected[0]:
        return f"With {found} layers there is room for more under {budget:,}"
    return f"A model of {found} layers has more than {budget:,} parameters"


def _deepest_mistake(name: str, explanation: str, **flags: object) -> Mistake:
    return Mistake(name, flags, explanation, _deepest_evidence)


DEEPEST_BERT = Spec(
    Exercise("deepest_bert", 3, "medium", 8, "encoder"),
    question=(
        "How many layers may a BertModel (512 positions, 2 token types, with pooler) have if it\n"
        "must not have more than budget parameters? Return a whole number, 0 if no layer fits."
    ),
    formula="(V + 512 + 2 + 2) D + L (4 D² + 2 D F + 9 D + F) + D² + D ≤ budget",
    stub=(
        "def deepest_bert(budget, vocab_size, hidden_size, intermediate_size):\n"
        "    raise NotImplementedError"
    ),
    hints=(
        "Take off what there is once: embeddings and pooler. Divide what is left by the size of "
        "a layer.",
        "`//` rounds down, also below 0: -1 // 5 is -1.",
    ),
    verified="budgets just enough, one too few and too many; no layer; BERT-base.",
    outputs={"layers": "integer"},
    compute=_deepest,
    cases=_deepest_cases,
    equation="3.14",
    mistakes=(
        _deepest_mistake("rounded-up", "the result was rounded up.", rounding="up"),
        _deepest_mistake(
            "rounded-to-nearest",
            "the result was rounded to the nearest whole number. Half a layer is none: use `//`.",
            rounding="nearest",
        ),
        _deepest_mistake(
            "less-instead-of-at-most",
            "a model of exactly `budget` parameters was refused. It is allowed: ≤, not <.",
            rounding="below",
        ),
        _deepest_mistake(
            "tables-forgotten",
            "the position and token type tables were forgotten: 514 D numbers.",
            places=False,
        ),
        _deepest_mistake(
            "word-table-forgotten", "the word table was forgotten: V · D numbers.", words=False
        ),
        _deepest_mistake("pooler-forgotten", "the pooler has D² + D numbers.", pooler=False),
        _deepest_mistake(
            "embedding-layernorm-forgotten",
            "the embeddings end in a LayerNorm, with 2 D numbers.",
            embedding_norm=False,
        ),
        _deepest_mistake(
            "layer-biases-forgotten",
            "the maps in a layer have biases: 4 D for attention, F + D for the feed-forward "
            "network.",
            biases=False,
        ),
        _deepest_mistake(
            "layernorms-forgotten",
            "each layer has two LayerNorms, of 2 D numbers each.",
            norms=False,
        ),
        _deepest_mistake(
            "fixed-4d",
            "the feed-forward width was taken as 4 D. Use `intermediate_size`.",
            fixed=True,
        ),
        Mistake(
            "negative-layers",
            {"negative": True},
            "a model can't have fewer than 0 layers. Where not even one fits, return 0.",
        ),
    ),
)


def _training_bytes(
    trained: int,
    frozen: int,
    num_layers: int,
    batch: int,
    num_heads: int,
    length: int,
    *,
    averages: int = 2,
    gradient: bool = True,
    frozen_states: str = "weight",
    maps: str = "all",
    width: int = 4,
) -> int:
    """The bytes, right by default; each keyword makes one step wrong."""
    kept = 1 + gradient + averages
    numbers = kept * trained + {"weight": 1, "all": kept, "none": 0}[frozen_states] * frozen
    weights = {
        "all": num_layers * batch * num_heads * length**2,
        "one layer": batch * num_heads * length**2,
        "one text": num_layers * num_heads * length**2,
        "one head": num_layers * batch * length**2,
        "rows": num_layers * batch * num_heads * length,
        "none": 0,
    }[maps]
    return width * (numbers + weights)


def _training_cases(seed: int) -> list[Case]:
    rng = random.Random(seed)
    names = ("trained", "frozen", "num_layers", "batch", "num_heads", "length")

    def case(stage: int, label: str, *numbers: int) -> Case:
        return Case(stage, label, dict(zip(names, numbers, strict=True)))

    def some() -> tuple[int, ...]:
        return rng.randint(2, 9), rng.randint(2, 9), rng.randint(2, 9), rng.randint(5, 40)

    return [
        case(1, "all trained", rng.randint(100, 999), 0, *some()),
        case(1, "BERT-base, 32 texts of 128 tokens", 109_482_240, 0, 12, 32, 12, 128),
        case(2, "the embeddings frozen", rng.randint(100, 999), rng.randint(100, 999), *some()),
        case(2, "a head alone trained", rng.randint(2, 20), rng.randint(5_000, 9_999), *some()),
    ]


def _training_evidence(failure: Failure) -> str:
    ratio = failure.found[0] / failure.expected[0]
    return f"Your number is {ratio:.3g} times the right one"


def _training_mistake(name: str, explanation: str, **flags: object) -> Mistake:
    return Mistake(name, flags, explanation, _training_evidence)


TRAINING_BYTES = Spec(
    Exercise("training_bytes", 3, "medium", 8, "encoder"),
    question=(
        "How many bytes do two things take in training with AdamW, all numbers in float32 (4\n"
        "bytes)? First the states: a trained parameter has its weight, its gradient and AdamW's\n"
        "two running averages; a frozen one only its weight. Second the attention weights, kept\n"
        "for the backward pass: a number for each layer, text, head, query and key."
    ),
    formula="4 (4 · trained + frozen) + 4 · L · B · H · T²",
    stub=(
        "def training_bytes(trained, frozen, num_layers, batch, num_heads, length):\n"
        "    raise NotImplementedError"
    ),
    hints=(
        "Count numbers first, then multiply by 4 bytes.",
        "16 bytes a trained parameter, 4 a frozen one; H T² attention weights a text and layer.",
    ),
    verified="all parameters trained, some frozen, nearly all frozen; BERT-base.",
    outputs={"bytes": "integer"},
    compute=_training_bytes,
    cases=_training_cases,
    equation="3.17",
    mistakes=(
        _training_mistake(
            "gradient-or-average-forgotten",
            "three numbers were counted for a trained parameter. It has four: the weight, its "
            "gradient, and AdamW's *two* running averages, of the gradient and of its square.",
            averages=1,
        ),
        _training_mistake(
            "adamw-states-forgotten",
            "the two running averages of AdamW were forgotten.",
            averages=0,
        ),
        _training_mistake(
            "weight-alone",
            "one number was counted for a trained parameter. It has four: the weight, its "
            "gradient, and AdamW's two running averages.",
            averages=0,
            gradient=False,
        ),
        _training_mistake(
            "frozen-with-states",
            "a frozen parameter has no gradient and no running averages: 4 bytes, not 16.",
            frozen_states="all",
        ),
        _training_mistake(
            "frozen-forgotten",
            "frozen parameters were left out. Their weights are still in memory: 4 bytes each.",
            frozen_states="none",
        ),
        _training_mistake(
            "attention-weights-forgotten", "the attention weights were left out.", maps="none"
        ),
        _training_mistake(
            "one-layers-attention",
            "the attention weights of one layer were counted. All layers keep theirs.",
            maps="one layer",
        ),
        _training_mistake(
            "one-texts-attention",
            "the attention weights of one text were counted. Each text has its own.",
            maps="one text",
        ),
        _training_mistake(
            "one-heads-attention",
            "the attention weights of one head were counted. Each head has its own.",
            maps="one head",
        ),
        _training_mistake(
            "length-not-squared",
            "there is a number for each query *and* key: T², not T.",
            maps="rows",
        ),
        _training_mistake(
            "half-precision", "float32 takes 4 bytes a number, 2 were counted.", width=2
        ),
        _training_mistake("bits-counted", "these are bits. A byte has 8.", width=32),
        _training_mistake("numbers-not-bytes", "these are numbers. Each takes 4 bytes.", width=1),
    ),
)

EXERCISES = (DEEPEST_BERT, TRAINING_BYTES)
