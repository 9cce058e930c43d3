"""Is our encoder as fast and as small as transformers'? Forward and backward, side by side.

    python benchmarks/encoder.py             # about 15 minutes; writes results/encoder.json
    python benchmarks/encoder.py --quick     # a minute, prints only

Both models get the same weights and batches and run in turn within one process, so that a ratio
holds when the machine's speed drifts. Each pair of steps gives one ratio; the median of them is
what counts. Peak memory is measured in a process of its own for each model. Run it on a quiet
machine.
"""

from __future__ import annotations

import argparse
import json
import platform
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import torch
import transformers
from tqdm import tqdm

import bertlab

RESULTS = Path(__file__).parents[1] / "results" / "encoder.json"
SHAPES: dict[str, dict[str, int]] = {
    "MiniLM": {
        "hidden_size": 384,
        "num_hidden_layers": 6,
        "num_attention_heads": 12,
        "intermediate_size": 1536,
    },
    "BERT-base": {},
}
# Lengths of a padded batch: drawn once, as of sentences of news text; the longest fills the row.
LENGTHS = {"full": (128, 128), "padded": (12, 128)}


def make_batch(kind: str, rows: int) -> dict[str, torch.Tensor]:
    """Draw a batch of 128 places a row, full or padded on the right."""
    generator = torch.Generator().manual_seed(0)
    shortest, longest = LENGTHS[kind]
    lengths = torch.randint(shortest, longest + 1, (rows,), generator=generator)
    lengths[0] = longest
    mask = (torch.arange(longest) < lengths[:, None]).long()  # (B, T)
    ids = torch.randint(1000, 30000, (rows, longest), generator=generator) * mask
    return {"input_ids": ids, "attention_mask": mask}


def build(who: str, shape: str, dropout: float) -> torch.nn.Module:
    """Build one of the models: "transformers", or bertlab's with the named implementation."""
    rates = {"hidden_dropout_prob": dropout, "attention_probs_dropout_prob": dropout}
    torch.manual_seed(0)
    if who == "transformers":
        config = transformers.BertConfig(**SHAPES[shape], **rates, attn_implementation="sdpa")
        model: torch.nn.Module = transformers.BertModel(config)
    else:
        ours = bertlab.BertConfig.base(**SHAPES[shape], **rates, implementation=who)
        model = bertlab.BertModel(ours)
    return model.train()


def step(model: torch.nn.Module, batch: dict[str, torch.Tensor]) -> float:
    """Run forward and backward once; return the seconds."""
    model.zero_grad(set_to_none=True)
    start = time.perf_counter()
    output = model(**batch)
    real = batch["attention_mask"][..., None]
    loss = (output.last_hidden_state * real).square().mean() + output.pooler_output.mean()
    loss.backward()
    return time.perf_counter() - start


def peak_memory(who: str, case: dict[str, Any]) -> float:
    """Return the peak resident memory in MiB of a process that runs a few steps."""
    call = [sys.executable, __file__, "--memory-of", who, json.dumps(case)]
    done = subprocess.run(call, capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])


def run_case(case: dict[str, Any], pairs: int) -> dict[str, Any]:
    """Time one case: bertlab's two fast implementations against transformers."""
    batch = make_batch(case["batch"], case["rows"])
    names = ["transformers", "sdpa", *(["packed"] if case["batch"] == "padded" else [])]
    models = {name: build(name, case["shape"], case["dropout"]) for name in names}
    for name in names[1:]:
        models[name].load_state_dict(models["transformers"].state_dict())
    for model in models.values():
        step(model, batch)  # the first one allocates
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(pairs):
        for name in names if turn % 2 else reversed(names):  # nobody always goes first
            seconds[name].append(step(models[name], batch))
    result = dict(case)
    for name in names:
        result[name] = {
            "milliseconds": round(1000 * statistics.median(seconds[name]), 2),
            "peak_mib": round(peak_memory(name, case), 1),
        }
        if name != "transformers":
            ratios = [a / b for a, b in zip(seconds[name], seconds["transformers"], strict=True)]
            quartiles = statistics.quantiles(ratios, n=4)
            result[name]["time_ratio"] = round(quartiles[1], 4)
            result[name]["time_ratio_quartiles"] = [round(quartiles[0], 4), round(quartiles[2], 4)]
            result[name]["memory_ratio"] = round(
                result[name]["peak_mib"] / result["transformers"]["peak_mib"], 4
            )
    return result


def main() -> None:
    """Run all cases, print a table, and write the results file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few pairs, print only")
    parser.add_argument("--memory-of", nargs=2, metavar=("WHO", "CASE"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.memory_of:
        who, case = arguments.memory_of[0], json.loads(arguments.memory_of[1])
        model = build(who, case["shape"], case["dropout"])
        batch = make_batch(case["batch"], case["rows"])
        for _ in range(4):
            step(model, batch)
        # Linux keeps the peak of the program itself here; ru_maxrss would count the parent's, too.
        status = Path("/proc/self/status").read_text(encoding="utf-8")
        print(int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 1024)
        return

    cases = [
        {"shape": shape, "batch": batch, "rows": 16 if shape == "MiniLM" else 8, "dropout": dropout}
        for shape, dropout in (("MiniLM", 0.0), ("MiniLM", 0.1), ("BERT-base", 0.0))
        for batch in LENGTHS
    ]
    results = []
    for case in tqdm(cases, desc="cases"):
        pairs = 5 if arguments.quick else 11 if case["shape"] == "BERT-base" else 21
        results.append(run_case(case, pairs))
    print("shape      batch   dropout  ours      time      quartiles  memory")
    for result in results:
        for name in ("sdpa", "packed"):
            if name in result:
                row = result[name]
                low, high = row["time_ratio_quartiles"]
                print(
                    f"{result['shape']:10} {result['batch']:7} {result['dropout']:7}  {name:7} "
                    f"{row['time_ratio']:6.3f} {low:7.3f}–{high:.3f} {row['memory_ratio']:7.3f}"
                )
    if not arguments.quick:
        report = {
            "command": "python benchmarks/encoder.py",
            "what": "forward and backward of BertModel, float32 on the CPU; ratios are bertlab's "
            "figure over transformers', smaller is better; peak memory is a whole process's, "
            "imports included",
            "versions": {
                "bertlab": bertlab.__version__,
                "torch": torch.__version__,
                "transformers": transformers.__version__,
                "python": platform.python_version(),
            },
            "threads": torch.get_num_threads(),
            "cases": results,
        }
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
        print("written: results/encoder.json")


if __name__ == "__main__":
    main()
