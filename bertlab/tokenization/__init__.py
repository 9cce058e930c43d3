"""WordPiece: the algorithm to read, and the fast tokenizer to use (chapter 1)."""

from bertlab.tokenization.loading import load_tokenizer
from bertlab.tokenization.training import (
    Merge,
    TrainedVocabulary,
    train_tokenizer,
    train_wordpiece,
)
from bertlab.tokenization.wordpiece import (
    SPECIAL_TOKENS,
    Char,
    Encoding,
    Piece,
    WordPieceTokenizer,
    basic_words,
    match_pieces,
    normalise,
    split_words,
)

__all__ = [
    "SPECIAL_TOKENS",
    "Char",
    "Encoding",
    "Merge",
    "Piece",
    "TrainedVocabulary",
    "WordPieceTokenizer",
    "basic_words",
    "load_tokenizer",
    "match_pieces",
    "normalise",
    "split_words",
    "train_tokenizer",
    "train_wordpiece",
]
