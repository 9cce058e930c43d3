"""The loop against arithmetic written out, against itself in parts, and against interruptions."""

from __future__ import annotations

import math
import os
import signal
import threading
import time
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import accelerate
import pytest
import torch
from accelerate.state import AcceleratorState, GradientState
from torch import Tensor, nn
from toy_runs import (
    Endless,
    Toy,
    assert_same,
    fit,
    interrupted,
    rows,
    settings,
    timeless,
    weights,
)

import bertlab
from bertlab.training import History, Objective, train
from bertlab.training.run import Run, choose_bf16, decay_groups


class One(Endless):
    """The same batch each time."""

    def __init__(self, batch: dict[str, Tensor]) -> None:
        super().__init__()
        self.batch = batch

    def next_batch(self, progress: float) -> dict[str, Tensor]:
        return self.batch


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that only moves when a test moves it."""
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


# --- one update


def test_biases_and_layer_norms_do_not_decay_and_tables_do() -> None:
    """Each parameter once, the tied decoder included; embeddings decay as in the released code."""
    model = bertlab.BertForPreTraining(bertlab.BertConfig.tiny(vocab_size=50, num_hidden_layers=1))
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    decaying, others = decay_groups(model, 0.01)
    assert (decaying["weight_decay"], others["weight_decay"]) == (0.01, 0.0)
    decay = [names[id(p)] for p in decaying["params"]]
    stay = [names[id(p)] for p in others["params"]]
    assert sorted(decay + stay) == sorted(names.values())
    layer = "bert.encoder.layer.0."
    assert sorted(decay) == sorted(
        [
            "bert.embeddings.word_embeddings.weight",
            "bert.embeddings.position_embeddings.weight",
            "bert.embeddings.token_type_embeddings.weight",
            f"{layer}attention.self.query.weight",
            f"{layer}attention.self.key.weight",
            f"{layer}attention.self.value.weight",
            f"{layer}attention.output.dense.weight",
            f"{layer}intermediate.dense.weight",
            f"{layer}output.dense.weight",
            "bert.pooler.dense.weight",
            "cls.predictions.transform.dense.weight",
            "cls.seq_relationship.weight",
        ]
    )
    assert all(name.endswith(("bias", "LayerNorm.weight")) for name in stay)


def test_a_frozen_parameter_is_in_no_group() -> None:
    model = Toy()
    model.embeddings.requires_grad_(False)
    assert sum(len(group["params"]) for group in decay_groups(model, 0.1)) == 4
    before = model.embeddings.weight.clone()
    fit(model, Endless(), settings(steps=2))
    assert torch.equal(model.embeddings.weight, before)


@pytest.mark.parametrize("clip", [0.1, 1e9])
def test_updates_are_adamw_written_out(clip: float) -> None:
    """Clip before the moments, both moments corrected, decay apart from them, the rate's middle."""
    model, batch = Toy(), rows(0, [6, 1, 2, 3])
    by_hand = deepcopy(model)
    config = settings(steps=3, clip=clip, weight_decay=0.1, betas=(0.8, 0.95), warmup=0.5)
    history = fit(model, One(batch), config)

    first = {name: torch.zeros_like(p) for name, p in by_hand.named_parameters()}
    second = deepcopy(first)
    for step in range(3):
        by_hand.zero_grad()
        by_hand(**batch).loss.backward()
        norm = math.sqrt(sum(float(p.grad.square().sum()) for p in by_hand.parameters()))
        progress = (step + 0.5) / 3
        rate = 0.05 * (progress / 0.5 if progress < 0.5 else (1 - progress) / 0.5)
        with torch.no_grad():
            for name, weight in by_hand.named_parameters():
                gradient = weight.grad * min(1, clip / (norm + 1e-6))
                first[name] = 0.8 * first[name] + 0.2 * gradient
                second[name] = 0.95 * second[name] + 0.05 * gradient**2
                mean = first[name] / (1 - 0.8 ** (step + 1))
                scale = (second[name] / (1 - 0.95 ** (step + 1))).sqrt() + 1e-6
                weight -= rate * 0.1 * weight * (weight.dim() > 1) + rate * mean / scale
    for (name, a), b in zip(model.named_parameters(), by_hand.parameters(), strict=True):
        torch.testing.assert_close(a, b, atol=2e-6, rtol=1e-5, msg=name)
    assert history.steps[-1]["rate"] == pytest.approx(rate)


