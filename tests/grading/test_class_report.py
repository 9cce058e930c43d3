"""The report on a class, made of rows and records."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("nbgrader")

import toy

from bertlab.grading.config import ReportConfig
from bertlab.grading.course import Question
from bertlab.grading.records import Record, beside, write_grades, write_records
from bertlab.grading.report import read_grades, report
from bertlab.grading.similarity import alike, tokens

QUESTIONS = [
    Question("weights", "test-weights", 4, False),
    Question("mean", "test-mean", 2, False),
    Question("explain", "manual-explain", 4, True),
]
LONG = """\
def weights(query, key):
    scores = query @ key.transpose(-2, -1)
    scaled = scores / query.size(-1) ** 0.5
    return scaled.softmax(dim=-1)
"""
RENAMED = (
    LONG.replace("scores", "s").replace("scaled", "t").replace("\n    return", "\n\n    return")
)
OTHER = """\
def weights(query, key):
    import math
    products = torch.einsum("bqd,bkd->bqk", query, key) / math.sqrt(query.shape[-1])
    exponentials = (products - products.amax(-1, keepdim=True)).exp()
    return exponentials / exponentials.sum(-1, keepdim=True)
"""


def record(student: str, **more: object) -> Record:
    points = {"weights": 4.0, "mean": 2.0, "explain": None}
    given = {"status": "ok", "detail": "", "points": points, "seconds": 2.5}
    most = {one.name: one.points for one in QUESTIONS}
    return Record(**{"student": student, "key": "k", "most": most, **given, **more})  # type: ignore[arg-type]


def said(folder: Path, records: list[Record], **by_hand: dict[str, float]) -> str:
    grades = folder / "grades.csv"
    write_grades(grades, records, QUESTIONS, by_hand)
    write_records(beside(grades), records)
    return report(ReportConfig(grades=grades))


def section(text: str, title: str) -> list[str]:
    lines = text.split("\n")
    start = next(i for i, line in enumerate(lines) if line.startswith(title))
    end = lines.index("", start)
    return lines[start + 2 : end]


def test_totals_are_spread_over_a_histogram(tmp_path: Path) -> None:
    blank = {"weights": 0.0, "mean": 0.0, "explain": 0.0}
    records = [record("ann"), record("bob", points=blank), record("cy", points=blank)]
    text = said(tmp_path, records, ann={"explain": 4})
    lines = section(text, "Grades")
    assert lines[0] == "3 students, 3 graded"
    assert lines[1] == "of 10 points: mean 3.3, median 0, lowest 0, highest 10"
    assert [line.count("#") for line in lines[2:]] == [2, *[0] * 8, 1]


def test_a_class_without_grades_has_a_report(tmp_path: Path) -> None:
    records = [record("ann", status="kernel_died", detail="Python ended", points={})]
    text = said(tmp_path, records)
    assert "1 students, 0 graded" in text
    assert section(text, "Not graded") == ["ann: kernel_died: Python ended"]
    assert section(text, "Hardest") == ["none"]


def test_the_hardest_question_comes_first(tmp_path: Path) -> None:
    half = {"weights": 0.0, "mean": 2.0, "explain": None}
    lines = section(said(tmp_path, [record("ann"), record("bob", points=half)]), "Hardest")
    assert lines == [
        " 50%  weights (1 of 2 without points)",
        "100%  mean (0 of 2 without points)",
    ]


def test_mistakes_are_counted_each_and_untried_ones_are_none(tmp_path: Path) -> None:
    both = {"weights": "✗ weights: scaled after softmax + wrong axis\n\n2 things at once"}
    one = {"weights": "✗ weights: wrong axis\n\nmore", "mean": "✗ mean: wrong axis"}
    untried = {"weights": "○ weights: not attempted yet", "mean": "no mistake that has a name"}
    records = [
        record("ann", failures=both),
        record("bob", failures=one),
        record("cy", failures=untried),
    ]
    assert section(said(tmp_path, records), "Mistakes") == [
        "   2  weights: wrong-axis",
        "   1  mean: wrong-axis",
        "   1  weights: scaled-after-softmax",
    ]


def test_long_lists_end_in_how_much_more_there_is(tmp_path: Path) -> None:
    records = [record(f"s{i}", failures={"mean": f"✗ mean: mistake {i}"}) for i in range(12)]
    assert section(said(tmp_path, records), "Mistakes")[-1] == (
        "      and 2 more in the column mistakes"
    )


def test_what_people_have_to_grade_is_counted(tmp_path: Path) -> None:
    text = said(tmp_path, [record("ann"), record("bob")], bob={"explain": 1})
    assert section(text, "Points by hand") == ["   1  explain"]


def test_near_identical_answers_are_paired(tmp_path: Path) -> None:
    records = [
        record("ann", answers={"weights": LONG}),
        record("bob", answers={"weights": RENAMED}),
        record("cy", answers={"weights": OTHER, "mean": "def mean(x): return 0"}),
        record("dan", answers={"mean": "def mean(x): return 0"}),
    ]
    assert section(said(tmp_path, records), "Near-identical") == ["ann and bob: weights"]


def test_many_pairs_are_not_all_listed() -> None:
    written = {f"s{i}": {f"q{i // 2}": LONG} for i in range(30)}
    assert len(alike(written)) == 15


def test_the_report_lists_ten_pairs(tmp_path: Path) -> None:
    records = [record(f"s{i:02}", answers={f"q{i // 2}": LONG}) for i in range(30)]
    assert section(said(tmp_path, records), "Near-identical")[-1] == "and 5 pairs more"


def test_an_answer_that_most_gave_says_nothing_of_copying() -> None:
    assert not alike({f"s{i}": {"weights": LONG} for i in range(9)})


def test_small_changes_don_t_hide_a_copy() -> None:
    changed = LONG.replace("return scaled.softmax(dim=-1)", "return scaled.softmax(-1)")
    assert alike({"ann": {"weights": LONG * 3}, "bob": {"weights": changed + LONG * 2}})


def test_names_comments_and_layout_don_t_count() -> None:
    assert tokens("a = b  # note\n") == tokens("x=y\n")
    assert tokens("a = a") != tokens("a = b")
    assert tokens("this isn't (Python") == ("this", "isn't", "(Python")


def test_suspicions_are_listed(tmp_path: Path) -> None:
    text = said(tmp_path, [record("ann", suspicious=["replaced abs", "more"]), record("bob")])
    assert section(text, "Suspicious") == ["ann: replaced abs; more"]


@pytest.mark.parametrize("columns", ["20", "60", "300"])
def test_lines_fit_narrow_terminals(
    tmp_path: Path, columns: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    detail = "it took longer than 300 s in all: look for slow cells, or raise --limit"
    records = [record(f"s{i}") for i in range(200)]
    text = said(tmp_path, [*records, record("zoe", status="timeout", detail=detail, points={})])
    assert max(map(len, text.split("\n"))) <= max(40, min(88, int(columns)))
    assert "\x1b" not in text


def test_without_the_file_beside_it_the_notebooks_are_read(
    tmp_path: Path, light_assignments: Path
) -> None:
    answer = {"mean": LONG}
    for student, answers in (("ann", answer), ("bob", answer), ("cy", {})):
        toy.hand_in(tmp_path / "in", student, toy.submission(light_assignments, answers))
    (tmp_path / "in" / "dan").mkdir()
    grades = tmp_path / "grades.csv"
    write_grades(grades, [record("ann"), record("bob"), record("cy")], QUESTIONS, {})
    assert "expected grades.answers.jsonl" in report(ReportConfig(grades=grades))
    text = report(
        ReportConfig(grades=grades, submissions=tmp_path / "in", assignments=light_assignments)
    )
    assert section(text, "Near-identical") == ["ann and bob: mean"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("a,b\n1,2\n", "no column student"),
        (
            "student,status,detail,total,max,needs_manual,seconds,mistakes\nann,ok,,x,1,,1,\n",
            "line 2: a number",
        ),
        ("student,status,detail,total,max,needs_manual,seconds,mistakes\nann,ok\n", "line 2"),
    ],
)
def test_another_file_is_refused_with_its_line(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "grades.csv"
    path.write_text(content)
    with pytest.raises(ValueError, match=said):
        read_grades(path)
