"""The encoder assignment's exercises, with answers as students write them."""

import copy
import json
import math
import re
from collections.abc import Callable
from typing import Any

import pytest
import torch
from conftest import ROOT
from exercise_answers import assert_named
from torch.nn import functional as F

import bertlab
from bertlab import BertConfig, BertModel, exercises
from bertlab.model.encoder import BertLayer


def norm(x, gamma, beta, eps, dim=-1, correction=0):
    mean, variance = x.mean(dim, keepdim=True), x.var(dim, keepdim=True, correction=correction)
    return gamma * (x - mean) / torch.sqrt(variance + eps) + beta


def add_and_norm(x, written, gamma, beta, eps=1e-12):
    return norm(x + written, gamma, beta, eps)


def token_by_token(x, written, gamma, beta, eps=1e-12):
    tokens = (x.double() + written).reshape(-1, x.size(-1))
    rows = []
    for token in tokens:
        mean = sum(token) / len(token)
        variance = sum((token - mean) ** 2) / len(token)
        rows.append((token - mean) / math.sqrt(variance + eps) * gamma + beta)
    return torch.stack(rows).view(x.shape)


def wrap(norm=norm, inside=lambda x, w: x + w, outside=lambda x, w: 0):
    def answer(x, written, gamma, beta, eps=1e-12):
        return norm(inside(x, written), gamma, beta, eps) + outside(x, written)

    return answer


def feed_forward(x, w1, b1, w2, b2):
    return F.linear(F.gelu(F.linear(x, w1, b1)), w2, b2)


def by_normal_distribution(x, w1, b1, w2, b2):
    inner = torch.einsum("...d,fd->...f", x, w1) + b1
    return (inner * torch.distributions.Normal(0.0, 1.0).cdf(inner)) @ w2.mT + b2


def bend(activation, before=lambda x: x, after=lambda x: x, first=1.0, second=1.0):
    def answer(x, w1, b1, w2, b2):
        return after(F.linear(activation(F.linear(before(x), w1, first * b1)), w2, second * b2))

    return answer


