"""Chapter 3's exercise that asks for a class: the second half of an encoder layer.

Dimensions: ``B`` batch, ``T`` tokens, ``D`` width, ``F`` feed-forward width.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from bertlab.exercises.spec import Case, Exercise, Mistake, Spec
from bertlab.exercises.values import Unusable, kind_of

if TYPE_CHECKING:
    from torch import Tensor

_NAMES = ("up.weight", "up.bias", "down.weight", "down.bias", "norm.weight", "norm.bias")
_EPS = 1e-12


def _feed_forward_block(
    x: Tensor,
    weights: dict[str, Tensor],
    dropout: float,
    *,
    norm: str = "after",
    residual: bool = True,
    activation: str = "gelu",
    eps: float = _EPS,
    drop: str = "in training",
) -> tuple[Tensor, list[str]]:
    """What the block gives and how dropout behaves; each keyword makes one step wrong."""
    import torch
    from torch.nn import functional

    x = x.double()
    w = {name: weight.double() for name, weight in weights.items()}

    def layer_norm(y: Tensor) -> Tensor:
        return functional.layer_norm(y, y.shape[-1:], w["norm.weight"], w["norm.bias"], eps)

    bend: Callable[[Tensor], Tensor] = {
        "relu": torch.relu,
        "tanh": lambda y: functional.gelu(y, approximate="tanh"),
        "none": lambda y: y,
    }.get(activation, functional.gelu)
    inner = layer_norm(x) if norm == "before" else x
    hidden = functional.linear(inner, w["up.weight"], w["up.bias"])  # (B, T, F)
    if activation == "twice":
        y = bend(functional.linear(bend(hidden), w["down.weight"], w["down.bias"]))
    else:
        y = functional.linear(bend(hidden), w["down.weight"], w["down.bias"])  # (B, T, D)
    if norm == "inside":
        y = layer_norm(y)
    if residual:
        y = x + y
    if norm == "after":
        y = layer_norm(y)
    behaviour = {"never": [_SAME, _NOT_RANDOM], "always": [_DIFFERS, _RANDOM]}
    words = behaviour.get(drop, [_SAME, _RANDOM]) if dropout else [_SAME, _NOT_RANDOM]
    return _output(y, dropout), words


_SAME, _DIFFERS = "eval(): twice the same", "eval(): differs from call to call"
_RANDOM, _NOT_RANDOM = "train(): differs from call to call", "train(): twice the same"


def _output(y: Tensor, dropout: float) -> Tensor:
    """With dropout only the randomness is looked at, without it only the values."""
    return y[:0].flatten() if dropout else y


def _use(answer: Any) -> Callable[..., Any]:
    """Build the learner's block with the given weights, and call it in both modes."""

    def run(x: Tensor, weights: dict[str, Tensor], dropout: float) -> Any:
        import torch

        F, D = weights["up.weight"].shape
        with torch.random.fork_rng(devices=[]):  # whatever it draws, the user's state stays
            torch.manual_seed(0)
            block = answer(D, F, dropout)
            if not isinstance(block, torch.nn.Module):
                words = f"your class makes {kind_of(block)}: expected a torch.nn.Module"
                raise Unusable("not-a-module", words)
            found = {name: tuple(p.shape) for name, p in block.named_parameters()}
            if found != {name: tuple(weights[name].shape) for name in _NAMES}:
                listed = ", ".join(f"{n} {s}" for n, s in found.items()) or "none"
                raise Unusable(
                    "wrong-parameters",
                    f"your block has other parameters than up, down and norm: {listed}",
                )
            block.load_state_dict(weights)
            block.eval()
            output, again = block(x), block(x)
            if not isinstance(output, torch.Tensor):
                return output, []
            block.train()
            one, two = block(x), block(x)
        evaluated = _SAME if torch.equal(output, again) else _DIFFERS
        trained = _NOT_RANDOM if torch.equal(one, two) else _RANDOM
        return _output(output, dropout), [evaluated, trained]

    return run


