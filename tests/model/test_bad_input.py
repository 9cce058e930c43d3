"""A wrong configuration or batch gets a ValueError that says what was found and expected."""

import pytest
import torch

import bertlab
from bertlab.model import check_batch

IDS = torch.randint(0, 50, (2, 6))


@pytest.fixture(scope="module")
def model() -> bertlab.BertForTokenClassification:
    config = bertlab.BertConfig.tiny(vocab_size=50, max_position_embeddings=8, num_labels=3)
    return bertlab.BertForTokenClassification(config)


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        ({"input_ids": torch.tensor([[3, 50]])}, r"input_ids holds 50 \(row 0, place 1\).*to 49"),
        ({"input_ids": torch.tensor([[3, 5], [-1, 5]])}, r"holds -1 \(row 1, place 0\)"),
        ({"input_ids": IDS.float()}, r"input_ids has dtype torch.float32: expected torch.int64"),
        ({"input_ids": IDS > 3}, r"dtype torch.bool"),
        ({"input_ids": IDS[0]}, r"input_ids has shape \(6,\): expected \(batch, tokens\)"),
        ({"input_ids": IDS[:, :0]}, r"\(2, 0\)"),
        ({"input_ids": [[3, 5]]}, r"input_ids is of type list: expected a tensor"),
        ({"input_ids": torch.ones(2, 9, dtype=torch.long)}, r"9 tokens long: expected at most 8"),
        (
            {"input_ids": IDS, "attention_mask": torch.ones(2, 5)},
            r"attention_mask has shape \(2, 5\): expected that of input_ids, \(2, 6\)",
        ),
        ({"input_ids": IDS, "attention_mask": torch.ones(2, 1, 1, 6)}, r"\(2, 1, 1, 6\)"),
        (
            {"input_ids": IDS, "attention_mask": -1e4 * torch.ones(2, 6)},
            r"holds -10000.0",
        ),
        ({"input_ids": IDS, "token_type_ids": IDS[:, :5] * 0}, r"token_type_ids has shape"),
        ({"input_ids": IDS, "token_type_ids": IDS * 0 + 2}, r"token_type_ids holds 2 .* 0 to 1"),
        ({"input_ids": IDS, "attention_mask": [[1] * 6] * 2}, r"attention_mask is of type list"),
        ({"input_ids": IDS, "token_type_ids": [[0] * 6] * 2}, r"token_type_ids is of type list"),
        ({"input_ids": IDS, "labels": [[0] * 6] * 2}, r"labels is of type list"),
        (
            {"input_ids": IDS, "attention_mask": torch.ones(2, 6, device="meta")},
            r"attention_mask is on meta, the other tensors are on cpu",
        ),
        ({"input_ids": IDS, "token_type_ids": IDS * 0.0}, r"token_type_ids has dtype"),
        ({"input_ids": IDS, "labels": IDS[:, :1]}, r"labels has shape \(2, 1\): expected \(2, 6\)"),
        (
            {"input_ids": IDS, "labels": IDS * 0 + 3},
            r"labels holds 3: expected .* 0 to 2",
        ),
        ({"input_ids": IDS, "labels": IDS * 0.5}, r"labels has dtype torch.float32"),
    ],
)
def test_a_batch_that_does_not_fit_is_refused(
    model: bertlab.BertForTokenClassification, batch: dict, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        model(**batch)


@pytest.mark.parametrize("dtype", [torch.bool, torch.int32, torch.float32, torch.int64])
def test_masks_and_ids_of_every_sensible_dtype_are_taken(
    model: bertlab.BertForTokenClassification, dtype: torch.dtype
) -> None:
    mask = torch.tensor([[1, 1, 1, 1, 1, 1], [1, 1, 1, 0, 0, 0]])
    model.eval()
    expected = model(IDS, mask).logits
    assert torch.equal(model(IDS.int(), mask.to(dtype)).logits, expected)


def test_values_are_not_looked_at_where_that_would_make_a_gpu_wait(
    model: bertlab.BertForTokenClassification,
) -> None:
    """Tensors on the meta device have no values: a check that reads one fails."""
    meta = {"input_ids": IDS.to("meta"), "attention_mask": torch.ones(2, 6, device="meta")}
    with torch.device("meta"):
        on_meta = bertlab.BertForTokenClassification(model.config)
    labels = torch.zeros(2, 6, dtype=torch.long, device="meta")
    assert on_meta(**meta, labels=labels).logits.shape == (2, 6, 3)
    check_batch(model.config, **meta)
    with pytest.raises(ValueError, match="holds 50"):
        check_batch(model.config, torch.tensor([[50]]))


def test_a_mask_that_is_not_boolean_is_refused() -> None:
    x = torch.randn(2, 3, 4)
    with pytest.raises(ValueError, match=r"dtype torch.int64: expected torch.bool"):
        bertlab.scaled_dot_product_attention(x, x, x, torch.ones(3, dtype=torch.long))


@pytest.mark.parametrize(
    ("problem", "outputs", "labels", "message"),
    [
        (None, 3, torch.tensor([[1], [0]]), r"labels has shape \(2, 1\): expected \(2,\)"),
        (None, 3, torch.tensor([1.0, 0.0]), r"labels has shape \(2,\): expected \(2, 3\)"),
        ("multi_label_classification", 3, torch.ones(2, 3).long(), r"0.0 or 1.0 for each"),
        ("multi_label_classification", 3, torch.full((2, 3), 7.0), r"between 0.0 and 1.0"),
        ("multi_label_classification", 3, torch.full((2, 3), torch.nan), r"between 0.0 and 1.0"),
        (None, 3, [1, 0], r"labels is of type list"),
        ("regression", 1, torch.ones(3), r"labels has shape \(3,\): expected \(2,\)"),
    ],
)
def test_labels_that_do_not_fit_the_problem_are_refused(
    problem: str | None, outputs: int, labels: torch.Tensor, message: str
) -> None:
    config = bertlab.BertConfig.tiny(vocab_size=50, num_labels=outputs, problem_type=problem)
    with pytest.raises(ValueError, match=message):
        bertlab.BertForSequenceClassification(config)(IDS, labels=labels)


def test_spans_of_the_wrong_shape_are_refused() -> None:
    model = bertlab.BertForQuestionAnswering(bertlab.BertConfig.tiny(vocab_size=50))
    one = torch.tensor([1, 2])
    with pytest.raises(ValueError, match=r"end_positions has shape \(2, 1\): expected \(2,\)"):
        model(IDS, start_positions=one, end_positions=one[:, None])
    with pytest.raises(ValueError, match=r"start_positions has dtype torch.float32"):
        model(IDS, start_positions=one.float(), end_positions=one)
    with pytest.raises(ValueError, match=r"needs start_positions and end_positions: found one"):
        model(IDS, end_positions=one)


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        (((3, 4), (5, 6), (5, 4)), r"\(3, 4\), \(5, 6\) and \(5, 4\): expected \(…, Tq, d\)"),
        (((3, 4), (5, 4), (6, 4)), r"expected \(…, Tq, d\)"),
        (((4,), (4,), (4,)), r"expected \(…, Tq, d\)"),
        (((3, 0), (5, 0), (5, 4)), r"expected \(…, Tq, d\)"),
        (((2, 3, 4), (3, 5, 4), (3, 5, 4)), r"can't be broadcast to one batch"),
        (((3, 4), (5, 4), (5, 4), (3, 4)), r"and the mask \(3, 4\): these can't be broadcast"),
    ],
)
def test_attention_refuses_shapes_that_do_not_fit(shapes: tuple, message: str) -> None:
    query, key, value = (torch.randn(shape) for shape in shapes[:3])
    mask = torch.ones(shapes[3], dtype=torch.bool) if len(shapes) > 3 else None
    with pytest.raises(ValueError, match=message):
        bertlab.scaled_dot_product_attention(query, key, value, mask)


@pytest.mark.parametrize("config", [{"hidden_size": 8}, "bert-base-uncased", None])
def test_a_model_is_made_from_a_configuration_only(config: object) -> None:
    with pytest.raises(ValueError, match=r"expected a bertlab.BertConfig"):
        bertlab.BertModel(config)  # type: ignore[arg-type]