# With a large eps the update is nearly the rate times the gradient: what differs shows.
PLAIN = {"steps": 1, "warmup": 0.0, "learning_rate": 1.0, "eps": 1.0, "clip": 1e9}


@pytest.mark.parametrize("parts", [1, 2, 3, 4, 5, 9])
def test_an_update_in_parts_is_the_same_update(parts: int) -> None:
    """Rows with unequal numbers of labels, also more parts than rows."""
    batch = rows(3, [6, 1, 2, 3, 5])
    whole, parted = Toy(), Toy()
    records = [
        fit(whole, One(batch), settings(**PLAIN)),
        fit(parted, One(batch), settings(**PLAIN, accumulation=parts)),
    ]
    for (name, a), b in zip(whole.named_parameters(), parted.parameters(), strict=True):
        torch.testing.assert_close(a, b, atol=1e-6, rtol=1e-6, msg=name)
    for name in ("loss", "norm", "tokens"):
        assert records[0].steps[0][name] == pytest.approx(records[1].steps[0][name], abs=2e-5)


def test_a_mean_of_means_would_be_another_update() -> None:
    """That the test above would notice: parts weighed alike move some weight a hundred times."""
    batch = rows(3, [6, 1, 2, 3, 5])
    model = Toy()
    model(**batch).loss.backward()
    right = [p.grad.clone() for p in model.parameters()]
    model.zero_grad()
    for part in range(2):
        (model(**{name: tensor[part::2] for name, tensor in batch.items()}).loss / 2).backward()
    wrong = max(
        float((a - b.grad).abs().max()) for a, b in zip(right, model.parameters(), strict=True)
    )
    assert wrong > 1e-4


def test_a_part_without_labels_counts_for_nothing() -> None:
    """The mean over no label is NaN; a NaN must not reach the others."""
    batch = rows(3, [6, 0, 2, 0])
    whole, parted = Toy(), Toy()
    fit(whole, One(batch), settings(**PLAIN))
    fit(parted, One(batch), settings(**PLAIN, accumulation=2))  # rows 1 and 3 are the second part
    for a, b in zip(whole.parameters(), parted.parameters(), strict=True):
        torch.testing.assert_close(a, b, atol=1e-6, rtol=1e-6)


def test_a_loss_is_a_mean_over_labels_or_over_rows() -> None:
    objective = Objective(Toy())
    assert objective.counts({"labels": torch.tensor([[1, -100], [2, 3]])}) == {"loss": 3}
    assert objective.counts({"labels": torch.tensor([1, 0, 2])}) == {"loss": 3}
    assert objective.counts({"labels": torch.zeros(4, 7)}) == {"loss": 4}, "several labels a row"
    spans = {"start_positions": torch.tensor([3, 0]), "end_positions": torch.tensor([4, 0])}
    assert objective.counts(spans) == {"loss": 2}


def test_a_launchers_settings_do_not_change_the_update(monkeypatch: pytest.MonkeyPatch) -> None:
    """``accelerate launch`` can be told to accumulate, and to compute in bf16; we do it here."""
    expected, found = Toy(), Toy()
    fit(expected, Endless(), settings(steps=3))
    try:
        with monkeypatch.context() as patch:
            AcceleratorState._reset_state(reset_partial_state=True)
            GradientState._reset_state()
            patch.setenv("ACCELERATE_GRADIENT_ACCUMULATION_STEPS", "4")
            patch.setenv("ACCELERATE_MIXED_PRECISION", "bf16")
            fit(found, Endless(), settings(steps=3))
    finally:
        AcceleratorState._reset_state(reset_partial_state=True)
        GradientState._reset_state()
    assert_same(weights(expected), weights(found))
    assert not any(autocast for _, autocast in found.seen)


