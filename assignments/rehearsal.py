"""Rehearse an assignment with a class that doesn't exist: from downloads to marks, in minutes.

    python assignments/rehearsal.py --assignment attention --students 30 --folder rehearsal

Makes what thirty students might hand in, good, bad and broken, laid out as Moodle, Canvas and
Google Classroom give it. Then it types the commands that an instructor types, shows what they
say, and compares the marks with what was planted. Exit code 1 if any of them is wrong.
"""

from __future__ import annotations

import argparse
import csv
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

from fake_class import Student, students
from fake_downloads import write_downloads

from bertlab.grading import course

HERE = Path(__file__).resolve().parent
Row = dict[str, str]


def parser() -> argparse.ArgumentParser:
    """Return what reads the command line."""
    made = argparse.ArgumentParser(description="Rehearse an assignment with a made-up class.")
    made.add_argument("--assignment", default="attention", metavar="NAME")
    made.add_argument("--students", type=int, default=30, metavar="N")
    made.add_argument("--folder", type=Path, metavar="DIR", help="a new one; by default temporary")
    made.add_argument("--jobs", type=int, default=2, metavar="N", help="graded at the same time")
    made.add_argument("--cell-limit", type=float, default=60.0, metavar="SECONDS")
    made.add_argument("--assignments", type=Path, default=HERE, metavar="DIR")
    return made


def main(arguments: list[str] | None = None) -> int:
    """Rehearse; return the exit code."""
    options = parser().parse_args(arguments)
    folder: Path = options.folder or Path(tempfile.mkdtemp(prefix="rehearsal-")) / "class"
    if folder.exists() and any(folder.iterdir()):
        print(f"{folder} isn't empty: give a new folder", file=sys.stderr)
        return 2
    folder.mkdir(parents=True, exist_ok=True)
    assignment = course.Assignment.find(options.assignments, options.assignment)
    group = students(assignment, options.students)
    write_downloads(group, assignment.name, folder / "downloads")
    print(f"A class of {len(group)} that doesn't exist has handed in: {folder / 'downloads'}")

    where = ["--assignments", str(options.assignments.resolve())]
    say("1. Sort the downloads into a folder for each student")
    bertlab(folder, "collect", "downloads", "--output", "submissions", *where)

    say("2. Grade")
    graded = ["grade", assignment.name, "--submissions", "submissions", "--output", "grades.csv"]
    graded += ["--jobs", str(options.jobs), "--cell-limit", f"{options.cell_limit:g}", *where]
    bertlab(folder, *graded)

    say("3. Look at the class")
    bertlab(folder, "report", "grades.csv", "--submissions", "submissions", *where)

    say("4. Add the points that people give, and write feedback")
    count = write_manual_points(assignment, folder)
    print(f"(manual.csv: points for {count} students, as an instructor would type them)")
    bertlab(folder, *graded, "--manual", "manual.csv", "--feedback", "feedback")

    say("5. Compare with what was planted")
    wrong = compare(group, assignment, read_rows(folder / "grades.csv"))
    print(f"\nEverything is in {folder}")
    return 1 if wrong else 0


def say(title: str) -> None:
    print(f"\n== {title} ==", flush=True)


def bertlab(folder: Path, *arguments: str) -> None:
    """Run a command of ``bertlab assign`` in a folder, and show it and what it says.

    Raises:
        SystemExit: when the command fails.
    """
    print(f"$ bertlab assign {shlex.join(arguments)}", flush=True)
    command = [sys.executable, "-m", "bertlab.cli", "assign", *arguments]
    if code := subprocess.run(command, cwd=folder, check=False).returncode:
        sys.exit(code)


def read_rows(path: Path) -> list[Row]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def write_manual_points(assignment: course.Assignment, folder: Path) -> int:
    """Give everyone who was graded some points for what people grade; return how many got them."""
    manual = [question for question in assignment.questions() if question.manual]
    names = [row["student"] for row in read_rows(folder / "grades.csv") if row["total"]]
    with (folder / "manual.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["student", *(f"q:{question.name}" for question in manual)])
        for i, name in enumerate(names):
            writer.writerow([name, *(i % (int(question.points) + 1) for question in manual)])
    return len(names)


def compare(group: list[Student], assignment: course.Assignment, rows: list[Row]) -> int:
    """Print a line for each student, what was planted beside what was found; count what differs."""
    found = {key: row for row in rows for key in keys(row["student"])}
    wrong = 0
    print(f"{'student':22} {'handed in':15} {'status':20} {'total':>11}  mistakes named")
    for student in group:
        row = next((found[key] for key in keys(student.name) if key in found), None)
        problems = differences(student, assignment, row)
        wrong += bool(problems)
        shown = row or {"status": "-", "total": "", "max": "", "mistakes": "not collected"}
        points = f"{shown['total']:>4} of {shown['max']:>3}" if shown["total"] else "not graded"
        what = student.planted.kind
        line = f"{student.name:22} {what:15} {shown['status']:20} {points:>11}  {shown['mistakes']}"
        print(line.rstrip())
        for problem in problems:
            print(f"    NOT AS PLANTED: {problem}")
    print(f"\n{len(group) - wrong} of {len(group)} are as planted.")
    return wrong


def differences(student: Student, assignment: course.Assignment, row: Row | None) -> list[str]:
    """Say in which ways a row of grades isn't what the student's work deserves."""
    planted = student.planted
    if not planted.placed or row is None:
        return [] if planted.placed == (row is not None) else ["collected, or not"]
    if row["status"] not in planted.statuses:
        return [f"status {row['status']}, expected {' or '.join(planted.statuses)}"]
    if row["status"] not in ("ok", "cell_timeout"):
        return [f"a total of {row['total']}, expected none"] if row["total"] else []
    problems = []
    named = row["mistakes"].split(";")
    for question in assignment.questions():
        if question.manual:
            continue
        points = float(row[f"q:{question.name}"])
        right = 0.0 if question.name in planted.mistakes else question.points
        if points != right:
            problems.append(f"{question.name}: {points:g} points, expected {right:g}")
        mistake = planted.mistakes.get(question.name)
        if mistake and f"{question.name}:{mistake}" not in named:
            problems.append(f"{question.name}: the mistake {mistake} isn't named")
    return problems


def keys(name: str) -> set[str]:
    """Return what a name is recognised by: its letters, also with the last name first."""
    words = ["".join(filter(str.isalpha, word)).lower() for word in name.split()]
    return {"".join(words), "".join([*words[1:], *words[:1]])}


if __name__ == "__main__":
    sys.exit(main())
