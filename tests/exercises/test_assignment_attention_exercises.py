"""The attention assignment's exercises, with answers as students write them."""

import json
import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from conftest import ROOT
from exercise_answers import assert_named
from torch.nn import functional as F

from bertlab import exercises
from bertlab.exercises import _SPECS
from bertlab.model.attention import merge_heads as bertlabs_merge_heads


def lowest(scores, mask):
    return scores.masked_fill(~mask, torch.finfo(scores.dtype).min)


def masked_softmax(scores, mask):
    return lowest(scores, mask).softmax(-1).masked_fill(~mask, 0.0)


def with_exponentials(scores, mask):
    e = (scores - scores.amax(-1, keepdim=True)).double().exp() * mask
    total = e.sum(-1, keepdim=True)
    return e / total.clamp_min(1e-300)


def with_loops(scores, mask):
    s = scores.double().numpy()
    allowed = np.broadcast_to(mask.numpy(), s.shape)
    weights = np.zeros_like(s)
    for place in np.ndindex(s.shape[:-1]):
        keys = [k for k in range(s.shape[-1]) if allowed[place][k]]
        e = [math.exp(s[place][k] - max(s[place][j] for j in keys)) for k in keys]
        for k, share in zip(keys, e, strict=True):
            weights[place][k] = share / sum(e)
    return weights


def repaired(scores, mask):
    return scores.masked_fill(~mask, -math.inf).softmax(-1).nan_to_num()


def make_mask(attention_mask, causal=False):
    mask = attention_mask.bool()[:, None, None, :]
    T = attention_mask.size(1)
    return mask & torch.ones(T, T, dtype=torch.bool).tril() if causal else mask


def mask_by_comparison(attention_mask, causal=False):
    B, T = attention_mask.shape
    places = torch.arange(T)
    past = places[None, :] <= places[:, None] if causal else torch.ones(T, T).bool()
    return torch.stack([(row == 1) & past for row in attention_mask]).view(B, 1, T, T)


def merge(heads):
    return heads.transpose(1, 2).flatten(2)


def with_cat(heads):
    return torch.cat([heads[:, h] for h in range(heads.size(1))], dim=-1)


def split(x, H):
    return x.unflatten(-1, (H, -1)).transpose(1, 2)


def multi_head(x, weight, bias, num_heads, mask=None):
    q, k, v = (split(F.linear(x, weight[i], bias[i]), num_heads) for i in range(3))
    context = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    return F.linear(merge(context), weight[3], bias[3])


def head_by_head(x, weight, bias, num_heads, mask=None):
    """The sum over heads of the right side of equation 2.15, in float64."""
    x, weight, bias = x.double(), weight.double(), bias.double()
    d = x.size(-1) // num_heads
    total = bias[3]
    for h in range(num_heads):
        part = slice(h * d, (h + 1) * d)
        q, k, v = (x @ weight[i, part].T + bias[i, part] for i in range(3))
        scores = q @ k.mT / d**0.5
        weights = scores.softmax(-1) if mask is None else masked_softmax(scores, mask[:, 0])
        total = total + weights @ v @ weight[3, :, part].T
    return total


def with_torchs_layer(x, weight, bias, num_heads, mask=None):
    layer = torch.nn.MultiheadAttention(x.size(-1), num_heads, batch_first=True)
    with torch.no_grad():
        layer.in_proj_weight.copy_(weight[:3].flatten(0, 1))
        layer.in_proj_bias.copy_(bias[:3].flatten())
        layer.out_proj.weight.copy_(weight[3])
        layer.out_proj.bias.copy_(bias[3])
    ignore = None if mask is None else ~mask[:, 0, 0]
    return layer(x, x, x, key_padding_mask=ignore)[0]


def added_lengths(weights, value, output_weight):
    blocks = output_weight.T.reshape(value.size(1), value.size(-1), -1)
    return weights * (value @ blocks).norm(dim=-1)[:, :, None]


def vector_by_vector(weights, value, output_weight):
    B, H, T, d = value.shape
    lengths = torch.zeros(B, H, T, T)
    for b, h, q, k in np.ndindex(B, H, T, T):
        W_h = output_weight.T[h * d : (h + 1) * d]
        lengths[b, h, q, k] = (weights[b, h, q, k] * (value[b, h, k] @ W_h)).norm()
    return lengths


