"""Chapter 5's exercise that asks for a class: the head that guesses masked words.

Dimensions: ``B`` batch, ``T`` tokens, ``D`` width, ``V`` vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from bertlab.exercises.spec import Case, Exercise, Mistake, Spec
from bertlab.exercises.values import Unusable, kind_of

if TYPE_CHECKING:
    from torch import Tensor

_OWN = ("dense.weight", "dense.bias", "norm.weight", "norm.bias")


def _masked_word_head(
    hidden: Tensor,
    table: Tensor,
    weights: dict[str, Tensor],
    later: Tensor,
    *,
    tied: bool = True,
    bias: bool = True,
    transform: str = "whole",
) -> tuple[Tensor, Tensor]:
    """Logits before and after the table changed; each keyword makes one step wrong."""
    from torch.nn import functional

    w = {name: weight.double() for name, weight in weights.items()}
    g = hidden.double()
    if transform != "missing":
        g = functional.linear(g, w["dense.weight"], w["dense.bias"])
        if transform == "relu":
            g = functional.relu(g)
        elif transform != "no gelu":
            g = functional.gelu(g)
        if transform != "no norm":
            g = functional.layer_norm(g, g.shape[-1:], w["norm.weight"], w["norm.bias"], 1e-12)

    def logits(E: Tensor) -> Tensor:
        return g @ E.double().T + (w["bias"] if bias else 0)

    return logits(table), logits(later if tied else table)


def _use(answer: Any) -> Callable[..., Any]:
    """Build the learner's head on a table, call it, change the table, and call it again."""

    def run(hidden: Tensor, table: Tensor, weights: dict[str, Tensor], later: Tensor) -> Any:
        import torch

        V, D = table.shape
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            words = torch.nn.Embedding(V, D)
            words.weight.copy_(table)
            head = answer(words)
            if not isinstance(head, torch.nn.Module):
                found = f"your class makes {kind_of(head)}: expected a torch.nn.Module"
                raise Unusable("not-a-module", found)
            for name, parameter in head.named_parameters():
                known = name in _OWN and parameter.shape == weights[name].shape
                if known or parameter.shape == (V,):
                    parameter.copy_(weights[name if known else "bias"])
                elif parameter is not words.weight:
                    if parameter.shape != (V, D):
                        raise Unusable(
                            "wrong-parameters",
                            f"your head has the parameter {name} of shape "
                            f"{tuple(parameter.shape)}: expected `dense`, `norm` and `bias`",
                        )
                    if not torch.equal(parameter, table):  # a map of its own, drawn at random
                        parameter.copy_(table)
            head.eval()
            first = head(hidden)
            first = first.clone() if isinstance(first, torch.Tensor) else first
            words.weight.copy_(later)
            return first, head(hidden)

    return run


def _cases(seed: int) -> list[Case]:
    import torch

    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int, size: float = 1.0) -> Tensor:
        return size * torch.randn(shape, generator=generator)

    def case(label: str, B: int, T: int, D: int, V: int) -> Case:
        weights = {
            "dense.weight": normal(D, D),
            "dense.bias": normal(D),
            "norm.weight": 1 + normal(D, size=0.3),
            "norm.bias": normal(D, size=0.3),
            "bias": normal(V),
        }
        arguments = {
            "hidden": normal(B, T, D),
            "table": normal(V, D),
            "weights": weights,
            "later": normal(V, D),
        }
        return Case(1, label, arguments)

    return [case("one place", 1, 1, 3, 5), case("a batch", 2, 3, 4, 9)]


MASKED_WORD_HEAD = Spec(
    Exercise("masked_word_head", 5, "hard", 15, extra=True),
    question=(
        "The head that guesses masked words, as a torch.nn.Module made from the model's word\n"
        "table `words`, an nn.Embedding of V rows and D columns. `dense` is an nn.Linear from D\n"
        "to D, `norm` an nn.LayerNorm with eps 1e-12, `bias` a parameter of V numbers. forward\n"
        "takes (B, T, D) and returns (B, T, V). The table is not copied: what changes in it\n"
        "changes the scores. Hand in the class."
    ),
    formula="scores = LN(GELU(dense(h))) Eᵀ + bias,   E = words.weight",
    stub=(
        "class MaskedWordHead(torch.nn.Module):\n"
        "    def __init__(self, words):\n"
        "        super().__init__()\n"
        "        raise NotImplementedError\n\n"
        "    def forward(self, hidden):\n"
        "        raise NotImplementedError"
    ),
    hints=(
        "`words.weight.shape` is (V, D).",
        "Keep the embedding itself, `self.words = words`, and multiply by `self.words.weight.T`. "
        "Or give an nn.Linear its weight: `self.decoder.weight = words.weight`.",
        "`self.bias = torch.nn.Parameter(torch.zeros(V))`.",
    ),
    verified="the scores, and that they follow the word table when it changes.",
    outputs={"scores": "tensor", "scores after the table changed": "tensor"},
    compute=_masked_word_head,
    cases=_cases,
    asks="class",
    use=_use,
    equation="3.18",
    mistakes=(
        Mistake(
            "decoder-not-tied",
            {"tied": False},
            "the scores don't follow the word table: the head has a matrix of its own, or a copy. "
            "BERT ties them: the same parameter reads words and scores them.",
        ),
        Mistake(
            "bias-forgotten", {"bias": False}, "the bias of V numbers, one a piece, is missing."
        ),
        Mistake(
            "transform-missing",
            {"transform": "missing"},
            "the hidden state went to the table directly. First come dense, GELU and LayerNorm.",
        ),
        Mistake(
            "gelu-missing", {"transform": "no gelu"}, "there is no GELU between dense and norm."
        ),
        Mistake("relu", {"transform": "relu"}, "this is ReLU. BERT bends with GELU."),
        Mistake("layernorm-missing", {"transform": "no norm"}, "`norm` is missing after GELU."),
    ),
)

EXERCISES = (MASKED_WORD_HEAD,)
