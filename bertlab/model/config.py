"""The numbers that make a BERT: sizes, rates, and which attention code runs.

Fields are named as in transformers' ``config.json``, so that a checkpoint's file is read and
written without translation. Source: Devlin et al. 2019, section 3; chapter 3.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from functools import partial
from numbers import Integral, Real
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

# The paper says GELU (Hendrycks and Gimpel 2016). Google's code first computed the exact one, with
# which the first checkpoints were published, and later switched to an approximation by tanh
# ("gelu_new"); transformers' BERT checkpoints say "gelu", the exact one.
ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "gelu": F.gelu,
    "gelu_python": F.gelu,  # the same in older checkpoints
    "gelu_new": partial(F.gelu, approximate="tanh"),
    "gelu_pytorch_tanh": partial(F.gelu, approximate="tanh"),
    "relu": F.relu,
    "silu": F.silu,
    "swish": F.silu,
    "tanh": torch.tanh,
}
IMPLEMENTATIONS = ("sdpa", "explicit", "packed")


@dataclass(frozen=True)
class BertConfig:
    """All sizes and rates of a BERT; the defaults are BERT-base, uncased.

    ``implementation`` chooses how attention is computed: ``"sdpa"`` with PyTorch's fused kernel,
    ``"explicit"`` with the formula written out, ``"packed"`` as sdpa but with the layers
    working on real tokens only (hidden states at padding are then 0).

    Raises:
        ValueError: when the sizes cannot form a model, a rate is no probability, or a name is
            unknown; the message says what was found and expected.
    """

    vocab_size: int = 30522
    hidden_size: int = 768  # D
    num_hidden_layers: int = 12  # L
    num_attention_heads: int = 12  # H; each head is D / H = 64 wide
    intermediate_size: int = 3072  # F = 4 D in the paper's models
    hidden_act: str = "gelu"
    hidden_dropout_prob: float = 0.1
    attention_probs_dropout_prob: float = 0.1
    max_position_embeddings: int = 512  # a learned vector for each position: no more than these
    type_vocab_size: int = 2  # sentence A, sentence B
    initializer_range: float = 0.02  # standard deviation of the first weights
    layer_norm_eps: float = 1e-12
    pad_token_id: int | None = 0
    classifier_dropout: float | None = None  # None: as hidden_dropout_prob
    num_labels: int = 2
    id2label: Mapping[int, str] | None = None
    problem_type: str | None = None  # None: told from the labels' dtype, as in transformers
    implementation: str = "sdpa"

    def __post_init__(self) -> None:
        if self.id2label is not None:
            self._read_label_names(self.id2label)
        for name in (
            "vocab_size",
            "hidden_size",
            "num_hidden_layers",
            "num_attention_heads",
            "intermediate_size",
            "max_position_embeddings",
            "type_vocab_size",
            "num_labels",
        ):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, Integral) or value < 1:
                raise ValueError(f"{name} is {value!r}: expected a whole number of at least 1")
            object.__setattr__(self, name, int(value))  # NumPy's whole numbers aren't JSON's
        if self.hidden_size % self.num_attention_heads:
            raise ValueError(
                f"hidden_size {self.hidden_size} can't be divided among "
                f"{self.num_attention_heads} attention heads: expected a multiple of "
                "num_attention_heads"
            )
        for name in ("hidden_dropout_prob", "attention_probs_dropout_prob", "classifier_dropout"):
            value = getattr(self, name)
            if name == "classifier_dropout" and value is None:
                continue
            if not isinstance(value, Real) or not 0 <= float(value) < 1:
                raise ValueError(f"{name} is {value!r}: expected a probability from 0 to below 1")
        for name in ("layer_norm_eps", "initializer_range"):
            value = getattr(self, name)
            if not isinstance(value, Real) or not 0 < float(value) < math.inf:
                raise ValueError(f"{name} is {value!r}: expected a number above 0")
        padding = self.pad_token_id
        if padding is not None and (
            not isinstance(padding, Integral) or not 0 <= padding < self.vocab_size
        ):
            raise ValueError(
                f"pad_token_id is {padding!r}: expected an id from 0 to {self.vocab_size - 1}, "
                "or None"
            )
        for name, known in (
            ("hidden_act", tuple(ACTIVATIONS)),
            ("implementation", IMPLEMENTATIONS),
            (
                "problem_type",
                (
                    None,
                    "regression",
                    "single_label_classification",
                    "multi_label_classification",
                ),
            ),
        ):
            if getattr(self, name) not in known:
                raise ValueError(
                    f"{name} is {getattr(self, name)!r}: expected one of "
                    + ", ".join(repr(value) for value in known)
                )

    def _read_label_names(self, given: Mapping[int, str]) -> None:
        try:
            names = {int(index): str(name) for index, name in given.items()}  # JSON: "0", "1", …
        except (AttributeError, TypeError, ValueError):
            raise ValueError(
                f"id2label is {given!r}: expected a mapping from label numbers to names"
            ) from None
        object.__setattr__(self, "id2label", names)
        if self.num_labels == 2:  # the default: the names tell how many there are
            object.__setattr__(self, "num_labels", len(names))
        if sorted(names) != list(range(self.num_labels)):
            raise ValueError(
                f"id2label names the labels {sorted(names)}, but num_labels is "
                f"{self.num_labels}: expected a name for each of 0 … {self.num_labels - 1}"
            )

    @property
    def head_size(self) -> int:
        """The width of one attention head, d = D / H."""
        return self.hidden_size // self.num_attention_heads

    @classmethod
    def base(cls, **overrides: Any) -> BertConfig:
        """BERT-base: 12 layers of width 768, 12 heads; 109,482,240 parameters with the pooler."""
        return cls(**overrides)

    @classmethod
    def large(cls, **overrides: Any) -> BertConfig:
        """BERT-large: 24 layers of width 1024, 16 heads; 335,141,888 parameters."""
        sizes: dict[str, Any] = {
            "hidden_size": 1024,
            "num_hidden_layers": 24,
            "num_attention_heads": 16,
            "intermediate_size": 4096,
        }
        return cls(**(sizes | overrides))

    @classmethod
    def mini(cls, **overrides: Any) -> BertConfig:
        """The shape of the bundled checkpoint: 4 layers of width 256, 8,192 cased word pieces."""
        sizes: dict[str, Any] = {
            "vocab_size": 8192,
            "hidden_size": 256,
            "num_hidden_layers": 4,
            "num_attention_heads": 4,
            "intermediate_size": 1024,
        }
        return cls(**(sizes | overrides))

    @classmethod
    def tiny(cls, **overrides: Any) -> BertConfig:
        """The smallest released shape (Turc et al. 2019): 2 layers of width 128, 2 heads."""
        sizes: dict[str, Any] = {
            "hidden_size": 128,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "intermediate_size": 512,
        }
        return cls(**(sizes | overrides))

    def replace(self, **overrides: Any) -> BertConfig:
        """Return a copy with some fields changed; new label counts or names go together.

        Raises:
            ValueError: when a field doesn't exist; the message lists those that do.
        """
        known = {field.name for field in fields(self)}
        if unknown := sorted(set(overrides) - known):
            raise ValueError(
                f"BertConfig has no field {', '.join(unknown)}: it has {', '.join(sorted(known))}"
            )
        if overrides.get("id2label") is not None:
            overrides.setdefault("num_labels", len(overrides["id2label"]))
        elif overrides.get("num_labels", self.num_labels) != self.num_labels:
            overrides["id2label"] = None  # names of the old labels don't fit the new ones
        return replace(self, **overrides)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> BertConfig:
        """Read the content of a transformers ``config.json``; other models' fields are left out.

        Raises:
            ValueError: when the file describes another architecture, or a BERT that differs
                from the paper's in a way that this code doesn't compute.
        """
        model_type = values.get("model_type", "bert")
        architecture = next(iter(values.get("architectures") or []), "")
        if model_type != "bert" or (architecture and not architecture.startswith("Bert")):
            raise ValueError(
                f"this is no BERT checkpoint: its config.json says model_type {model_type!r}"
                + (f" ({architecture})" if architecture else "")
                + "; bertlab computes BERT only, so use transformers.AutoModel for it"
            )
        for name, expected in (
            ("position_embedding_type", "absolute"),
            ("is_decoder", False),
            ("add_cross_attention", False),
            ("tie_word_embeddings", True),
            ("pruned_heads", {}),
            ("quantization_config", None),
        ):
            if values.get(name) not in (None, expected):
                raise ValueError(
                    f"config.json says {name} = {values[name]!r}: bertlab computes BERT as the "
                    f"paper describes it, with {name} = {expected!r}"
                )
        known = {field.name for field in fields(cls)} - {"implementation"}
        chosen = {name: value for name, value in values.items() if name in known}
        names = chosen.pop("id2label", None)
        if "_num_labels" in values:  # the key of old files
            chosen["num_labels"] = values["_num_labels"]
        if isinstance(names, Mapping) and names:
            chosen["num_labels"] = len(names)
            if any(name != f"LABEL_{index}" for index, name in names.items()):
                chosen["id2label"] = names  # real names, not the ones that stand in for none
        return cls(**chosen)

    def to_dict(self) -> dict[str, Any]:
        """Return what ``config.json`` holds, in transformers' terms."""
        values: dict[str, Any] = {"model_type": "bert", "dtype": "float32"}
        values |= asdict(self)
        del values["implementation"]  # how to compute it is the reader's choice, not the file's
        count = values.pop("num_labels")
        names = self.id2label or {index: f"LABEL_{index}" for index in range(count)}
        values["id2label"] = {str(index): names[index] for index in range(count)}
        values["label2id"] = {names[index]: index for index in range(count)}
        return values
