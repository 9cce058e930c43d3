"""DataError says what was found, where, and what was expected."""

import pickle
from pathlib import Path

import pytest

import bertlab


@pytest.mark.parametrize(
    ("place", "start"),
    [
        ({}, ""),
        ({"path": "a.csv"}, "a.csv: "),
        ({"path": Path("a.csv"), "line": 3}, "a.csv, line 3: "),
        ({"line": 3}, "line 3: "),
    ],
)
def test_the_message_and_the_attributes(place: dict, start: str) -> None:
    error = bertlab.DataError(found="a cat", expected="a dog", **place)
    assert isinstance(error, ValueError)
    assert str(error) == f"{start}found a cat; expected a dog"
    assert (error.found, error.expected) == ("a cat", "a dog")
    assert error.path == (str(place["path"]) if "path" in place else None)
    assert error.line == place.get("line")


def test_it_comes_whole_out_of_another_process() -> None:
    error = bertlab.DataError(found="x", expected="y", path="f", line=1)
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is bertlab.DataError
    assert vars(copy) == vars(error)
    assert str(copy) == str(error)