# --- precision


def test_bf16_computes_in_bf16_and_keeps_float32_weights() -> None:
    model = Toy()
    history = fit(model, Endless(), settings(precision="bf16", log_every=1))
    assert all(autocast for _, autocast in model.seen)
    assert all(p.dtype == torch.float32 for p in model.parameters())
    assert history.steps[-1]["loss"] < history.steps[0]["loss"]


def test_auto_is_bf16_where_the_machine_is_good_at_it(monkeypatch: pytest.MonkeyPatch) -> None:
    cpu, cuda, mps = (torch.device(name) for name in ("cpu", "cuda", "mps"))
    assert [choose_bf16("fp32", d) for d in (cpu, cuda, mps)] == [False] * 3
    assert [choose_bf16("bf16", d) for d in (cpu, cuda, mps)] == [True] * 3
    assert not choose_bf16("auto", mps)
    for supported in (True, False):
        monkeypatch.setattr(
            torch.cuda, "is_bf16_supported", lambda including_emulation, s=supported: s
        )
        assert choose_bf16("auto", cuda) is supported

    # Five products are timed in bf16, then five in float32; the fastest counts.
    for bf16, fp32, chosen in ((1.0, 2.0, True), (1.0, 1.4, False), (9.0, 1.0, False)):
        times = iter([t for took in [bf16] * 5 + [fp32] * 5 for t in (0.0, took)])
        with monkeypatch.context() as patch:
            patch.setattr(time, "perf_counter", lambda times=times: next(times))
            assert choose_bf16("auto", cpu) is chosen


@pytest.mark.slow
def test_a_compiled_model_trains_as_the_plain_one() -> None:
    plain, compiled = Toy(), Toy()
    histories = [
        fit(plain, Endless(), settings(log_every=4)),
        fit(compiled, Endless(), settings(log_every=4, compile=True)),
    ]
    for a, b in zip(*histories, strict=True):
        assert a["loss"] == pytest.approx(b["loss"], abs=1e-3)
    assert set(plain.state_dict()) == set(compiled.state_dict())


# --- how long, and what happens when


def test_a_run_in_steps_takes_so_many() -> None:
    batches = Endless()
    history = fit(Toy(), batches, settings(steps=7, log_every=3))
    assert [record["step"] for record in history.steps] == [3, 6, 7], "each third and the last"
    assert [record["tokens"] for record in history.steps] == [69, 138, 161]
    assert batches.asked == pytest.approx([step / 7 for step in range(7)])


def test_a_run_in_tokens_ends_with_the_batch_that_reaches_them() -> None:
    """23 real tokens a batch: padding isn't counted."""
    for tokens, steps in ((22, 1), (23, 1), (24, 2), (230, 10)):
        assert fit(Toy(), Endless(), settings(steps=None, tokens=tokens)).steps[-1]["step"] == steps


def test_a_run_in_minutes_ends_on_time_whatever_its_steps_take(clock: list[float]) -> None:
    """Steps of 1, 2, 3 ... seconds: the rate follows the clock."""

    def work(step: int) -> None:
        clock[0] += step

    config = settings(steps=None, minutes=0.5, warmup=0.5, log_every=1)
    history = fit(Toy(), Endless(work), config)
    assert [record["seconds"] for record in history.steps] == [1, 3, 6, 10, 15, 21, 28, 36]
    began = [0, 1, 3, 6, 10, 15, 21, 28]
    assert [record["rate"] for record in history.steps] == pytest.approx(
        [config.rate(seconds / 30) for seconds in began]
    )


