"""Pretraining's two objectives, and what they are made of, read in this order.

``corpus`` text to documents (``readers``, ``sentences``) · ``tokens`` documents to ids ·
``pairs`` next sentence or not · ``masking`` masked words · ``batches`` all of it, for a model.
"""

from bertlab.pretraining.batches import Epoch, PretrainingBatches
from bertlab.pretraining.corpus import Corpus, CorpusReport
from bertlab.pretraining.masking import mask_tokens
from bertlab.pretraining.pairs import PairReport, Pairs, make_pairs
from bertlab.pretraining.sentences import split_sentences
from bertlab.pretraining.tokens import TokenisedCorpus, tokenise

__all__ = [
    "Corpus",
    "CorpusReport",
    "Epoch",
    "PairReport",
    "Pairs",
    "PretrainingBatches",
    "TokenisedCorpus",
    "make_pairs",
    "mask_tokens",
    "split_sentences",
    "tokenise",
]
