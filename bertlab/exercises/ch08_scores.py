"""Chapter 8's exercise on the macro F1. Dimensions: ``N`` texts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bertlab.exercises.spec import Case, Exercise, Failure, Mistake, Spec

if TYPE_CHECKING:
    from torch import Tensor


def _macro_f1(
    true: Tensor,
    predicted: Tensor,
    *,
    mean: str = "macro",
    classes: str = "either side",
    form: str = "harmonic",
    empty: str = "0",
    scale: float = 1.0,
) -> Tensor:
    """The mean of the classes' F1, right by default; each keyword makes one step wrong."""
    import torch

    both = torch.cat([true, predicted])
    listed = {
        "either side": both.unique(),
        "true ones": true.unique(),
        "predicted ones": predicted.unique(),
        "without class 0": both[both > 0].unique(),
        "up to the last": torch.arange(int(both.max()) + 1),
    }[classes]
    if mean == "accuracy":
        return scale * (true == predicted).double().mean()
    hits = torch.stack([((true == k) & (predicted == k)).sum() for k in listed]).double()
    found = torch.stack([(predicted == k).sum() for k in listed]).double()
    there = torch.stack([(true == k).sum() for k in listed]).double()

    def share(count: Tensor, whole: Tensor) -> Tensor:
        """A quotient that is 0 where nothing is divided by nothing, or NaN by mistake."""
        return (count / whole).where((whole > 0) | (torch.tensor(empty == "NaN")), 0.0)

    precision, recall = share(hits, found), share(hits, there)
    if mean == "of means":
        precision, recall = precision.mean()[None], recall.mean()[None]
    f1 = {
        "harmonic": share(2 * precision * recall, precision + recall),
        "arithmetic": (precision + recall) / 2,
        "precision": precision,
        "recall": recall,
        "2 forgotten": share(precision * recall, precision + recall),
        "jaccard": share(hits, found + there - hits) if mean != "of means" else precision,
    }[form]
    if empty == "left out":
        f1 = f1[hits > 0]
    if mean == "weighted":
        return scale * (f1 * there).sum() / there.sum()
    return scale * f1.mean()


def _cases(seed: int) -> list[Case]:
    import torch

    generator = torch.Generator().manual_seed(seed)

    def case(stage: int, label: str, counts: list[tuple[int, int, int]]) -> Case:
        """Counts are (true class, predicted class, how many), in random order."""
        pairs = torch.tensor([(t, p) for t, p, count in counts for _ in range(count)])  # (N, 2)
        pairs = pairs[torch.randperm(len(pairs), generator=generator)]
        true, predicted = pairs.T.clone()
        return Case(stage, label, {"true": true, "predicted": predicted})

    more = 1 + seed % 4
    return [
        case(1, "two classes, equally many", [(0, 0, 3 + more), (0, 1, 2), (1, 1, 4), (1, 0, 1)]),
        case(2, "a rare class", [(0, 0, 8 + more), (0, 1, 1), (1, 1, 1), (1, 0, 2)]),
        case(2, "three classes", [(0, 0, 4), (0, 2, 1 + more), (1, 1, 2), (1, 0, 3), (2, 2, 3)]),
        case(3, "a class that is never found", [(0, 0, 5 + more), (1, 0, 2), (2, 2, 2), (2, 0, 1)]),
        case(3, "a class that is only predicted", [(0, 0, 4 + more), (0, 1, 2), (2, 2, 3)]),
        case(4, "numbers with a gap", [(0, 0, 3), (0, 5, 1 + more), (5, 5, 2), (2, 2, 2)]),
    ]


def _too(failure: Failure) -> str:
    found, expected = failure.found[0].item(), failure.expected[0].item()
    return f"Your score is {found:.4f}, and should be {expected:.4f}"


def _mistake(name: str, explanation: str, **flags: object) -> Mistake:
    return Mistake(name, flags, explanation, _too)


