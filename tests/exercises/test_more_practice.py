"""The exercises beyond the chapters' text, with answers as learners write them."""

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from bertlab import exercises


def named(name: str, answer: Any) -> str | None:
    result = exercises.check(name, answer)
    assert result is not None
    return result.mistake


@pytest.mark.parametrize(
    ("answer", "mistake"),
    [
        ((64, 1, 1 / 64), None),
        ([64.0, torch.tensor(1), Fraction(1, 64)], None),
        (np.array([64, 1, 1 / 64]), None),
        (torch.tensor([64, 1, 1 / 64]), None),
        ((8, 1, 1 / 8), "deviations-not-variances"),
        ((64, 8, 1), "scale-not-squared"),
        ((64, 64, 64), "scale-without-effect"),
        ((4096, 64, 1), "variance-grows-with-square"),
        ((1, 1 / 64, 1 / 4096), "one-term"),
        ((64, 2, 1 / 64), "wrong-values"),
        (64, "wrong-number-of-outputs"),
        (lambda: 64, "not-a-value"),
        ((..., 1, ...), "not-attempted"),
        (None, "not-attempted"),
    ],
)
def test_variances_of_a_dot_product(answer: Any, mistake: str | None) -> None:
    assert named("dot_product_variances", answer) == mistake


def test_what_a_value_should_be_is_not_told() -> None:
    message = exercises.check("dot_product_variances", (64, 2, 3)).message
    assert "`q · k / √d` and `q · k / d` are not right." in message
    assert "q · k: right" in message
    assert "expected" not in message
    assert "Your answer is an int: expected 3 values" in (
        exercises.check("dot_product_variances", 64).message
    )


FULL = torch.ones(5, 5, dtype=torch.bool)
SEES = FULL.clone()
SEES[:, 4] = False


@pytest.mark.parametrize(
    ("answer", "mistake"),
    [
        (SEES, None),
        (SEES.long().tolist(), None),
        (SEES.numpy(), None),
        (SEES & (torch.arange(5)[:, None] < 4), None),  # padding's own row is free
        (FULL, "padding-attended-to"),
        (SEES.T, "padding-row-for-column"),
        (SEES.tril(), "left-to-right"),
        (FULL.triu() & SEES, "right-to-left"),
        (SEES & ~torch.eye(5, dtype=torch.bool), "own-place-forbidden"),
        (~SEES, "inverted"),
        (torch.eye(5), "sees-itself-only"),
        (torch.ones(4, 4), "wrong-shape"),
        ("ones", "wrong-type"),
    ],
)
def test_who_may_attend_to_whom(answer: Any, mistake: str | None) -> None:
    assert named("attention_pattern", answer) == mistake


class Block(nn.Module):
    activation: Any = staticmethod(F.gelu)
    eps = 1e-12

    def __init__(self, hidden_size: int, intermediate_size: int, dropout: float = 0.1) -> None:
        super().__init__()
        self.up = nn.Linear(hidden_size, intermediate_size)
        self.down = nn.Linear(intermediate_size, hidden_size)
        self.norm = nn.LayerNorm(hidden_size, eps=self.eps)
        self.dropout = nn.Dropout(dropout)

    def drop(self, y):
        return self.dropout(y)

    def inner(self, x):
        return self.drop(self.down(self.activation(self.up(x))))

    def forward(self, x):
        return self.norm(x + self.inner(x))


class Longhand(Block):
    def forward(self, x):
        hidden = torch.einsum("btd,fd->btf", x, self.up.weight) + self.up.bias
        hidden = hidden * 0.5 * (1 + torch.erf(hidden / math.sqrt(2)))
        y = x + F.dropout(self.down(hidden), self.dropout.p, self.training)
        return self.norm(y)


class PreNorm(Block):
    def forward(self, x):
        return x + self.inner(self.norm(x))


class SumOutside(Block):
    def forward(self, x):
        return x + self.norm(self.inner(x))


class NoResidual(Block):
    def forward(self, x):
        return self.norm(self.inner(x))


class Relu(Block):
    activation = staticmethod(F.relu)


class TanhGelu(Block):
    activation = nn.GELU(approximate="tanh")


class UsualEps(Block):
    eps = 1e-5


class AlwaysDropping(Block):
    def drop(self, y):
        return F.dropout(y, self.dropout.p)


class NeverDropping(Block):
    def drop(self, y):
        return y


class OtherNames(nn.Module):
    def __init__(self, hidden_size: int, intermediate_size: int, dropout: float = 0.1) -> None:
        super().__init__()
        self.fc1 = nn.Linear(hidden_size, intermediate_size)


class ReturnsNone(Block):
    def forward(self, x):
        self.inner(x)


class NoModule:
    def __init__(self, *sizes: Any) -> None:
        pass


class Misspelt(Block):
    def forward(self, x):
        return self.nrom(x)


