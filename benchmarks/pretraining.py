"""How fast is pretraining on this machine's processor, and how much memory does it take?

    python benchmarks/pretraining.py CORPUS...             # about 6 minutes on two cores
    python benchmarks/pretraining.py CORPUS... --compile   # and with torch.compile: 2 minutes more

CORPUS is what ``bertlab pretrain --corpus`` takes. Measured is that command's own loop with the
preset mini at length 128, beside ``transformers.Trainer`` with ``DataCollatorForLanguageModeling``
on a model of the same shape and the same text. Each contender is a process of its own that runs
its own training loop, and waits between two rounds while the others and a matrix product have
theirs; so a ratio holds when the machine's speed drifts, and peak memory is each one's own. Medians
over rounds count. Run it on a quiet machine.

Everything favours Trainer where there is a choice: its rows are all full, its special tokens are
given to the collator (it would look for them), dropout is off, and only bertlab predicts the next
sentence as well.
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
from pathlib import Path
from typing import Any

import torch
import transformers
from tqdm import tqdm

import bertlab

RESULTS = Path(__file__).parents[1] / "results" / "pretraining.json"
LENGTH, MASKED = 128, 0.15
MAIN, FP32, BF16, COMPILED = "bertlab 32", "Trainer fp32", "Trainer bf16", "bertlab compiled"
BATCHES = {"bertlab 16": 16, MAIN: 32, "bertlab 64": 64, FP32: 32, BF16: 32, COMPILED: 32}
TARGETS = {"share": 0.32, "aim": 0.45, "speed_fp32": 2.5, "speed_bf16": 1.3, "memory": 1.0}


def warm_up(name: str) -> int:
    """Return how many steps come before the first round; some of them compile, for some lengths."""
    return 40 if name == COMPILED else 8


class Meter:
    """Counts steps in a contender's process, and stops it between two rounds until told to go on.

    All that a loop does between two steps is in the time: reading, masking, the update.
    """

    def __init__(self, case: dict[str, Any]) -> None:
        self.per_round, self.warm_up = case["steps"], warm_up(case["name"])
        self.total = self.warm_up + self.per_round * case["rounds"]
        self.done = 0
        self.start()

    def start(self) -> None:
        """Begin to count anew."""
        self.tokens, self.flops = 0, 0.0
        self.began = time.perf_counter()

    def count(self, tokens: int, flops: float = 0.0) -> None:
        """Note what the next step reads and computes."""
        self.done += 1
        self.tokens += tokens
        self.flops += flops

    def boundary(self) -> None:
        """Report and wait, if a round ends between these two steps; the warm-up counts as one."""
        after = self.done - self.warm_up
        if after < 0 or after % self.per_round:
            return
        seconds = time.perf_counter() - self.began
        tell({"seconds": seconds, "tokens": self.tokens, "flops": self.flops})
        if self.done < self.total:
            if not sys.stdin.readline():
                sys.exit("the parent process is gone")
            self.start()


def tell(message: dict[str, Any]) -> None:
    """Send a message to the parent process."""
    print("@" + json.dumps(message), flush=True)


def count_flops(config: bertlab.BertConfig, batch: dict[str, torch.Tensor]) -> float:
    """Return the useful operations of a step, forward and backward.

    Six for each weight of the encoder's matrices and each real token, and of the masked-LM head's
    and each masked place; and attention's two products. Padding does nothing useful.
    """
    width, inner = config.hidden_size, config.intermediate_size
    lengths = batch["attention_mask"].sum(dim=1).double()  # (B,)
    masked = int((batch["labels"] != -100).sum())
    layer = 6 * (4 * width**2 + 2 * width * inner) * float(lengths.sum())
    attention = 12 * width * float((lengths**2).sum())
    head = 6 * (width**2 + width * config.vocab_size) * masked
    return config.num_hidden_layers * (layer + attention) + head


def train_bertlab(case: dict[str, Any]) -> None:
    """Be the loop of ``bertlab pretrain``, with its settings, its model and its batches."""
    from bertlab.pretraining import Corpus, PretrainingConfig, PretrainingObjective, run, tokenise
    from bertlab.pretraining.stages import Stage, StagedBatches
    from bertlab.training import train
    from bertlab.training.run import choose_bf16

    meter = Meter(case)
    config = PretrainingConfig(
        corpus=tuple(case["corpus"]),
        output=Path(case["folder"]),
        preset="mini",
        steps=meter.total,
        stages=(f"{BATCHES[case['name']]}x{LENGTH}@{MASKED}:1",),
        precision="bf16" if choose_bf16("auto", torch.device("cpu")) else "fp32",
        compile=case["name"] == COMPILED,
    ).filled()
    tokenizer = bertlab.load_tokenizer(case["tokenizer"])
    model = run._new_model(config, tokenizer, torch.device("cpu"))

    class Metered(StagedBatches):
        def next_batch(self, progress: float) -> dict[str, torch.Tensor]:
            if meter.done:
                meter.boundary()
            else:
                self.sources[0].plan(0)
                meter.start()  # the epoch's plan is made once, not in each step
            batch = super().next_batch(progress)
            meter.count(int(batch["attention_mask"].sum()), count_flops(model.config, batch))
            return batch

    corpus = tokenise(Corpus(case["corpus"]), tokenizer, case["cache"])
    batches = Metered(corpus, tokenizer, [Stage.parse(text) for text in config.stages])
    settings = run._training_config(config)
    objective = PretrainingObjective(model, config.next_sentence_weight or 0.0)
    train(model, batches, settings, objective=objective, progress_bar=False)
    meter.boundary()
    padding = batches.sources[0].plan(0).padding
    tell({"peak_mib": peak_memory(), "precision": config.precision, "padding": round(padding, 4)})


class Rows(torch.utils.data.Dataset):
    """The same text in full rows, as ``run_mlm.py`` of transformers cuts it."""

    def __init__(self, ids: Any, tokenizer: Any) -> None:
        self.ids = ids
        self.ends = ([tokenizer.cls_token_id], [tokenizer.sep_token_id])

    def __len__(self) -> int:
        return len(self.ids) // (LENGTH - 2)

    def __getitem__(self, index: int) -> dict[str, list[int]]:
        start = index * (LENGTH - 2)
        first, last = self.ends
        return {
            "input_ids": first + self.ids[start : start + LENGTH - 2].tolist() + last,
            "token_type_ids": [0] * LENGTH,
            "attention_mask": [1] * LENGTH,
            "special_tokens_mask": [1] + [0] * (LENGTH - 2) + [1],
        }


def train_transformers(case: dict[str, Any]) -> None:
    """Be ``transformers.Trainer`` on ``BertForMaskedLM``."""
    from bertlab.pretraining import Corpus, tokenise

    meter = Meter(case)
    tokenizer = transformers.AutoTokenizer.from_pretrained(case["tokenizer"])
    shape = bertlab.BertConfig.mini(
        vocab_size=len(tokenizer), hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0
    )
    corpus = tokenise(Corpus(case["corpus"]), tokenizer, case["cache"])
    torch.manual_seed(0)
    model = transformers.BertForMaskedLM(transformers.BertConfig(**shape.to_dict()))

    class Callback(transformers.TrainerCallback):
        def on_train_begin(self, *_: Any, **__: Any) -> None:
            meter.start()

        def on_step_end(self, *_: Any, **__: Any) -> None:
            meter.count(BATCHES[case["name"]] * LENGTH)
            meter.boundary()

    trainer = transformers.Trainer(
        model=model,
        args=transformers.TrainingArguments(
            output_dir=case["folder"],
            max_steps=meter.total,
            per_device_train_batch_size=BATCHES[case["name"]],
            bf16=case["name"] == BF16,
            use_cpu=True,
            remove_unused_columns=False,  # else special_tokens_mask would be
            report_to="none",
            save_strategy="no",
            disable_tqdm=True,
        ),
        data_collator=transformers.DataCollatorForLanguageModeling(tokenizer),
        train_dataset=Rows(corpus.ids, tokenizer),
        callbacks=[Callback()],
    )
    trainer.train()
    tell({"peak_mib": peak_memory(), "precision": "bf16" if case["name"] == BF16 else "fp32"})


def peak_memory() -> float | None:
    """Return this process' peak resident memory in MiB; None where the system doesn't tell."""
    status = Path("/proc/self/status")  # ru_maxrss would count the parent's, too
    if not status.exists():
        return None
    found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text(encoding="utf-8"))
    return round(int(found[1]) / 1024, 1) if found else None


class Contender:
    """A process that trains when it is told to."""

    def __init__(self, name: str, case: dict[str, Any]) -> None:
        self.name = name
        environment = os.environ | {"ACCELERATE_USE_CPU": "true", "CUDA_VISIBLE_DEVICES": ""}
        self.process = subprocess.Popen(
            [sys.executable, __file__, "--contender", json.dumps(case | {"name": name})],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        self.warm_up = self.hear()  # one contender after the other
        self.rounds: list[dict[str, Any]] = []

    def hear(self) -> dict[str, Any]:
        """Wait for a message."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith("@"):
                return json.loads(line[1:])
        raise RuntimeError(f"{self.name} has ended: see its message above")

    def run(self) -> None:
        """Let it have a round."""
        assert self.process.stdin is not None
        time.sleep(0.3)  # the threads of the one before come to rest
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        self.rounds.append(self.hear())

    def figures(self) -> dict[str, Any]:
        """Return what it did, once all rounds are over."""
        last = self.hear()
        self.process.communicate()
        speeds = [each["tokens"] / each["seconds"] for each in self.rounds]
        return {
            "batch": f"{BATCHES[self.name]} x {LENGTH}",
            "tokens_per_second": round(statistics.median(speeds)),
            "tokens_per_second_by_round": [round(speed) for speed in speeds],
            "warm_up_seconds": round(self.warm_up["seconds"], 1),
            **last,
        }


