"""The page of results says what the results files say, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import results_page
from conftest import ROOT

VERSIONS = {"bertlab": "9.9.9", "torch": "8.8.8"}


def row(**more: Any) -> dict[str, Any]:
    shared = {"set": "wnut17", "model": "MiniLM", "epochs": 5, "learning_rate": 0.0003}
    return {**shared, "batch_size": 16, **more}


def side(mean: float, deviation: float | None) -> dict[str, Any]:
    scores = [mean] if deviation is None else [mean - 1, mean, mean + 1]
    return {"scores": scores, "mean": mean, "deviation": deviation}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "results").mkdir()
    return tmp_path


def page_of(folder: Path, name: str, report: dict[str, Any]) -> str:
    report = {"command": "python measure.py", "what": "a thing.", "versions": VERSIONS, **report}
    (folder / "results" / f"{name}.json").write_text(json.dumps(report), encoding="utf-8")
    return results_page.page(folder)


def test_the_committed_page_is_what_make_results_writes() -> None:
    assert (ROOT / results_page.PAGE).read_text(encoding="utf-8") == results_page.page()


def test_every_results_file_has_a_section() -> None:
    assert {path.stem for path in (ROOT / "results").glob("*.json")} <= set(results_page.SECTIONS)


def test_without_results_there_is_no_section(folder: Path) -> None:
    assert results_page.page(folder) == results_page.HEAD + "\n"


def test_scores_stand_beside_trainers_with_deviation_and_verdict(folder: Path) -> None:
    summary = [
        row(bertlab=side(41.26, 0.84), trainer=side(40.0, 1.5), difference=1.26, same=True),
        row(set="squad", bertlab=side(60, 0.1), trainer=side(62, 0.1), difference=-2, same=False),
        row(set="banking77", bertlab=side(90, None), frozen=88.04, tfidf=85.51),
    ]
    sets = {"wnut17": {"train": 3394, "dev": 1009, "test": 1287}}
    common = {"weight decay": 0.125, "warm-up": 0.5}
    report = {"summary": summary, "sets": sets, "hyperparameters": common}
    page = page_of(folder, "finetuning", report)
    assert "A thing. MiniLM is" in page
    assert "Measured by `python measure.py`; bertlab 9.9.9, torch 8.8.8." in page
    assert "| WNUT-17, MiniLM | 41.3 ± 0.8 | 40.0 ± 1.5 | +1.26, the same |  |  |" in page
    assert "| 60.0 ± 0.1 | 62.0 ± 0.1 | -2.00, **not the same** |" in page
    assert "| Banking77, MiniLM | 90.0 |  |  | 88.0 | 85.5 |" in page
    assert "| WNUT-17, MiniLM | 5 | 0.0003 | 16 | 3 |" in page
    assert "| Banking77, MiniLM | 5 | 0.0003 | 16 | 1 |" in page
    assert "weight decay 0.125, warm-up 0.5," in page
    assert "WNUT-17: Derczynski et al. 2017, CC BY 4.0 | F1" in page
    assert "| 3,394 | 1,009 | 1,287 |" in page


def test_a_requirement_that_was_not_reached_says_so(folder: Path) -> None:
    seconds = dict.fromkeys(results_page.PARTS, 1.5)
    contender = {"seconds": seconds, "steps": 213, "milliseconds_per_step": 70.2, "peak_mib": None}
    ratios = {
        "train": {"ratio": 0.25, "at_most": 0.2857, "met": True},
        "whole": {"ratio": 0.5, "at_most": 0.4, "met": False},
        "memory": {"ratio": None, "at_most": 1.0, "met": None},
    }
    machine = {"threads": 2, "processor": "x86_64"}
    report = {"contenders": {"bertlab": contender}, "ratios": ratios, "rounds": 3}
    page = page_of(folder, "finetuning_speed", {**report, "machine": machine})
    assert "| training | 0.250 | at most 0.286 | reached |" in page
    assert "| the whole command | 0.500 | at most 0.400 | **not reached** |" in page
    assert "peak memory" not in page
    assert "| bertlab |" + 8 * " 1.5 |" + " 213 | 70 |  |" in page
    assert "; 2 threads; x86_64." in page


def test_decoding_names_questions_and_ratio(folder: Path) -> None:
    case = {"answers": "all have one", "seconds": 2.5, "reference_seconds": 31.2, "ratio": 12.48}
    report = {"cases": [case], "questions": 10570, "windows": 11000}
    page = page_of(folder, "qa_decoding", report)
    assert "10,570 questions in 11,000 windows." in page
    assert "| all have one | 2.50 | 31.20 | 12.5 |" in page