@pytest.mark.parametrize(
    ("answer", "mistake"),
    [
        (Block, None),
        (Longhand, None),
        (PreNorm, "pre-ln"),
        (SumOutside, "residual-outside-layernorm"),
        (NoResidual, "residual-missing"),
        (Relu, "relu"),
        (TanhGelu, "tanh-gelu"),
        (UsualEps, "usual-eps"),
        (AlwaysDropping, "dropout-left-on"),
        (NeverDropping, "dropout-missing"),
        (OtherNames, "wrong-parameters"),
        (ReturnsNone, "wrong-type"),
        (NoModule, "not-a-module"),
        (Misspelt, "exception"),
        (Block(2, 3), "not-a-class"),
        (lambda *sizes: Block(*sizes), "not-a-class"),
    ],
)
def test_feed_forward_blocks(answer: Any, mistake: str | None) -> None:
    assert named("feed_forward_block", answer) == mistake


def test_an_error_in_a_class_is_shown_with_its_own_line() -> None:
    message = exercises.check("feed_forward_block", Misspelt).message
    assert "    return self.nrom(x)\n" in message
    assert "AttributeError: 'Misspelt' object has no attribute 'nrom'" in message
    message = exercises.check("feed_forward_block", Block(2, 3)).message
    assert "`exercises.check('feed_forward_block', FeedForwardBlock)`" in message


class Head(nn.Module):
    def __init__(self, words: nn.Embedding) -> None:
        super().__init__()
        V, D = words.weight.shape
        self.words = words
        self.dense = nn.Linear(D, D)
        self.norm = nn.LayerNorm(D, eps=1e-12)
        self.bias = nn.Parameter(torch.zeros(V))

    def forward(self, hidden):
        return self.norm(F.gelu(self.dense(hidden))) @ self.words.weight.T + self.bias


class Decoder(Head):
    def __init__(self, words: nn.Embedding) -> None:
        super().__init__(words)
        del self.bias, self.words
        self.decoder = nn.Linear(words.embedding_dim, words.num_embeddings)
        self.tie(words)

    def tie(self, words: nn.Embedding) -> None:
        self.decoder.weight = words.weight

    def forward(self, hidden):
        return self.decoder(self.norm(F.gelu(self.dense(hidden))))


class Untied(Decoder):
    def tie(self, words: nn.Embedding) -> None:
        pass


class Copied(Decoder):
    def tie(self, words: nn.Embedding) -> None:
        self.decoder.weight.data = words.weight.data.clone()


class NoBias(Head):
    def forward(self, hidden):
        return self.norm(F.gelu(self.dense(hidden))) @ self.words.weight.T


class NoTransform(Head):
    def forward(self, hidden):
        return hidden @ self.words.weight.T + self.bias


class Strange(Head):
    def __init__(self, words: nn.Embedding) -> None:
        super().__init__(words)
        self.more = nn.Linear(2, 3)


@pytest.mark.parametrize(
    ("answer", "mistake"),
    [
        (Head, None),
        (Decoder, None),
        (Untied, "decoder-not-tied"),
        (Copied, "decoder-not-tied"),
        (NoBias, "bias-forgotten"),
        (NoTransform, "transform-missing"),
        (Strange, "wrong-parameters"),
        (NoModule, "not-a-module"),
    ],
)
def test_masked_word_heads(answer: Any, mistake: str | None) -> None:
    assert named("masked_word_head", answer) == mistake


EVERYTHING = "everything-decays"


def optimizer(
    freeze=True,
    everything=False,
    matrices=lambda name, p: p.dim() > 1,
    kind=torch.optim.AdamW,
    **settings,
):
    def answer(model, rate, decay, freeze_encoder):
        for name, parameter in model.named_parameters():
            if freeze and freeze_encoder and name.startswith("encoder."):
                parameter.requires_grad = False
        kept = [(n, p) for n, p in model.named_parameters() if p.requires_grad or everything]
        groups = [
            {"params": [p for n, p in kept if matrices(n, p)], "weight_decay": decay},
            {"params": [p for n, p in kept if not matrices(n, p)], "weight_decay": 0.0},
        ]
        return kind(groups, **({"lr": rate} | settings))

    return answer


@pytest.mark.parametrize(
    ("answer", "mistake"),
    [
        (optimizer(), None),
        (optimizer(matrices=lambda n, p: not n.endswith(("bias", "norm.weight"))), None),
        (optimizer(matrices=lambda n, p: "norm" not in n), "biases-decay"),
        (optimizer(freeze=False), "not-frozen"),
        (optimizer(everything=True), "frozen-but-in-the-optimizer"),
        (optimizer(lr=1e-3), "rate-not-passed"),
        (optimizer(kind=torch.optim.SGD), "sgd"),
        (optimizer(kind=torch.optim.Adam), "adam"),
        (lambda m, r, d, f: torch.optim.AdamW(m.parameters(), r, weight_decay=d), EVERYTHING),
        (lambda m, r, d, f: None, "returned-none"),
        (lambda m, r, d, f: [r], "wrong-type"),
    ],
)
def test_optimizers(answer: Callable[..., Any], mistake: str | None) -> None:
    assert named("make_optimizer", answer) == mistake


