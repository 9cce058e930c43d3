"""Known mistakes to plant into the assignments' right answers, for the fake class.

Each replaces a few characters of the master's answer by what a student might write, and is
diagnosed under the id that stands beside it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Wrong:
    """A mistake: in the answer to ``question``, ``right`` becomes ``wrong``."""

    question: str
    right: str
    wrong: str
    mistake: str  # the id that the check gives it; "" where a plain assert finds it

    def planted_in(self, answer: str) -> str:
        """Return the answer with the mistake in it.

        Raises:
            ValueError: when the answer has no such place, or several.
        """
        if answer.count(self.right) != 1:
            raise ValueError(
                f"{self.right!r} occurs {answer.count(self.right)} times in the answer to "
                f"{self.question}, expected once: the master has changed, so wrong_answers.py must"
            )
        return answer.replace(self.right, self.wrong)


WRONG: dict[str, tuple[Wrong, ...]] = {
    "attention": (
        Wrong("attention", " / math.sqrt(query.size(-1))", "", "not-scaled"),
        Wrong("make_mask", ".tril()", ".triu()", "future-instead-of-past"),
        Wrong(
            "masked_softmax", "weights.masked_fill(~mask, 0.0)", "weights", "even-where-all-masked"
        ),
        Wrong("divisor", "math.sqrt(variance)", "variance", ""),
        Wrong(
            "merge_heads",
            "transpose(1, 2).flatten(2)",
            "reshape(heads.size(0), heads.size(2), -1)",
            "reshape-without-transpose",
        ),
        Wrong("attention", "math.sqrt(query.size(-1))", "query.size(-1)", "divided-by-d"),
        Wrong(
            "added_lengths",
            "lengths[:, :, None, :]",
            "lengths[:, :, :, None]",
            "length-of-the-query",
        ),
        Wrong("strongest_head", ".mean(dim=-1)", ".amax(dim=-1)", ""),
        Wrong(
            "multi_head_attention",
            ".transpose(1, 2).reshape(",
            ".reshape(",
            "merged-without-transpose",
        ),
        Wrong("masked_softmax", "dim=-1", "dim=-2", "softmax-over-queries"),
        Wrong("make_mask", "allowed & torch", "allowed | torch", "or-instead-of-and"),
    ),
}
