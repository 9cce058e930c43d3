"""The command line's part for teachers: helps, wrong words, the missing extra."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import toy

from bertlab import cli
from bertlab.grading.config import CollectConfig, GradeConfig, ReportConfig

COMMANDS = ("build", "check", "collect", "grade", "report")
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run ``bertlab assign WORDS`` in this process: exit code, stdout, stderr."""

    def run(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["bertlab", "assign", *map(str, words)])
        code = 0
        try:
            cli.main()
        except SystemExit as stop:
            code = int(stop.code or 0)
        return (code, *capsys.readouterr())

    return run


def test_the_helps_say_what_each_is_for_and_show_an_example(run: Run) -> None:
    code, said, _ = run("--help")
    assert code == 0
    assert all(f"• {command} " in said for command in COMMANDS)
    for command in COMMANDS:
        code, said, _ = run(command, "--help")
        assert code == 0
        assert f"Example: bertlab assign {command} " in " ".join(said.split())
        assert "--assignments DIR" in said
    assert "[NAME]" in run("build", "--help")[1]


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_needs_neither_nbgrader_nor_torch(command: str) -> None:
    code = (
        f"import sys; sys.argv = ['bertlab', 'assign', '{command}', '--help']\n"
        "from bertlab.cli import main\n"
        "try: main()\nexcept SystemExit as stop: assert stop.code == 0\n"
        "assert not {'torch', 'nbgrader', 'nbformat'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_without_the_extra_one_line_says_how_to_install_it(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bertlab.grading.commands.find_spec", lambda name: None)
    code, _, said = run("build")
    assert code == 2
    assert said.count("\n") == 1
    assert 'pip install "nbgrader>=0.9.5"' in said


def test_build_and_collect_from_the_command_line(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    master = Path("assignments", "source", "toy", "toy.ipynb")
    toy.write(master, toy.master(torch=False))
    release = Path("assignments", "release", "toy", "toy.ipynb")
    assert run("build", "toy") == (0, f"{release}: written\n", "")
    assert run("build") == (0, f"{release}: unchanged\n", "")
    toy.hand_in(Path("downloads"), "Ann Lee", toy.submission(Path("assignments")))
    assert run("collect", "downloads", "--output", "submissions") == (0, "Placed: 1\n", "")
    assert Path("submissions", "Ann Lee", "toy.ipynb").is_file()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["build", "toy", "--assignments", "none"], "none holds no assignments"),
        (["check", "tuy"], "no assignment 'tuy'"),
        (["collect", "none", "--output", "x"], "no folder or zip file none"),
        (["bild"], "build, check, collect, grade, report"),
        (["collect", "--output", "x"], "DIR"),
    ],
)
def test_wrong_words_exit_with_2_and_no_traceback(
    words: list[str], expected: str, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    toy.write(Path("assignments", "source", "toy", "toy.ipynb"), toy.master(torch=False))
    code, _, said = run(*words)
    assert code == 2
    assert expected in said
    assert "Traceback" not in said


def test_a_leak_exits_with_2_and_the_line(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    master = toy.master(torch=False)
    master.cells[2].source += "\n\nHint: total = sum(numbers)"
    toy.write(Path("assignments", "source", "toy", "toy.ipynb"), master)
    code, _, said = run("build")
    assert code == 2
    assert "  cell 2, line 5: a line of the solution 'mean': `Hint: total = sum(numbers)`" in said


@pytest.mark.parametrize("setting", ["jobs", "limit", "cell_limit", "memory"])
@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf")])
def test_limits_are_above_0(setting: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{setting} is {value}: expected a number above 0"):
        GradeConfig(name="toy", submissions=Path("s"), output=Path("g"), **{setting: value})


def test_a_tilde_is_the_home_folder() -> None:
    home = Path.home()
    collecting = CollectConfig(downloads=Path("~/d"), output=Path("~/o"))
    assert (collecting.downloads, collecting.output) == (home / "d", home / "o")
    grading = GradeConfig(name="x", submissions=Path("~/s"), output=Path("~/g"), feedback=Path("~"))
    assert (grading.submissions, grading.feedback) == (home / "s", home)
    assert ReportConfig(grades=Path("~/g")).submissions is None
