"""What pretraining minimises equals the models' own loss; the figures equal a plain count."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import transformers
from small_corpus import numbered_corpus, small_tokenizer
from torch import Tensor, nn
from torch.nn import functional as F

import bertlab
from bertlab.pretraining import PretrainingBatches, PretrainingObjective, evaluate
from bertlab.pretraining.objective import masked_places, predictions

TOKENIZER = small_tokenizer(words=2000)
SIZES: dict[str, Any] = {
    "vocab_size": len(TOKENIZER),
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 32,
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
    "initializer_range": 0.2,
}
BATCHES = PretrainingBatches(
    numbered_corpus(2, documents=12, sentences=8, words=6), TOKENIZER, batch_size=6, max_length=24
)
BATCH = next(BATCHES.epoch())


def ours() -> bertlab.BertForPreTraining:
    torch.manual_seed(0)
    return bertlab.BertForPreTraining(bertlab.BertConfig(**SIZES))


def theirs() -> transformers.BertForPreTraining:
    model = transformers.BertForPreTraining(transformers.BertConfig(**SIZES))
    model.load_state_dict(ours().state_dict())
    return model


def gradients(model: nn.Module) -> dict[str, Tensor]:
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def assert_close(a: dict[str, Tensor], b: dict[str, Tensor]) -> None:
    assert a.keys() == b.keys()
    for name in a:
        torch.testing.assert_close(a[name], b[name], atol=1e-6, rtol=1e-4, msg=name)


@pytest.mark.parametrize("make", [ours, theirs])
def test_loss_and_gradients_are_the_models_own(make: Any) -> None:
    """Logits at masked places only, and all the same as logits everywhere."""
    direct, gathered = make(), make()
    expected = direct(**BATCH).loss
    expected.backward()
    objective = PretrainingObjective(gathered)
    losses = objective(objective.prepare(BATCH), objective.counts(BATCH))
    losses["loss"].backward()
    torch.testing.assert_close(losses["loss"], expected, atol=1e-6, rtol=1e-6)
    assert_close(gradients(gathered), gradients(direct))
    assert losses["loss"] == losses["masked_lm"] + losses["next_sentence"]


def test_only_masked_places_reach_the_vocabulary() -> None:
    model, rows = ours(), []
    model.cls.predictions.register_forward_pre_hook(lambda _, inputs: rows.append(inputs[0].shape))
    objective = PretrainingObjective(model)
    counts = objective.counts(BATCH)
    objective(BATCH, counts)
    assert rows == [(counts["masked_lm"], SIZES["hidden_size"])]
    assert counts == {"masked_lm": int((BATCH["labels"] >= 0).sum()), "next_sentence": 6}
    assert len(masked_places(BATCH["labels"])) == counts["masked_lm"]


@pytest.mark.parametrize("parts", [2, 3, 6])
def test_the_parts_of_a_batch_add_up(parts: int) -> None:
    """Though they differ in their number of masks."""
    objective = PretrainingObjective(ours())
    counts = objective.counts(BATCH)
    whole = objective(BATCH, counts)
    pieces = [
        {name: tensor[part::parts] for name, tensor in BATCH.items()} for part in range(parts)
    ]
    assert len({objective.counts(piece)["masked_lm"] for piece in pieces}) > 1
    found = [objective(objective.prepare(piece), counts) for piece in pieces]
    for name in whole:
        torch.testing.assert_close(sum(losses[name] for losses in found), whole[name])


def test_the_next_sentences_weight() -> None:
    model = ours()
    losses = PretrainingObjective(model, 0.1)(BATCH, PretrainingObjective(model).counts(BATCH))
    expected = losses["masked_lm"] + 0.1 * losses["next_sentence"]
    torch.testing.assert_close(losses["loss"], expected)


def test_more_padding_changes_nothing() -> None:
    fill = {"input_ids": TOKENIZER.pad_token_id, "labels": -100}
    padded = {
        name: F.pad(tensor, (0, 5), value=fill.get(name, 0)) if tensor.dim() == 2 else tensor
        for name, tensor in BATCH.items()
    }
    tight, loose = ours(), ours()
    for model, batch in ((tight, BATCH), (loose, padded)):
        objective = PretrainingObjective(model)
        objective(batch, objective.counts(batch))["loss"].backward()
    assert_close(gradients(tight), gradients(loose))
    figures = [evaluate(tight.eval(), [batch]) for batch in (BATCH, padded)]
    assert figures[0] == pytest.approx(figures[1], rel=1e-5)


def test_a_batch_without_masked_places_trains_next_sentences_only() -> None:
    batch = BATCH | {"labels": torch.full_like(BATCH["labels"], -100)}
    model = ours()
    objective = PretrainingObjective(model)
    losses = objective(objective.prepare(batch), objective.counts(batch))
    assert losses["masked_lm"] == 0
    losses["loss"].backward()
    assert all(gradient.isfinite().all() for gradient in gradients(model).values())
    assert model.cls.seq_relationship.weight.grad.abs().sum() > 0
    figures = evaluate(model, [batch])
    assert figures["masked_lm_loss"] == figures["masked_lm_accuracy"] == 0
    assert figures["masked_places"] == 0


@pytest.mark.parametrize("make", [ours, theirs])
def test_figures_are_those_of_a_plain_count(make: Any) -> None:
    """Means over all places of all batches: would catch a mean of the batches' means."""
    model = make().eval()
    losses, hits, next_losses, right, tokens = [], 0, [], 0, 0
    batches = list(BATCHES.epoch())
    assert len(batches) > 3
    for batch in batches:
        with torch.no_grad():
            output = model(**{name: t for name, t in batch.items() if "label" not in name})
        for row in range(len(batch["labels"])):
            scores = output.seq_relationship_logits[row].log_softmax(-1)
            label = int(batch["next_sentence_label"][row])
            next_losses.append(-float(scores[label]))
            right += int(scores.argmax()) == label
            tokens += int(batch["attention_mask"][row].sum())
            for place in range(batch["labels"].size(1)):
                truth = int(batch["labels"][row, place])
                if truth != -100:
                    scores = output.prediction_logits[row, place].log_softmax(-1)
                    losses.append(-float(scores[truth]))
                    hits += int(scores.argmax()) == truth
    assert evaluate(model, batches) == pytest.approx(
        {
            "masked_lm_loss": sum(losses) / len(losses),
            "masked_lm_accuracy": hits / len(losses),
            "next_sentence_loss": sum(next_losses) / len(next_losses),
            "next_sentence_accuracy": right / len(next_losses),
            "masked_places": len(losses),
            "pairs": len(next_losses),
            "tokens": tokens,
        },
        rel=1e-5,
    )


