"""mask_tokens: each rule counted over a million places, or held for every batch."""

from __future__ import annotations

import time
from math import sqrt

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small_corpus import LETTERS, small_tokenizer
from tokenizers import AddedToken
from torch import Tensor

import bertlab
from bertlab.pretraining import mask_tokens

TOKENIZER = small_tokenizer(words=150)
SIZE = len(TOKENIZER)
SPECIAL = torch.tensor(sorted(TOKENIZER.all_special_ids))
ORDINARY = torch.tensor([i for i in range(SIZE) if i not in TOKENIZER.all_special_ids])
MASK = TOKENIZER.mask_token_id
CONTINUES = torch.tensor([p.startswith("##") for p in TOKENIZER.convert_ids_to_tokens(range(SIZE))])


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def draw_pieces(rows: int, length: int, seed: int = 0) -> Tensor:
    return ORDINARY[torch.randint(len(ORDINARY), (rows, length), generator=seeded(seed))]


def assert_share(count: int, total: int, share: float) -> None:
    """Within five standard deviations of the binomial: wrong in two of a million tests."""
    deviation = sqrt(total * share * (1 - share))
    assert abs(count - total * share) <= 5 * deviation, f"{count} of {total} is {count / total:.5f}"


@pytest.mark.parametrize("probability", [0.15, 0.3])
@pytest.mark.parametrize("whole_words", [False, True])
def test_shares_over_a_million_places(probability: float, whole_words: bool) -> None:
    """Would catch 80/2/18 and 81/9/10, draws that depend on each other, and shares that drift."""
    ids = draw_pieces(2**13, 128)
    masked, labels = mask_tokens(ids, TOKENIZER, seeded(1), probability, whole_words=whole_words)
    chosen = labels != -100
    total = int(chosen.sum())
    # Pieces of a word fall together, so the count varies more: by at most the longest word.
    sample = ids.numel() if not whole_words else ids.numel() // 4
    assert_share(round(total * sample / ids.numel()), sample, probability)
    assert_share(int((masked == MASK).sum()), total, 0.8)
    new = (masked != ids) & (masked != MASK)
    others = 1 - 1 / len(ORDINARY)  # the random piece may be the true one
    assert_share(int(new.sum()), total, 0.1 * others)
    assert_share(int((masked == ids)[chosen].sum()), total, 0.1 + 0.1 * (1 - others))


def test_each_place_of_a_row_has_the_same_chance() -> None:
    ids = draw_pieces(2**14, 64)
    chosen = mask_tokens(ids, TOKENIZER, seeded(2))[1] != -100
    for place in range(ids.size(1)):
        assert_share(int(chosen[:, place].sum()), len(ids), 0.15)
    # Neighbours are chosen independently of each other.
    assert_share(int((chosen[:, 1:] & chosen[:, :-1]).sum()), chosen[:, 1:].numel(), 0.15**2)


def test_random_pieces_are_uniform_over_all_that_are_not_special() -> None:
    true_id = TOKENIZER.convert_tokens_to_ids("word7")
    ids = torch.full((2**14, 128), true_id)
    masked, _ = mask_tokens(ids, TOKENIZER, seeded(3), probability=1.0)
    drawn = masked[(masked != MASK) & (masked != ids)]
    counts = torch.bincount(drawn, minlength=SIZE).double()
    assert (counts[SPECIAL] == 0).all()
    counts = counts[ORDINARY[true_id != ORDINARY]]
    expected = counts.mean()
    chi_squared = float(((counts - expected) ** 2 / expected).sum())
    freedom = len(counts) - 1
    assert abs(chi_squared - freedom) < 5 * sqrt(2 * freedom)


@pytest.mark.parametrize("length", [1, 2, 3, 5])
def test_short_rows_have_one_chosen_place_at_least_and_none_is_favoured(length: int) -> None:
    rows = 2**16
    ids = draw_pieces(rows, length)
    chosen = mask_tokens(ids, TOKENIZER, seeded(4))[1] != -100
    assert chosen.any(1).all()
    # As the docstring has it: length * p + (1 - p)^length chosen places a row.
    share = 0.15 + 0.85**length / length
    for place in range(length):
        assert_share(int(chosen[:, place].sum()), rows, share)


