"""Stages: read from text, entered at their shares, and continued exactly where they were left."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from small_corpus import numbered_corpus, small_tokenizer
from torch import Tensor

from bertlab.pretraining import Stage, StagedBatches

TOKENIZER = small_tokenizer(words=3000)
CORPUS = numbered_corpus(1, documents=12, sentences=10, words=6)
STAGES = [Stage(4, 16, 0.3, 0.5), Stage(3, 24, 0.15, 0.3), Stage(2, 32, 0.2, 0.2)]


def make(stages: list[Stage] = STAGES, **settings: Any) -> StagedBatches:
    return StagedBatches(CORPUS, TOKENIZER, stages, **settings)


def assert_same(a: dict[str, Tensor], b: dict[str, Tensor]) -> None:
    assert a.keys() == b.keys()
    assert all(torch.equal(a[name], b[name]) for name in a)


@given(st.integers(1, 999), st.integers(5, 512), st.integers(1, 100), st.integers(1, 100))
def test_a_stage_is_read_as_it_is_written(size: int, length: int, masked: int, share: int) -> None:
    stage = Stage(size, length, masked / 100, share / 100)
    assert Stage.parse(str(stage)) == stage


def test_a_stage_as_in_the_help() -> None:
    assert Stage.parse("32x128@0.15:0.9") == Stage(32, 128, 0.15, 0.9)
    assert Stage.parse("1x5@1:.5") == Stage(1, 5, 1.0, 0.5)


@pytest.mark.parametrize(
    "text", ["", "32x128", "32x128@0.15", "32*128@0.15:0.9", "-1x128@0.15:1", "8x8@1.2.3:1", "x@:"]
)
def test_what_is_no_stage_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="can't be read: expected BATCHxLENGTH@MASKED:SHARE"):
        Stage.parse(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0x128@0.15:1", "the batch is 0, expected at least 1 row"),
        ("8x4@0.15:1", "the length is 4, expected at least 5 tokens"),
        ("8x128@0:1", "masked is 0.0, expected above 0, at most 1"),
        ("8x128@15:1", "masked is 15.0, expected above 0, at most 1"),
        ("8x128@0.15:0", "the share is 0.0, expected above 0, at most 1"),
        ("8x128@0.15:90", "the share is 90.0, expected above 0, at most 1"),
    ],
)
def test_a_stage_out_of_range_is_refused_before_the_run_comes_to_it(
    text: str, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        Stage.parse(text)


def test_shares_make_a_whole() -> None:
    with pytest.raises(ValueError, match=r"shares of the stages add up to 0\.8: expected 1"):
        make(STAGES[:2])
    with pytest.raises(ValueError, match="add up to 0: expected 1"):
        make([])
    make([Stage(1, 16, 0.15, 0.1)] * 10)  # 0.1 ten times is not quite 1


def test_stages_begin_and_end_at_their_shares() -> None:
    batches = make()
    progress = [step / 20 for step in range(21)]
    assert [batches.stage(p) for p in progress] == [0] * 10 + [1] * 6 + [2] * 5
    ten = make([Stage(1, 16, 0.15, 0.1)] * 10)
    assert [ten.stage(step / 10) for step in range(11)] == [*range(10), 9]


def test_batches_are_those_of_their_stage() -> None:
    """Size, length and share of masks; would catch one stage's batches in another."""
    for number, progress in enumerate((0.0, 0.6, 0.95)):
        batches, stage = make(), STAGES[number]
        expected = list(make().sources[number].epoch(0))
        found = [batches.next_batch(progress) for _ in expected]
        for batch, same in zip(found, expected, strict=True):
            assert_same(batch, same)
        assert max(len(batch["labels"]) for batch in found) == stage.batch_size
        assert max(batch["labels"].size(1) for batch in found) == stage.length
    assert len({source.seed for source in make().sources}) == 3
    assert {source.seed for source in make(seed=1).sources}.isdisjoint(
        source.seed for source in make().sources
    )


def test_an_epoch_is_followed_by_the_next() -> None:
    batches = make([Stage(8, 32, 0.15, 1.0)])
    source = make([Stage(8, 32, 0.15, 1.0)]).sources[0]
    for epoch in range(3):
        for expected in source.epoch(epoch):
            assert_same(batches.next_batch(0.5), expected)


@pytest.mark.parametrize("taken", [0, 1, 7, 40, 41, 90])
def test_a_place_is_found_again(taken: int) -> None:
    """Also in the middle of a later epoch, at an epoch's end, and after a change of the stage."""
    first, again = make(whole_words=True, seed=3), make(whole_words=True, seed=3)
    for step in range(taken):
        first.next_batch(step / 80)
    again.next_batch(0.9)  # whatever it did before
    again.load_state_dict(first.state_dict())
    for step in range(taken, taken + 20):
        assert_same(first.next_batch(step / 80), again.next_batch(step / 80))
    assert first.state_dict() == again.state_dict()


def test_another_text_is_no_place_to_go_on() -> None:
    other = StagedBatches(numbered_corpus(1, documents=13), TOKENIZER, STAGES)
    with pytest.raises(ValueError, match=r"text has changed since the run began: it had 13 docum"):
        make().load_state_dict(other.state_dict())