def _cases(seed: int) -> list[Case]:
    import torch

    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int, size: float = 1.0) -> Tensor:
        return size * torch.randn(shape, generator=generator)

    def case(
        stage: int,
        label: str,
        shape: tuple[int, ...],
        F: int,
        dropout: float = 0.0,
        size: float = 1,
    ) -> Case:
        D = shape[-1]
        weights = {
            "up.weight": normal(F, D),
            "up.bias": normal(F, size=size),
            "down.weight": normal(D, F),
            "down.bias": normal(D, size=size),
            "norm.weight": 1 + normal(D, size=0.3),
            "norm.bias": normal(D, size=0.3),
        }
        arguments = {"x": normal(*shape, size=size), "weights": weights, "dropout": dropout}
        return Case(stage, label, arguments)

    return [
        case(1, "one token", (1, 1, 4), 8),
        case(1, "a batch", (2, 3, 6), 10),
        case(2, "dropout 0.5", (2, 8, 16), 32, dropout=0.5),
        case(3, "small numbers: eps is 1e-12", (1, 2, 4), 6, size=1e-3),
    ]


FEED_FORWARD_BLOCK = Spec(
    Exercise("feed_forward_block", 3, "medium", 12, extra=True),
    question=(
        "The second half of BERT's encoder layer, as a torch.nn.Module: the feed-forward network,\n"
        "dropout, the residual sum, LayerNorm. `up` and `down` are nn.Linear from D to F and\n"
        "back, `norm` is an nn.LayerNorm with eps 1e-12. forward takes and returns (B, T, D).\n"
        "Hand in the class."
    ),
    formula="Y = LN(X + dropout(down(GELU(up(X)))))",
    stub=(
        "class FeedForwardBlock(torch.nn.Module):\n"
        "    def __init__(self, hidden_size, intermediate_size, dropout=0.1):\n"
        "        super().__init__()\n"
        "        raise NotImplementedError\n\n"
        "    def forward(self, x):\n"
        "        raise NotImplementedError"
    ),
    hints=(
        "Layers are made in __init__ and kept as `self.up` and so on; forward calls them.",
        "`torch.nn.functional.gelu` is BERT's GELU, with erf. `torch.nn.Dropout(dropout)` is a "
        "layer like the others, and knows `eval()`.",
        "BERT normalises last: `self.norm(x + …)`.",
    ),
    verified="names and shapes of parameters, values, eps, and dropout in both modes.",
    outputs={"output": "tensor", "dropout": "pieces"},
    compute=_feed_forward_block,
    cases=_cases,
    asks="class",
    use=_use,
    equation="3.8",
    mistakes=(
        Mistake(
            "pre-ln",
            {"norm": "before"},
            "`norm` comes before the network, and the sum is not normalised: that is pre-LN, as "
            "in GPT-2. BERT normalises after the residual sum.",
        ),
        Mistake(
            "residual-outside-layernorm",
            {"norm": "inside"},
            "`norm` took the network's output, and x was added after it. Add first, then "
            "normalise the sum.",
        ),
        Mistake("layernorm-missing", {"norm": "none"}, "`norm` is missing after the sum."),
        Mistake(
            "residual-missing",
            {"residual": False},
            "what came in was not added. Without the residual sum twelve layers hardly train.",
        ),
        Mistake("relu", {"activation": "relu"}, "this is ReLU. BERT bends with GELU."),
        Mistake(
            "tanh-gelu",
            {"activation": "tanh"},
            "this is GELU's approximation with tanh, as in Google's released code: equal to 1e-3, "
            "not to 1e-6. Checkpoints in transformers' format use erf. Equation 3.4.",
        ),
        Mistake(
            "activation-missing",
            {"activation": "none"},
            "there is nothing between the two maps, so that they are one linear map. Put GELU "
            "between them.",
        ),
        Mistake(
            "activation-twice",
            {"activation": "twice"},
            "another GELU came after the second map. It stands between the two only.",
        ),
        Mistake(
            "usual-eps",
            {"eps": 1e-5},
            "the eps of `norm` is PyTorch's default, 1e-5. BERT's is 1e-12: "
            "`nn.LayerNorm(hidden_size, eps=1e-12)`.",
        ),
        Mistake(
            "dropout-left-on",
            {"drop": "always"},
            "dropout still works after `eval()`, so that a trained model answers differently each "
            "time. `functional.dropout(x, p)` does that: use an `nn.Dropout`, or pass "
            "`self.training`.",
        ),
        Mistake(
            "dropout-missing",
            {"drop": "never"},
            "there is no dropout in training. It acts on what `down` gives, before the sum.",
        ),
    ),
)

EXERCISES = (FEED_FORWARD_BLOCK,)
