"""Learning a WordPiece vocabulary: a trainer to follow by hand, and the fast one to use.

Source: Schuster and Nakajima 2012 (WordPiece); Wu et al. 2016, section 4.1; chapter 1.
"""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Literal, NamedTuple

from bertlab.tokenization.checks import is_whole, number_pieces, require
from bertlab.tokenization.wordpiece import SPECIAL_TOKENS, UNK, basic_words

if TYPE_CHECKING:
    from transformers import BertTokenizer

MAX_TOKENS = 512  # BERT's position table ends there
MAX_ALPHABET = 1000  # different characters that are kept, as in BERT's usual tools
MAX_VOCAB = 10_000_000  # the library reserves memory for all pieces, and aborts when it gets none


class Merge(NamedTuple):
    """One step of training: two pieces, the piece they make, how often, and the pair's score."""

    left: str
    right: str
    merged: str
    pair_count: int
    score: float


class TrainedVocabulary(NamedTuple):
    """What ``train_wordpiece`` learned: piece -> id, and the merges in the order they were made."""

    vocab: dict[str, int]
    merges: list[Merge]


def train_wordpiece(
    data: Iterable[str] | Mapping[str, int],
    vocab_size: int,
    score: Literal["likelihood", "frequency"] = "likelihood",
    *,
    lowercase: bool = True,
    min_count: int = 1,
    alphabet: Sequence[str] | None = None,
) -> TrainedVocabulary:
    """Learn a vocabulary: start from single characters, then merge the best pair, again and again.

    ``"likelihood"`` scores a pair by count(ab) / (count(a) count(b)): how much more often the two
    meet than chance would have them. It is the usual form of WordPiece's score, the gain in
    likelihood per place where the two meet; it prefers rare pairs, so give it a ``min_count``.
    ``"frequency"`` scores a pair by count(ab), as byte-pair encoding does, and so does the
    WordPiece trainer of the ``tokenizers`` library. Of pairs with equal scores, the one whose
    pieces have the smaller ids wins, as in the library.

    Args:
        data: texts, or words with their counts (already lowered, without blanks).
        vocab_size: stop at so many pieces, special tokens and single characters included.
        score: ``"likelihood"`` or ``"frequency"``.
        lowercase: treat texts as an uncased tokenizer does.
        min_count: merge only pairs that occur so often.
        alphabet: the starting pieces in the order of their ids; sorted when not given.

    Returns:
        The vocabulary, special tokens first, and the merges.

    Raises:
        ValueError: for an argument of another kind, an empty word, an ``alphabet`` that lacks a
            piece of the words, or when the single characters alone exceed ``vocab_size``.

    Source: Schuster and Nakajima 2012; Wu et al. 2016, section 4.1; chapter 1, (1.2) to (1.6).
    """
    if score not in ("likelihood", "frequency"):
        raise ValueError(f"score is {score!r}; expected 'likelihood' or 'frequency'")
    _check_options(vocab_size, lowercase)
    require(is_whole(min_count, 0), "min_count", min_count, "a whole number of at least 0")
    if isinstance(data, Mapping):
        for word, times in data.items():
            require(isinstance(word, str) and word != "", "a word", word, "one character or more")
            require(
                is_whole(times, 0), f"the count of {word!r}", times, "a whole number of at least 0"
            )
    else:
        _check_texts(data, "data")
        data = Counter(word for text in _strings(data) for word in basic_words(text, lowercase))
    words = [[word[0], *("##" + char for char in word[1:])] for word in data]
    if alphabet is None:
        # Every character starts a word somewhere, says the library; ## forms are those seen.
        found = {char for word in data for char in word}.union(*words)
        alphabet = sorted(found, key=lambda piece: (len(piece), piece))
    ids = number_pieces(
        [*SPECIAL_TOKENS, *number_pieces(alphabet, "alphabet")], "special tokens and alphabet"
    )
    missing = sorted(set().union(*words) - ids.keys())
    if missing:
        raise ValueError(
            f"alphabet has {len(ids) - len(SPECIAL_TOKENS)} pieces, but not "
            f"{', '.join(missing[:10])}, of which the words are made"
        )
    if len(ids) > vocab_size:
        raise ValueError(
            f"vocab_size is {vocab_size}, but special tokens and single characters make {len(ids)}"
        )

    counts = list(data.values())
    pieces: Counter[str] = Counter()
    pairs: Counter[tuple[str, str]] = Counter()
    where: dict[tuple[str, str], set[int]] = defaultdict(set)  # pair -> the words that hold it

    def count(index: int, sign: int) -> None:
        for piece in words[index]:
            pieces[piece] += sign * counts[index]
        for pair in pairwise(words[index]):
            pairs[pair] += sign * counts[index]
            where[pair].add(index)

    def rank(pair: tuple[str, str]) -> tuple[float, int, int]:
        a, b = pair
        value = pairs[pair] if score == "frequency" else pairs[pair] / (pieces[a] * pieces[b])
        return value, -ids[a], -ids[b]

    for index in range(len(words)):
        count(index, +1)
    merges: list[Merge] = []
    while len(ids) < vocab_size:
        candidates = [pair for pair in pairs if pairs[pair] >= max(min_count, 1)]
        if not candidates:
            break
        best = max(candidates, key=rank)
        merged = best[0] + best[1].removeprefix("##")
        merges.append(Merge(*best, merged, pairs[best], rank(best)[0]))
        ids.setdefault(merged, len(ids))  # two routes may lead to the same piece
        for index in where.pop(best):
            count(index, -1)
            words[index] = _merge(words[index], best, merged)
            count(index, +1)
    return TrainedVocabulary(ids, merges)