def predict(model, input_ids, attention_mask):
    model.eval()
    with torch.no_grad():
        return model(input_ids, attention_mask=attention_mask).logits.softmax(-1)


@pytest.mark.parametrize(
    ("answer", "mistake"),
    [
        (predict, None),
        (lambda m, i, a: predict(m, i, a).numpy(), None),
        (lambda m, i, a: m.eval()(i, a).logits.softmax(-1).detach(), None),
        (lambda m, i, a: m.eval()(i, a).logits.softmax(-1), "gradients-kept"),
        (lambda m, i, a: m(i, a).logits.softmax(-1).detach(), "eval-forgotten"),
        (lambda m, i, a: m.eval()(i).logits.softmax(-1).detach(), "mask-not-passed"),
        (lambda m, i, a: m.eval()(i, a).logits.detach(), "softmax-missing"),
        (lambda m, i, a: m.eval()(i, a).logits.sigmoid().detach(), "sigmoid"),
        (lambda m, i, a: predict(m, i, a).amax(-1), "largest-only"),
    ],
)
def test_predictions(answer: Callable[..., Any], mistake: str | None) -> None:
    assert named("predict_probabilities", answer) == mistake


def choose(batch_losses, batch_sizes, test_scores):
    means = [float(np.average(losses, weights=batch_sizes)) for losses in batch_losses]
    best = int(np.argmin(means))
    return best, means[best], test_scores[best]


def choose_on_test(batch_losses, batch_sizes, test_scores):
    best = int(np.argmax(test_scores))
    return best, float(np.average(batch_losses[best], weights=batch_sizes)), test_scores[best]


def choose_by_means(batch_losses, batch_sizes, test_scores):
    means = [sum(losses) / len(losses) for losses in batch_losses]
    best = means.index(min(means))
    return best, means[best], test_scores[best]


@pytest.mark.parametrize(
    ("answer", "mistake"),
    [
        (choose, None),
        (choose_on_test, "chosen-on-the-test-set"),
        (choose_by_means, "mean-of-batch-means"),
        (lambda b, s, t: (*choose(b, s, t)[:2], max(t)), "best-test-score-reported"),
        (lambda b, s, t: (*choose(b, s, t)[:2], t[-1]), "last-test-score-reported"),
    ],
)
def test_checkpoints(answer: Callable[..., Any], mistake: str | None) -> None:
    assert named("choose_checkpoint", answer) == mistake


def tag_lists(predicted, labels, names, keep=lambda label, guess: label != -100):
    true, guessed = [], []
    for ids, row in zip(predicted.tolist(), labels.tolist(), strict=True):
        pairs = [(y, x) for y, x in zip(row, ids, strict=True) if keep(y, x)]
        true.append([names[y] if y != -100 else "O" for y, _ in pairs])
        guessed.append([names[x] for _, x in pairs])
    return true, guessed


@pytest.mark.parametrize(
    ("answer", "mistake"),
    [
        (tag_lists, None),
        (lambda p, y, n: tuple(tuple(map(tuple, side)) for side in tag_lists(p, y, n)), None),
        (
            lambda p, y, n: tuple([t for s in side for t in s] for side in tag_lists(p, y, n)),
            "flattened",
        ),
        (lambda p, y, n: tag_lists(p, y, n, lambda y, x: True), "unlabelled-places-kept"),
        (lambda p, y, n: tag_lists(p, y, n, lambda y, x: y > 0), "true-o-left-out"),
        (lambda p, y, n: tag_lists(p, y, n)[::-1], "outputs-swapped"),
        (lambda p, y, n: tag_lists(p, y, range(9)), "numbers-not-names"),
        (lambda p, y, n: tag_lists(p, y, n)[0], "wrong-values"),
        (lambda p, y, n: (p, y), "wrong-type"),
        (lambda p, y, n: 3, "wrong-number-of-outputs"),
    ],
)
def test_tag_lists(answer: Callable[..., Any], mistake: str | None) -> None:
    found = named("tag_lists", answer)
    assert found == mistake or (mistake == "wrong-values" and found == "wrong-number-of-outputs")


def windows(ids, length, overlap):
    starts = range(0, max(1, len(ids) - overlap), length - overlap)
    return [ids[start : start + length] for start in starts]


@pytest.mark.parametrize(
    ("answer", "mistake"),
    [
        (windows, None),
        (lambda i, n, o: [torch.tensor(w) for w in windows(i, n, o)], None),
        (lambda i, n, o: [i[:n]], "cut-in-silence"),
        (lambda i, n, o: windows(i, n, 0), "no-overlap"),
        (lambda i, n, o: [i[s : s + n] for s in range(0, len(i), n - o)], "windows-beyond-the-end"),
        (lambda i, n, o: windows(i, n, o)[:-1] or [i], "wrong-values"),
        (lambda i, n, o: windows(i, n, o)[0], "wrong-type"),
        (lambda i, n, o: 3, "wrong-type"),
    ],
)
def test_windows(answer: Callable[..., Any], mistake: str | None) -> None:
    assert named("windows", answer) == mistake
