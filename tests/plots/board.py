"""What the tests of figures share; imported, not a conftest, which other tests import by name."""

from __future__ import annotations

from collections.abc import Iterator

import matplotlib as mpl
import matplotlib.pyplot as plt
import pytest


@pytest.fixture(autouse=True)
def drawing_board() -> Iterator[None]:
    """Draw without a screen in matplotlib's own style, whatever ran before; then put it back."""
    with mpl.rc_context():
        mpl.rcdefaults()
        plt.switch_backend("Agg")
        yield
    plt.close("all")
