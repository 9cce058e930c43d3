"""Pretraining's two objectives, and the run, read in this order.

``corpus`` text to documents (``readers``, ``sentences``) · ``tokens`` documents to ids ·
``pairs`` next sentence or not · ``masking`` masked words · ``batches`` all of it, for a model ·
``objective`` the losses and the figures · ``stages`` which batches when · ``config`` and ``run``
from text to checkpoint.
"""

from typing import TYPE_CHECKING, Any

from bertlab import _lazily

if TYPE_CHECKING:
    from bertlab.pretraining.batches import Epoch as Epoch
    from bertlab.pretraining.batches import PretrainingBatches as PretrainingBatches
    from bertlab.pretraining.config import PretrainingConfig as PretrainingConfig
    from bertlab.pretraining.corpus import Corpus as Corpus
    from bertlab.pretraining.corpus import CorpusReport as CorpusReport
    from bertlab.pretraining.masking import mask_tokens as mask_tokens
    from bertlab.pretraining.objective import PretrainingObjective as PretrainingObjective
    from bertlab.pretraining.objective import evaluate as evaluate
    from bertlab.pretraining.pairs import PairReport as PairReport
    from bertlab.pretraining.pairs import Pairs as Pairs
    from bertlab.pretraining.pairs import make_pairs as make_pairs
    from bertlab.pretraining.run import evaluation_batches as evaluation_batches
    from bertlab.pretraining.run import pretrain as pretrain
    from bertlab.pretraining.sentences import split_sentences as split_sentences
    from bertlab.pretraining.stages import Stage as Stage
    from bertlab.pretraining.stages import StagedBatches as StagedBatches
    from bertlab.pretraining.tokens import TokenisedCorpus as TokenisedCorpus
    from bertlab.pretraining.tokens import tokenise as tokenise

_HOME = {
    "Corpus": "corpus",
    "CorpusReport": "corpus",
    "Epoch": "batches",
    "PairReport": "pairs",
    "Pairs": "pairs",
    "PretrainingBatches": "batches",
    "PretrainingConfig": "config",
    "PretrainingObjective": "objective",
    "Stage": "stages",
    "StagedBatches": "stages",
    "TokenisedCorpus": "tokens",
    "evaluate": "objective",
    "evaluation_batches": "run",
    "make_pairs": "pairs",
    "mask_tokens": "masking",
    "pretrain": "run",
    "split_sentences": "sentences",
    "tokenise": "tokens",
}
__all__ = list(_HOME)


if not TYPE_CHECKING:  # type checkers would believe every name

    def __getattr__(name: str) -> Any:
        return _lazily(__name__, _HOME, name)
