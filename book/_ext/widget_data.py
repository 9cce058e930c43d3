"""Compute the numbers behind the site's interactive figures.

    python book/_ext/widget_data.py                 write all files (fine-tunes a model: a minute)
    python book/_ext/widget_data.py attention       only that of chapter 4 (a second)

They are what the chapters' own models say: the weights of ``bertlab-mini`` on sentences of chapter
4, and the logits of the model that chapter 10 fine-tunes, whose cells are run for it. Sentences and
settings that a chapter defines are read from its cells. Weights and logits are written in
thousandths.
"""

from __future__ import annotations

import argparse
import ast
import json
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import torch

import bertlab
from bertlab.tasks import QuestionAnswering

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "book" / "_static" / "widgets"
LOOKING_INSIDE = ROOT / "book" / "04_looking_inside.ipynb"
QUESTION_ANSWERING = ROOT / "book" / "10_question_answering.ipynb"
DECODED_BY_HAND = "ch10-016"  # the cell where chapter 10 has its model, and one question's answer

BANKS = (3, 7)  # of chapter 4's eight sentences with "bank": by a stream, and with money
# Of the test set: one that the model gets right, one whose answer a border can cut, and the one
# that chapter 10 decodes by hand.
QUESTIONS = (
    "By how much is high tide delayed from one day to the next?",
    "Who was given the Nobel Prize in place of Mendeleev?",
    "Which people preserved their dead long before the Egyptians?",
)
SETTINGS = [
    (length, stride)
    for length in (64, 96, 128)
    for stride in (0, 8, 24, 32)
    if (length, stride) != (64, 32)  # beside the longest question it would leave a window no room
]


def cells(notebook: Path) -> dict[str, str]:
    """Return the source of each code cell by its id, without those that only Colab runs."""
    found = {}
    for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] == "code" and "remove-cell" not in cell["metadata"].get("tags", []):
            found[cell["id"]] = "".join(cell["source"])
    return found


def constant(notebook: Path, name: str) -> Any:
    """Return what a notebook assigns to a name: a literal.

    Raises:
        KeyError: when it assigns nothing to it.
    """
    for source in cells(notebook).values():
        for node in ast.parse(source).body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
                return ast.literal_eval(node.value)
    raise KeyError(f"{notebook.name} assigns nothing to {name}")


def attention() -> dict[str, Any]:
    """Return tokens and attention weights of some sentences of chapter 4.

    Weights are ``[layer][head][query][key]``.
    """
    tokenizer = bertlab.load_tokenizer("bertlab-mini")
    encoder = bertlab.BertForPreTraining.from_pretrained("bertlab-mini").bert.eval().double()
    pair = [constant(LOOKING_INSIDE, name) for name in ("FIRST", "SECOND")]
    banks = constant(LOOKING_INSIDE, "SENSES")["bank"]
    sentences = []
    for texts in (pair, *([banks[number]] for number in BANKS)):
        encoded = tokenizer(*texts, return_tensors="pt")
        with torch.no_grad():
            weights = torch.stack(encoder(**encoded, output_attentions=True).attentions)[:, 0]
        sentences.append(
            {
                "text": " ".join(texts),
                "tokens": tokenizer.convert_ids_to_tokens(encoded["input_ids"][0]),
                "weights": (1000 * weights).round().int().tolist(),
            }
        )
    return {"sentences": sentences}


def spans(chapter: dict[str, Any]) -> dict[str, Any]:
    """Return windows, logits and answers of some questions, for several kinds of windows.

    Args:
        chapter: the names that chapter 10 has defined when it has decoded its first answer.
    """
    tokenizer, longest = chapter["tokenizer"], chapter["longest"]
    model = chapter["model"].cpu().eval()
    records = {record["question"]: record for record in chapter["sets"]["test"]}
    questions = []
    for question in QUESTIONS:
        record = records[question]
        pieces = tokenizer(question, add_special_tokens=False)["input_ids"]
        context = tokenizer(
            record["context"], add_special_tokens=False, return_offsets_mapping=True
        )
        questions.append(
            {
                "question": question,
                "context": record["context"],
                "accepted": record["answers"]["text"],
                "answer_start": record["answers"]["answer_start"][0],
                "question_pieces": tokenizer.convert_ids_to_tokens(pieces),
                "pieces": tokenizer.convert_ids_to_tokens(context["input_ids"]),
                "offsets": context["offset_mapping"],
                "settings": [
                    decoded(model, record, task(tokenizer, length, stride, longest))
                    for length, stride in SETTINGS
                ],
            }
        )
    return {"longest": longest, "questions": questions}


def task(tokenizer: Any, length: int, stride: int, longest: int) -> QuestionAnswering:
    """Return the task that reads windows of this length, of which neighbours share ``stride``."""
    return QuestionAnswering(tokenizer, max_length=length, stride=stride, max_answer_length=longest)


def decoded(model: Any, record: dict[str, Any], task: QuestionAnswering) -> dict[str, Any]:
    """Return the windows' logits for one question, and the answer that bertlab decodes.

    Raises:
        ValueError: when rounding to thousandths would change the answer.
    """
    features = task.features([record], labelled=False)
    windows, first, tables = [], 0, []
    for row, window in zip(features.rows, features.extras, strict=True):
        ids, types = (
            torch.tensor(row[name])[None].long() for name in ("input_ids", "token_type_ids")
        )
        with torch.no_grad():
            output = model(ids, token_type_ids=types)
        table = torch.stack((output.start_logits[0], output.end_logits[0]))  # (2, T)
        rounded = (1000 * table).round()
        starts, ends = rounded.int().tolist()
        windows.append({"first": first, "starts": starts, "ends": ends})
        tables.append((rounded / 1000).T.numpy())
        first += len(window.offsets) - task.stride
    (answer,) = task.decode([record], features, tables)
    (exact,) = task.predict(model, [record])
    place = {"start": answer["start"], "end": answer["end"]}
    if place != {"start": exact["start"], "end": exact["end"]}:
        raise ValueError(f"{record['question']!r}: two answers closer than the rounding")
    return {"length": task.max_length, "stride": task.stride, "answer": place, "windows": windows}


def run_chapter(notebook: Path, last: str) -> dict[str, Any]:
    """Run a chapter's cells, up to one of them, in silence, and return the names they define.

    Raises:
        ValueError: when there is no such cell.
    """
    import matplotlib

    matplotlib.use("Agg")
    names: dict[str, Any] = {"__name__": "chapter"}
    for identifier, source in cells(notebook).items():
        with redirect_stdout(None):
            exec(compile(source, identifier, "exec"), names)
        if identifier == last:
            return names
    raise ValueError(f"{notebook.name} has no cell {last}")


def to_text(data: dict[str, Any]) -> str:
    """Return JSON without spaces, a line for each sentence or question."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    for key in ("text", "question"):
        text = text.replace(f'{{"{key}":', f'\n{{"{key}":')
    return text + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description="Compute the numbers of the interactive figures.")
    parser.add_argument("figures", nargs="*", default=["attention", "spans"])
    for name in parser.parse_args().figures:
        data = (
            attention()
            if name == "attention"
            else spans(run_chapter(QUESTION_ANSWERING, DECODED_BY_HAND))
        )
        path = FOLDER / f"{name}.json"
        path.write_text(to_text(data), encoding="utf-8", newline="\n")
        print(f"{path.relative_to(ROOT)}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