def layer(
    activation=F.gelu,
    pre=False,
    norms=("attention.output.LayerNorm", "output.LayerNorm"),
    keep=(1.0, 1.0),
    back_to=None,
    mixed=True,
    heads=lambda x, H: x.unflatten(-1, (H, -1)).transpose(1, 2),
    merge=lambda x: x.transpose(1, 2).flatten(2),
    scale=lambda d, D: d**-0.5,
    change_mask=lambda m: m,
):
    """A layer with PyTorch's parts and one step exchanged."""

    def answer(x, weights, num_heads, mask=None):
        D = x.size(-1)

        def linear(x, name):
            return F.linear(x, weights[f"{name}.weight"], weights[f"{name}.bias"])

        def normed(x, name):
            if name is None:
                return x
            return F.layer_norm(x, (D,), weights[f"{name}.weight"], weights[f"{name}.bias"], 1e-12)

        def attend(x):
            q, k, v = (
                heads(linear(x, f"attention.self.{n}"), num_heads)
                for n in ("query", "key", "value")
            )
            allowed = None if mask is None else change_mask(mask)
            factor = scale(D // num_heads, D)
            context = F.scaled_dot_product_attention(q, k, v, attn_mask=allowed, scale=factor)
            context = merge(context)
            return linear(context, "attention.output.dense") if mixed else context

        def widen(x):
            return linear(activation(linear(x, "intermediate.dense")), "output.dense")

        if pre:
            a = keep[0] * x + attend(normed(x, norms[0]))
            return keep[1] * a + widen(normed(a, norms[1]))
        a = normed(keep[0] * x + attend(x), norms[0])
        return normed(keep[1] * (x if back_to == "x" else a) + widen(a), norms[1])

    return answer


def with_torchs_layer(x, weights, num_heads, mask=None):
    """PyTorch's own encoder layer, with BERT's choices."""
    F_, D = weights["intermediate.dense.weight"].shape
    theirs = torch.nn.TransformerEncoderLayer(
        D, num_heads, F_, 0.0, F.gelu, layer_norm_eps=1e-12, batch_first=True
    )
    qkv = [f"attention.self.{name}" for name in ("query", "key", "value")]
    state = {}
    for part in ("weight", "bias"):
        state[f"self_attn.in_proj_{part}"] = torch.cat([weights[f"{n}.{part}"] for n in qkv])
        for our, their in (
            ("attention.output.dense", "self_attn.out_proj"),
            ("attention.output.LayerNorm", "norm1"),
            ("intermediate.dense", "linear1"),
            ("output.dense", "linear2"),
            ("output.LayerNorm", "norm2"),
        ):
            state[f"{their}.{part}"] = weights[f"{our}.{part}"]
    theirs.load_state_dict(state)
    return theirs(x, src_key_padding_mask=None if mask is None else ~mask[:, 0, 0])


def parameters(V, D, F_, L):
    return (V + 512 + 2 + 2) * D + L * (4 * D * D + 2 * D * F_ + 9 * D + F_) + D * D + D


def deepest(budget, V, D, F_):
    return max(0, (budget - parameters(V, D, F_, 0)) // (4 * D * D + 2 * D * F_ + 9 * D + F_))


def layer_by_layer(budget, V, D, F_):
    L = 0
    while parameters(V, D, F_, L + 1) <= budget:
        L += 1
    return L


def depth(forgotten=lambda D, F_, L: 0, rounded=math.floor):
    """The depth of a model from whose count something is missing."""

    def answer(budget, V, D, F_):
        rest = parameters(V, D, F_, 0) - forgotten(D, F_, 0)
        each = parameters(V, D, F_, 1) - forgotten(D, F_, 1) - rest
        return max(0, rounded((budget - rest) / each))

    return answer


def training_bytes(t, f, L, B, H, T):
    return 16 * t + 4 * f + 4 * L * B * H * T**2


def by_tensors(t, f, L, B, H, T):
    shapes = 4 * [(t,)] + [(f,)] + L * B * [(H, T, T)]
    return sum(torch.empty(shape, device="meta").nbytes for shape in shapes)


RIGHT = {
    "add_and_norm": (add_and_norm, token_by_token),
    "feed_forward": (feed_forward, by_normal_distribution),
    "encoder_layer": (layer(), with_torchs_layer),
    "deepest_bert": (deepest, layer_by_layer),
    "training_bytes": (training_bytes, by_tensors),
}


@pytest.mark.parametrize(
    ("name", "answer"),
    [pytest.param(n, a, id=f"{n}-{a.__name__}") for n, answers in RIGHT.items() for a in answers],
)
def test_right_answers_pass_however_they_are_written(name: str, answer: Callable[..., Any]) -> None:
    for seed in (0, 1, 9):
        result = exercises.check(name, answer, seed=seed)
        assert result, result
    assert exercises.check(name, answer, strict=True) is None


@pytest.mark.parametrize("name", RIGHT)
def test_a_solution_passes_on_20_seeds(name: str) -> None:
    for seed in range(20):
        assert exercises.check(name, RIGHT[name][0], seed=seed)


ADD = {
    "residual-missing": wrap(inside=lambda x, w: w),
    "residual-outside-layernorm": wrap(inside=lambda x, w: w, outside=lambda x, w: x),
    "x-normalised-alone": wrap(inside=lambda x, w: x, outside=lambda x, w: w),
    "each-normalised-alone": lambda x, w, *a: norm(x, *a[:2], 1e-12) + norm(w, *a[:2], 1e-12),
    "residual-added-twice": wrap(outside=lambda x, w: x),
    "layernorm-missing": wrap(norm=lambda x, *_: x),
    "variance-over-n-minus-1": wrap(norm=lambda *a: norm(*a, correction=1)),
    "eps-outside-root": wrap(
        norm=lambda x, g, b, e: (
            g * (x - x.mean(-1, True)) / (x.var(-1, False, keepdim=True) ** 0.5 + e) + b
        )
    ),
    "divided-by-variance": wrap(
        norm=lambda x, g, b, e: (
            g * (x - x.mean(-1, True)) / (x.var(-1, False, keepdim=True) + e) + b
        )
    ),
    "eps-not-used": lambda *a: wrap()(*a[:4], 1e-5),
    "gamma-and-beta-missing": wrap(norm=lambda x, g, b, e: norm(x, 1, 0, e)),
    "gamma-missing": wrap(norm=lambda x, g, b, e: norm(x, 1, b, e)),
    "beta-missing": wrap(norm=lambda x, g, b, e: norm(x, g, 0, e)),
    "normalised-over-tokens": wrap(norm=lambda *a: norm(*a, dim=-2)),
    "normalised-over-texts": wrap(norm=lambda *a: norm(*a, dim=(-2, -1))),
    "ready-made-function": wrap(norm=lambda x, g, b, e: F.layer_norm(x, x.shape[-1:], g, b, e)),
}
BEND = {
    "tanh-gelu": bend(lambda x: F.gelu(x, approximate="tanh")),
    "relu-for-gelu": bend(torch.relu),
    "gelu-without-root": bend(lambda x: x / 2 * (1 + x.erf())),
    "gelu-without-x": bend(lambda x: torch.special.ndtr(x)),
    "activation-missing": bend(lambda x: x),
    "activation-twice": bend(F.gelu, after=F.gelu),
    "activation-before-first-map": bend(lambda x: x, before=F.gelu),
    "biases-missing": bend(F.gelu, first=0.0, second=0.0),
    "first-bias-missing": bend(F.gelu, first=0.0),
    "second-bias-missing": bend(F.gelu, second=0.0),
}
FIRST, SECOND = "attention.output.LayerNorm", "output.LayerNorm"
LAYER = {
    "pre-ln": layer(pre=True),
    "first-layernorm-missing": layer(norms=(None, SECOND)),
    "second-layernorm-missing": layer(norms=(FIRST, None)),
    "layernorms-exchanged": layer(norms=(SECOND, FIRST)),
    "residuals-missing": layer(keep=(0.0, 0.0)),
    "first-residual-missing": layer(keep=(0.0, 1.0)),
    "second-residual-missing": layer(keep=(1.0, 0.0)),
    "second-residual-from-input": layer(back_to="x"),
    "output-projection-missing": layer(mixed=False),
    "tanh-gelu": layer(lambda x: F.gelu(x, approximate="tanh")),
    "relu-for-gelu": layer(F.relu),
    "activation-missing": layer(lambda x: x),
    "view-without-transpose": layer(
        heads=lambda x, H: x.view(len(x), H, x.size(1), -1),
        merge=lambda x: x.reshape(len(x), x.size(2), -1),
    ),
    "scaled-by-full-width": layer(scale=lambda d, D: D**-0.5),
    "not-scaled": layer(scale=lambda d, D: 1.0),
    "mask-ignored": layer(change_mask=lambda m: None),
    "mask-inverted": layer(change_mask=lambda m: ~m),
}
DEPTH = {
    "rounded-up": depth(rounded=math.ceil),
    "rounded-to-nearest": depth(rounded=round),
    "less-instead-of-at-most": lambda b, *sizes: deepest(b - 1, *sizes),
    "tables-forgotten": depth(lambda D, F_, L: 514 * D),
    "word-table-forgotten": lambda b, V, D, F_: deepest(b, 0, D, F_),
    "pooler-forgotten": depth(lambda D, F_, L: D * D + D),
    "embedding-layernorm-forgotten": depth(lambda D, F_, L: 2 * D),
    "layer-biases-forgotten": depth(lambda D, F_, L: L * (5 * D + F_)),
    "layernorms-forgotten": depth(lambda D, F_, L: L * 4 * D),
    "fixed-4d": lambda b, V, D, F_: deepest(b, V, D, 4 * D),
    "negative-layers": lambda b, V, D, F_: (
        (b - parameters(V, D, F_, 0)) // (parameters(V, D, F_, 1) - parameters(V, D, F_, 0))
    ),
    "wrong-type": lambda *a: float(deepest(*a)),
}
BYTES = {
    "gradient-or-average-forgotten": lambda t, *a: training_bytes(t, *a) - 4 * t,
    "adamw-states-forgotten": lambda t, *a: training_bytes(t, *a) - 8 * t,
    "weight-alone": lambda t, *a: training_bytes(t, *a) - 12 * t,
    "frozen-with-states": lambda t, f, *a: training_bytes(t + f, 0, *a),
    "frozen-forgotten": lambda t, f, *a: training_bytes(t, 0, *a),
    "attention-weights-forgotten": lambda t, f, *a: training_bytes(t, f, 0, 0, 0, 0),
    "one-layers-attention": lambda t, f, L, *a: training_bytes(t, f, 1, *a),
    "one-texts-attention": lambda t, f, L, B, *a: training_bytes(t, f, L, 1, *a),
    "one-heads-attention": lambda t, f, L, B, H, T: training_bytes(t, f, L, B, 1, T),
    "length-not-squared": lambda t, f, L, B, H, T: 16 * t + 4 * f + 4 * L * B * H * T,
    "half-precision": lambda *a: training_bytes(*a) // 2,
    "bits-counted": lambda *a: training_bytes(*a) * 8,
    "numbers-not-bytes": lambda *a: training_bytes(*a) // 4,
}
WRONG = {
    "add_and_norm": ADD,
    "feed_forward": BEND,
    "encoder_layer": LAYER,
    "deepest_bert": DEPTH,
    "training_bytes": BYTES,
}


@pytest.mark.parametrize(
    ("name", "mistake", "answer"),
    [
        pytest.param(name, mistake, answer, id=f"{name}-{mistake}")
        for name, answers in WRONG.items()
        for mistake, answer in answers.items()
    ],
)
def test_a_wrong_answer_gets_its_own_diagnosis(
    name: str, mistake: str, answer: Callable[..., Any]
) -> None:
    assert_named(name, mistake, answer)


def test_the_answers_are_those_of_the_package() -> None:
    config = BertConfig.tiny(hidden_size=12, intermediate_size=20, vocab_size=30)
    bert_layer = BertLayer(config).eval()
    x, mask = torch.randn(2, 3, 12), torch.tensor([[1, 1, 1], [1, 1, 0]]).bool()[:, None, None]
    ours = layer()(x, bert_layer.state_dict(), 2, mask)
    torch.testing.assert_close(ours, bert_layer(x, mask)[0])
    real = sum(p.numel() for p in BertModel(config).parameters())
    assert deepest(real, 30, 12, 20) == config.num_hidden_layers == deepest(real + 1, 30, 12, 20)
    assert deepest(real - 1, 30, 12, 20) == config.num_hidden_layers - 1


def test_a_changed_dictionary_of_weights_is_noticed_and_not_printed_whole() -> None:
    def answer(x, weights, num_heads, mask=None):
        y = layer()(x, weights, num_heads, mask)
        weights["output.dense.bias"] += 1
        return y

    assert exercises.check("encoder_layer", answer).mistake == "input-modified"
    message = exercises.check("encoder_layer", LAYER["pre-ln"]).message
    assert "weights = a dictionary of 16 tensors" in message


def test_the_number_of_bytes_is_compared() -> None:
    message = exercises.check("training_bytes", BYTES["bits-counted"]).message
    assert message.startswith("Your number is 8 times the right one: these are bits.")


@pytest.fixture(scope="module")
def mini() -> BertModel:
    return bertlab.BertForPreTraining.from_pretrained("bertlab-mini").bert.requires_grad_(False)


def gaps(one, two, input_ids, **others) -> list[float]:
    """The largest difference at real tokens of each hidden state."""
    mask = others.get("attention_mask", torch.ones_like(input_ids)).bool()
    states = (m(input_ids, **others, output_hidden_states=True).hidden_states for m in (one, two))
    return [float((a - b)[mask].abs().max()) for a, b in zip(*states, strict=True)]


def changed(model: BertModel, change: Callable[[Any], None]) -> BertModel:
    other = copy.deepcopy(model)
    for part in other.encoder.layer:
        change(part)
    return other


def bending(activation: Callable[..., Any]) -> Callable[[Any], None]:
    return lambda layer: setattr(layer.intermediate, "activation", activation)


def test_the_table_of_the_diagnosis_is_measured_and_fits_no_other_mistake(mini: BertModel) -> None:
    master = ROOT / "assignments/source/encoder/encoder.ipynb"
    sources = ["".join(c["source"]) for c in json.loads(master.read_text("utf-8"))["cells"]]
    (table,) = (source for source in sources if "| a text of one single token |" in source)
    rows = [
        [float(number) for number in re.findall(r"\d\.\d{4}", line)]
        for line in table.splitlines()
        if re.search(r"\| 0\.0000 \|", line)
    ]

    tokenizer = bertlab.load_tokenizer("bertlab-mini")
    first, second = "The captain brought his ship into port.", "It stayed there."
    texts = [first, "Who is it?"], [second, "It is me."]
    batch = dict(tokenizer(*texts, padding=True, return_tensors="pt"))
    alone, single = dict(tokenizer(first, second, return_tensors="pt")), torch.tensor([[5]])
    other = changed(mini, bending(lambda x: F.gelu(x, approximate="tanh")))
    double = copy.deepcopy(mini).double(), copy.deepcopy(other).double()
    measured = [
        gaps(mini, other, **batch),
        gaps(*double, **batch),
        gaps(mini, other, **alone),
        gaps(mini, other, single),
    ]
    for told, found in zip(rows, measured, strict=True):
        assert told == pytest.approx(found, abs=6e-5)

    def no_bias(layer):
        layer.intermediate.dense.bias.zero_()

    def usual_eps(layer):
        layer.attention.output.LayerNorm.eps = layer.output.LayerNorm.eps = 1e-5

    for change, off in (
        (bending(torch.relu), 0.98),
        (bending(lambda x: x * torch.sigmoid(1.702 * x)), 0.36),
        (no_bias, 0.11),
    ):
        assert gaps(mini, changed(mini, change), **batch)[1] == pytest.approx(off, abs=0.005)
    assert gaps(mini, changed(mini, usual_eps), **batch)[1] < 1e-4
