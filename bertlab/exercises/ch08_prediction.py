"""Chapter 8's exercise on prediction with a trained model.

Dimensions: ``B`` texts, ``T`` tokens, ``C`` classes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bertlab.exercises.spec import Case, Exercise, Failure, Mistake, Spec

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True)
class ToyClassifier:
    """How the model of an example is made; it comes in training mode, as after a training loop."""

    V: int
    C: int
    seed: int

    def __repr__(self) -> str:
        return f"(a toy model with {self.C} classes, in training mode)"

    def logits(self, ids: Tensor, mask: Tensor, training: bool) -> Tensor:
        """Return ``(B, C)``: a mean over the tokens that the mask lets in.

        What dropout would do to them stays the same from call to call here, so that it can be told.
        """
        import torch

        generator = torch.Generator().manual_seed(self.seed)
        table = 2 * torch.randn((self.V, self.C), generator=generator)
        if training:
            table = table * 2 * (torch.rand(table.shape, generator=generator) < 0.5)
        rows = table[ids] * mask[..., None]  # (B, T, C)
        return rows.sum(1) / mask.sum(1, keepdim=True)

    def build(self) -> nn.Module:
        """Return the model: ``model(input_ids, attention_mask=…).logits``."""
        import torch

        toy = self

        class Model(torch.nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.scale = torch.nn.Parameter(torch.ones(()))

            def forward(self, input_ids: Tensor, attention_mask: Tensor | None = None) -> Any:
                mask = torch.ones_like(input_ids) if attention_mask is None else attention_mask
                logits = toy.logits(input_ids, mask, self.training) * self.scale
                return _Output(logits)

        return Model().train()


@dataclass(frozen=True)
class _Output:
    logits: Tensor


def _predict_probabilities(
    model: ToyClassifier,
    input_ids: Tensor,
    attention_mask: Tensor,
    *,
    mode: str = "eval",
    mask: str = "passed",
    last: str = "softmax",
    gradients: bool = False,
) -> tuple[Tensor, list[str]]:
    """Probabilities of the classes; each keyword makes one step wrong."""
    import torch

    seen = torch.ones_like(attention_mask) if mask == "not passed" else attention_mask
    if mask == "inverted":
        seen = 1 - attention_mask
    z = model.logits(input_ids, seen, training=mode == "train").double()
    values = {
        "logits": z,
        "sigmoid": z.sigmoid(),
        "over the batch": z.softmax(0),
        "log": z.log_softmax(-1),
        "twice": z.softmax(-1).softmax(-1),
        "argmax": z.argmax(-1).double(),
        "largest": z.softmax(-1).amax(-1),
    }.get(last, z.softmax(-1))
    return values, [_GRADIENTS if gradients else _NO_GRADIENTS]


_GRADIENTS, _NO_GRADIENTS = "the result keeps a graph for gradients", "no gradients"


def _use(answer: Any) -> Callable[..., Any]:
    """Build the model and call the learner's function on it."""

    def run(recipe: ToyClassifier, input_ids: Tensor, attention_mask: Tensor) -> Any:
        import torch

        value = answer(recipe.build(), input_ids, attention_mask)
        if isinstance(value, torch.Tensor):
            return value, [_GRADIENTS if value.requires_grad else _NO_GRADIENTS]
        return value, [_NO_GRADIENTS]

    return run


def _predict_cases(seed: int) -> list[Case]:
    import torch

    generator = torch.Generator().manual_seed(seed)

    def case(stage: int, label: str, lengths: list[int], C: int) -> Case:
        T = max(lengths)
        mask = (torch.arange(T) < torch.tensor(lengths)[:, None]).long()
        ids = torch.randint(0, 20, mask.shape, generator=generator)
        model = ToyClassifier(20, C, seed + len(label))
        return Case(stage, label, {"model": model, "input_ids": ids, "attention_mask": mask})

    return [
        case(1, "one text", [4], 2),
        case(1, "two texts of one length", [5, 5], 3),
        case(2, "texts of different length", [6, 2, 4], 3),
    ]


def _sums(failure: Failure) -> str:
    found = failure.found[0]
    if found.ndim != 2:
        return ""
    total = float(found.sum(-1)[0])
    return f"Your first row sums to {total:.3f}" if abs(total - 1) > 1e-3 else ""


PREDICT_PROBABILITIES = Spec(
    Exercise("predict_probabilities", 8, "easy", 6, extra=True),
    question=(
        "`model` comes from a training loop. Return the probabilities of its classes, (B, C), for\n"
        "a padded batch: no dropout, no gradients. `model(input_ids, attention_mask=…).logits` is\n"
        "(B, C), and one class is right."
    ),
    formula="P = softmax(logits)",
    stub=(
        "def predict_probabilities(model, input_ids, attention_mask):\n"
        "    raise NotImplementedError"
    ),
    hints=(
        "Which mode is a model in after training, and which one turns dropout off?",
        "`with torch.no_grad():` around the call; the mask goes in by name.",
    ),
    verified="single texts and padded batches, in evaluation mode and without gradients.",
    outputs={"probabilities": "tensor", "gradients": "pieces"},
    compute=_predict_probabilities,
    cases=_predict_cases,
    use=_use,
    equation="8.2",
    mistakes=(
        Mistake(
            "eval-forgotten",
            {"mode": "train"},
            "the model is still in training mode, so dropout changes what it says. Call "
            "`model.eval()` first.",
        ),
        Mistake(
            "mask-not-passed",
            {"mask": "not passed"},
            "padding was read like text: the attention mask wasn't passed to the model.",
        ),
        Mistake(
            "mask-inverted",
            {"mask": "inverted"},
            "the mask was turned round. 1 is for tokens: pass it as it is.",
        ),
        Mistake(
            "gradients-kept",
            {"gradients": True},
            "the probabilities are right, but they hold on to all that a gradient would need. Call "
            "the model under `torch.no_grad()`.",
        ),
        Mistake("softmax-missing", {"last": "logits"}, "these are the logits.", _sums),
        Mistake(
            "sigmoid",
            {"last": "sigmoid"},
            "each logit went through a sigmoid. One class is right: take the softmax.",
            _sums,
        ),
        Mistake(
            "softmax-over-the-batch",
            {"last": "over the batch"},
            "the softmax ran over the texts of the batch. It runs over the classes: `dim=-1`.",
            _sums,
        ),
        Mistake("log-probabilities", {"last": "log"}, "these are logarithms of probabilities."),
        Mistake("softmax-twice", {"last": "twice"}, "the softmax was taken twice."),
        Mistake("largest-only", {"last": "largest"}, "return all classes' probabilities, (B, C)."),
    ),
)

EXERCISES = (PREDICT_PROBABILITIES,)
