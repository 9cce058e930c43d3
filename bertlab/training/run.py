"""One run: the update itself, and how far it has come, as files and figures.

Source: Loshchilov and Hutter 2019 (AdamW); Devlin et al. 2019, appendix A.2.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sized
from contextlib import nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from bertlab.training.config import Precision, TrainingConfig
from bertlab.training.memory import keep_freed_memory
from bertlab.training.objective import Batches, Objective
from bertlab.training.state import Counters, History, load_state, save_state

_ADVICE = "Checkpoints, if any, are from before; lower the learning rate, or lengthen the warm-up"


def decay_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Split the parameters: matrices and tables decay, biases and LayerNorms don't.

    As ``exclude_from_weight_decay`` in the released ``optimization.py``: they are the parameters of
    one dimension.
    """
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return [
        {"params": [p for p in parameters if p.dim() > 1], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.dim() <= 1], "weight_decay": 0.0},
    ]


def choose_bf16(precision: Precision, device: torch.device) -> bool:
    """Tell whether matrix products should be in bfloat16 on this device.

    Whether a processor is good at it is measured: some emulate it, slower than float32.
    """
    if precision != "auto":
        return precision == "bf16"
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type != "cpu":
        return False

    def seconds(dtype: torch.dtype) -> float:
        matrix = torch.ones(1024, 1024, dtype=dtype)
        times = []
        for _ in range(5):
            start = time.perf_counter()
            matrix @ matrix
            times.append(time.perf_counter() - start)
        return min(times)

    return 1.5 * seconds(torch.bfloat16) < seconds(torch.float32)


