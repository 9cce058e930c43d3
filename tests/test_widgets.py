"""The interactive figures show what bertlab computes, stand where their cells are, and say so."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import widget_captions
import widget_data
import widgets
from conftest import ROOT, load_notebook
from numpy.testing import assert_allclose

import bertlab
from bertlab import data, metrics
from bertlab.tasks import QuestionAnswering

ATTENTION = widgets.data_of(widgets.WIDGETS["book/04_looking_inside"])
SPANS = widgets.data_of(widgets.WIDGETS["book/10_question_answering"])
RECORDS = {
    record["question"]: record
    for record in data.load("questions", report=lambda line: None)["test"]
}
EVERY_SETTING = [
    pytest.param(question, setting, id=f"{question['accepted'][0]}, {setting['length']}-"
                 f"{setting['stride']}")
    for question in SPANS["questions"]
    for setting in question["settings"]
]  # fmt: skip


def printed(notebook: Any, identifier: str) -> str:
    """Return what a chapter's cell has printed."""
    (cell,) = (c for c in load_notebook(notebook)["cells"] if c["id"] == identifier)
    return "".join("".join(o["text"]) for o in cell["outputs"] if o["output_type"] == "stream")


def test_the_committed_weights_are_those_of_the_bundled_model() -> None:
    for found, expected in zip(
        ATTENTION["sentences"], widget_data.attention()["sentences"], strict=True
    ):
        assert (found["text"], found["tokens"]) == (expected["text"], expected["tokens"])
        assert_allclose(found["weights"], expected["weights"], atol=1)  # in thousandths


def test_rows_of_weights_sum_to_one_but_for_rounding() -> None:
    for sentence in ATTENTION["sentences"]:
        weights = np.array(sentence["weights"])
        size = len(sentence["tokens"])
        assert weights.shape[2:] == (size, size)
        assert_allclose(weights.sum(axis=-1), 1000, atol=size / 2)


def test_the_pair_of_sentences_is_that_of_the_chapters_own_maps() -> None:
    shown = printed(widget_data.LOOKING_INSIDE, "ch04-004").splitlines()[0]
    assert " ".join(ATTENTION["sentences"][0]["tokens"]) == shown


@pytest.mark.parametrize(("question", "setting"), EVERY_SETTING)
def test_windows_and_answers_are_those_of_bertlab(
    question: dict[str, Any], setting: dict[str, Any]
) -> None:
    """From the logits of the file, bertlab decodes the answer of the file."""
    task = QuestionAnswering(
        bertlab.load_tokenizer("bertlab-mini"),
        max_length=setting["length"],
        stride=setting["stride"],
        max_answer_length=SPANS["longest"],
    )
    record = RECORDS[question["question"]]
    assert question["context"] == record["context"]
    assert question["accepted"] == record["answers"]["text"]
    features = task.features([record], labelled=True)
    tables = []
    for row, extra, window in zip(features.rows, features.extras, setting["windows"], strict=True):
        pieces = question["pieces"][window["first"] :][: len(extra.offsets)]
        words = ["[CLS]", *question["question_pieces"], "[SEP]", *pieces, "[SEP]"]
        assert words == task.tokenizer.convert_ids_to_tokens(row["input_ids"].tolist())
        assert question["offsets"][window["first"]] == extra.offsets[0].tolist()
        assert len(window["starts"]) == len(window["ends"]) == len(words)
        tables.append(np.array([window["starts"], window["ends"]], dtype=np.float32).T / 1000)
    (answer,) = task.decode([record], features, tables)
    assert setting["answer"] == {"start": answer["start"], "end": answer["end"]}

    labelled = [n for n, row in enumerate(features.rows) if row["start_positions"]]
    assert widget_captions.holders(question, setting) == labelled


def test_logits_are_those_of_the_chapters_model() -> None:
    """Chapter 10 prints the best span of each window for one question."""
    shown = printed(widget_data.QUESTION_ANSWERING, widget_data.DECODED_BY_HAND)
    question = SPANS["questions"][-1]
    assert question["question"] in shown
    (setting,) = (s for s in question["settings"] if (s["length"], s["stride"]) == (128, 32))
    first = len(question["question_pieces"]) + 2
    lines = [line for line in shown.splitlines() if line.startswith("best of this window")]
    for line, window in zip(lines, setting["windows"], strict=True):
        stop, longest = len(window["starts"]) - 1, SPANS["longest"]
        pairs = ((i, j) for i in range(first, stop) for j in range(i, min(i + longest, stop)))
        score, i, j = max((window["starts"][i] + window["ends"][j], i, j) for i, j in pairs)
        assert f"places {i} to {j}, score {score / 1000:.2f}, " in line


@pytest.mark.slow
def test_training_as_the_chapter_does_gives_the_committed_logits() -> None:
    chapter = widget_data.run_chapter(widget_data.QUESTION_ANSWERING, widget_data.DECODED_BY_HAND)
    assert widget_data.spans(chapter) == SPANS


