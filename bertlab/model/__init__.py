"""BERT from scratch: one file a box of the paper's figure, read in this order.

``config`` the numbers · ``attention`` who looks at whom · ``embeddings`` ids to vectors ·
``encoder`` the layers · ``heads`` what the vectors are used for · ``bert`` the models ·
``checkpoint`` reading and writing transformers' files.
"""

from bertlab.model.attention import scaled_dot_product_attention
from bertlab.model.bert import (
    BertForMaskedLM,
    BertForPreTraining,
    BertForQuestionAnswering,
    BertForSequenceClassification,
    BertForTokenClassification,
    BertModel,
)
from bertlab.model.checkpoint import LoadReport
from bertlab.model.config import BertConfig
from bertlab.model.embeddings import check_batch
from bertlab.model.outputs import (
    BertModelOutput,
    LogitsOutput,
    PreTrainingOutput,
    QuestionAnsweringOutput,
)

__all__ = [
    "BertConfig",
    "BertForMaskedLM",
    "BertForPreTraining",
    "BertForQuestionAnswering",
    "BertForSequenceClassification",
    "BertForTokenClassification",
    "BertModel",
    "BertModelOutput",
    "LoadReport",
    "LogitsOutput",
    "PreTrainingOutput",
    "QuestionAnsweringOutput",
    "check_batch",
    "scaled_dot_product_attention",
]
