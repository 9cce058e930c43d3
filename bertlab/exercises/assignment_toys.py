"""A small model for questions about training loops, alike at each call.

Dimensions: ``B`` batch, ``T`` tokens, ``V`` vocabulary, ``D`` width.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from bertlab.exercises.values import Unusable, kind_of

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module, Parameter
    from torch.optim import Optimizer


@dataclass(frozen=True)
class ToyModel:
    """``make_model()`` gives the same new model each time, in evaluation mode.

    The model reads ids ``(B, T)`` and returns an object with ``logits`` ``(B, T, V)`` and, given
    labels, ``loss``. In training a fixed half of its width is switched off, as dropout would, but
    alike each time: so runs can be compared, and a forgotten ``train()`` shows.
    """

    V: int
    seed: int

    def __repr__(self) -> str:
        return f"(makes a toy model of {self.V} pieces)"

    def __call__(self) -> Module:
        """Return the new model."""
        import torch

        class Toy(torch.nn.Module):
            def __init__(self, V: int, D: int, generator: torch.Generator) -> None:
                super().__init__()
                weights = torch.randn((2, V, D), generator=generator) / 2
                self.words = torch.nn.Parameter(weights[0])
                self.decoder = torch.nn.Parameter(weights[1])
                self.bias = torch.nn.Parameter(torch.zeros(V))

            def forward(self, input_ids: Tensor, labels: Tensor | None = None) -> Any:
                words = self.words[input_ids]  # (B, T, D)
                hidden = torch.tanh(words + words.mean(1, keepdim=True))
                if self.training:
                    hidden = hidden * torch.arange(hidden.shape[-1]).remainder(2) * 2
                logits = hidden @ self.decoder.T + self.bias  # (B, T, V)
                loss = None
                if labels is not None:
                    cross_entropy = torch.nn.functional.cross_entropy
                    loss = cross_entropy(logits.flatten(0, 1), labels.flatten())
                return SimpleNamespace(loss=loss, logits=logits)

        return Toy(self.V, 4, torch.Generator().manual_seed(self.seed)).eval()


@dataclass(frozen=True)
class ToyOptimizer:
    """``make_optimizer(parameters)``: plain gradient descent, whose steps show every mistake."""

    rate: float

    def __repr__(self) -> str:
        return f"(makes an optimizer with the rate {self.rate:g})"

    def __call__(self, parameters: Iterable[Parameter]) -> Optimizer:
        """Return the optimizer."""
        import torch

        return torch.optim.SGD(parameters, lr=self.rate)


def all_weights(model: Any) -> Tensor:
    """Return all parameters of a model as one vector."""
    import torch

    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()]).clone()


def model_and_numbers(value: Any, name: str, expected: str) -> tuple[Module, Tensor]:
    """Return the model and the list of numbers that an answer's pair holds.

    Args:
        value: a pair, as the answer returned it.
        name: what the question calls the list.
        expected: what the list shall be, for the message.

    Raises:
        Unusable: when the first is no model, or the second no list of numbers.
    """
    import torch

    model, items = value
    if not isinstance(model, torch.nn.Module):
        raise Unusable("wrong-type", f"`model` is {kind_of(model)}: expected the model")
    try:
        return model, torch.tensor([float(item) for item in items], dtype=torch.float64)
    except (TypeError, ValueError):
        words = f"`{name}` is {kind_of(items)}: expected {expected}"
        raise Unusable("wrong-type", words) from None


def rows(B: int, T: int, V: int, generator: Any, count: int = 1) -> tuple[Tensor, Tensor]:
    """Return ``count`` batches of ids and of labels, ``(count, B, T)`` each; a third is asked."""
    import torch

    ids = torch.randint(V, (count, B, T), generator=generator)
    truth = torch.randint(V, (count, B, T), generator=generator)
    asked = torch.rand((count, B, T), generator=generator) < 0.3
    asked[..., 0, 0] = True  # each batch asks for something
    return ids, truth.where(asked, -100)