def products(batch_size: int, vocab_size: int) -> dict[str, tuple[int, int, int]]:
    """Return shapes of matrix products: the model's own, and large ones."""
    shape = bertlab.BertConfig.mini()
    width, inner = shape.hidden_size, shape.intermediate_size
    tokens = batch_size * LENGTH
    shapes = [
        (tokens, width, width),
        (tokens, width, inner),
        (tokens, inner, width),
        (round(MASKED * tokens), width, vocab_size),
        (4096, 1024, 4096),
        (4096, 4096, 4096),
    ]
    return {" x ".join(map(str, shape)): shape for shape in shapes}


def matrix_rate(rows: int, inner: int, columns: int, dtype: torch.dtype = torch.bfloat16) -> float:
    """Return how many GFLOP/s a product of two matrices reaches; the median of five tries."""
    left = torch.randn(rows, inner).to(dtype)
    right = torch.randn(inner, columns).to(dtype)
    out = torch.empty(rows, columns, dtype=dtype)
    flops = 2 * rows * inner * columns
    repeats = max(1, round(2e10 / flops))
    rates = []
    for attempt in range(6):
        start = time.perf_counter()
        for _ in range(repeats):
            torch.mm(left, right, out=out)
        if attempt:  # the first one warms up
            rates.append(repeats * flops / (time.perf_counter() - start) / 1e9)
    return statistics.median(rates)


