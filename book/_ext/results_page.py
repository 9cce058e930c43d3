"""Write the page of results from what the benchmarks have measured.

    python book/_ext/results_page.py          rewrite book/results.md

Every number on the page comes from a file in ``results/``; a benchmark that has no file there yet
has no section. What is required is beside what was found, also where it wasn't reached.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PAGE = Path("book") / "results.md"
Figures = dict[str, Any]

HEAD = """# Results

What bertlab's speed, memory and quality were measured to be, with the command that measures it
again. `make results` writes each table from a file in `results/`; no figure here was typed by hand.
Times are of one machine, and yours will have others; ratios between two programs that took turns on
the same machine travel better."""

# Of each data set: its name, authors and licence, and what its score counts.
SETS = {
    "banking77": ("Banking77", "Casanueva et al. 2020, CC BY 4.0", "accuracy over intents"),
    "sentence_polarity": (
        "Sentence polarity",
        "Pang and Lee 2005, CC BY 4.0 as NLTK gives it",
        "accuracy",
    ),
    "wikigold": ("wikigold", "Balasuriya et al. 2009, CC BY 4.0", "F1 of whole entities, strict"),
    "wnut17": ("WNUT-17", "Derczynski et al. 2017, CC BY 4.0", "F1 of whole entities, strict"),
    "squad": (
        "SQuAD 1.1, first 12 articles of train",
        "Rajpurkar et al. 2016, CC BY-SA 4.0",
        "F1 of words",
    ),
    "policyqa": ("PolicyQA", "Ahmad et al. 2020, MIT", "F1 of words"),
}
MINILM = "MiniLM is all-MiniLM-L6-v2 (Wang et al. 2020; Reimers and Gurevych 2019; Apache 2.0)"
PARTS = ("import", "load", "tokenise", "train", "save", "evaluate", "other", "whole")


def page(root: Path = ROOT) -> str:
    """Return the page as Markdown."""
    parts = [HEAD]
    for name, section in SECTIONS.items():
        file = root / "results" / f"{name}.json"
        if file.is_file():
            parts += section(json.loads(file.read_text(encoding="utf-8")))
    return "\n\n".join(parts) + "\n"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table; the first column is text, the others are numbers."""
    lines = [head, [":--", *["--:"] * (len(head) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def source(report: Figures) -> str:
    """Say which command measured it, with which versions, on what."""
    machine = report.get("machine", {})
    threads = machine.get("threads", report.get("threads"))
    versions = ", ".join(f"{name} {version}" for name, version in report["versions"].items())
    words = [f"`{report['command']}`", versions]
    if threads:
        words.append(f"{threads} threads" if threads > 1 else "1 thread")
    if "processor" in machine:
        words.append(machine["processor"])
    return "Measured by " + "; ".join(words) + "."


def met(is_met: bool) -> str:
    return "reached" if is_met else "**not reached**"


def chapters(report: Figures) -> list[str]:
    """Seconds to run each chapter."""
    rows = [
        [name.replace("_", " ", 1).replace("_", " "), f"{seconds:.0f}"]
        for name, seconds in report["seconds"].items()
    ]
    rows.append(["the whole book", f"{sum(report['seconds'].values()):.0f}"])
    return [
        "## The chapters",
        f"{sentence(report['what'])} Measured by `make times` on {report['cores']} cores with "
        f"Python {report['python']}, no GPU.",
        table(["Chapter", "Seconds"], rows),
    ]


def encoder(report: Figures) -> list[str]:
    """The encoder's steps beside transformers'."""
    rows = []
    for case in report["cases"]:
        theirs = case["transformers"]
        for name in ("sdpa", "packed"):
            if name in case:
                ours = case[name]
                rows.append(
                    [
                        f"{case['shape']}, {case['rows']} {case['batch']} rows, "
                        f"dropout {case['dropout']:g}: {name}",
                        f"{theirs['milliseconds']:.0f}",
                        f"{ours['milliseconds']:.0f}",
                        f"{ours['time_ratio']:.2f}",
                        f"{ours['memory_ratio']:.2f}",
                    ]
                )
    head = ["Case", "transformers, ms", "bertlab, ms", "Time, ratio", "Memory, ratio"]
    return ["## The encoder", f"{sentence(report['what'])} {source(report)}", table(head, rows)]


def pretraining(report: Figures) -> list[str]:
    """Speed of pretraining, and of Trainer."""
    rows = []
    for name, row in report["loops"].items():
        share = row.get("share_of_bf16_rate")
        rows.append(
            [
                f"{name} ({row['batch']}, {row['precision']})",
                f"{row['tokens_per_second']:,}",
                f"{share['median']:.0%}" if share else "",
                peak(row),
            ]
        )
    targets = report["targets"]
    required = {"fp32": targets["speed_fp32"], "bf16": targets["speed_bf16"]}
    ratios = []
    for name, ratio in report["ratios"].items():
        least = required.get(name.split(" ")[-1])
        speed = ratio["speed"]["median"]
        ratios.append(
            [
                name,
                f"{speed:.2f}",
                "" if least is None else f"at least {least:g}",
                "" if least is None else met(speed >= least),
                "" if ratio["memory"] is None else f"{ratio['memory']:.2f}",
            ]
        )
    return [
        "## Pretraining's speed",
        f"{sentence(report['what'])} {source(report)}",
        table(["Loop", "Tokens a second", "Share of the bf16 rate", "Peak MiB"], rows),
        table(["Ratio", "Speed", "Required", "", "Memory"], ratios),
    ]


def bertlab_mini(report: Figures) -> list[str]:
    """What the bundled checkpoint has learned."""
    targets = report["targets"]
    rows = []
    for name, length in (("held_out", 128), ("held_out_512", 512)):
        if name in report:
            figures = report[name]
            rows.append(
                [
                    f"held-out text, {length} tokens",
                    f"{figures['masked_lm_loss']:.2f}",
                    f"{figures['masked_lm_accuracy']:.1%}",
                    f"{figures['next_sentence_accuracy']:.1%}",
                ]
            )
    if "held_out" in report:
        figures = report["held_out"]
        most = targets["masked_lm_loss"]
        cells = [f"at most {most:g}, {met(figures['masked_lm_loss'] <= most)}"]
        for name in ("masked_lm_accuracy", "next_sentence_accuracy"):
            cells.append(f"at least {targets[name]:.0%}, {met(figures[name] >= targets[name])}")
        rows.append(["required of the first", *cells])
    parts = [
        "## bertlab-mini",
        f"{sentence(report['what'])} {source(report)}",
        table(["", "Masked-LM loss", "Masked-LM accuracy", "Next sentence"], rows),
    ]
    if "transfer" in report:
        found = report["transfer"]["wikigold"]
        transfer = [
            [
                f"{kind} weights",
                f"{100 * found[kind]['mean']:.1f} ± {100 * found[kind]['deviation']:.1f}",
                f"{found[kind]['learning_rate']:g}",
                str(found[kind]["epochs"]),
            ]
            for kind in ("pretrained", "random")
        ]
        gain, least = found["gain"], targets["gain"]
        parts += [
            table(["Named entities of wikigold", "F1", "Learning rate", "Epochs"], transfer),
            f"The gain is {gain:.1f} points; required: {least:g}, {met(gain >= least)}.",
        ]
    return parts


def finetuning(report: Figures) -> list[str]:
    """Scores on real data, beside Trainer's."""
    rows, details = [], []
    common = ", ".join(f"{name} {value:g}" for name, value in report["hyperparameters"].items())
    for row in report["summary"]:
        name = SETS[row["set"]][0]
        verdict = ""
        if "difference" in row:
            verdict = (
                f"{row['difference']:+.2f}, {'the same' if row['same'] else '**not the same**'}"
            )
        rows.append(
            [
                f"{name}, {row['model']}",
                spread(row.get("bertlab")),
                spread(row.get("trainer")),
                verdict,
                *(f"{row[other]:.1f}" if other in row else "" for other in ("frozen", "tfidf")),
            ]
        )
        seeds = max(len(row[name]["scores"]) for name in ("bertlab", "trainer") if name in row)
        details.append(
            [
                f"{name}, {row['model']}",
                f"{row['epochs']:g}",
                f"{row['learning_rate']:g}",
                str(row["batch_size"]),
                str(seeds),
            ]
        )
    sets = []
    for key, counts in report["sets"].items():
        name, licence, metric = SETS[key]
        sets.append(
            [f"{name}: {licence}", metric, *(f"{counts[split]:,}" for split in counts)],
        )
    head = ["Set, model", "bertlab", "Trainer", "Difference", "Frozen features", "TF-IDF"]
    return [
        "## Fine-tuning on real data",
        f"{sentence(report['what'])} {MINILM}. {source(report)}",
        table(head, rows),
        "Frozen features and TF-IDF go into a logistic regression, without fine-tuning; its "
        f"strength was chosen on dev. Both programs had the same hyperparameters: {common}, and "
        "those below.",
        table(["Set, model", "Epochs", "Learning rate", "Batch", "Seeds"], details),
        "The data:",
        table(["Set", "Score", "Train", "Dev", "Test"], sets),
    ]


def finetuning_speed(report: Figures) -> list[str]:
    """Time and memory of fine-tuning, beside Trainer's."""
    rows = [
        [
            name,
            *(f"{row['seconds'][part]:.1f}" for part in PARTS),
            str(row["steps"]),
            f"{row['milliseconds_per_step']:.0f}",
            peak(row),
        ]
        for name, row in report["contenders"].items()
    ]
    titles = {
        "train": "training",
        "whole": "the whole command",
        "step_padded": "a step, beside padding to 512",
        "memory": "peak memory",
    }
    ratios = [
        [
            titles[name],
            f"{row['ratio']:.3f}",
            f"at most {row['at_most']:.3f}",
            met(row["met"]),
        ]
        for name, row in report["ratios"].items()
        if row["ratio"] is not None
    ]
    licence = SETS["wnut17"][1]
    return [
        "## Fine-tuning's speed",
        f"{sentence(report['what'])} WNUT-17: {licence}. {MINILM}. {report['rounds']} rounds. "
        f"{source(report)}",
        table(["Seconds", *PARTS, "Steps", "ms a step", "Peak MiB"], rows),
        table(["bertlab's over Trainer's", "Ratio", "Required", ""], ratios),
    ]


def qa_decoding(report: Figures) -> list[str]:
    """Time to decode answers."""
    rows = [
        [
            case["answers"],
            f"{case['seconds']:.2f}",
            f"{case['reference_seconds']:.2f}",
            f"{case['ratio']:.1f}",
        ]
        for case in report["cases"]
    ]
    return [
        "## Decoding answers",
        f"{sentence(report['what'])} {report['questions']:,} questions in {report['windows']:,} "
        f"windows. {source(report)}",
        table(["Case", "bertlab, s", "The example, s", "Times faster"], rows),
    ]


SECTIONS: dict[str, Callable[[Figures], list[str]]] = {
    "finetuning": finetuning,
    "finetuning_speed": finetuning_speed,
    "qa_decoding": qa_decoding,
    "bertlab_mini": bertlab_mini,
    "pretraining": pretraining,
    "encoder": encoder,
    "chapters": chapters,
}


def sentence(what: str) -> str:
    """Return a description as a sentence."""
    return f"{what[:1].upper()}{what[1:].rstrip('.')}."


def spread(figures: Figures | None) -> str:
    """Return mean and deviation."""
    if figures is None:
        return ""
    deviation = figures["deviation"]
    return f"{figures['mean']:.1f}" + ("" if deviation is None else f" ± {deviation:.1f}")


def peak(row: Figures) -> str:
    return "" if row["peak_mib"] is None else f"{row['peak_mib']:.0f}"


if __name__ == "__main__":
    (ROOT / PAGE).write_text(page(), encoding="utf-8")