def test_whole_words_short_rows_choose_one_word() -> None:
    ids = torch.tensor(TOKENIZER.convert_tokens_to_ids(["a", "##b", "##c", "d"])).expand(2**14, 4)
    labels = mask_tokens(ids, TOKENIZER, seeded(5), 1e-6, whole_words=True)[1]
    chosen = labels != -100
    assert set(map(tuple, chosen.tolist())) == {
        (True, True, True, False),
        (False, False, False, True),
    }
    assert_share(int(chosen[:, 3].sum()), len(ids), 0.5)


def test_pieces_of_a_chosen_word_are_replaced_each_on_its_own() -> None:
    ids = torch.tensor(TOKENIZER.convert_tokens_to_ids(["a", "##b"])).expand(2**15, 2)
    masked, _ = mask_tokens(ids, TOKENIZER, seeded(6), 1.0, whole_words=True)
    assert_share(int((masked == MASK).all(1).sum()), len(ids), 0.64)


ANY_PIECE = st.integers(0, SIZE - 1)


@st.composite
def batches(draw: st.DrawFn) -> Tensor:
    rows, length = draw(st.integers(1, 4)), draw(st.integers(1, 12))
    ids = draw(st.lists(ANY_PIECE, min_size=rows * length, max_size=rows * length))
    batch = torch.tensor(ids).reshape(rows, length)
    if draw(st.booleans()):
        batch[:, draw(st.integers(0, length - 1)) :] = TOKENIZER.pad_token_id
    return batch


@settings(max_examples=200, deadline=None)
@given(batches(), st.integers(0, 2**32), st.floats(1e-9, 1), st.booleans())
def test_what_holds_for_every_batch(
    ids: Tensor, seed: int, probability: float, whole_words: bool
) -> None:
    before = ids.clone()
    masked, labels = mask_tokens(ids, TOKENIZER, seeded(seed), probability, whole_words=whole_words)
    chosen = labels != -100
    special = torch.isin(ids, SPECIAL)
    assert torch.equal(ids, before), "the input was changed"
    assert masked.dtype == labels.dtype == torch.int64
    assert masked.shape == labels.shape == ids.shape
    assert not (chosen & special).any(), "a special token was chosen"
    assert torch.equal(labels[chosen], ids[chosen])
    assert torch.equal(masked[~chosen], ids[~chosen])
    assert torch.equal(chosen.any(1), (~special).any(1)), "at least one a row, if there is any"
    assert not torch.isin(masked[chosen & (masked != MASK)], SPECIAL).any()
    again = mask_tokens(ids, TOKENIZER, seeded(seed), probability, whole_words=whole_words)
    assert torch.equal(again[0], masked)
    assert torch.equal(again[1], labels)
    if whole_words:
        inside = CONTINUES[ids[:, 1:]] & ~special[:, :-1] & ~special[:, 1:]
        assert torch.equal(chosen[:, 1:][inside], chosen[:, :-1][inside])


def test_a_word_cut_at_the_front_is_a_word_of_its_own() -> None:
    ids = TOKENIZER.convert_tokens_to_ids(["##b", "##c", "[SEP]", "##d", "a", "[CLS]", "##e"])
    rows = torch.tensor(ids).expand(2**12, -1)
    chosen = mask_tokens(rows, TOKENIZER, seeded(7), 0.5, whole_words=True)[1] != -100
    assert torch.equal(chosen[:, 0], chosen[:, 1])
    for i, j in ((1, 3), (3, 4), (4, 6), (3, 6)):  # others fall independently
        assert_share(int((chosen[:, i] & chosen[:, j]).sum()), len(rows), 0.25)


def test_words_are_not_torn_only_with_whole_words() -> None:
    ids = torch.tensor(TOKENIZER.convert_tokens_to_ids(["a", "##b"])).expand(2**12, 2)
    chosen = mask_tokens(ids, TOKENIZER, seeded(8), 0.5)[1] != -100
    assert (chosen[:, 0] != chosen[:, 1]).any()


def test_without_a_generator_torchs_own_seed_decides() -> None:
    ids = draw_pieces(4, 32)
    torch.manual_seed(5)
    first = mask_tokens(ids, TOKENIZER)[0]
    assert not torch.equal(mask_tokens(ids, TOKENIZER)[0], first), "masks must be dynamic"
    torch.manual_seed(5)
    assert torch.equal(mask_tokens(ids, TOKENIZER)[0], first)