def _check_options(vocab_size: object, lowercase: object) -> None:
    """Refuse what would train another tokenizer than meant, or end the process."""
    least = len(SPECIAL_TOKENS) + 1
    fits = is_whole(vocab_size, least) and not is_whole(vocab_size, MAX_VOCAB + 1)
    expected = f"a whole number from {least} (five special tokens, one character) to {MAX_VOCAB:,}"
    require(fits, "vocab_size", vocab_size, expected)
    require(isinstance(lowercase, bool), "lowercase", lowercase, "True or False")


def _check_texts(texts: object, name: str) -> None:
    fits = isinstance(texts, Iterable) and not isinstance(texts, (str, bytes))
    require(fits, name, texts, "a list (or another iterable) of strings")


def _strings(texts: Iterable[str]) -> Iterator[str]:
    """Yield the texts, and stop at one that is no string."""
    for place, text in enumerate(texts):
        require(isinstance(text, str), f"text {place}", text, "a string")
        yield text


def _merge(word: list[str], pair: tuple[str, str], merged: str) -> list[str]:
    joined: list[str] = []
    for piece in word:
        if joined and (joined[-1], piece) == pair:
            joined[-1] = merged
        else:
            joined.append(piece)
    return joined


def train_tokenizer(texts: Iterable[str], vocab_size: int, lowercase: bool) -> BertTokenizer:
    """Train a BERT tokenizer with the ``tokenizers`` library: frequency merges, seconds a megabyte.

    The library numbers pieces like ``##a`` as it meets them, in an order that changes from run to
    run, and breaks ties by these numbers. Here they are numbered before it starts, so that the same
    texts always give the same vocabulary. Pairs that occur once are not merged.

    Args:
        texts: the texts, read twice or more; only an iterator is kept in memory.
        vocab_size: number of pieces; fewer come out of a small text, and more when its characters
            alone are more. At most 1,000 different characters are kept, the most frequent.
        lowercase: True for an uncased tokenizer: lower case, accents stripped.

    Returns:
        The tokenizer: [PAD] has id 0, at most 512 tokens a text.

    Raises:
        ValueError: when the texts are no list of strings, or hold no word, or ``vocab_size`` or
            ``lowercase`` is of another kind.

    Source: chapter 1.
    """
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
    from transformers import BertTokenizer

    _check_options(vocab_size, lowercase)
    _check_texts(texts, "texts")
    texts = list(texts) if isinstance(texts, Iterator) else texts
    normalizer = normalizers.BertNormalizer(lowercase=lowercase)

    def train(size: int, known: Sequence[str] = (), limit: int = sys.maxunicode) -> list[str]:
        tokenizer = Tokenizer(models.WordPiece(unk_token=UNK))
        tokenizer.normalizer = normalizer
        tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        trainer = trainers.WordPieceTrainer(
            vocab_size=size,
            min_frequency=2,
            special_tokens=[*SPECIAL_TOKENS, *known],
            show_progress=False,
            limit_alphabet=limit,
        )
        tokenizer.train_from_iterator(_strings(texts), trainer)
        vocab = tokenizer.get_vocab()
        return sorted(vocab, key=vocab.__getitem__)

    # A first pass finds the single characters: it stops before any merge.
    alphabet = train(0)[len(SPECIAL_TOKENS) :]
    if not alphabet:
        raise ValueError("the texts hold no word; a vocabulary needs at least one")
    if len({piece[-1] for piece in alphabet}) > MAX_ALPHABET:
        seen = Counter(char for text in texts for char in normalizer.normalize_str(text))
        common = sorted({piece[-1] for piece in alphabet}, key=lambda char: (-seen[char], char))
        keep = set(common[:MAX_ALPHABET])
        alphabet = [piece for piece in alphabet if piece[-1] in keep]
    # Named as special tokens they get their ids first; no other character is let in (limit 0).
    ordered = sorted(alphabet, key=lambda piece: (len(piece), piece))
    vocab = {piece: place for place, piece in enumerate(train(vocab_size, ordered, limit=0))}
    return BertTokenizer(vocab=vocab, do_lower_case=lowercase, model_max_length=MAX_TOKENS)
