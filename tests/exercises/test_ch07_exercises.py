"""Chapter 7's exercises, with answers as learners write them."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch

from bertlab import exercises
from bertlab.training import TrainingConfig


def learning_rate(step, steps, warmup, peak):
    up = peak * step / warmup
    down = peak * (steps - step) / (steps - warmup)
    return torch.where(step < warmup, up, down)


def with_minimum(step, steps, warmup, peak):
    return peak * torch.minimum(step / warmup, (steps - step) / (steps - warmup))


def with_loop(step, steps, warmup, peak):
    rates = []
    for s in step.tolist():
        rates.append(s / warmup if s < warmup else 1 - (s - warmup) / (steps - warmup))
    return torch.tensor(rates) * peak


@pytest.mark.parametrize("answer", [learning_rate, with_minimum, with_loop])
def test_right_rates_pass(answer: Callable[..., Any]) -> None:
    for seed in range(20):
        result = exercises.check("learning_rate", answer, seed=seed)
        assert result, result


def test_the_exercise_asks_for_the_rate_of_the_package() -> None:
    config = TrainingConfig(steps=50, learning_rate=0.3, warmup=0.2)
    for step in range(51):
        ours = learning_rate(torch.tensor([step]), 50, 10, 0.3)
        assert math.isclose(ours.item(), config.rate(step / 50), abs_tol=1e-7)


@pytest.mark.parametrize(
    ("mistake", "answer"),
    [
        ("no-warm-up", lambda s, n, w, p: p * ((n - s) / (n - w)).clamp(max=1)),
        (
            "decay-from-step-0",
            lambda s, n, w, p: torch.where(s < w, p * s / w, p * (1 - s / n)),
        ),
        ("off-by-the-warm-up", lambda s, n, w, p: p * torch.where(s < w, s / w, 1 - (s - w) / n)),
        ("no-decay", lambda s, n, w, p: p * (s / w).clamp(max=1)),
        ("peak-forgotten", lambda s, n, w, p: with_minimum(s, n, w, 1.0)),
        ("one-step-ahead", lambda s, n, w, p: learning_rate(s + 1, n, w, p)),
        ("inverse-square-root", lambda s, n, w, p: p * torch.minimum(s / w, (w / s) ** 0.5)),
        # A constant rate: the warm-up is tried first, and then the rest.
        ("no-warm-up", lambda s, n, w, p: torch.full((len(s),), p)),
    ],
)
def test_wrong_rates_are_named(mistake: str, answer: Callable[..., Any]) -> None:
    result = exercises.check("learning_rate", answer)
    assert result.mistake == mistake, result


def test_an_if_on_several_steps_is_explained_by_the_error() -> None:
    result = exercises.check("learning_rate", lambda s, n, w, p: p * s / w if s < w else p)
    assert result.mistake == "exception"
    assert "ambiguous" in result.message


def clip_gradient(weight, bias, limit):
    norm = (weight.square().sum() + bias.square().sum()).sqrt()
    factor = min(1.0, limit / norm)
    return weight * factor, bias * factor


def with_torch(weight, bias, limit):
    parameters = [torch.nn.Parameter(torch.zeros_like(g)) for g in (weight, bias)]
    for parameter, gradient in zip(parameters, (weight, bias), strict=True):
        parameter.grad = gradient.clone()
    torch.nn.utils.clip_grad_norm_(parameters, limit)
    return tuple(parameter.grad for parameter in parameters)


@pytest.mark.parametrize("answer", [clip_gradient, with_torch])
def test_right_clipping_passes(answer: Callable[..., Any]) -> None:
    for seed in range(20):
        result = exercises.check("clip_gradient", answer, seed=seed)
        assert result, result


def alone(gradient, limit):
    return gradient * min(1.0, limit / gradient.norm())


@pytest.mark.parametrize(
    ("mistake", "answer"),
    [
        ("each-tensor-alone", lambda w, b, limit: (alone(w, limit), alone(b, limit))),
        ("values-clamped", lambda w, b, c: (w.clamp(-c, c), b.clamp(-c, c))),
        (
            "always-scaled",
            lambda w, b, c: tuple(
                g * c / torch.cat([w.flatten(), b.flatten()]).norm() for g in (w, b)
            ),
        ),
    ],
)
def test_wrong_clipping_is_named(mistake: str, answer: Callable[..., Any]) -> None:
    result = exercises.check("clip_gradient", answer)
    assert result.mistake == mistake, result


def test_clipping_in_place_is_noticed() -> None:
    def answer(weight, bias, limit):
        factor = min(1.0, float(limit / torch.cat([weight.flatten(), bias]).norm()))
        return weight.mul_(factor), bias.mul_(factor)

    assert exercises.check("clip_gradient", answer).mistake == "input-modified"


def adamw_step(
    weight, gradient, mean, square, step, rate, beta1=0.9, beta2=0.999, eps=1e-6, decay=0.01
):
    mean = beta1 * mean + (1 - beta1) * gradient
    square = beta2 * square + (1 - beta2) * gradient**2
    m_hat = mean / (1 - beta1**step)
    v_hat = square / (1 - beta2**step)
    return weight - rate * (m_hat / (v_hat.sqrt() + eps) + decay * weight), mean, square


def as_torch_does(
    weight, gradient, mean, square, step, rate, beta1=0.9, beta2=0.999, eps=1e-6, decay=0.01
):
    parameter = torch.nn.Parameter(weight.clone())
    parameter.grad = gradient.clone()
    optimizer = torch.optim.AdamW(
        [parameter], lr=rate, betas=(beta1, beta2), eps=eps, weight_decay=decay
    )
    optimizer.state[parameter] = {
        "step": torch.tensor(step - 1.0),
        "exp_avg": mean.clone(),
        "exp_avg_sq": square.clone(),
    }
    optimizer.step()
    state = optimizer.state[parameter]
    return parameter.detach(), state["exp_avg"], state["exp_avg_sq"]


def decay_last(weight, gradient, mean, square, step, rate, b1, b2, eps, decay):
    new, mean, square = adamw_step(weight, gradient, mean, square, step, rate, b1, b2, eps, 0.0)
    return new * (1 - rate * decay), mean, square


@pytest.mark.parametrize("answer", [adamw_step, as_torch_does, decay_last])
def test_right_steps_pass(answer: Callable[..., Any]) -> None:
    ones = torch.ones(1)
    answer(ones, ones, ones, ones, 1, 0.1, 0.9, 0.999, 1e-6, 0.0)  # torch imports much, once
    for seed in range(20):
        result = exercises.check("adamw_step", answer, seed=seed)
        assert result, result


def googles(weight, gradient, mean, square, step, rate, b1, b2, eps, decay):
    """As ``AdamWeightDecayOptimizer`` in the released code: no correction."""
    mean, square = b1 * mean + (1 - b1) * gradient, b2 * square + (1 - b2) * gradient**2
    return weight - rate * (mean / (square.sqrt() + eps) + decay * weight), mean, square


def l2(weight, gradient, mean, square, step, rate, b1, b2, eps, decay):
    return adamw_step(
        weight, gradient + decay * weight, mean, square, step, rate, b1, b2, eps, decay=0.0
    )


@pytest.mark.parametrize(
    ("mistake", "answer"),
    [("bias-correction-forgotten", googles), ("decay-through-the-gradient", l2)],
)
def test_wrong_steps_are_named(mistake: str, answer: Callable[..., Any]) -> None:
    result = exercises.check("adamw_step", answer)
    assert result.mistake == mistake, result
