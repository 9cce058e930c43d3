"""Chapter 8's exercises around the loop: what the optimizer holds, which checkpoint counts."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bertlab.exercises.spec import Case, Exercise, Mistake, Spec
from bertlab.exercises.values import Unusable, kind_of

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class ToyClassifier:
    """How the model of an example is made: layers with LayerNorm, and a head."""

    layers: int
    width: int

    def __repr__(self) -> str:
        return f"(a toy model: {self.layers} encoder layer(s) of width {self.width}, and a head)"

    def build(self) -> nn.Module:
        """Return the model; its parameters begin with ``encoder.`` and ``head.``."""
        from torch import nn

        layers = [
            nn.ModuleDict(
                {"dense": nn.Linear(self.width, self.width), "norm": nn.LayerNorm(self.width)}
            )
            for _ in range(self.layers)
        ]
        return nn.ModuleDict({"encoder": nn.ModuleList(layers), "head": nn.Linear(self.width, 2)})

    def names(self) -> list[tuple[str, bool]]:
        """Return each parameter's name, and whether it is a matrix."""
        parts = [f"encoder.{i}.{part}" for i in range(self.layers) for part in ("dense", "norm")]
        return [
            (f"{part}.{kind}", kind == "weight" and not part.endswith("norm"))
            for part in [*parts, "head"]
            for kind in ("weight", "bias")
        ]


def _make_optimizer(
    model: ToyClassifier,
    rate: float,
    decay: float,
    freeze_encoder: bool,
    *,
    decays: str = "matrices",
    frozen: str = "both",
    rates: str = "given",
    kind: str = "AdamW",
) -> tuple[list[str], ...]:
    """What the optimizer holds, in words; each keyword makes one step wrong."""
    freeze = {"never": False, "always": True}.get(frozen, freeze_encoder)
    part = "head." if frozen == "head" else "encoder."
    held, decaying, still = [], [], []
    for name, matrix in model.names():
        off = freeze and name.startswith(part)
        if off and frozen != "optimizer only":
            still.append(name)
        if off and frozen != "gradients only":
            continue
        held.append(name)
        weight = {"all": decay, "none": 0.0, "default": 0.01, "not LayerNorm": decay}.get(
            decays, decay if matrix else 0.0
        )
        if decays == "not LayerNorm" and ".norm." in name:
            weight = 0.0
        elif decays == "inverted":
            weight = 0.0 if matrix else decay
        if weight:
            decaying.append(f"{name}: {weight:g}")
    used = 1e-3 if rates == "default" else rate
    return held, decaying, [f"{used:g}"], still, [kind]


def _use_optimizer(answer: Any) -> Callable[..., Any]:
    """Build the model, call the learner's function on it, and write down what it made."""
    import torch

    torch.optim.AdamW(
        [torch.zeros((), requires_grad=True)]
    )  # the first one imports much: not timed

    def run(recipe: ToyClassifier, rate: float, decay: float, freeze_encoder: bool) -> Any:
        model = recipe.build()
        optimizer = answer(model, rate, decay, freeze_encoder)
        if not isinstance(optimizer, torch.optim.Optimizer):
            words = f"your function returned {kind_of(optimizer)}: expected an optimizer"
            raise Unusable("returned-none" if optimizer is None else "wrong-type", words)
        groups = {id(p): group for group in optimizer.param_groups for p in group["params"]}
        held, decaying, rates = [], [], set()
        for name, parameter in model.named_parameters():
            group = groups.get(id(parameter))
            if group is None:
                continue
            held.append(name)
            rates.add(f"{group['lr']:g}")
            if group.get("weight_decay"):
                decaying.append(f"{name}: {group['weight_decay']:g}")
        still = [name for name, p in model.named_parameters() if not p.requires_grad]
        return held, decaying, sorted(rates), still, [type(optimizer).__name__]

    return run


def _optimizer_cases(seed: int) -> list[Case]:
    rng = random.Random(seed)

    def case(stage: int, label: str, layers: int, frozen: bool) -> Case:
        arguments = {
            "model": ToyClassifier(layers, rng.randrange(2, 5)),
            "rate": rng.randrange(2, 6) * 1e-5,
            "decay": rng.randrange(2, 9) / 100,
            "freeze_encoder": frozen,
        }
        return Case(stage, label, arguments)

    return [
        case(1, "everything is trained", 1, False),
        case(1, "everything is trained, two layers", 2, False),
        case(2, "the encoder is frozen", 1, True),
        case(2, "the encoder is frozen, two layers", 2, True),
    ]


