"""How fast is ``bertlab finetune`` beside a script with ``transformers.Trainer``?

    python benchmarks/finetuning_data.py DATA OUT
    python benchmarks/finetuning_speed.py OUT --model MINILM       # about 20 minutes on two cores

MINILM is the folder of all-MiniLM-L6-v2, OUT holds the sets in one form. Each contender is a whole
command in a process of its own that fine-tunes for one epoch on the sentences of WNUT-17, batch 16,
writes the model, and measures it on dev and test:

- bertlab: ``bertlab finetune ner`` as it is, and once more with ``--precision fp32``;
- Trainer: ``with_trainer.py``, which pads each batch to its longest row, in float32;
- Trainer 512: the same padded to 512, for the first --steps steps only and without measuring, as
  an epoch would take long. What is compared is the time of a step, bertlab's over its epoch.

They take turns, and nobody is always first; medians over rounds count. What each part takes is
noted within the process; it is exclusive, so a command's parts add up to its whole, as seen from
outside, less the start and end of Python. "train" is the loop alone: evaluations and the writing
of checkpoints in bertlab's are counted where they belong. "import" is what is loaded at the
beginning; libraries that are loaded when first used count where that is. Run it on a quiet machine.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parents[1] / "results" / "finetuning_speed.json"
TRAINER = Path(__file__).with_name("with_trainer.py")
OURS, OURS_FP32, THEIRS, PADDED = "bertlab", "bertlab fp32", "Trainer", "Trainer 512"
CONTENDERS = (OURS, OURS_FP32, THEIRS, PADDED)
PARTS = ("import", "load", "tokenise", "train", "save", "evaluate", "other")
BATCH_SIZE, RATE = 16, 3e-4
TARGETS = {"train": 1 / 3.5, "whole": 1 / 2.5, "step_padded": 1 / 10, "memory": 1.0}

Figures = dict[str, Any]


class Clock:
    """Tells which part of a program the time goes to; an inner part's time isn't the outer's."""

    def __init__(self) -> None:
        self.seconds = dict.fromkeys(PARTS, 0.0)
        self._parts = ["other"]
        self._since = time.perf_counter()

    def _switch(self) -> None:
        now = time.perf_counter()
        self.seconds[self._parts[-1]] += now - self._since
        self._since = now

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Count what a block takes to a part."""
        self._switch()
        self._parts.append(name)
        try:
            yield
        finally:
            self._switch()
            self._parts.pop()

    def watch(self, owner: Any, name: str, part: str) -> None:
        """Count all calls of a function or method to a part."""
        function: Callable[..., Any] = getattr(owner, name)

        def watched(*arguments: Any, **named: Any) -> Any:
            with self.part(part):
                return function(*arguments, **named)

        setattr(owner, name, watched)


def be_bertlab(words: list[str], report: Path) -> None:
    """Be the command ``bertlab``, with a clock beside it."""
    clock = Clock()
    with clock.part("import"):
        import bertlab.cli
        from bertlab.tasks import NamedEntities, run
        from bertlab.training.run import Run
    clock.watch(run, "read_sets", "load")
    clock.watch(run, "_begin", "load")
    clock.watch(run, "_measure", "evaluate")
    clock.watch(run, "train", "train")
    clock.watch(NamedEntities, "features", "tokenise")
    clock.watch(Run, "evaluate", "evaluate")
    clock.watch(Run, "save", "save")
    sys.argv = ["bertlab", *words]
    bertlab.cli.main()
    found = json.loads((report.parent / "run" / "metrics.json").read_text(encoding="utf-8"))
    clock._switch()
    figures = {
        "seconds": clock.seconds,
        "peak_mib": peak_memory(),
        "steps": found["train"]["steps"],
        "rows": found["train"]["rows"],
        "dev": {"f1": found["dev"]["f1"]},
        "test": {"f1": found["test"]["f1"]},
    }
    report.write_text(json.dumps(figures), encoding="utf-8")


def peak_memory() -> float | None:
    """Return this process' peak resident memory in MiB; None where the system doesn't tell."""
    status = Path("/proc/self/status")  # ru_maxrss would count the parent's, too
    if not status.exists():
        return None
    found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text(encoding="utf-8"))
    return round(int(found[1]) / 1024, 1) if found else None


def measure(name: str, arguments: argparse.Namespace) -> Figures:
    """Run a contender once."""
    data = arguments.data / "wnut17"
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        common = ["--model", arguments.model, "--batch-size", BATCH_SIZE, "--learning-rate", RATE]
        common += ["--epochs", 1, "--seed", 0]
        if name in (OURS, OURS_FP32):
            command: list[Any] = [__file__, "--be-bertlab", report, "finetune", "ner", *common]
            command += ["--output", f"{folder}/run"]
            for split in ("train", "dev", "test"):
                command += [f"--{split}", data / f"{split}.jsonl"]
            if name == OURS_FP32:
                command += ["--precision", "fp32"]
        else:
            command = [TRAINER, "ner", *common, "--data", data, "--output", report]
            if name == PADDED:
                command += ["--pad-to", 512, "--steps", arguments.steps, "--no-scores"]
        environment = os.environ | {
            "OMP_NUM_THREADS": str(arguments.threads),
            "CUDA_VISIBLE_DEVICES": "",
            "ACCELERATE_USE_CPU": "true",
            "HF_DATASETS_CACHE": folder,  # each run is the first
            "HF_HUB_OFFLINE": "1",
        }
        began = time.perf_counter()
        done = subprocess.run(
            [sys.executable, *map(str, command)],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        whole = time.perf_counter() - began
        if done.returncode:
            sys.exit(f"{name} has failed:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}")
        figures: Figures = json.loads(report.read_text(encoding="utf-8"))
    seconds = {part: figures["seconds"].get(part, 0.0) for part in PARTS if part != "other"}
    figures["seconds"] = seconds | {"other": whole - sum(seconds.values()), "whole": whole}
    return figures


def summarise(rounds: list[Figures]) -> Figures:
    """Return the medians of a contender's rounds."""
    steps = rounds[0]["steps"]
    parts = rounds[0]["seconds"]
    medians = {
        part: round(statistics.median(each["seconds"][part] for each in rounds), 2)
        for part in parts
    }
    peaks = [each["peak_mib"] for each in rounds if each["peak_mib"]]
    trained = [each["seconds"]["train"] for each in rounds]
    return {
        "seconds": medians,
        "train_seconds_by_round": [round(seconds, 2) for seconds in trained],
        "whole_seconds_by_round": [round(each["seconds"]["whole"], 2) for each in rounds],
        "steps": steps,
        "milliseconds_per_step": round(1000 * statistics.median(trained) / steps, 1),
        "peak_mib": round(statistics.median(peaks), 1) if peaks else None,
        **{split: rounds[-1][split] for split in ("dev", "test") if split in rounds[-1]},
    }