class Run:
    """One run: what it trains, how far it has come, where it is written."""

    def __init__(
        self,
        model: nn.Module,
        objective: Objective,
        batches: Batches,
        config: TrainingConfig,
        output: Path | None,
        save_model: Callable[[nn.Module], object] | None,
        metric: str | None = None,
        on_record: Callable[[dict[str, Any]], object] | None = None,
    ) -> None:
        from accelerate import Accelerator

        self.epoch: int | None = len(batches) if isinstance(batches, Sized) else None  # batches
        config = config.resolved(self.epoch)
        self.accelerator = Accelerator(**_tracking(config, output))
        if config.track is not None:
            self.accelerator.init_trackers(".")
        self.accelerator.native_amp = False  # precision is chosen here, whatever a launcher says
        torch.manual_seed(config.seed + self.accelerator.process_index)
        self.model, self.objective, self.batches = model, objective, batches
        self.config, self.metric, self.output = config, metric, output
        self.save_model, self.on_record = save_model, on_record
        self.wrapped = self.accelerator.prepare_model(objective)
        if config.compile:
            self.wrapped.compile()
        device = self.accelerator.device
        self._cuda = device.type == "cuda"
        if device.type == "cpu":
            keep_freed_memory()
        self.optimizer = torch.optim.AdamW(
            decay_groups(model, config.weight_decay),
            lr=0.0,
            betas=config.betas,
            eps=config.eps,
            fused=device.type in ("cpu", "cuda"),
        )
        self.bf16 = bool(self._agreed(choose_bf16(config.precision, device)))
        self.counters, self.history = Counters(), History()
        self._sums: dict[str, Tensor] = {}  # of the losses since the last line of the history
        self._since = Counters()
        self._best: dict[str, Tensor] | None = None  # weights, where the present ones aren't best

    def progress(self, part_of_step: float = 0.0) -> float:
        """Return the share of the run that is done."""
        at = self.counters
        return self.config.progress(at.steps + part_of_step, at.tokens, at.seconds)

    def finished(self) -> bool:
        """Tell whether the run is done, or has been without progress for too long."""
        patience = self.config.patience
        return self.progress() >= 1 or (patience > 0 and self.counters.stale >= patience)

    def evaluations_due(self) -> int:
        """Return how many evaluations belong to the part of the run that is done."""
        assert self.config.evaluate_every is not None
        return int(self.progress() / self.config.evaluate_every + 1e-9)

    def autocast(self) -> torch.autocast:
        """Return the context in which the model computes."""
        return torch.autocast(self.accelerator.device.type, torch.bfloat16, enabled=self.bf16)

    def update(self) -> None:
        """Read batches, and change the weights once."""
        accelerator, config = self.accelerator, self.config
        batch = self.batches.next_batch(self.progress())
        usual = getattr(self.batches, "labels_per_batch", None)
        totals = self.objective.counts(batch) if usual is None else {"loss": usual}
        self.wrapped.train()
        for part in range(config.accumulation):
            mine, weight = self._rows(batch, part)
            last = part == config.accumulation - 1
            with nullcontext() if last else accelerator.no_sync(self.wrapped):
                with self.autocast():
                    losses = self.wrapped(mine, totals)
                # Processes' gradients are averaged; ours are parts of a sum. (Accelerate's own
                # backward would divide once more if its launcher was told to accumulate.)
                (losses["loss"] * (weight * accelerator.num_processes)).backward()
            for name, loss in losses.items():
                self._sums[name] = self._sums.get(name, 0.0) + weight * loss.detach()
        norm = accelerator.clip_grad_norm_(self.model.parameters(), config.clip)
        self._sums["norm"] = self._sums.get("norm", 0.0) + norm.detach()
        for group in self.optimizer.param_groups:
            group["lr"] = config.rate(self.progress(0.5))
        self.optimizer.step()
        self.optimizer.zero_grad()

        self.counters.steps += 1
        self.counters.tokens += int(batch["attention_mask"].sum())
        self.counters.rows += len(batch["attention_mask"])

    def log(self) -> dict[str, Any]:
        """Add a line to the history: means since the line before.

        Raises:
            FloatingPointError: when the loss or the gradient is no finite number.
        """
        now, since = self.counters, self._since
        steps = now.steps - since.steps
        means: dict[str, float] = {}
        for name, total in self._sums.items():
            if name != "norm":  # each process has summed its own rows; the norm is of them all
                total = self.accelerator.reduce(total, "sum")
            means[name] = float(total) / steps
        seconds = max(now.seconds - since.seconds, 1e-9)
        record = self._place() | {
            "rate": self.optimizer.param_groups[0]["lr"],
            **{name: round(mean, 5) for name, mean in means.items()},
            "tokens_per_second": round((now.tokens - since.tokens) / seconds),
            "examples_per_second": round((now.rows - since.rows) / seconds, 1),
        }
        if not all(math.isfinite(mean) for mean in means.values()):
            raise FloatingPointError(
                f"the loss is {means['loss']} and the gradient's norm {means['norm']}, as means of "
                f"steps {since.steps + 1} to {now.steps}: expected finite numbers. {_ADVICE}"
            )
        self._sums, self._since = {}, replace(now)
        self._write(record)
        return record

    def log_rest(self) -> None:
        """Add the last line, where a run is over and steps are left that no line tells of."""
        if self.finished() and self._sums:
            self.log()

    def summary(self, record: dict[str, Any]) -> str:
        """Return what the progress bar says."""
        if self.epoch is None:
            return (
                f"step {record['step']:,}, loss {record['loss']:.3f}, "
                f"{record['tokens_per_second']:,} tokens/s"
            )
        best = self.counters
        score = "" if best.best_step is None else f", best {self.metric} {best.best_score:.3f}"
        return (
            f"epoch {record['epoch']:.1f}, loss {record['loss']:.3f}, "
            f"{record['examples_per_second']:,.0f} examples/s{score}"
        )

    def evaluate(self, evaluate: Callable[[nn.Module], dict[str, Any]]) -> dict[str, Any]:
        """Measure the model on held-out data, in the main process, and note the figures.

        Raises:
            FloatingPointError: as ``log``.
            ValueError: when the figure that decides is missing.
        """
        self._check_finite()
        began = time.monotonic()
        self.model.eval()
        figures: dict[str, Any] = {}
        if self.accelerator.is_main_process:
            with torch.no_grad(), self.autocast():
                figures = evaluate(self.model)
            if self.metric is not None and self.metric not in figures:
                raise ValueError(
                    f"metric is {self.metric!r}: expected one of the evaluation's figures "
                    f"({', '.join(figures) or 'there are none'})"
                )
            self._write(self._place() | {"held_out": figures})
        if self.metric is not None:
            self._compare(self._agreed(figures.get(self.metric, 0.0)))
        seconds = self._agreed(time.monotonic() - began)  # the others wait for the first
        self.counters.seconds += seconds
        self._since.seconds += seconds  # no part of the training's speed
        return figures

    def _compare(self, score: float) -> None:
        """Note whether these weights are the best so far, and keep a copy of those that are."""
        counters = self.counters
        score = score if math.isfinite(score) else -math.inf
        if counters.best_step is None or score > counters.best_score:
            counters.best_step, counters.best_score, counters.stale = counters.steps, score, 0
            self._best = None
            if not self.finished():  # else the weights stay as they are
                weights = self.model.state_dict()
                self._best = {name: weight.to("cpu", copy=True) for name, weight in weights.items()}
        else:
            counters.stale += 1

    def save(self) -> None:
        """Write the model, and then all that is needed to go on from here.

        Raises:
            FloatingPointError: as ``log``; a checkpoint that is none isn't written.
        """
        self._check_finite()
        best_is_present = self.counters.best_step in (None, self.counters.steps)
        main = self.accelerator.is_main_process
        if main and self.save_model is not None and best_is_present:
            self.save_model(self.model)
        if main and self.output is not None:
            save_state(
                self.output,
                {
                    "model": self.model.state_dict(),
                    "best": None if self.counters.best_step == self.counters.steps else self._best,
                    "optimizer": self.optimizer.state_dict(),
                    "batches": self.batches.state_dict(),
                    "random": torch.get_rng_state(),
                    "random_cuda": torch.cuda.get_rng_state_all() if self._cuda else [],
                    "counters": asdict(self.counters),
                    "since": asdict(self._since),
                    "sums": self._sums,
                    "bf16": self.bf16,
                    "history": self.history.records,
                },
            )
        self.accelerator.wait_for_everyone()

    def restore(self) -> None:
        """Go on from what ``save`` wrote."""
        assert self.output is not None
        state = load_state(self.output)
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.batches.load_state_dict(state["batches"])
        torch.set_rng_state(state["random"])
        if self._cuda:
            torch.cuda.set_rng_state_all(state["random_cuda"])
        self.counters, self._since = Counters(**state["counters"]), Counters(**state["since"])
        best_is_present = self.counters.best_step == self.counters.steps and not self.finished()
        self._best = state["model"] if best_is_present else state["best"]
        device = self.accelerator.device
        self._sums = {name: total.to(device) for name, total in state["sums"].items()}
        self.bf16 = state["bf16"]
        # Lines after the checkpoint are of steps that will be made again.
        self.history = History(state["history"])
        if self.accelerator.is_main_process:
            self.history.write(self.output)
        self.log_rest()  # the run was given a length that it has gone

    def clock(self, seconds: float, stop: bool) -> bool:
        """Note the time, and tell whether to stop.

        Several processes go by the first one's clock, and stop together. They agree every ten
        updates and for each line of the history only, since a GPU has to be waited for.
        """
        if self.accelerator.num_processes > 1:
            steps, log_every = self.counters.steps, self.config.log_every
            assert log_every is not None
            if steps % 10 and steps % log_every and self.progress() < 1:
                return False
            stop = bool(self._agreed(stop, "sum"))
        self.counters.seconds = self._agreed(seconds)
        return stop

    def _check_finite(self) -> None:
        """Stop when the losses since the last line, or the weights, are no finite numbers.

        An update can spoil the weights though the loss before it was finite.
        """
        if not all(bool(total.isfinite()) for total in self._sums.values()):
            self.log()
        if not all(bool(weight.isfinite().all()) for weight in self.model.parameters()):
            raise FloatingPointError(
                f"the weights are no finite numbers after step {self.counters.steps}. {_ADVICE}"
            )

    def close(self) -> None:
        """Take up the best weights, and let the tracker write what it has."""
        if self._best is not None and self.finished():
            self.model.load_state_dict(self._best)
        if self.config.track is not None:
            self.accelerator.end_training()

    def _place(self) -> dict[str, Any]:
        """Return how far the run has come, as records of the history say it."""
        now = self.counters
        place = {"step": now.steps, "tokens": now.tokens, "seconds": round(now.seconds, 2)}
        return place if self.epoch is None else {"epoch": round(now.steps / self.epoch, 3), **place}

    def _write(self, record: dict[str, Any]) -> None:
        main = self.accelerator.is_main_process
        self.history.append(record, self.output if main else None)
        if main and self.on_record is not None:
            self.on_record(record)
        if self.config.track is not None:
            held_out = {
                f"held_out/{name}": value for name, value in record.get("held_out", {}).items()
            }
            flat = record | held_out  # both have a loss
            numbers = {key: value for key, value in flat.items() if isinstance(value, int | float)}
            self.accelerator.log(numbers, step=record["step"])

    def _agreed(self, value: float, how: str = "first") -> float:
        """Return the first process' value, or the sum of all processes'."""
        if self.accelerator.num_processes == 1:
            return float(value)
        from accelerate.utils import broadcast

        tensor = torch.tensor(float(value), device=self.accelerator.device)
        return float(self.accelerator.reduce(tensor) if how == "sum" else broadcast(tensor))

    def _rows(self, batch: dict[str, Tensor], part: int) -> tuple[dict[str, Tensor], float]:
        """Return the rows of a part of the batch in this process, on its device; their weight."""
        parts = self.accelerator.num_processes * self.config.accumulation
        first = self.accelerator.process_index * self.config.accumulation + part
        rows, weight = batch, 1.0
        if parts > 1:
            rows = {name: tensor[first::parts] for name, tensor in batch.items()}
            if not len(rows["input_ids"]):  # fewer rows than parts: take part, with weight 0
                rows, weight = {name: tensor[:1] for name, tensor in batch.items()}, 0.0
        rows, device = self.objective.prepare(rows), self.accelerator.device
        return {name: tensor.to(device, non_blocking=True) for name, tensor in rows.items()}, weight


def _tracking(config: TrainingConfig, output: Path | None) -> dict[str, Any]:
    """Return what the accelerator has to know of a tracker.

    Raises:
        ValueError: when the tracker isn't installed, or there is no folder to write to.
    """
    if config.track is None:
        return {}
    from accelerate.utils import is_tensorboard_available

    if not is_tensorboard_available():  # accelerate would go on without it
        raise ValueError("tracking with tensorboard needs that package: pip install tensorboard")
    if output is None:
        raise ValueError("tracking needs a folder to write to: give output")
    return {"log_with": config.track, "project_dir": output / "tensorboard"}