MAKE_OPTIMIZER = Spec(
    Exercise("make_optimizer", 8, "medium", 12, extra=True),
    question=(
        "Return a torch.optim.AdamW for fine-tuning `model` with the learning rate `rate`. Weight\n"
        "decay acts on matrices only: biases and LayerNorm's vectors get none. If\n"
        "`freeze_encoder` is true, parameters whose names begin with encoder. must stay as they\n"
        "are: they need no gradient (requires_grad), and the optimizer doesn't hold them."
    ),
    formula=(
        '{"params": matrices, "weight_decay": decay}, {"params": the rest, "weight_decay": 0}'
    ),
    stub="def make_optimizer(model, rate, decay, freeze_encoder):\n    raise NotImplementedError",
    hints=(
        "`model.named_parameters()` gives names and parameters; `parameter.dim() > 1` is a matrix.",
        "First freeze: `parameter.requires_grad = False`. Then group what still needs a gradient.",
        "An optimizer takes a list of groups, each with its own `weight_decay`.",
    ),
    verified="which parameters are held, decayed and frozen, and the rate, with the encoder frozen "
    "and not.",
    outputs={
        "in the optimizer": "pieces",
        "with weight decay": "pieces",
        "rates": "pieces",
        "needing no gradient": "pieces",
        "optimizer": "pieces",
    },
    compute=_make_optimizer,
    cases=_optimizer_cases,
    use=_use_optimizer,
    equation="7.7",
    mistakes=(
        Mistake(
            "everything-decays",
            {"decays": "all"},
            "biases and LayerNorm's vectors decay, too. Only matrices should: make two groups.",
        ),
        Mistake(
            "biases-decay",
            {"decays": "not LayerNorm"},
            "biases still decay, and only LayerNorm is left out. Neither should.",
        ),
        Mistake(
            "decay-on-the-wrong-group",
            {"decays": "inverted"},
            "biases and LayerNorm decay, and matrices don't. It is the other way round.",
        ),
        Mistake("no-decay", {"decays": "none"}, "nothing decays. Matrices should, by `decay`."),
        Mistake(
            "decay-not-passed",
            {"decays": "default"},
            "the decay is AdamW's default, 0.01, for everything. Pass `decay` for matrices and 0 "
            "for the rest.",
        ),
        Mistake(
            "rate-not-passed",
            {"rates": "default"},
            "the learning rate is the optimizer's default, 1e-3. At that rate the pretrained "
            "weights are gone within a hundred steps: pass `lr=rate`.",
        ),
        Mistake(
            "not-frozen",
            {"frozen": "never"},
            "`freeze_encoder` did nothing: the encoder needs gradients, and the optimizer holds "
            "it.",
        ),
        Mistake(
            "frozen-but-in-the-optimizer",
            {"frozen": "gradients only"},
            "the encoder needs no gradient, and yet the optimizer holds it. What is frozen doesn't "
            "belong there: a gradient left over from before would still move it.",
        ),
        Mistake(
            "left-out-but-not-frozen",
            {"frozen": "optimizer only"},
            "the optimizer doesn't hold the encoder, and yet gradients are computed for it, at "
            "more than half of the cost, and count in the gradient's length. Set "
            "`requires_grad = False`.",
        ),
        Mistake(
            "head-frozen",
            {"frozen": "head"},
            "the head was frozen, and the encoder is trained. It is the other way round.",
        ),
        Mistake(
            "always-frozen",
            {"frozen": "always"},
            "the encoder is frozen even where `freeze_encoder` is false.",
        ),
        Mistake(
            "adam",
            {"kind": "Adam"},
            "this is Adam, whose weight decay goes through the averages. Use AdamW.",
        ),
        Mistake("sgd", {"kind": "SGD"}, "this is SGD. BERT is trained with AdamW."),
    ),
)


