"""bertlab: BERT from scratch, and the book that explains it.

Everything is imported when it is first used, so that ``import bertlab`` costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bertlab import data as data
    from bertlab import exercises as exercises
    from bertlab import metrics as metrics
    from bertlab import plots as plots
    from bertlab import pretraining as pretraining
    from bertlab import tasks as tasks
    from bertlab import training as training
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

# The version of the package, which is also that of the book.
__version__ = "0.1.0"

# Public name -> the module that defines it.
_HOME = {
    "BertConfig": "model",
    "BertModel": "model",
    "BertForPreTraining": "model",
    "BertForMaskedLM": "model",
    "BertForSequenceClassification": "model",
    "BertForTokenClassification": "model",
    "BertForQuestionAnswering": "model",
    "scaled_dot_product_attention": "model",
    "DataError": "data",
    "load_tokenizer": "tokenization",
    "train_tokenizer": "tokenization",
}
_SUBMODULES = (
    "data",
    "exercises",
    "metrics",
    "model",
    "plots",
    "pretraining",
    "tasks",
    "tokenization",
    "training",
)

__all__ = ["__version__", *_HOME, *_SUBMODULES]


def _lazily(package: str, home: dict[str, str], name: str) -> Any:
    """Return a public name of a package from its module, imported now."""
    if name in home:
        return getattr(import_module(f"{package}.{home[name]}"), name)
    raise AttributeError(f"module {package!r} has no attribute {name!r}")


if not TYPE_CHECKING:  # type checkers would believe every name

    def __getattr__(name: str) -> Any:
        if name in _SUBMODULES:
            return import_module(f"bertlab.{name}")
        return _lazily("bertlab", _HOME, name)


def __dir__() -> list[str]:
    return sorted(__all__)
