"""The trainer to follow by hand, held to hand-made cases and to the library's trainer."""

import re
import subprocess
import sys
from functools import partial
from pydoc_data.topics import topics

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, trainers
from tokenizers.pre_tokenizers import WhitespaceSplit
from transformers import AutoTokenizer, BertTokenizer

from bertlab.tokenization import (
    SPECIAL_TOKENS,
    WordPieceTokenizer,
    train_tokenizer,
    train_wordpiece,
)
from bertlab.tokenization.training import MAX_ALPHABET

MANUAL = [topics[name] for name in sorted(topics)]
WORDS = {"low": 5, "lower": 2, "newest": 6, "widest": 3}


def steps(*arguments, **options):
    return [(m.left, m.right, m.pair_count) for m in train_wordpiece(*arguments, **options).merges]


def test_frequency_merges_the_pair_that_occurs_most():
    # By hand: ##e ##s and ##s ##t occur 6 + 3 times; ##e ##s wins as its pieces have smaller ids.
    assert steps(WORDS, 100, "frequency")[:3] == [
        ("##e", "##s", 9),
        ("##es", "##t", 9),
        ("l", "##o", 7),
    ]


def test_likelihood_merges_the_pair_that_meets_more_than_chance():
    # By hand: w is always before ##i, and ##i always behind w: 3 / (3 * 3) beats 9 / (17 * 9).
    first = train_wordpiece(WORDS, 100, "likelihood").merges[0]
    assert (first.left, first.right, first.merged, first.pair_count) == ("w", "##i", "wi", 3)
    assert first.score == 3 / (3 * 3)


def test_likelihood_without_a_minimum_prefers_what_occurs_once():
    words = {"the": 1000, "qz": 1}
    assert steps(words, 100, "likelihood")[0] == ("q", "##z", 1)
    assert steps(words, 100, "likelihood", min_count=2)[0][2] == 1000
    assert steps(words, 100, "frequency")[0][2] == 1000


def test_overlapping_pairs_are_merged_from_the_left():
    trained = train_wordpiece({"aaaaa": 1}, 100, "frequency")
    assert [m.merged for m in trained.merges] == ["##aa", "aaa", "aaaaa"]


def test_training_stops_at_vocab_size_and_special_tokens_come_first():
    trained = train_wordpiece(WORDS, 30, "frequency")
    assert list(trained.vocab.values()) == list(range(30))
    assert tuple(trained.vocab)[:5] == SPECIAL_TOKENS


def test_training_stops_when_no_pair_is_left():
    assert len(train_wordpiece({"ab": 1}, 1000).vocab) == 5 + 3 + 1
    assert train_wordpiece({"ab": 1}, 1000, min_count=2).merges == []


def test_texts_are_counted_as_an_uncased_or_cased_tokenizer_splits_them():
    assert "é" not in train_wordpiece(["Élan élan"], 100).vocab
    assert "É" in train_wordpiece(["Élan élan"], 100, lowercase=False).vocab


def test_unknown_score_and_too_small_vocabulary_are_refused():
    with pytest.raises(ValueError, match="score is 'bpe'; expected 'likelihood' or 'frequency'"):
        train_wordpiece(WORDS, 100, "bpe")
    with pytest.raises(ValueError, match=r"vocab_size is 8, but .* make 23"):
        train_wordpiece(WORDS, 8)