def _choose_checkpoint(
    batch_losses: list[list[float]],
    batch_sizes: list[int],
    test_scores: list[float],
    *,
    mean: str = "of texts",
    choice: str = "dev",
    report: str = "its own",
) -> tuple[int, float, float]:
    """The checkpoint, its loss, and the score to report; each keyword makes one step wrong."""
    means = []
    for losses in batch_losses:
        total = sum(loss * size for loss, size in zip(losses, batch_sizes, strict=True))
        means.append(
            {"of batches": sum(losses) / len(losses), "summed": total}.get(
                mean, total / sum(batch_sizes)
            )
        )
    chosen = means.index(min(means))
    if choice == "test":
        chosen = test_scores.index(max(test_scores))
    elif choice == "last":
        chosen = len(means) - 1
    elif choice == "largest loss":
        chosen = means.index(max(means))
    score = {
        "best": max(test_scores),
        "last": test_scores[-1],
        "mean": sum(test_scores) / len(test_scores),
    }.get(report, test_scores[chosen])
    return chosen, means[chosen], score


def _choose_cases(seed: int) -> list[Case]:
    rng = random.Random(seed)

    def near(value: float) -> float:
        return round(value + rng.uniform(-0.02, 0.02), 3)

    def case(stage: int, label: str, losses: list[list[float]], sizes: list[int]) -> Case:
        batch_losses = [[near(loss) for loss in row] for row in losses]
        # The best test score and the last one belong to other checkpoints than the best on dev.
        scores = [near(0.7 + 0.03 * i) for i in range(len(losses))]
        scores[len(losses) - 3], scores[-1] = near(0.95), near(0.6)
        arguments = {"batch_losses": batch_losses, "batch_sizes": sizes, "test_scores": scores}
        return Case(stage, label, arguments)

    return [
        case(1, "batches of one size", [[0.9, 0.8], [0.4, 0.5], [0.7, 0.6]], [8, 8]),
        case(1, "four checkpoints", [[0.9, 0.8, 0.9], [0.6] * 3, [0.3] * 3, [0.5] * 3], [4, 4, 4]),
        case(2, "a small last batch", [[0.9, 0.9], [0.5, 0.4], [0.3, 0.9], [0.6, 0.6]], [16, 2]),
    ]


CHOOSE_CHECKPOINT = Spec(
    Exercise("choose_checkpoint", 8, "easy", 8, extra=True),
    question=(
        "Which checkpoint, and which score? `batch_losses` holds a list for each checkpoint: the\n"
        "mean loss of each batch of the development set; `batch_sizes` says how many texts each\n"
        "batch had. `test_scores` has a number for each checkpoint. Choose as one should, and\n"
        "return the checkpoint's number (from 0), its mean loss over all texts of the development\n"
        "set, and the test score to report."
    ),
    formula="loss = Σ_b size_b · loss_b / Σ_b size_b",
    stub=(
        "def choose_checkpoint(batch_losses, batch_sizes, test_scores):\n"
        "    raise NotImplementedError\n"
        "    return number, loss, score"
    ),
    hints=(
        "A batch's mean times its size is a sum over texts. Sums can be added.",
        "Nothing may be chosen by the test scores: that is what the development set is for.",
    ),
    verified="batches of one size and of several; the choice, its loss, and the score.",
    outputs={"number": "integer", "loss": "number", "score": "number"},
    compute=_choose_checkpoint,
    cases=_choose_cases,
    mistakes=(
        Mistake(
            "mean-of-batch-means",
            {"mean": "of batches"},
            "the batches' means were averaged, so that a text in a small batch counts more than "
            "one in a large batch. Weigh each batch by its size.",
        ),
        Mistake(
            "summed-not-averaged",
            {"mean": "summed"},
            "the loss is a sum over texts. Divide by their number.",
        ),
        Mistake(
            "chosen-on-the-test-set",
            {"choice": "test"},
            "the checkpoint was chosen by its test score. Then that score is no longer the score "
            "on texts that played no part: choose by the development set's loss.",
        ),
        Mistake(
            "last-checkpoint",
            {"choice": "last"},
            "the last checkpoint was taken. The best on the development set is another one.",
        ),
        Mistake(
            "largest-loss",
            {"choice": "largest loss"},
            "the checkpoint with the largest loss was chosen. Small is good.",
        ),
        Mistake(
            "best-test-score-reported",
            {"report": "best"},
            "the checkpoint is right, and the score is the best of all. Report that of the "
            "checkpoint chosen.",
        ),
        Mistake(
            "last-test-score-reported",
            {"report": "last"},
            "the checkpoint is right, and the score is that of the last one.",
        ),
        Mistake(
            "mean-test-score-reported",
            {"report": "mean"},
            "the checkpoint is right, and the score is a mean over all of them.",
        ),
    ),
)

EXERCISES = (MAKE_OPTIMIZER, CHOOSE_CHECKPOINT)