def compare(found: dict[str, Figures]) -> dict[str, Figures]:
    """Return the ratios of the medians, smaller is better, beside what is required."""
    ours, theirs, padded = found[OURS], found[THEIRS], found[PADDED]
    ratios = {
        "train": ours["seconds"]["train"] / theirs["seconds"]["train"],
        "whole": ours["seconds"]["whole"] / theirs["seconds"]["whole"],
        "step_padded": ours["milliseconds_per_step"] / padded["milliseconds_per_step"],
        "memory": ours["peak_mib"] / theirs["peak_mib"] if ours["peak_mib"] else None,
    }
    return {
        name: {
            "ratio": None if ratio is None else round(ratio, 4),
            "at_most": round(TARGETS[name], 4),
            "met": None if ratio is None else ratio <= TARGETS[name],
        }
        for name, ratio in ratios.items()
    }


def show(found: dict[str, Figures], ratios: dict[str, Figures]) -> None:
    """Print a table."""
    parts = (*PARTS, "whole")
    print(f"{'seconds':14}" + "".join(f"{part:>10}" for part in parts) + f"{'peak MiB':>10}")
    for name, row in found.items():
        cells = "".join(f"{row['seconds'][part]:10.1f}" for part in parts)
        print(f"{name:14}{cells}{row['peak_mib'] or 0:10.0f}  {row['steps']} steps")
    for name, row in ratios.items():
        if row["ratio"] is not None:
            met = "" if row["met"] else "  NOT MET"
            print(f"{name}: {row['ratio']:.3f} (at most {row['at_most']:.3f}){met}")


def main() -> None:
    """Run the rounds, print a table, and write the results file."""
    if sys.argv[1:2] == ["--be-bertlab"]:
        be_bertlab(sys.argv[3:], Path(sys.argv[2]))
        return
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="what finetuning_data.py wrote")
    parser.add_argument("--model", required=True, help="the folder of MiniLM")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=12, help="of the epoch padded to 512")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--output", type=Path, default=RESULTS, help="where the figures go")
    arguments = parser.parse_args()

    import torch
    import transformers
    from tqdm import tqdm

    import bertlab

    rounds: dict[str, list[Figures]] = {name: [] for name in CONTENDERS}
    with tqdm(total=arguments.rounds * len(CONTENDERS), desc="commands") as bar:
        for turn in range(arguments.rounds):
            for name in CONTENDERS if turn % 2 else reversed(CONTENDERS):
                bar.set_postfix_str(name)
                rounds[name].append(measure(name, arguments))
                bar.update()
    found = {name: summarise(rounds[name]) for name in CONTENDERS}
    ratios = compare(found)
    show(found, ratios)
    report = {
        "command": "python benchmarks/finetuning_speed.py DATA --model MINILM",
        "what": "one epoch of MiniLM on the sentences of WNUT-17, batch 16, as whole commands, in "
        "turns; medians over rounds; ratios are bertlab's over Trainer's, smaller is better. "
        f"Padded to 512, Trainer did {arguments.steps} steps only, and the time of a step is "
        "compared. Peak memory is a whole process's, imports included",
        "machine": {
            "system": platform.system(),
            "processor": platform.machine(),
            "cores": os.cpu_count(),
            "threads": arguments.threads,
        },
        "versions": {
            "bertlab": bertlab.__version__,
            "torch": torch.__version__,
            "transformers": transformers.__version__,
            "python": platform.python_version(),
        },
        "rounds": arguments.rounds,
        "contenders": found,
        "ratios": ratios,
    }
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(f"written: {arguments.output.name}")


if __name__ == "__main__":
    main()