_CLASSES = "Take each class that is among the true or among the predicted ones."

MACRO_F1 = Spec(
    Exercise("macro_f1", 8, "easy", 15),
    question=(
        "`true` and `predicted` are (N,), class numbers. Return the macro F1: the mean of the F1\n"
        "of all classes that occur on either side. The F1 of a class that is never right is 0.\n"
        "A number, or a tensor without dimensions. Do it without scikit-learn."
    ),
    formula="F1_k = 2 TP_k / (2 TP_k + FP_k + FN_k);  macro F1 = 1/C Σ_k F1_k",
    stub="def macro_f1(true, predicted):\n    raise NotImplementedError",
    hints=(
        "`torch.cat([true, predicted]).unique()` are the classes.",
        "2 TP + FP + FN is how often the class is predicted plus how often it is true. For a "
        "class that occurs, that is never 0.",
    ),
    verified=(
        "balanced and unbalanced classes, three of them, one that is never found, one that is "
        "only predicted, and numbers with a gap."
    ),
    outputs={"score": "number"},
    compute=_macro_f1,
    cases=_cases,
    equation="8.9",
    ready_made=("f1_score",),
    mistakes=(
        _mistake(
            "accuracy",
            "this is the accuracy (which, with one label a text, is also the micro F1). Frequent "
            "classes decide it. The macro F1 is a mean over classes.",
            mean="accuracy",
        ),
        _mistake(
            "weighted-by-frequency",
            "classes were weighted by how often they occur. In the macro F1 each class counts the "
            "same.",
            mean="weighted",
        ),
        _mistake(
            "f1-of-the-means",
            "precision and recall were averaged over classes first, and the F1 taken of the two "
            "means. Take each class's F1, and then the mean.",
            mean="of means",
        ),
        _mistake(
            "only-predicted-classes-missing",
            "a class that is predicted but never true was left out. It is a mistake each time, and "
            f"has F1 0. {_CLASSES}",
            classes="true ones",
        ),
        _mistake(
            "never-found-classes-missing",
            "a class that is never predicted was left out. Its F1 is 0, and counts. " + _CLASSES,
            classes="predicted ones",
        ),
        _mistake(
            "class-zero-left-out",
            "class 0 was left out. It is a class like any other here.",
            classes="without class 0",
        ),
        _mistake(
            "absent-classes-counted",
            "numbers between the classes were counted as classes with F1 0, though neither side "
            f"has them. {_CLASSES}",
            classes="up to the last",
        ),
        _mistake(
            "failed-classes-left-out",
            "classes without a single hit were left out of the mean. Their F1 is 0, and that is "
            "what a mean over classes is there to show.",
            empty="left out",
        ),
        Mistake(
            "zero-by-zero",
            {"empty": "NaN"},
            "nothing was divided by nothing, and one NaN makes the mean NaN. Where a class is "
            "never right its F1 is 0; 2 TP / (2 TP + FP + FN) needs no special case.",
        ),
        _mistake(
            "arithmetic-mean",
            "precision and recall were averaged as (P + R) / 2. F1 is their harmonic mean, "
            "2PR / (P + R), which is low when either is.",
            form="arithmetic",
        ),
        _mistake(
            "precision-only",
            "this is the mean precision: what was missed doesn't count in it.",
            form="precision",
        ),
        _mistake(
            "recall-only",
            "this is the mean recall: false alarms don't count in it.",
            form="recall",
        ),
        _mistake(
            "two-forgotten", "the factor 2 is missing: F1 = 2PR / (P + R).", form="2 forgotten"
        ),
        _mistake(
            "intersection-over-union",
            "this is TP / (TP + FP + FN), the Jaccard index. F1 counts the hits twice: "
            "2 TP / (2 TP + FP + FN).",
            form="jaccard",
        ),
        _mistake("in-per-cent", "the score is in per cent: expected a fraction.", scale=100.0),
    ),
)

EXERCISES = (MACRO_F1,)