def test_a_model_that_knows_the_answers_has_accuracy_1() -> None:
    """Would catch places and labels that are a place apart."""

    class Knows(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(()))
            self.cls = nn.Module()
            self.cls.predictions = lambda hidden: 50 * hidden
            self.cls.seq_relationship = lambda pooled: 50 * pooled

        def bert(self, input_ids: Tensor, **_: Tensor) -> Any:
            answer = torch.where(BATCH["labels"] == -100, input_ids, BATCH["labels"])
            return transformers.modeling_outputs.BaseModelOutputWithPooling(
                last_hidden_state=F.one_hot(answer, len(TOKENIZER)).float(),
                pooler_output=F.one_hot(BATCH["next_sentence_label"], 2).float(),
            )

    figures = evaluate(Knows(), [BATCH])
    assert figures["masked_lm_accuracy"] == figures["next_sentence_accuracy"] == 1
    assert figures["masked_lm_loss"] < 1e-3
    masked, relationship, truth = predictions(Knows(), BATCH)
    assert masked.shape == (len(truth), len(TOKENIZER))
    assert relationship.shape == (6, 2)


def test_nothing_to_evaluate_on_is_an_error() -> None:
    with pytest.raises(ValueError, match="there is no batch to evaluate on"):
        evaluate(ours(), [])