RIGHT = {
    "masked_softmax": (masked_softmax, with_exponentials, with_loops, repaired),
    "make_mask": (make_mask, mask_by_comparison, lambda m, causal=False: make_mask(m, causal)),
    "merge_heads": (merge, with_cat, lambda x: torch.einsum("bhtd->bthd", x.double()).flatten(2)),
    "multi_head_attention": (multi_head, head_by_head, with_torchs_layer),
    "added_lengths": (added_lengths, vector_by_vector),
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


WRONG_SOFTMAX = {
    "softmax-over-queries": lambda s, m: lowest(s, m).softmax(-2),
    "softmax-over-axis-0": lambda s, m: lowest(s, m).softmax(0),
    "powers-of-two": lambda s, m: masked_softmax(s * math.log(2), m),
    "mask-ignored": lambda s, m: s.softmax(-1),
    "mask-inverted": lambda s, m: masked_softmax(s, ~m),
    "mask-after-softmax": lambda s, m: s.softmax(-1) * m,
    "mask-times-scores": lambda s, m: (s * m).softmax(-1),
    "one-maximum-for-all": lambda s, m: (
        (s - s.max()).exp() * m / ((s - s.max()).exp() * m).sum(-1, True)
    ),
    "nan-where-all-masked": lambda s, m: s.masked_fill(~m, -math.inf).softmax(-1),
    "even-where-all-masked": lambda s, m: lowest(s, m).softmax(-1),
    "scores-not-shifted": lambda s, m: s.exp() * m / (s.exp() * m).sum(-1, keepdim=True),
}
WRONG_MASK = {
    "mask-inverted": lambda m, causal=False: ~make_mask(m, causal),
    "queries-hidden": lambda m, causal=False: make_mask(m, causal).mT if not causal else None,
    "rows-of-padding-hidden": lambda m, causal=False: make_mask(m, causal) & make_mask(m).mT,
    "padding-allowed": lambda m, causal=False: make_mask(m | 1, causal),
    "causal-ignored": lambda m, causal=False: make_mask(m),
    "future-instead-of-past": lambda m, causal=False: (
        make_mask(m) & make_mask(m | 1, causal).expand(-1, 1, m.size(1), -1).mT
    ),
    "itself-forbidden": lambda m, causal=False: (
        make_mask(m, causal) & ~torch.eye(m.size(1)).bool() if causal else make_mask(m)
    ),
    "or-instead-of-and": lambda m, causal=False: (
        make_mask(m) | make_mask(m | 1, True) if causal else make_mask(m)
    ),
    "padding-lost-when-causal": lambda m, causal=False: (
        make_mask(m | 1, True).expand(len(m), -1, -1, -1) if causal else make_mask(m)
    ),
    "not-boolean": lambda m, causal=False: make_mask(m, causal).long(),
    "wrong-shape": lambda m, causal=False: make_mask(m, causal)[:, 0],
    "wrong-type": lambda m, causal=False: m.bool().tolist(),
    "returned-none": lambda m, causal=False: None,
}
WRONG_MERGE = {
    "reshape-without-transpose": lambda x: x.reshape(len(x), x.size(2), -1),
    "columns-interleaved": lambda x: torch.stack([*x.unbind(1)], dim=-1).flatten(2),
    "heads-not-merged": lambda x: x.swapaxes(1, 2),
    "heads-below-each-other": lambda x: x.flatten(1, 2),
    "heads-summed": lambda x: x.sum(1),
    "heads-averaged": lambda x: x.mean(1),
    "bertlabs-own-function": bertlabs_merge_heads,
}


def attempt(weight=lambda w: w, bias=lambda b: b, split=split, merge=merge, mask=lambda m: m):
    """Multi-head attention with one step exchanged."""

    def answer(x, w, b, H, m=None):
        w, b, m = weight(w), bias(b), m if m is None else mask(m)
        q, k, v = (split(F.linear(x, w[i], b[i]), H) for i in range(3))
        return F.linear(merge(F.scaled_dot_product_attention(q, k, v, m)), w[3], b[3])

    return answer


def unprojected(x, w, b, H, m=None):
    eye = torch.eye(x.size(-1))[None]
    return multi_head(x, torch.cat([w[:3], eye]), torch.cat([b[:3], 0 * b[3:]]), H, m)


def scaled_by(factor):
    """Exchange the scale 1/√d for another one by stretching the queries."""

    def answer(x, w, b, H, m=None):
        stretch = torch.ones(4)
        stretch[0] = factor(x.size(-1) // H, H)
        return multi_head(x, w * stretch[:, None, None], b * stretch[:, None], H, m)

    return answer


def masked_late(x, w, b, H, m=None):
    q, k, v = (split(F.linear(x, w[i], b[i]), H) for i in range(3))
    weights = (q @ k.mT / q.size(-1) ** 0.5).softmax(-1)
    weights = weights if m is None else weights * m
    return F.linear(merge(weights @ v), w[3], b[3])


def viewed(x, H):
    return x.view(len(x), H, x.size(1), -1)


def laid_flat(x):
    return x.reshape(len(x), x.size(2), -1)


WRONG_MULTI_HEAD = {
    "weight-not-transposed": attempt(weight=lambda w: w.mT),
    "last-weight-not-transposed": attempt(weight=lambda w: torch.cat([w[:3], w[3:].mT])),
    "biases-missing": attempt(bias=torch.zeros_like),
    "projection-biases-missing": attempt(bias=lambda b: torch.cat([0 * b[:3], b[3:]])),
    "output-projection-missing": unprojected,
    "maps-in-another-order": attempt(
        weight=lambda w: w[[1, 0, 2, 3]], bias=lambda b: b[[1, 0, 2, 3]]
    ),
    "view-without-transpose": attempt(split=viewed),
    "heads-not-split": attempt(split=lambda x, H: split(x, 1)),
    "merged-without-transpose": attempt(merge=laid_flat),
    "view-there-and-back": attempt(split=viewed, merge=laid_flat),
    "scaled-by-full-width": scaled_by(lambda d, H: H**-0.5),
    "not-scaled": scaled_by(lambda d, H: d**0.5),
    "divided-by-d": scaled_by(lambda d, H: d**-0.5),
    "mask-ignored": attempt(mask=lambda m: None),
    "mask-inverted": attempt(mask=lambda m: ~m),
    "mask-after-softmax": masked_late,
}
WRONG_LENGTHS = {
    "weight-not-transposed": lambda A, v, W: added_lengths(A, v, W.T),
    "output-matrix-left-out": lambda A, v, W: A * v.norm(dim=-1)[:, :, None],
    "heads-interleaved": lambda A, v, W: (
        A * (v @ W.T.reshape(v.size(-1), v.size(1), -1).transpose(0, 1)).norm(dim=-1)[:, :, None]
    ),
    "first-block-for-all": lambda A, v, W: A * (v @ W.T[: v.size(-1)]).norm(dim=-1)[:, :, None],
    "length-of-the-query": lambda A, v, W: A * added_lengths(torch.ones_like(A), v, W).mT,
    "length-squared": lambda A, v, W: A * added_lengths(torch.ones_like(A), v, W) ** 2,
    "sum-of-absolute-values": lambda A, v, W: (
        A * (v @ W.T.reshape(v.size(1), v.size(-1), -1)).abs().sum(-1)[:, :, None]
    ),
    "weights-left-out": lambda A, v, W: added_lengths(torch.ones_like(A), v, W),
}
WRONG = {
    "masked_softmax": WRONG_SOFTMAX,
    "make_mask": WRONG_MASK,
    "merge_heads": WRONG_MERGE,
    "multi_head_attention": WRONG_MULTI_HEAD,
    "added_lengths": WRONG_LENGTHS,
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


def test_the_rows_sums_are_measured() -> None:
    message = exercises.check("masked_softmax", WRONG_SOFTMAX["mask-after-softmax"]).message
    assert message.startswith("A row of your weights sums to 0.")


def test_diagnoses_name_an_equation_of_the_book() -> None:
    formulas = {  # what stands in the numbered display
        "2.11": r"m_{ij}\, e^{s_{ij}}",
        "2.13": r"Q^{(h)}_{t,c}",
        "2.15": r"\operatorname{MultiHead}(X)",
        "3.6": r"\operatorname{FFN}(x)",
        "3.7": r"\operatorname{LN}_1\big(X",
        "3.8": r"\operatorname{LN}_2\big(A",
        "3.14": r"N = (V + 512",
        "3.17": r"M_{\text{states}}",
        "4.7": r"\left\| A_{qk}",
    }
    specs = [s for s in _SPECS.values() if s.exercise.assignment in ("attention", "encoder")]
    named = {spec.equation for spec in specs}
    for spec in specs:
        for mistake in spec.mistakes:
            named |= set(re.findall(r"[Ee]quation (\d+\.\d+)", mistake.explanation))
    assert named == set(formulas)
    for number, formula in formulas.items():
        (path,) = (ROOT / "book").glob(f"{int(number.split('.')[0]):02d}_*.ipynb")
        cells = json.loads(path.read_text("utf-8"))["cells"]
        displays = "".join("".join(cell["source"]) for cell in cells).split("$$")[1::2]
        (display,) = (d for d in displays if rf"\tag{{{number}}}" in d)
        assert formula in display
    message = exercises.check("merge_heads", WRONG_MERGE["heads-summed"]).message
    assert "W_O mixes them later. Equation 2.13." in message


def test_exercises_of_assignments_are_not_in_the_catalogue_and_say_where_they_are(capsys) -> None:
    assert not {e.name for e in exercises.catalog()} & RIGHT.keys()
    exercises.show("make_mask")
    assert capsys.readouterr().out.startswith("make_mask · assignment attention · medium · 8 min")