def spread(values: list[float]) -> dict[str, Any]:
    """Return the median and the quartiles."""
    low, middle, high = statistics.quantiles(values, n=4) if len(values) > 1 else values * 3
    return {"median": round(middle, 4), "quartiles": [round(low, 4), round(high, 4)]}


def measure(arguments: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Run the rounds, and return all figures."""
    from bertlab.pretraining import Corpus, tokenise

    tokenizer = bertlab.load_tokenizer(arguments.tokenizer)
    tokenizer.save_pretrained(folder / "tokenizer")  # what all contenders read
    cache = arguments.cache or folder / "cache"
    corpus = tokenise(Corpus(arguments.corpus), tokenizer, cache, progress_bar=True)
    shared = {
        "corpus": arguments.corpus,
        "tokenizer": str(folder / "tokenizer"),
        "cache": str(cache),
        "rounds": arguments.rounds,
    }
    shapes = products(BATCHES[MAIN], len(tokenizer))
    rates: dict[str, list[float]] = {name: [] for name in shapes}
    single: list[float] = []
    contenders: dict[str, Contender] = {}
    try:
        names = [name for name in BATCHES if name != COMPILED or arguments.compile]
        for name in tqdm(names, desc="starting"):
            steps = max(1, arguments.steps * BATCHES[MAIN] // BATCHES[name])
            own = {"folder": str(folder / name.replace(" ", "_")), "steps": steps}
            contenders[name] = Contender(name, shared | own)
        for turn in tqdm(range(arguments.rounds), desc="rounds"):
            for name, shape in shapes.items():
                rates[name].append(matrix_rate(*shape))
            single.append(matrix_rate(4096, 1024, 4096, torch.float32))
            for name in names if turn % 2 else reversed(names):  # nobody is always first
                contenders[name].run()
        loops = {name: contenders[name].figures() for name in names}
    finally:
        for contender in contenders.values():
            contender.process.kill()
    medians = {name: statistics.median(values) for name, values in rates.items()}
    best = max(medians, key=lambda name: medians[name])
    rounds = {name: contender.rounds for name, contender in contenders.items()}
    add_shares(loops, rounds, rates[best])
    return {
        "corpus_tokens": corpus.tokens,
        "rounds": arguments.rounds,
        "matrix_gflops": {
            "bf16": {name: round(rate, 1) for name, rate in medians.items()},
            "bf16_best": best,
            "fp32 4096 x 1024 x 4096": round(statistics.median(single), 1),
        },
        "loops": loops,
        "ratios": compare(loops, rounds),
        "targets": TARGETS,
    }


Rounds = dict[str, list[dict[str, Any]]]


def add_shares(loops: dict[str, Any], rounds: Rounds, matrix: list[float]) -> None:
    """Say how many GFLOP/s bertlab's loops reach, and which share of the matrix rate that is."""
    for name, row in loops.items():
        if "bertlab" in name:
            rates = [each["flops"] / each["seconds"] / 1e9 for each in rounds[name]]
            row["gflops"] = round(statistics.median(rates), 1)
            shares = [rate / most for rate, most in zip(rates, matrix, strict=True)]
            row["share_of_bf16_rate"] = spread(shares)


def compare(loops: dict[str, Any], rounds: Rounds) -> dict[str, Any]:
    """Return ratios of speed, round by round, and of memory."""
    ratios = {}
    for name, other in ((MAIN, FP32), (MAIN, BF16), (COMPILED, MAIN)):
        if name not in loops:
            continue
        speeds = [
            (ours["tokens"] / ours["seconds"]) / (theirs["tokens"] / theirs["seconds"])
            for ours, theirs in zip(rounds[name], rounds[other], strict=True)
        ]
        ours, theirs = loops[name]["peak_mib"], loops[other]["peak_mib"]
        memory = round(ours / theirs, 4) if ours and theirs else None
        ratios[f"{name} / {other}"] = {"speed": spread(speeds), "memory": memory}
    return ratios


def show(figures: dict[str, Any]) -> None:
    """Print a table."""
    matrix = figures["matrix_gflops"]
    best = matrix["bf16_best"]
    print(f"bf16 matrix products: {matrix['bf16'][best]:.0f} GFLOP/s ({best})")
    print(f"{'':18}{'tokens/s':>9}{'GFLOP/s':>9}{'of bf16':>9}{'peak MiB':>10}  precision")
    for name, row in figures["loops"].items():
        rate = f"{row['gflops']:9.0f}" if "gflops" in row else " " * 9
        share = row.get("share_of_bf16_rate")
        part = f"{share['median']:9.1%}" if share else " " * 9
        peak = "unknown" if row["peak_mib"] is None else f"{row['peak_mib']:.0f}"
        print(f"{name:18}{row['tokens_per_second']:9,}{rate}{part}{peak:>10}  {row['precision']}")
    print(f"required of bertlab: {TARGETS['share']:.0%} of bf16, aiming at {TARGETS['aim']:.0%}")
    required = {FP32: TARGETS["speed_fp32"], BF16: TARGETS["speed_bf16"]}
    for name, ratio in figures["ratios"].items():
        target = required.get(name.split(" / ")[1])
        least = f" (required: {target})" if target else ""
        memory = "unknown" if ratio["memory"] is None else f"{ratio['memory']:.2f}"
        print(f"{name}: speed {ratio['speed']['median']:.2f}{least}, memory {memory}")
    print(f"padding: {figures['loops'][MAIN]['padding']:.1%} of the places")
    if COMPILED in figures["loops"]:
        seconds = figures["loops"][COMPILED]["warm_up_seconds"]
        print(f"torch.compile: the first {warm_up(COMPILED)} steps took {seconds:.0f} s")


def processor_flags() -> list[str] | None:
    """Return which of the instructions that matter here the processor has; None if unknown."""
    file = Path("/proc/cpuinfo")
    if not file.exists():
        return None
    known = {"avx2", "avx512f", "avx512_bf16", "amx_bf16", "asimd", "bf16", "sve"}
    words = re.search(r"^(?:flags|Features)\s*:(.*)", file.read_text(encoding="utf-8"), re.M)
    return sorted(known & set(words[1].split())) if words else None


def main() -> None:
    """Measure, print a table, and write the results file."""
    if sys.argv[1:2] == ["--contender"]:
        transformers.logging.set_verbosity_error()
        case = json.loads(sys.argv[2])
        (train_transformers if case["name"] in (FP32, BF16) else train_bertlab)(case)
        return
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpus", nargs="+", help="files, folders, or what else is a corpus")
    parser.add_argument("--output", type=Path, default=RESULTS, help="where the figures go")
    parser.add_argument("--steps", type=int, default=10, help="a round, of 32 rows each")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--tokenizer", default="bertlab-mini")
    parser.add_argument("--cache", type=Path, help="keep the tokenised text in this folder")
    parser.add_argument("--compile", action="store_true", help="measure torch.compile, too")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(arguments, Path(folder))
    show(figures)
    report = {
        "command": "python benchmarks/pretraining.py CORPUS..."
        + (" --compile" if arguments.compile else ""),
        "what": f"pretraining the preset mini on the CPU, {MASKED:.0%} of the places masked; real "
        "tokens per second in the middle of a run; FLOPs are 6 for each weight of the encoder and "
        "token, of the masked-LM head and masked place, and attention; ratios are medians over "
        "interleaved rounds; peak memory is a whole process's, imports and corpus included. "
        "bertlab predicts the next sentence as well, Trainer doesn't",
        "machine": {
            "system": platform.system(),
            "processor": platform.machine(),
            "cores": os.cpu_count(),
            "threads": torch.get_num_threads(),
            "flags": processor_flags(),
        },
        "versions": {
            "bertlab": bertlab.__version__,
            "torch": torch.__version__,
            "transformers": transformers.__version__,
            "python": platform.python_version(),
        },
        **figures,
    }
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(f"written: {arguments.output.name}")


if __name__ == "__main__":
    main()