def test_the_caption_of_the_windows_counts_as_the_metrics_do() -> None:
    _, finding = widget_captions.spans_caption(SPANS)
    counts = []
    for question in SPANS["questions"]:
        matches = 0.0
        for setting in question["settings"]:
            said = question["context"][setting["answer"]["start"] : setting["answer"]["end"]]
            matches += metrics.squad_scores({"0": said}, {"0": question["accepted"]})["exact_match"]
        counts.append(round(matches / 100))
    assert "rightly in {} of them, the second in {}, the third in {}:".format(*counts) in finding
    assert counts[0] > counts[1] > counts[2] == 0, "the caption says which ones can be answered"


def test_the_caption_of_the_weights_names_heads_that_do_so() -> None:
    _, finding = widget_captions.attention_caption(ATTENTION)
    weights = ATTENTION["sentences"][0]["weights"]
    size = len(ATTENTION["sentences"][0]["tokens"])
    for offset, words in ((-1, "the token before"), (1, "the token after")):
        shares = {
            f"{layer}.{head}": sum(
                row[q + offset] for q, row in enumerate(rows) if 0 <= q + offset < size
            ) / (10 * size)
            for layer, heads in enumerate(weights)
            for head, rows in enumerate(heads)
        }  # fmt: skip
        head = max(shares, key=lambda name: shares[name])
        assert f"head {head} " in finding
        assert f"{shares[head]:.0f} % " in finding
        assert shares[head] > 50, f"{words}: no head does that any more; write another caption"


@pytest.mark.parametrize("page", widgets.WIDGETS)
def test_a_widget_has_a_cell_that_draws(page: str) -> None:
    widget = widgets.WIDGETS[page]
    notebook = ROOT / f"{page}.ipynb"
    cell = load_notebook(notebook)["cells"][widgets.cell_index(notebook, widget.cell)]
    assert cell["id"] == widget.cell
    assert any("image/png" in output.get("data", {}) for output in cell["outputs"])


def test_a_cell_that_is_gone_is_named() -> None:
    with pytest.raises(ValueError, match="has no cell ch04-999"):
        widgets.cell_index(widget_data.LOOKING_INSIDE, "ch04-999")


@pytest.mark.parametrize("widget", widgets.WIDGETS.values(), ids=lambda widget: widget.name)
def test_a_widgets_files_are_small_and_ask_nobody(widget: widgets.Widget) -> None:
    for ending in ("json", "js", "css"):
        file = widgets.FOLDER / f"{widget.name}.{ending}"
        assert file.stat().st_size < 150_000
        text = file.read_text(encoding="utf-8")
        assert not any(word in text for word in ("http", "fetch(", "import(", "url("))


def test_numbers_in_a_page_cannot_end_its_script() -> None:
    for widget in widgets.WIDGETS.values():
        page = widgets.as_html(widget)
        inside = page.split('<script type="application/json">')[1].split("</script>")[0]
        assert "<" not in inside
        assert json.loads(inside) == widgets.data_of(widget)


def test_offsets_count_as_javascript_does() -> None:
    """Python counts code points, JavaScript units of 16 bits."""
    for question in SPANS["questions"]:
        assert all(ord(character) < 0x10000 for character in question["context"])


def test_constants_come_from_the_chapter() -> None:
    assert widget_data.constant(widget_data.LOOKING_INSIDE, "SECOND").startswith("It stayed")
    with pytest.raises(KeyError, match="assigns nothing to NONSENSE"):
        widget_data.constant(widget_data.LOOKING_INSIDE, "NONSENSE")


def test_rounding_that_changes_an_answer_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model whose two best spans differ by less than the rounding must not be written."""
    record = RECORDS[widget_data.QUESTIONS[0]]
    tokenizer = bertlab.load_tokenizer("bertlab-mini")
    task = widget_data.task(tokenizer, 128, 32, 13)

    class Close(torch.nn.Module):
        """The first two places of the context are alike, but for a hair."""

        def __init__(self, better: int) -> None:
            super().__init__()
            self.better = better
            self.none = torch.nn.Parameter(torch.zeros(1))  # tells the device

        def forward(self, input_ids: Any, token_type_ids: Any, **_: Any) -> Any:
            logits = torch.full(input_ids.shape, -9.0)
            for row, types in zip(logits, token_type_ids, strict=True):
                first = int(types.argmax())
                row[first : first + 2] = 1.0
                row[first + self.better] += 1e-4
            return SimpleNamespace(start_logits=logits, end_logits=logits)

    with pytest.raises(ValueError, match="closer than the rounding"):
        # After rounding, the same one is taken in both cases.
        [widget_data.decoded(Close(better), record, task) for better in (0, 1)]
