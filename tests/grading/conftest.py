"""The toy assignment, built once for all tests of grading. Tests must not change it."""

from pathlib import Path

import pytest
from toy import make_toy


@pytest.fixture(scope="session")
def toy_assignments(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three questions, one of them on attention, which needs torch."""
    return make_toy(tmp_path_factory.mktemp("toy"))


@pytest.fixture(scope="session")
def light_assignments(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same without torch: two questions."""
    return make_toy(tmp_path_factory.mktemp("light"), torch=False)