@pytest.mark.parametrize(
    ("data", "options", "sentence"),
    [
        ("a text", {}, "data is 'a text'; expected a list"),
        (None, {}, "data is None; expected a list"),
        (["a", 1], {}, "text 1 is 1; expected a string"),
        ({"": 1}, {}, "a word is ''; expected one character or more"),
        ({3: 1}, {}, "a word is 3; expected one character or more"),
        ({"a": "1"}, {}, "the count of 'a' is '1'; expected a whole number of at least 0"),
        ({"a": -1}, {}, "the count of 'a' is -1; expected a whole number of at least 0"),
        (WORDS, {"min_count": None}, "min_count is None; expected a whole number"),
        (WORDS, {"lowercase": "yes"}, "lowercase is 'yes'; expected True or False"),
        ({"ab": 1}, {"alphabet": "ab"}, "alphabet is 'ab'; expected a list or a dict of strings"),
        ({"ab": 1}, {"alphabet": ["b", "a"]}, "alphabet has 2 pieces, but not ##b, of which"),
        ({"ab": 1}, {"alphabet": ["a", "a"]}, "piece 1 of alphabet is 'a'; expected another one"),
        ({"ab": 1}, {"alphabet": ["a", "[PAD]"]}, "piece 6 of special tokens and alphabet is"),
    ],
)
def test_data_and_options_of_another_kind_are_refused(data, options, sentence):
    with pytest.raises(ValueError, match=re.escape(sentence)):
        train_wordpiece(data, 100, **options)


@pytest.mark.parametrize("train", [train_wordpiece, partial(train_tokenizer, lowercase=True)])
@pytest.mark.parametrize("size", ["100", 100.0, None, True, -1, 5, 10_000_001, 10**11])
def test_a_vocab_size_that_is_no_size_is_refused(train, size):
    """10**11 is no slow run: the library would end the whole process for want of memory."""
    sentence = f"vocab_size is {size!r}; expected a whole number from 6 "
    with pytest.raises(ValueError, match=re.escape(sentence)):
        train(["a text"], size)


def test_the_largest_vocab_size_and_that_of_numpy_are_accepted():
    assert "ab" in train_tokenizer(["ab", "ab"], 10_000_000, True).get_vocab()
    assert len(train_tokenizer(["ab", "ab"], np.int64(8), True)) == 8
    assert len(train_wordpiece(["ab", "ab"], np.int64(8)).vocab) == 8


