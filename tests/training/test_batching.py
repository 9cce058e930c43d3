"""Rows into batches: each once an epoch, in an order that can be resumed, with little padding."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

import bertlab
from bertlab.training import TrainingConfig, train
from bertlab.training.batching import EpochBatches, by_length, pad

lengths = st.lists(st.integers(1, 12), min_size=1, max_size=40)


def rows_of(sizes: list[int]) -> list[dict[str, Any]]:
    """Return rows that say their number in each place."""
    return [
        {"input_ids": np.full(size, number + 1), "token_type_ids": [0] * size, "labels": number}
        for number, size in enumerate(sizes)
    ]


def numbers(batch: dict[str, Tensor]) -> list[int]:
    return [int(number) for number in batch["labels"]]


# --- one batch


def test_rows_are_padded_to_the_longest_of_them() -> None:
    """With the tokenizer's own padding; labels of tokens with what the loss ignores."""
    batch = pad(
        [
            {"input_ids": [5, 6, 7], "token_type_ids": [0, 0, 1], "labels": [1, -100, 2]},
            {"input_ids": np.array([8], dtype=np.int32), "token_type_ids": [1], "labels": [3]},
        ],
        pad_token_id=9,
    )
    assert {name: tensor.tolist() for name, tensor in batch.items()} == {
        "input_ids": [[5, 6, 7], [8, 9, 9]],
        "token_type_ids": [[0, 0, 1], [1, 0, 0]],
        "labels": [[1, -100, 2], [3, -100, -100]],
        "attention_mask": [[1, 1, 1], [1, 0, 0]],
    }
    assert {tensor.dtype for tensor in batch.values()} == {torch.int64}


def test_a_padding_token_in_a_text_is_read() -> None:
    """The mask follows the length, not the ids."""
    batch = pad([{"input_ids": [5, 0, 7]}, {"input_ids": [5]}], pad_token_id=0)
    assert batch["attention_mask"].tolist() == [[1, 1, 1], [1, 0, 0]]


@pytest.mark.parametrize(
    ("labels", "dtype", "expected"),
    [
        ([2, 0], torch.int64, [2, 0]),
        ([np.int32(2), np.int32(0)], torch.int64, [2, 0]),
        ([0.5, -1.5], torch.float32, [0.5, -1.5]),
        ([1.0, 2], torch.float32, [1.0, 2.0]),
        ([[1.0, 0.0, 1.0], [0.0, 0.0, 1.0]], torch.float32, [[1, 0, 1], [0, 0, 1]]),
        ([np.eye(2, dtype=np.float32)[0]] * 2, torch.float32, [[1, 0], [1, 0]]),
        ([np.ones(4, np.float32), np.zeros(4, np.float32)], torch.float32, [[1] * 4, [0] * 4]),
    ],
    ids=["classes", "int32", "numbers", "mixed", "several", "arrays", "as long as the row"],
)
def test_labels_of_whole_rows_are_not_padded(
    labels: list[Any], dtype: torch.dtype, expected: list[Any]
) -> None:
    """One class or one number a row are ``(B,)``, several labels ``(B, C)``; never ``(B, 1)``."""
    rows = [
        {"input_ids": [5] * size, "labels": label}
        for size, label in zip((4, 2), labels, strict=True)
    ]
    batch = pad(rows, pad_token_id=0)
    assert batch["labels"].dtype == dtype
    assert batch["labels"].tolist() == expected


@given(lengths, st.integers(1, 9))
def test_the_longest_come_first_and_each_once(sizes: list[int], batch_size: int) -> None:
    batches = list(by_length(rows_of(sizes), batch_size))
    assert sorted(index for batch in batches for index in batch) == list(range(len(sizes)))
    assert all(len(batch) == batch_size for batch in batches[:-1])
    read = [sizes[index] for batch in batches for index in batch]
    assert read == sorted(sizes, reverse=True)


def test_no_rows_make_no_batches() -> None:
    assert list(by_length([], 4)) == []
    with pytest.raises(ValueError, match="there are no rows to train on"):
        EpochBatches([], 4, 0)


# --- epochs


