"""The loop: batch, loss, gradient, update; and what surrounds it in practice.

``run`` holds the update, ``objective`` what the loop asks of data and models.
Source: Devlin et al. 2019, appendices A.2 and A.3.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from torch import nn
from tqdm.auto import tqdm

from bertlab.training.config import TrainingConfig
from bertlab.training.memory import TRAINING, explained
from bertlab.training.objective import Batches, Objective, Trainable
from bertlab.training.run import Run
from bertlab.training.state import History

_BAR = "{l_bar}{bar}| {elapsed}<{remaining}{postfix}"


@explained(TRAINING)
def train(
    model: nn.Module,
    data: Batches | Trainable,
    config: TrainingConfig,
    *,
    objective: Objective | None = None,
    evaluate: Callable[[nn.Module], dict[str, Any]] | None = None,
    metric: str | None = None,
    output: Path | None = None,
    save_model: Callable[[nn.Module], object] | None = None,
    on_record: Callable[[dict[str, Any]], object] | None = None,
    resume: bool = False,
    progress_bar: bool = True,
) -> History:
    """Train a model, and return what happened.

    The same configuration gives the same run on any number of processes, but for rounding and
    dropout: each process computes its share of the rows of every batch.

    Args:
        model: anything that returns an output with a loss, unless ``objective`` says otherwise. It
            is left in evaluation mode, with the best weights where ``metric`` decides, else the
            last.
        data: a task, which brings batches, ``evaluate`` and ``metric``; or batches alone.
        config: how long and how.
        objective: what is minimised; the model's own loss by default.
        evaluate: called at intervals and at the end with the model in evaluation mode.
        metric: which of its figures decides which weights are kept, and when to stop early; the
            higher, the better.
        output: a folder for the history and for what is needed to resume.
        save_model: called with the model at each checkpoint, at the end and after Ctrl-C; but once
            an evaluation has found good weights, only when a later one finds better ones.
        on_record: called with each record of the history as it is made.
        resume: go on from the checkpoint in ``output``.
        progress_bar: show one.

    Raises:
        FileNotFoundError: when there is nothing to resume.
        FloatingPointError: when the loss is no finite number any more.
        KeyboardInterrupt: after Ctrl-C or SIGTERM, once the step at hand is done and saved.
        OutOfMemory: when the memory is full; the message says which settings help.
        ValueError: when the run's length is in epochs and the batches have none, when ``metric``
            isn't among the figures or is missing for ``patience``, or when the tracker isn't
            installed.
    """
    task: Trainable | None = None
    if hasattr(data, "next_batch"):
        batches = cast(Batches, data)
    else:
        task = cast(Trainable, data)
        batches = task.batches(config)
        if evaluate is None and task.dev is not None:
            evaluate, metric = task.measure, metric or task.metric
    if config.patience and (evaluate is None or metric is None):
        raise ValueError(
            f"patience is {config.patience}, but nothing says which weights are better: give the "
            "task dev=, or evaluate= and metric="
        )
    run = Run(
        model,
        Objective(model) if objective is None else objective,
        batches,
        config,
        output,
        save_model,
        metric,
        on_record,
    )
    if resume:
        run.restore()
    counters = run.counters
    # A run that is given another length may have more evaluations before it than it counted.
    counters.evaluations = min(counters.evaluations, run.evaluations_due())
    began = time.monotonic() - counters.seconds
    saved = counters.seconds
    shown = progress_bar and run.accelerator.is_main_process
    bar = tqdm(total=100, disable=not shown, bar_format=_BAR, dynamic_ncols=True)
    with _deferred_interrupts() as interrupts, bar:
        interrupted = False
        while not (run.finished() or interrupted):
            run.update()
            interrupted = run.clock(time.monotonic() - began, bool(interrupts))
            progress = run.progress()
            if counters.steps % (run.config.log_every or 1) == 0 or progress >= 1:
                bar.set_postfix_str(run.summary(run.log()))
            bar.update(100 * progress - bar.n)
            due = run.evaluations_due()
            evaluated = evaluate is not None and (due > counters.evaluations or progress >= 1)
            if evaluated:
                assert evaluate is not None
                counters.evaluations = due
                run.evaluate(evaluate)
                run.log_rest()
            late = counters.seconds - saved >= config.save_every
            if interrupted or run.finished() or late or (evaluated and metric is not None):
                run.save()
                saved = counters.seconds
    model.eval()
    run.close()
    if not run.finished():
        raise KeyboardInterrupt(f"stopped after step {counters.steps}; --resume goes on from there")
    measured = run.history.evaluations  # in the main process only
    if task is not None and evaluate == task.measure and metric is not None and measured:
        task.finish(run.history.best(metric)["held_out"])
    return run.history


@contextmanager
def _deferred_interrupts() -> Iterator[list[float]]:
    """Note Ctrl-C and SIGTERM instead of dying of them in the middle of an update.

    Asked again after a second, it stops at once. Within the second it is the same request: a
    launcher of several processes passes on the Ctrl-C that they have had from the terminal.
    """
    seen: list[float] = []
    if threading.current_thread() is not threading.main_thread():
        yield seen  # only the main thread may say what signals do
        return

    def note(_number: int, _frame: object) -> None:
        now = time.monotonic()
        if seen and now - seen[0] > 1:
            raise KeyboardInterrupt("stopped at once; --resume goes on from the last checkpoint")
        seen.append(now)

    former = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield seen
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
