"""bertlab: BERT from scratch, and the book that explains it.

Everything is imported when it is first used, so that ``import bertlab`` costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bertlab import data as data
    from bertlab import exercises as exercises
    from bertlab import plots as plots
    from bertlab import pretraining as pretraining
    from bertlab.data import DataError as DataError
    from bertlab.model import BertConfig as BertConfig
    from bertlab.model import BertForMaskedLM as BertForMaskedLM
    from bertlab.model import BertForPreTraining as BertForPreTraining
    from bertlab.model import BertForQuestionAnswering as BertForQuestionAnswering
    from bertlab.model import BertForSequenceClassification as BertForSequenceClassification
    from bertlab.model import BertForTokenClassification as BertForTokenClassification
    from bertlab.model import BertModel as BertModel
    from bertlab.model import scaled_dot_product_attention as scaled_dot_product_attention
    from bertlab.tokenization import load_tokenizer as load_tokenizer
    from bertlab.tokenization import train_tokenizer as train_tokenizer

__version__ = "0.1.0"

# Public name -> the module that defines it; submodules map to themselves.
_HOME = {
    "BertConfig": "bertlab.model",
    "BertModel": "bertlab.model",
    "BertForPreTraining": "bertlab.model",
    "BertForMaskedLM": "bertlab.model",
    "BertForSequenceClassification": "bertlab.model",
    "BertForTokenClassification": "bertlab.model",
    "BertForQuestionAnswering": "bertlab.model",
    "scaled_dot_product_attention": "bertlab.model",
    "DataError": "bertlab.data",
    "load_tokenizer": "bertlab.tokenization",
    "train_tokenizer": "bertlab.tokenization",
}
_SUBMODULES = ("data", "exercises", "model", "plots", "pretraining", "tokenization")

__all__ = ["__version__", *_HOME, *_SUBMODULES]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    if name in _SUBMODULES:
        return import_module(f"bertlab.{name}")
    raise AttributeError(f"module 'bertlab' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
