"""What must hold for every batch, whatever the numbers."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import bertlab
from bertlab.model.attention import merge_heads, split_heads

IMPLEMENTATIONS = ("sdpa", "explicit", "packed")
VOCABULARY = 40


def small_model(implementation: str, **sizes: float) -> bertlab.BertModel:
    torch.manual_seed(0)
    config = bertlab.BertConfig(
        vocab_size=VOCABULARY,
        hidden_size=24,
        num_hidden_layers=2,
        num_attention_heads=3,
        intermediate_size=48,
        max_position_embeddings=32,
        initializer_range=0.3,
        implementation=implementation,
        **sizes,
    )
    return bertlab.BertModel(config).eval()


def rows_of_ids(most: int = 12) -> st.SearchStrategy[list[list[int]]]:
    row = st.lists(st.integers(1, VOCABULARY - 1), min_size=1, max_size=most)
    return st.lists(row, min_size=1, max_size=4)


def pad(rows: list[list[int]], extra: int = 0) -> tuple[Tensor, Tensor]:
    length = max(map(len, rows)) + extra
    ids = torch.tensor([row + [0] * (length - len(row)) for row in rows])
    mask = torch.tensor([[1] * len(row) + [0] * (length - len(row)) for row in rows])
    return ids, mask


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@settings(max_examples=40, deadline=None)
@given(rows=rows_of_ids(), extra=st.integers(1, 12))
def test_padding_changes_nothing_at_real_places(
    implementation: str, rows: list[list[int]], extra: int
) -> None:
    """Would catch a mask that is forgotten, or applied after the softmax."""
    model = small_model(implementation)
    ids, mask = pad(rows)
    longer_ids, longer_mask = pad(rows, extra)
    with torch.no_grad():
        tight = model(ids, mask)
        padded = model(longer_ids, longer_mask)
    length = ids.size(1)
    torch.testing.assert_close(
        padded.last_hidden_state[:, :length][mask.bool()],
        tight.last_hidden_state[mask.bool()],
        atol=2e-5,
        rtol=1e-4,
    )
    torch.testing.assert_close(padded.pooler_output, tight.pooler_output, atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@settings(max_examples=30, deadline=None)
@given(rows=rows_of_ids(), data=st.data())
def test_the_order_of_the_batch_does_not_matter(
    implementation: str, rows: list[list[int]], data: st.DataObject
) -> None:
    order = data.draw(st.permutations(range(len(rows))))
    model = small_model(implementation)
    ids, mask = pad(rows)
    with torch.no_grad():
        expected = model(ids, mask).last_hidden_state[order]
        found = model(ids[order], mask[order]).last_hidden_state
    torch.testing.assert_close(found, expected, atol=2e-5, rtol=1e-4)


@settings(max_examples=40, deadline=None)
@given(rows=rows_of_ids(), extra=st.integers(1, 5))
def test_columns_of_padding_get_no_attention_and_rows_sum_to_one(
    rows: list[list[int]], extra: int
) -> None:
    ids, mask = pad(rows, extra)
    with torch.no_grad():
        attentions = small_model("sdpa")(ids, mask, output_attentions=True).attentions
    for weights in attentions:  # (B, H, T, T)
        padding = (mask == 0)[:, None, None, :].expand_as(weights)
        assert (weights[padding] == 0).all()
        torch.testing.assert_close(weights.sum(-1), torch.ones(weights.shape[:-1]))


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize("rows_empty", [[0], [0, 1]])
def test_a_row_of_padding_gives_finite_values_and_gradients(
    implementation: str, rows_empty: list[int]
) -> None:
    """Would catch a softmax over -inf only, which is NaN and spreads to every weight."""
    model = small_model(implementation)
    ids = torch.randint(1, VOCABULARY, (2, 6))
    mask = torch.ones(2, 6, dtype=torch.long)
    mask[rows_empty] = 0
    output = model(ids, mask)
    assert output.last_hidden_state.isfinite().all()
    (output.last_hidden_state.square().mean() + output.pooler_output.mean()).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is None or parameter.grad.isfinite().all(), name


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_dropout_is_on_in_training_and_off_in_evaluation(implementation: str) -> None:
    model = small_model(implementation)
    ids, mask = pad([[5, 6, 7, 8], [9, 10]])
    first, second = (model(ids, mask).last_hidden_state for _ in range(2))
    assert torch.equal(first, second)
    model.train()
    first, second = (model(ids, mask).last_hidden_state for _ in range(2))
    assert not torch.equal(first, second)


@pytest.mark.parametrize("implementation", ["sdpa", "explicit"])
def test_attention_dropout_keeps_the_expected_output(implementation: str) -> None:
    """Both paths drop attention weights and scale the rest: their means agree with evaluation."""
    model = small_model(implementation, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.3)
    attention = model.encoder.layer[0].attention.self
    x = torch.randn(1, 6, 24).expand(4000, 6, 24)
    with torch.no_grad():
        expected = attention(x[:1])[0]
        found = attention.train()(x)[0]
    assert found.std(0).max() > 0.01  # it does drop
    torch.testing.assert_close(found.mean(0, keepdim=True), expected, atol=0.05, rtol=0.05)


def test_weights_are_returned_before_dropout() -> None:
    model = small_model("explicit").train()
    ids, mask = pad([[5, 6, 7, 8], [9, 10]])
    for weights in model(ids, mask, output_attentions=True).attentions:
        torch.testing.assert_close(weights.sum(-1), torch.ones(weights.shape[:-1]))


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 3), st.integers(1, 7), st.integers(1, 4), st.integers(1, 5))
def test_merging_undoes_splitting_and_heads_hold_neighbouring_features(
    batch: int, length: int, heads: int, width: int
) -> None:
    """Would catch a view without the transpose: right shape, scrambled values."""
    x = torch.randn(batch, length, heads * width)
    split = split_heads(x, heads)
    assert split.shape == (batch, heads, length, width)
    for h in range(heads):
        assert torch.equal(split[:, h], x[:, :, h * width : (h + 1) * width])
    assert torch.equal(merge_heads(split), x)


@settings(max_examples=60, deadline=None)
@given(
    lead=st.lists(st.integers(1, 3), max_size=2),
    queries=st.integers(1, 5),
    keys=st.integers(1, 6),
    width=st.integers(1, 8),
    masked=st.booleans(),
    seed=st.integers(0, 10_000),
)
def test_attention_equals_torchs(
    lead: list[int], queries: int, keys: int, width: int, masked: bool, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*lead, *shape, generator=generator)

    query, key, value = draw(queries, width), draw(keys, width), draw(keys, 3)
    mask = draw(queries, keys) > 0 if masked else None
    output, weights = bertlab.scaled_dot_product_attention(query, key, value, mask)
    expected = torch.nn.functional.scaled_dot_product_attention(query, key, value, mask)
    torch.testing.assert_close(output, expected, atol=1e-5, rtol=1e-5)
    if mask is not None:
        assert (weights[~mask] == 0).all()
        assert torch.equal(weights.sum(-1) > 0.5, mask.any(-1))


def test_attention_works_in_low_precision() -> None:
    for dtype in (torch.float16, torch.bfloat16, torch.float64):
        x = torch.randn(2, 4, 8).to(dtype)
        mask = torch.tensor([True, True, False, False])
        output, weights = bertlab.scaled_dot_product_attention(x, x, x, mask)
        assert output.dtype == weights.dtype == dtype
        assert output.isfinite().all()
