"""A small English-like text, the same each time, for the tests of whole runs beside this file."""

from __future__ import annotations

import random
from pathlib import Path

_WORDS = (
    *("river", "stone", "cloud", "winter", "harbour", "letter", "garden", "bridge", "candle"),
    *("sings", "falls", "turns", "waits", "burns", "grows", "slowly", "brightly", "under", "over"),
    *("the", "a", "of", "and", "old", "green"),
)


def write_text(path: Path, documents: int = 40, seed: int = 0) -> Path:
    """Write documents of 3 to 9 sentences, no two of them alike."""
    draw = random.Random(seed)

    def sentence(number: int) -> str:
        words = draw.choices(_WORDS, k=draw.randint(4, 10))
        return f"{' '.join(words).capitalize()} {number}."

    texts = [
        "\n".join(sentence(number) for _ in range(draw.randint(3, 9)))
        for number in range(documents)
    ]
    path.write_text("\n\n".join(texts) + "\n", encoding="utf-8")
    return path
