"""The two losses of BertForPreTraining, on batches as they are made here."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
import transformers
from small_corpus import small_tokenizer
from torch import Tensor
from torch.nn import functional as F

import bertlab
from bertlab.pretraining import TokenisedCorpus, make_pairs, mask_tokens

TOKENIZER = small_tokenizer()
SIZES = {
    "vocab_size": len(TOKENIZER),
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "max_position_embeddings": 64,
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
    "initializer_range": 0.1,
}


@pytest.fixture(scope="module")
def batch() -> dict[str, Tensor]:
    """Eight rows of different lengths, four with each label."""
    draw = random.Random(0)
    ordinary = sorted(set(range(len(TOKENIZER))) - set(TOKENIZER.all_special_ids))
    text = [[draw.choices(ordinary, k=draw.randint(1, 9)) for _ in range(200)] for _ in range(8)]
    tokens = TokenisedCorpus.from_ids(text)
    pairs = make_pairs(tokens, TOKENIZER, max_length=32, short_probability=1.0)
    indices = [
        int(np.flatnonzero((pairs.labels == label) & (pairs.lengths == length))[0])
        for label in (0, 1)
        for length in (12, 18, 25, 32)
    ]
    batch = {name: torch.from_numpy(array) for name, array in pairs.rows(indices).items()}
    generator = torch.Generator().manual_seed(0)
    batch["input_ids"], batch["labels"] = mask_tokens(batch["input_ids"], TOKENIZER, generator)
    return batch


def model(seed: int = 0) -> bertlab.BertForPreTraining:
    torch.manual_seed(seed)
    return bertlab.BertForPreTraining(bertlab.BertConfig(**SIZES))


def longer(batch: dict[str, Tensor], extra: int) -> dict[str, Tensor]:
    fill = {"input_ids": TOKENIZER.pad_token_id, "labels": -100}
    return {
        name: F.pad(tensor, (0, extra), value=fill.get(name, 0)) if tensor.dim() == 2 else tensor
        for name, tensor in batch.items()
    }


def test_the_loss_is_the_mean_over_chosen_places_plus_the_mean_over_pairs(
    batch: dict[str, Tensor],
) -> None:
    """By hand: would catch a mean over all places, over padding, or of row means."""
    output = model()(**batch)
    terms = [
        -output.prediction_logits[row, place].log_softmax(-1)[batch["labels"][row, place]]
        for row, place in (batch["labels"] != -100).nonzero().tolist()
    ]
    pairs = [
        -output.seq_relationship_logits[row].log_softmax(-1)[label]
        for row, label in enumerate(batch["next_sentence_label"].tolist())
    ]
    expected = torch.stack(terms).mean() + torch.stack(pairs).mean()
    torch.testing.assert_close(output.loss, expected)


@pytest.mark.parametrize("extra", [1, 9, 30])
def test_more_padding_changes_neither_loss_nor_gradients(
    batch: dict[str, Tensor], extra: int
) -> None:
    tight, padded = model(), model()
    losses = [tight(**batch).loss, padded(**longer(batch, extra)).loss]
    torch.testing.assert_close(losses[0], losses[1], atol=1e-5, rtol=1e-5)
    for loss in losses:
        loss.backward()
    for (name, a), b in zip(tight.named_parameters(), padded.parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad, atol=1e-5, rtol=1e-4, msg=name)


def test_what_the_model_says_at_unchosen_places_does_not_matter(batch: dict[str, Tensor]) -> None:
    """No gradient reaches the logits of places with label -100."""
    output = model()(**batch)
    output.prediction_logits.retain_grad()
    output.loss.backward()
    reached = output.prediction_logits.grad.abs().sum(-1) > 0
    assert torch.equal(reached, batch["labels"] != -100)


@pytest.mark.parametrize("labels", ["labels", "next_sentence_label"])
def test_each_loss_alone_falls_to_near_zero_on_one_batch(
    batch: dict[str, Tensor], labels: str
) -> None:
    """Would catch class 0 ignored (next sentence stuck at one half) and labels moved by a place."""
    inputs = {name: batch[name] for name in ("input_ids", "token_type_ids", "attention_mask")}
    trained = model().train()
    optimizer = torch.optim.Adam(trained.parameters(), lr=3e-3)
    first = loss = trained(**inputs, **{labels: batch[labels]}).loss
    for _ in range(150):
        optimizer.zero_grad()
        loss = trained(**inputs, **{labels: batch[labels]}).loss
        loss.backward()
        optimizer.step()
    assert first > 0.5
    assert loss < 0.02


def test_gradients_equal_those_of_transformers(batch: dict[str, Tensor]) -> None:
    ours = model().train()
    theirs = transformers.BertForPreTraining(transformers.BertConfig(**SIZES)).train()
    theirs.load_state_dict(ours.state_dict())
    losses = ours(**batch).loss, theirs(**batch).loss
    torch.testing.assert_close(losses[0], losses[1], atol=1e-5, rtol=1e-5)
    for loss in losses:
        loss.backward()
    expected = dict(theirs.named_parameters())
    for name, parameter in ours.named_parameters():
        torch.testing.assert_close(
            parameter.grad, expected[name].grad, atol=1e-5, rtol=1e-4, msg=name
        )
    assert ours.cls.seq_relationship.weight.grad.abs().sum() > 0
    assert ours.bert.embeddings.word_embeddings.weight.grad.abs().sum() > 0