@given(lengths, st.integers(1, 9), st.integers(0, 3))
def test_each_row_comes_once_an_epoch(sizes: list[int], batch_size: int, seed: int) -> None:
    batches = EpochBatches(rows_of(sizes), batch_size, pad_token_id=0, seed=seed)
    for _ in range(3):
        epoch = [numbers(batches.next_batch(0.0)) for _ in range(len(batches))]
        assert sorted(number for batch in epoch for number in batch) == list(range(len(sizes)))
        assert len(epoch) == -(-len(sizes) // batch_size)
        assert max(len(batch) for batch in epoch) <= batch_size


def test_epochs_of_many_pools_have_each_row_once_too() -> None:
    """More rows than are sorted together, and not a whole number of batches."""
    draw = np.random.default_rng(0)
    batches = EpochBatches(rows_of(draw.integers(1, 30, 1234).tolist()), 8, pad_token_id=0)
    epoch = [numbers(batches.next_batch(0.0)) for _ in range(len(batches))]
    assert Counter(number for batch in epoch for number in batch) == Counter(range(1234))
    assert Counter(map(len, epoch)) == {8: 154, 2: 1}


def test_the_order_depends_on_the_seed_and_the_epoch_alone() -> None:
    rows = rows_of([1 + number % 7 for number in range(50)])
    one, same, other = (EpochBatches(rows, 4, 0, seed) for seed in (1, 1, 2))
    torch.manual_seed(0)
    np.random.seed(0)
    first = [numbers(one.next_batch(0.0)) for _ in range(2 * len(one))]
    torch.manual_seed(5)
    np.random.seed(5)
    assert [numbers(same.next_batch(0.9)) for _ in range(2 * len(one))] == first
    assert [numbers(other.next_batch(0.0)) for _ in range(2 * len(one))] != first
    assert first[: len(one)] != first[len(one) :]
    assert same.epoch(0) == first[: len(one)]
    assert same.epoch(1) == first[len(one) :]


def test_neighbours_change_from_epoch_to_epoch() -> None:
    """Rows of one length aren't always in the same batch, and batches not in order of length."""
    sizes = [5 + number // 50 for number in range(400)]
    batches = EpochBatches(rows_of(sizes), 8, pad_token_id=0)
    together = [{frozenset(batch) for batch in batches.epoch(number)} for number in range(2)]
    assert len(together[0] & together[1]) <= 1
    longest = [max(sizes[index] for index in batch) for batch in batches.epoch(0)]
    assert any(a > b for a, b in pairwise(longest))
    assert any(a < b for a, b in pairwise(longest))


@given(st.integers(0, 30), st.integers(0, 30))
def test_the_place_is_restored_anywhere(given_before: int, elsewhere: int) -> None:
    """Also across epochs, and in batches that had been at another place."""
    rows = rows_of([1 + number % 5 for number in range(22)])
    one, other = (EpochBatches(rows, 4, 0, seed=3) for _ in range(2))
    for _ in range(given_before):
        one.next_batch(0.0)
    for _ in range(elsewhere):
        other.next_batch(0.0)
    other.load_state_dict(one.state_dict())
    for _ in range(8):
        assert numbers(one.next_batch(0.0)) == numbers(other.next_batch(0.0))


def test_sentences_are_hardly_padded() -> None:
    """Lengths as sentences have them: shuffled alone, more than a third would be padding."""
    draw = np.random.default_rng(0)
    sizes = np.clip(draw.lognormal(3.0, 0.5, 3000).astype(int), 3, 128)
    batches = EpochBatches(rows_of(sizes.tolist()), 16, pad_token_id=0)

    def padding(epoch: list[list[int]]) -> float:
        places = sum(len(batch) * int(sizes[batch].max()) for batch in epoch)
        return 1 - float(sizes.sum()) / places

    order = draw.permutation(3000).tolist()
    assert padding([order[start : start + 16] for start in range(0, 3000, 16)]) > 0.33
    assert padding(batches.epoch(0)) < 0.05


def test_every_label_of_an_epoch_weighs_the_same() -> None:
    """Also that of a word in a short sentence, whose batch has few; the loss is their mean."""
    draw = np.random.default_rng(0)
    sizes = [3] * 30 + [25] * 33
    rows = []
    for size in sizes:
        labels = draw.integers(0, 3, size)
        labels[[0, -1]] = -100
        rows.append({"input_ids": draw.integers(5, 50, size), "labels": labels})
    batches = EpochBatches(rows, 8, pad_token_id=0)
    assert batches.labels_per_batch == (30 * 1 + 33 * 23) / 8
    torch.manual_seed(0)
    sizes_of_model = {"vocab_size": 50, "hidden_size": 8, "num_hidden_layers": 1}
    model = bertlab.BertForTokenClassification(
        bertlab.BertConfig(
            **sizes_of_model,
            num_attention_heads=2,
            intermediate_size=8,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
            initializer_range=0.5,
            num_labels=3,
        )
    )
    whole = pad(rows, 0)
    with torch.no_grad():
        mean = model(**whole).loss.item()
        means = [model(**batches.next_batch(0.0)).loss.item() for _ in range(len(batches))]
    batches.load_state_dict({"place": 0})
    config = TrainingConfig(
        epochs=1, batch_size=8, learning_rate=1e-12, precision="fp32", log_every=1000
    )
    history = train(model, batches, config, progress_bar=False)
    assert history.steps[-1]["loss"] == pytest.approx(mean, abs=2e-5)
    assert abs(np.mean(means) - mean) > 1e-3  # what a mean over each batch would give


def test_labels_of_rows_are_means_over_their_batch() -> None:
    for labels in (1, 0.5, np.array([0.0, 1.0])):
        rows = [{"input_ids": np.arange(4), "labels": labels}] * 5
        assert EpochBatches(rows, 2, 0).labels_per_batch is None
    spans = [{"input_ids": np.arange(4), "start_positions": 1}]
    assert EpochBatches(spans, 2, 0).labels_per_batch is None
