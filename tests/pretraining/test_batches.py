"""Batches: complete, of like length, masked anew, and the same again from any point."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
import torch
from small_corpus import numbered_corpus, small_tokenizer
from torch import Tensor

import bertlab
from bertlab.pretraining import Corpus, PretrainingBatches, tokenise

TOKENIZER = small_tokenizer(words=40_000)
CORPUS = numbered_corpus(5, documents=60, sentences=120, words=8)


def make(**settings: Any) -> PretrainingBatches:
    return PretrainingBatches(CORPUS, TOKENIZER, **{"batch_size": 8, "max_length": 64, **settings})


def unmasked(batch: dict[str, Tensor]) -> Tensor:
    return torch.where(batch["labels"] == -100, batch["input_ids"], batch["labels"])


def rows_of(batches: PretrainingBatches, epoch: int) -> list[tuple[int, ...]]:
    return sorted(
        (*row[real.bool()].tolist(), int(label))
        for batch in batches.epoch(epoch)
        for row, real, label in zip(
            unmasked(batch), batch["attention_mask"], batch["next_sentence_label"], strict=True
        )
    )


def test_an_epoch_holds_each_pair_once() -> None:
    batches = make()
    pairs = batches.plan(3).pairs
    expected = sorted(
        (*pairs[i]["input_ids"], pairs[i]["next_sentence_label"]) for i in range(len(pairs))
    )
    assert rows_of(batches, 3) == expected
    assert len(batches.plan(3)) == -(-len(pairs) // 8)


def test_a_batch_is_what_the_model_takes() -> None:
    config = bertlab.BertConfig.tiny(vocab_size=len(TOKENIZER), num_hidden_layers=1)
    model = bertlab.BertForPreTraining(config)
    batch = next(make().epoch())
    assert set(batch) == {
        "input_ids",
        "token_type_ids",
        "attention_mask",
        "labels",
        "next_sentence_label",
    }
    assert all(tensor.dtype == torch.int64 for tensor in batch.values())
    assert model(**batch).loss.isfinite()
    assert (batch["labels"] != -100).any(1).all()
    assert (batch["labels"][batch["attention_mask"] == 0] == -100).all()


@pytest.mark.parametrize("multiple_of", [1, 8])
@pytest.mark.parametrize("batch_size", [8, 32])
def test_padding_is_under_five_per_cent_and_counted_right(
    batch_size: int, multiple_of: int
) -> None:
    """With lengths from 5 to 64, all alike; would catch batches cut before sorting."""
    batches = make(batch_size=batch_size, multiple_of=multiple_of, short_probability=1.0)
    places = real = 0
    for batch in batches.epoch():
        assert batch["input_ids"].size(1) % multiple_of == 0
        places += batch["attention_mask"].numel()
        real += int(batch["attention_mask"].sum())
    padding = batches.plan().padding
    assert padding == pytest.approx(1 - real / places)
    if multiple_of == 1:
        assert 0 < padding < 0.05


def test_batches_come_in_no_order_of_length() -> None:
    lengths = [batch["input_ids"].size(1) for batch in make(short_probability=1.0).epoch()]
    assert len(set(lengths)) > 10
    assert lengths != sorted(lengths)
    steps = [b - a for a, b in pairwise(lengths)]
    assert sum(map(abs, steps)) / len(steps) > 5


def test_epochs_differ_in_pairs_and_masks() -> None:
    batches = make()
    assert rows_of(batches, 0) != rows_of(batches, 1)
    assert rows_of(batches, 0) == rows_of(make(), 0)
    assert rows_of(batches, 0) != rows_of(make(seed=1), 0)


def test_masks_differ_from_batch_to_batch() -> None:
    """Would catch one generator state used for all batches."""
    chosen = [b["labels"] != -100 for b in make(short_probability=0.0).epoch()]
    full = [c for c in chosen if c.shape == (8, 64)]
    assert len(full) > 5
    assert len({str(c.tolist()) for c in full}) == len(full)


def test_a_run_that_begins_again_gets_the_same_batches() -> None:
    whole = list(make().epoch(2))
    rest = list(make().epoch(2, start=5))
    assert len(rest) == len(whole) - 5
    for expected, found in zip(whole[5:], rest, strict=True):
        assert expected.keys() == found.keys()
        assert all(torch.equal(expected[name], found[name]) for name in expected)
    assert list(make().epoch(2, start=len(whole))) == []


def test_torchs_global_seed_is_neither_used_nor_touched() -> None:
    torch.manual_seed(1)
    state = torch.get_rng_state()
    first = next(make().epoch())
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(2)
    assert torch.equal(next(make().epoch())["input_ids"], first["input_ids"])


def test_probability_and_whole_words_reach_the_masks() -> None:
    many = next(make(probability=1.0).epoch())
    places = many["attention_mask"].sum() - 3 * len(many["labels"])
    assert int((many["labels"] != -100).sum()) == int(places)
    tokenizer = small_tokenizer()
    tokens = tokenise(Corpus("python-manual"), tokenizer)
    batches = PretrainingBatches(tokens, tokenizer, max_length=64, whole_words=True)
    continues = torch.tensor(
        [p.startswith("##") for p in tokenizer.convert_ids_to_tokens(range(len(tokenizer)))]
    )
    for batch in batches.epoch(0, start=len(batches.plan(0)) - 3):
        inside = continues[unmasked(batch)[:, 2:]]  # place 1 may hold the rest of a cut word
        inside &= ~torch.isin(unmasked(batch)[:, 1:-1], torch.tensor(tokenizer.all_special_ids))
        chosen = batch["labels"] != -100
        assert inside.any()
        assert torch.equal(chosen[:, 2:][inside], chosen[:, 1:-1][inside])


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"batch_size": 0}, "batch_size is 0: expected at least 1"),
        ({"multiple_of": 0}, "multiple_of is 0: expected at least 1"),
        ({"seed": -1}, "seed is -1: expected at least 0"),
    ],
)
def test_settings_out_of_range_are_refused(setting: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make(**setting)
