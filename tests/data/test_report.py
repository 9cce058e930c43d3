"""A reader's line: counts, with the places where to look."""

from bertlab.data.report import Notes, counted


def test_the_line_has_counts_and_places() -> None:
    notes = Notes("train.jsonl")
    for line in (12, 40, 40, 91):
        notes.add("offset{s} repaired", line)
    notes.add("excluded", 17)
    notes.add("never", 3, count=0)
    assert notes.line(4373, "question{s}") == (
        "train.jsonl: 4,373 questions, 4 offsets repaired (lines 12, 40, 91), 1 excluded (line 17)"
    )


def test_many_places_are_cut_and_counted() -> None:
    notes = Notes("a.json")
    for number in range(1207):
        notes.add("excluded", f"q{number}")
    notes.add("unplaced", count=2)
    notes.say("IOB1 converted")
    assert notes.line(1, "question{s}") == (
        "a.json: 1 question, IOB1 converted, 1,207 excluded (ids q0, q1, q2 and 1,204 more), "
        "2 unplaced"
    )


def test_singular_and_plural() -> None:
    assert [counted(n, "line{s}") for n in (0, 1, 2)] == ["0 lines", "1 line", "2 lines"]