def test_the_history_holds_means_since_the_line_before(clock: list[float]) -> None:
    def work(_: int) -> None:
        clock[0] += 0.5

    single = fit(Toy(), Endless(work), settings(log_every=1))
    triple = fit(Toy(), Endless(work), settings(log_every=3))
    for name in ("loss", "norm"):
        values = [record[name] for record in single.steps]
        expected = [sum(values[0:3]) / 3, sum(values[3:6]) / 3, sum(values[6:8]) / 2]
        assert [record[name] for record in triple.steps] == pytest.approx(expected, abs=2e-5)
    assert [record["tokens_per_second"] for record in triple.steps] == [46, 46, 46]


def test_evaluations_and_checkpoints_come_at_their_intervals(
    tmp_path: Path, clock: list[float]
) -> None:
    """Time for evaluations is the run's, but no part of the training's speed."""
    saved: list[float] = []
    measured: list[tuple[float, bool, bool]] = []

    def work(_: int) -> None:
        clock[0] += 10

    def evaluate(model: nn.Module) -> dict[str, Any]:
        measured.append((clock[0], model.training, torch.is_grad_enabled()))
        clock[0] += 5
        return {"accuracy": 0.5}

    model = Toy()
    history = fit(
        model,
        Endless(work),
        settings(steps=10, evaluate_every=0.3, save_every=30, log_every=1),
        evaluate=evaluate,
        output=tmp_path,
        save_model=lambda _: saved.append(clock[0] - 1000),
    )
    assert [record["step"] for record in history.evaluations] == [3, 6, 9, 10]
    assert [record["held_out"] for record in history.evaluations] == [{"accuracy": 0.5}] * 4
    assert all((training, grad) == (False, False) for _, training, grad in measured)
    assert saved == [35, 70, 105, 120]
    assert {record["tokens_per_second"] for record in history.steps} == {2}
    assert not model.training, "left in evaluation mode"
    assert all(training for training, _ in model.seen), "but trained in training mode"
    assert History.read(tmp_path) == history


def test_an_evaluation_changes_nothing() -> None:
    """With dropout: would catch evaluation mode left on, and random numbers taken."""
    without, with_it = Toy(dropout=0.5), Toy(dropout=0.5)
    batch = rows(99, [2, 2, 2])

    def evaluate(model: nn.Module) -> dict[str, Any]:
        return {"loss": float(model(**batch).loss)}

    first = fit(without, Endless(), settings())
    second = fit(with_it, Endless(), settings(evaluate_every=0.1), evaluate=evaluate)
    assert_same(weights(without), weights(with_it))
    assert timeless(first) == [record for record in timeless(second) if "loss" in record]
    figures = [record["held_out"]["loss"] for record in second.evaluations]
    assert len(set(figures)) == len(figures) == 8


def test_the_same_seed_gives_the_same_run_and_another_seed_another() -> None:
    runs = []
    for seed in (1, 1, 2):
        model = Toy(dropout=0.5)
        torch.rand(3)  # whatever was drawn before doesn't matter
        fit(model, Endless(), settings(seed=seed))
        runs.append(weights(model))
    assert_same(runs[0], runs[1])
    assert not torch.equal(runs[0]["out.weight"], runs[2]["out.weight"])


def test_a_bar_shows_where_the_run_is(capsys: pytest.CaptureFixture[str]) -> None:
    train(Toy(), Endless(), settings())
    shown = capsys.readouterr().err
    assert "100%" in shown
    assert "step 8, loss " in shown
    assert "tokens/s" in shown


# --- numbers that are none


class Spoiled(Toy):
    """A model whose loss is no number from its third step on."""

    def forward(self, **batch: Tensor) -> Any:
        output = super().forward(**batch)
        if len(self.seen) >= 3:
            output.loss = output.loss * math.inf
        return output


