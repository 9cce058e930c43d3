"""How fast are answers decoded? Beside transformers' example, written out in plain Python.

    python benchmarks/qa_decoding.py             # a minute; writes results/qa_decoding.json
    python benchmarks/qa_decoding.py --quick     # a tenth of the questions, prints only

As many questions as SQuAD's dev set has, in windows of 384 places. The numbers are made up: noise,
higher in one sentence of some 25 pieces, which is where a trained model looks for the answer. Both
programs get the same numbers and run in turn within one process; their answers have to be equal.
What counts is the median of the ratios. Run it on a quiet machine.
"""

from __future__ import annotations

import argparse
import gc
import json
import platform
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from span_reference import answer
from tqdm import tqdm

import bertlab
from bertlab.tasks import QuestionAnswering
from bertlab.tasks.question_answering import Window
from bertlab.tasks.task import Features

RESULTS = Path(__file__).parents[1] / "results" / "qa_decoding.json"
QUESTIONS = 10_570  # in SQuAD 1.1's dev set
WINDOWS = 1.1  # a question, about
PIECES = 384
SENTENCE = 25
FIRST = 14  # [CLS], a question of twelve pieces, [SEP]


def make_case(questions: int) -> tuple[list[dict[str, str]], Features, list[np.ndarray]]:
    """Make up contexts, windows of them, and for each window (T, 2) numbers."""
    chance = np.random.default_rng(0)
    room = PIECES - FIRST - 1
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz "))
    context = "".join(letters[chance.integers(27, size=6 * room)])
    starts = 6 * np.arange(room)
    offsets = np.stack([starts, starts + 5], axis=1).astype(np.int32)  # (room, 2)
    records = [{"context": context, "question": "?"} for _ in range(questions)]
    features, logits = Features(), []
    for number in range(questions):
        for _ in range(1 + (chance.random() < WINDOWS - 1)):
            features.record.append(number)
            features.extras.append(Window(FIRST, offsets))
            table = chance.normal(size=(PIECES, 2))
            first = chance.integers(FIRST, PIECES - SENTENCE)
            table[first : first + SENTENCE] += 3
            logits.append(table.astype(np.float32))
    return records, features, logits


def seconds(call: Callable[[], Any]) -> tuple[float, Any]:
    """Return the processor time that a call takes, and what it returns."""
    gc.collect()  # nobody pays for what was left by another
    start = time.process_time()
    result = call()
    return time.process_time() - start, result


def main() -> None:
    """Decode in turn, compare, print, and write the results file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer questions, print only")
    arguments = parser.parse_args()
    records, features, logits = make_case(QUESTIONS // 10 if arguments.quick else QUESTIONS)
    contexts = {str(number): record["context"] for number, record in enumerate(records)}
    lists = [
        {"id": str(number), "offsets": [None] * row.first + row.offsets.tolist() + [None]}
        for number, row in zip(features.record, features.extras, strict=True)
    ]
    sides = [[np.ascontiguousarray(table[:, side]) for table in logits] for side in (0, 1)]
    tokenizer = bertlab.load_tokenizer("bertlab-mini")
    cases = []
    for name, threshold in (("every question has an answer", None), ("some have none", 0.0)):
        decode = partial(
            QuestionAnswering(tokenizer, null_threshold=threshold).decode, records, features, logits
        )
        refer = partial(answer, contexts, lists, *sides, null=threshold is not None)
        ours, theirs = [], []
        for _ in tqdm(range(3 if arguments.quick else 5), desc=name):
            taken, (answers, best, _) = seconds(refer)
            theirs.append(taken)
            taken, predictions = seconds(decode)
            ours.append(taken)
        assert [prediction["answer"] for prediction in predictions] == list(answers.values())
        for prediction, listed in zip(predictions, best.values(), strict=True):
            assert [one["text"] for one in prediction["n_best"]] == [one["text"] for one in listed]
        ratios = [slow / fast for slow, fast in zip(theirs, ours, strict=True)]
        cases.append(
            {
                "answers": name,
                "seconds": round(statistics.median(ours), 3),
                "reference_seconds": round(statistics.median(theirs), 3),
                "ratio": round(statistics.median(ratios), 2),
                "ratios": [round(ratio, 2) for ratio in sorted(ratios)],
            }
        )
        print(cases[-1])
    if not arguments.quick:
        report = {
            "command": "python benchmarks/qa_decoding.py",
            "what": "from logits to 20 best answers a question: time of transformers' example, "
            "written out in plain Python, over bertlab's; the answers are equal",
            "versions": {
                "bertlab": bertlab.__version__,
                "numpy": np.__version__,
                "python": platform.python_version(),
            },
            "questions": len(records),
            "windows": len(logits),
            "places": PIECES,
            "cases": cases,
        }
        RESULTS.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
        print("written: results/qa_decoding.json")


if __name__ == "__main__":
    main()