def test_tokens_added_later_are_known() -> None:
    tokenizer = small_tokenizer()
    ids = torch.tensor(tokenizer.convert_tokens_to_ids(LETTERS)).expand(400, -1)
    mask_tokens(ids, tokenizer)
    tokenizer.add_tokens(["plain", AddedToken("[NEW]", special=True)])
    plain, new = tokenizer.convert_tokens_to_ids(["plain", "[NEW]"])
    masked, _ = mask_tokens(ids, tokenizer, seeded(), 1.0)
    assert (masked == plain).any()
    assert not (masked == new).any()
    _, labels = mask_tokens(torch.tensor([[new, plain]]), tokenizer, seeded(), 1.0)
    assert labels.tolist() == [[-100, plain]]


def test_works_on_a_slice_that_is_not_contiguous() -> None:
    ids = draw_pieces(8, 16)
    expected = mask_tokens(ids[:, ::2].contiguous(), TOKENIZER, seeded())[0]
    assert torch.equal(mask_tokens(ids[:, ::2], TOKENIZER, seeded())[0], expected)


@pytest.mark.parametrize("whole_words", [False, True])
def test_a_batch_takes_milliseconds_at_most(whole_words: bool) -> None:
    """Would catch a loop over rows or places; measured: 0.4 ms on one thread."""
    ids = draw_pieces(64, 128)
    seconds = []
    for _ in range(30):
        start = time.perf_counter()
        mask_tokens(ids, TOKENIZER, whole_words=whole_words)
        seconds.append(time.perf_counter() - start)
    assert min(seconds) < 0.004


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device here")
@pytest.mark.parametrize("whole_words", [False, True])
def test_on_a_gpu_the_same_generator_gives_the_same_masks(whole_words: bool) -> None:
    ids = draw_pieces(8, 64)
    here = mask_tokens(ids, TOKENIZER, seeded(), whole_words=whole_words)
    there = mask_tokens(ids.cuda(), TOKENIZER, seeded(), whole_words=whole_words)
    assert there[0].is_cuda
    assert torch.equal(there[0].cpu(), here[0])
    assert torch.equal(there[1].cpu(), here[1])


# --- what is refused


@pytest.mark.parametrize("probability", [0, -0.1, 1.01, float("nan")])
def test_a_probability_that_is_none_is_refused(probability: float) -> None:
    with pytest.raises(ValueError, match=f"probability is {probability}: expected"):
        mask_tokens(draw_pieces(2, 3), TOKENIZER, probability=probability)


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        (
            torch.tensor([5, 6]),
            r"input_ids is \(2,\): expected a tensor of shape \(batch, tokens\)",
        ),
        (torch.zeros(2, 0, dtype=torch.long), r"input_ids is \(2, 0\)"),
        ([[5, 6]], "input_ids is <class 'list'>"),
        (torch.tensor([[5.0]]), "dtype torch.float32: expected torch.int64"),
        (torch.tensor([[5]], dtype=torch.int32), "dtype torch.int32: expected torch.int64"),
        (torch.tensor([[-100, 5]]), f"holds -100: expected ids from 0 to {SIZE - 1}"),
        (torch.tensor([[SIZE, 5]]), f"holds {SIZE}: expected ids from 0 to {SIZE - 1}"),
    ],
)
def test_ids_that_do_not_fit_are_refused(ids: Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        mask_tokens(ids, TOKENIZER)


def test_a_tokenizer_without_a_mask_token_is_refused() -> None:
    tokenizer = small_tokenizer()
    tokenizer.mask_token = None
    with pytest.raises(ValueError, match=r"the tokenizer has no \[MASK\] token: expected a BERT"):
        mask_tokens(torch.tensor([[5]]), tokenizer)


def test_a_vocabulary_of_special_tokens_alone_is_refused() -> None:
    from transformers import BertTokenizer

    tokenizer = BertTokenizer(
        vocab={piece: i for i, piece in enumerate(TOKENIZER.special_tokens_map.values())}
    )
    with pytest.raises(ValueError, match="holds only its 5 special tokens"):
        mask_tokens(torch.tensor([[0]]), tokenizer)


def test_public_name() -> None:
    assert bertlab.pretraining.mask_tokens is mask_tokens