@pytest.mark.parametrize("when", ["log", "evaluate", "save"])
def test_a_loss_that_is_no_number_ends_the_run(tmp_path: Path, when: str) -> None:
    """Whichever comes first after it. Nothing of it is written."""
    config = settings(
        log_every=5 if when == "log" else 100,
        evaluate_every=0.5 if when == "evaluate" else 10,
        save_every=0 if when == "save" else 1000,
    )
    steps = {"log": "1 to 5", "evaluate": "1 to 4", "save": "1 to 3"}[when]
    evaluations: list[int] = []

    def evaluate(_: nn.Module) -> dict[str, Any]:
        evaluations.append(1)
        return {}

    with pytest.raises(FloatingPointError, match=rf"loss is (inf|nan).* means of steps {steps}:"):
        fit(Spoiled(), Endless(), config, evaluate=evaluate, output=tmp_path)
    assert not evaluations
    if when == "save":
        state = torch.load(tmp_path / "training_state.pt")
        assert state["counters"]["steps"] == 2
        assert all(tensor.isfinite().all() for tensor in state["model"].values())
    else:
        assert list(tmp_path.iterdir()) == []


def test_weights_that_an_update_spoils_are_not_saved(tmp_path: Path) -> None:
    """The loss before the update is a number still, and there is no loss after it yet."""
    saved: list[bool] = []
    config = settings(learning_rate=3e38, warmup=0.0, weight_decay=1.0, save_every=0)
    with pytest.raises(FloatingPointError, match=r"weights are no finite numbers after step \d"):
        fit(
            Toy(),
            Endless(),
            config,
            output=tmp_path,
            save_model=lambda model: saved.append(
                all(bool(p.isfinite().all()) for p in model.parameters())
            ),
        )
    assert all(saved)


# --- going on


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("at", [1, 4, 7])
def test_an_interrupted_run_goes_on_to_the_same_weights(
    tmp_path: Path, number: int, at: int
) -> None:
    """With dropout, so that the random numbers go on too; also before the first line is written."""
    figures = {"evaluate": lambda model: {"norm": float(model.out.weight.norm())}}
    config = settings(log_every=3, evaluate_every=0.25)
    whole = Toy(dropout=0.3)
    expected = fit(whole, Endless(), config, **figures)

    handlers = [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)]
    saved: list[int] = []
    with pytest.raises(KeyboardInterrupt, match=rf"stopped after step {at}; --resume goes on"):
        fit(
            Toy(dropout=0.3),
            interrupted(at, number),
            config,
            output=tmp_path,
            save_model=lambda _: saved.append(1),
            **figures,
        )
    assert saved == [1]
    assert handlers == [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)]

    again = Toy(dropout=0.3, seed=5)
    history = fit(again, Endless(), config, output=tmp_path, resume=True, **figures)
    assert_same(weights(again), weights(whole))
    assert timeless(history) == timeless(expected)
    assert History.read(tmp_path) == history
    assert fit(Toy(), Endless(), config, output=tmp_path, resume=True) == history, "it is done"


def test_lines_after_the_checkpoint_are_written_again(tmp_path: Path) -> None:
    class Killed(Exception):
        pass

    def kill(step: int) -> None:
        if step == 6:
            raise Killed

    config = settings(log_every=1, save_every=1000)
    expected = fit(Toy(), Endless(), config)
    with pytest.raises(KeyboardInterrupt):
        fit(Toy(), interrupted(3), config, output=tmp_path)
    with pytest.raises(Killed):
        fit(Toy(), Endless(kill), config, output=tmp_path, resume=True)
    assert len(History.read(tmp_path)) == 5, "two lines more than the checkpoint knows"
    again = fit(Toy(), Endless(), config, output=tmp_path, resume=True)
    assert timeless(again) == timeless(expected)


def test_a_second_ctrl_c_stops_at_once_but_a_launchers_copy_does_not(
    tmp_path: Path, clock: list[float]
) -> None:
    """A launcher passes on to its processes the Ctrl-C that the terminal has sent them."""
    with pytest.raises(KeyboardInterrupt, match="stopped after step 2"):
        fit(Toy(), interrupted(2, times=3), settings(), output=tmp_path)

    def twice(_: int) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        clock[0] += 1.5
        os.kill(os.getpid(), signal.SIGINT)

    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt, match="stopped at once; --resume goes on from the last"):
        fit(Toy(), Endless(twice), settings(), output=tmp_path, resume=True)
    assert signal.getsignal(signal.SIGINT) is handler