def library_vocab(words, size):
    """The library's own trainer, as it comes: its ids, and so its ties, differ from run to run."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.pre_tokenizer = WhitespaceSplit()
    trainer = trainers.WordPieceTrainer(
        vocab_size=size, special_tokens=list(SPECIAL_TOKENS), show_progress=False
    )
    tokenizer.train_from_iterator([" ".join([w] * n) for w, n in words.items()], trainer)
    return tokenizer.get_vocab()


def is_single(piece):
    return len(piece.removeprefix("##")) == 1


@given(
    st.dictionaries(st.text("abcde", min_size=1, max_size=6), st.integers(1, 9), min_size=1),
    st.integers(15, 40),
)
@settings(deadline=None, max_examples=60)
def test_frequency_trainer_gives_the_librarys_vocabulary_with_its_ties(words, size):
    theirs = library_vocab(words, size)
    ordered = sorted(theirs, key=theirs.get)[5:]
    alphabet = [piece for piece in ordered if is_single(piece)]
    assert ordered[: len(alphabet)] == alphabet
    ours = train_wordpiece(words, max(size, 5 + len(alphabet)), "frequency", alphabet=alphabet)
    assert ours.vocab == theirs


def test_a_character_seen_only_inside_words_is_a_piece_in_both_forms_as_in_the_library():
    words = {"iraq": 3, "a": 1}
    ours = train_wordpiece(words, 100, "frequency").vocab
    assert {"q", "##q"} <= ours.keys()
    assert ours.keys() == library_vocab(words, 100).keys()


def test_frequency_trainer_gives_the_librarys_vocabulary_on_the_language_manual():
    part = MANUAL[::6]
    fast = train_tokenizer(part, 400, lowercase=True)
    assert train_wordpiece(part, 400, "frequency", min_count=2).vocab == fast.get_vocab()


@pytest.mark.slow
@pytest.mark.parametrize("lowercase", [True, False])
def test_frequency_trainer_gives_the_librarys_4_000_pieces(lowercase):
    fast = train_tokenizer(MANUAL, 4_000, lowercase=lowercase)
    slow = train_wordpiece(MANUAL, 4_000, "frequency", min_count=2, lowercase=lowercase)
    assert slow.vocab == fast.get_vocab()


# --- train_tokenizer


@pytest.mark.parametrize("lowercase", [True, False])
def test_trained_tokenizer_is_berts_and_survives_saving(tmp_path, lowercase):
    texts = ["The cat Élan sat, 我爱猫.", "the cat sat on the mat"] * 3
    tokenizer = train_tokenizer(texts, 60, lowercase=lowercase)
    assert isinstance(tokenizer, BertTokenizer)
    tokenizer.save_pretrained(tmp_path)
    for opened in (
        tokenizer,
        BertTokenizer.from_pretrained(tmp_path),
        AutoTokenizer.from_pretrained(tmp_path),
    ):
        assert opened.convert_tokens_to_ids(list(SPECIAL_TOKENS)) == [0, 1, 2, 3, 4]
        assert opened.pad_token_id == 0
        assert opened.do_lower_case is lowercase
        assert opened.model_max_length == 512
        assert opened.get_vocab() == tokenizer.get_vocab()
        row = opened("The Élan", "mat 我")
        assert row["input_ids"] == tokenizer("The Élan", "mat 我")["input_ids"]
        assert row["token_type_ids"][0] == 0
        assert row["token_type_ids"][-1] == 1
        assert ("The" in opened.get_vocab()) is not lowercase
        assert opened.tokenize("The") == (["the"] if lowercase else ["The"])


def test_same_texts_give_the_same_ids_in_another_process():
    code = (
        "from pydoc_data.topics import topics\n"
        "from bertlab.tokenization import train_tokenizer\n"
        "texts = [topics[name] for name in sorted(topics)]\n"
        "vocab = train_tokenizer(texts, 3000, True).get_vocab()\n"
        "print(sorted(vocab, key=vocab.get))"
    )
    command = [sys.executable, "-c", code]
    runs = {
        subprocess.run(command, capture_output=True, text=True, check=True).stdout for _ in "ab"
    }
    assert len(runs) == 1
    vocab = train_tokenizer(MANUAL, 3000, lowercase=True).get_vocab()
    assert str(sorted(vocab, key=vocab.get)) == runs.pop().strip()


def test_an_iterator_is_read_like_a_list():
    texts = ["one two three two", "three two one"]
    assert (
        train_tokenizer(iter(texts), 40, True).get_vocab()
        == train_tokenizer(texts, 40, True).get_vocab()
    )


def test_the_thousand_most_frequent_characters_are_kept():
    many = [chr(0x4E00 + place) for place in range(MAX_ALPHABET + 50)]
    texts = [" ".join(many), " ".join(many[50:]), "ab"]  # the first fifty occur once, a and b too
    vocab = train_tokenizer(texts, 30, lowercase=True).get_vocab()
    singles = {piece for piece in vocab if piece not in SPECIAL_TOKENS}
    assert singles == set(many[50:])


def test_trained_vocabulary_is_the_one_that_reads_its_text():
    fast = train_tokenizer(MANUAL, 500, lowercase=True)
    readable = WordPieceTokenizer(fast.get_vocab())
    assert "[UNK]" not in readable.tokenize(MANUAL[0])
    assert readable.tokenize(MANUAL[0]) == fast.tokenize(MANUAL[0])


def test_bad_texts_are_refused_with_a_sentence():
    with pytest.raises(ValueError, match="hold no word"):
        train_tokenizer([" ", "\n"], 100, True)
    for texts in ("a text", b"a text", None, 3):
        with pytest.raises(ValueError, match=rf"texts is {texts!r}; expected a list"):
            train_tokenizer(texts, 100, True)
    for texts in (["a", 1], iter(["a", 1])):
        with pytest.raises(ValueError, match="text 1 is 1; expected a string"):
            train_tokenizer(texts, 100, True)
    for lowercase in (None, "yes", 1):
        with pytest.raises(ValueError, match=rf"lowercase is {lowercase!r}; expected True or Fal"):
            train_tokenizer(["a"], 100, lowercase)