def test_a_run_outside_the_main_thread_leaves_signals_alone() -> None:
    found: list[History] = []
    thread = threading.Thread(target=lambda: found.append(fit(Toy(), Endless(), settings())))
    thread.start()
    thread.join()
    assert found[0].steps[-1]["step"] == 8


def test_a_resumed_run_may_be_longer(tmp_path: Path) -> None:
    measured: list[int] = []

    def evaluate(_: nn.Module) -> dict[str, Any]:
        measured.append(1)
        return {}

    fit(Toy(), Endless(), settings(evaluate_every=0.25), evaluate=evaluate, output=tmp_path)
    assert len(measured) == 4
    longer = settings(steps=16, evaluate_every=0.25)
    history = fit(Toy(), Endless(), longer, evaluate=evaluate, output=tmp_path, resume=True)
    assert [record["step"] for record in history.evaluations] == [2, 4, 6, 8, 12, 16]
    assert history.steps[-1]["step"] == 16


def test_a_resumed_run_may_be_over(tmp_path: Path) -> None:
    """What wasn't in the history yet is written, so that there is a last line."""
    with pytest.raises(KeyboardInterrupt):
        fit(Toy(), interrupted(5), settings(), output=tmp_path)
    history = fit(Toy(), Endless(), settings(steps=4), output=tmp_path, resume=True)
    assert [record["step"] for record in history.steps] == [5]


def test_time_goes_on_where_it_stopped(tmp_path: Path, clock: list[float]) -> None:
    def work(step: int) -> None:
        clock[0] += 10
        if step == 2:
            os.kill(os.getpid(), signal.SIGINT)

    config = settings(steps=None, minutes=1, log_every=1)
    with pytest.raises(KeyboardInterrupt):
        fit(Toy(), Endless(work), config, output=tmp_path)
    clock[0] += 9999
    history = fit(Toy(), Endless(work), config, output=tmp_path, resume=True)
    assert [record["seconds"] for record in history.steps] == [10, 20, 30, 40, 50, 60]


def test_there_must_be_something_to_resume(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nothing to resume"):
        fit(Toy(), Endless(), settings(), output=tmp_path, resume=True)


# --- several processes, as far as one can play them (see also test_pretrain_kills.py)


@pytest.fixture
def second_of_two(monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """A run in the second of two processes; the first one's clock says 60."""
    run = Run(Toy(), Objective(Toy()), Endless(), settings(steps=25), None, None)
    monkeypatch.setattr(accelerate.utils, "broadcast", lambda tensor: tensor * 0 + 60)
    run.accelerator = SimpleNamespace(  # type: ignore[assignment]
        num_processes=2,
        process_index=1,
        device=torch.device("cpu"),
        reduce=lambda tensor, how="sum": 2 * tensor,
    )
    return run


def test_processes_agree_on_time_and_on_stopping(second_of_two: Run) -> None:
    run = second_of_two
    run.counters.steps = 7
    assert not run.clock(55.0, stop=True), "not now: the other one isn't asked"
    assert run.counters.seconds == 0
    run.counters.steps = 10
    assert run.clock(55.0, stop=True)
    assert run.counters.seconds == 60
    assert not run.clock(55.0, stop=False)
    run.counters.steps, run.counters.seconds = 25, 0
    run.clock(55.0, stop=False)
    assert run.counters.seconds == 60, "at the end the time is wanted"


def test_each_process_takes_its_share_of_the_rows(second_of_two: Run) -> None:
    run = second_of_two
    batch = rows(0, [1, 2, 3, 4, 5])
    mine, weight = run._rows(batch, 0)
    assert weight == 1
    assert torch.equal(mine["input_ids"], batch["input_ids"][1::2])
    one = {name: tensor[:1] for name, tensor in batch.items()}
    mine, weight = run._rows(one, 0)
    assert weight == 0, "no row is left for it: it takes part with another's, which doesn't count"
    assert len(mine["input_ids"]) == 1
