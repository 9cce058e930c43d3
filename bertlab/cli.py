"""The command line. Heavy libraries are imported by the commands that need them."""

from __future__ import annotations

import os
import platform
import signal
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated

import tyro

import bertlab
from bertlab.pretraining.config import PretrainingConfig
from bertlab.tasks.config import EvaluateConfig, FinetuneConfig, PredictConfig

app = tyro.extras.SubcommandApp()

_BAD_INPUT = (
    ValueError,  # DataError is one
    FileExistsError,
    FileNotFoundError,
    IsADirectoryError,
    NotADirectoryError,
    PermissionError,
)
_LIBRARIES = ("torch", "transformers", "tokenizers", "huggingface-hub", "datasets", "accelerate")


@app.command
def doctor() -> None:
    """Say what this machine has: versions, device, whether the hub is used, what is cached.

    Nothing is changed and nothing is fetched. Paste the output into a bug report.
    """
    rows = [("bertlab", bertlab.__version__), ("Python", platform.python_version())]
    rows += [(name, _version(name)) for name in _LIBRARIES]
    rows += [("system", f"{platform.system()} {platform.machine()}"), ("device", _device())]
    rows += _hub()
    for name, value in rows:
        print(f"{name:16} {value}")


@app.command
def pretrain(config: Annotated[PretrainingConfig, tyro.conf.arg(name="")]) -> None:
    """Pretrain a BERT on plain text: vocabulary, masked words, next sentences, checkpoint.

    Example: bertlab pretrain --corpus python-manual --output runs/first --preset tiny --minutes 5
    """
    from bertlab.pretraining.run import pretrain as run

    run(config)


@app.command
def finetune(config: Annotated[FinetuneConfig, tyro.conf.arg(name="")]) -> None:
    """Fine-tune a BERT: classification, named entities or question answering.

    With files of yours, and with a set that comes with bertlab:

    bertlab finetune ner --model DIR --train a.conll --dev b.conll --output runs/1

    bertlab finetune ner --model bertlab-mini --dataset entities --output runs/1

    The best weights on dev, scores, predictions and history are in runs/1 then.
    """
    from bertlab.tasks.run import finetune as run

    run(config)


@app.command
def evaluate(config: Annotated[EvaluateConfig, tyro.conf.arg(name="")]) -> None:
    """Measure a fine-tuned BERT on a file with the right answers.

    bertlab evaluate ner --model runs/1 --data test.conll --output scores.json
    """
    from bertlab.tasks.answering import evaluate as run

    run(config)


@app.command
def predict(config: Annotated[PredictConfig, tyro.conf.arg(name="")]) -> None:
    """Ask a fine-tuned BERT: JSON lines in, the same lines with its answers out.

    bertlab predict ner --model runs/1 --input texts.jsonl --output answers.jsonl
    """
    from bertlab.tasks.answering import predict as run

    run(config)


@app.command
def assign() -> None:
    """Assignments that grade themselves: build, check, collect, grade, report.

    For teachers; bertlab assign --help tells more. Needs nbgrader: pip install "nbgrader>=0.9.5"
    """
    # ``main`` gives the words after it to an app of its own, for which other helps needn't wait.


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return f"MISSING: pip install {name}"


def _memory_is_full(error: MemoryError | RuntimeError) -> str:
    """Return what helps; raise the error again if it is another one."""
    from bertlab.training.memory import TRAINING, explained

    try:
        with explained(TRAINING):
            raise error
    except MemoryError as full:
        return str(full)


def _device() -> str:
    import torch

    if torch.cuda.is_available():
        index = torch.cuda.current_device()
        memory = torch.cuda.get_device_properties(index).total_memory / 2**30
        return f"cuda: {torch.cuda.get_device_name(index)}, {memory:.0f} GiB"
    if torch.backends.mps.is_available():
        return "mps: Apple GPU"
    return f"cpu: {os.cpu_count()} cores, {torch.get_num_threads()} threads in use"


def _hub() -> list[tuple[str, str]]:
    from huggingface_hub import constants, scan_cache_dir
    from huggingface_hub.errors import CacheNotFound

    state = "off (HF_HUB_OFFLINE is set)" if constants.HF_HUB_OFFLINE else "used when needed"
    try:
        repositories = sorted(scan_cache_dir().repos, key=lambda repository: repository.repo_id)
    except CacheNotFound:
        repositories = []
    cached = [
        f"{repository.repo_id} ({repository.size_on_disk_str})" for repository in repositories
    ]
    return [("hub", state), ("in its cache", ", ".join(cached) or "nothing")]


def main() -> None:
    """Run the command line ``bertlab``; exit codes: 0 done, 1 failed, 2 bad input, 130 stopped."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C
    words, chosen, program, about = sys.argv[1:], app, "bertlab", "Learn BERT by building it."
    if words[:1] == ["assign"]:
        from bertlab.grading.commands import app as chosen

        words, program = words[1:], "bertlab assign"
        about = "Assignments that grade themselves. The order is that of a class."
    try:
        try:
            chosen.cli(
                prog=program,
                description=about,
                args=words,
                config=(tyro.conf.FlagCreatePairsOff,),
            )
        finally:
            sys.stdout.flush()  # here, where an error of it is handled
    except KeyboardInterrupt as stop:
        print(f"bertlab: {str(stop) or 'stopped'}", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:  # `| head` has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for the flush at exit
        sys.exit(141)
    except _BAD_INPUT as error:
        print(f"bertlab: {error}", file=sys.stderr)
        sys.exit(2)
    except (FloatingPointError, OSError) as error:  # OSError: such as a full disk
        print(f"bertlab: {error}", file=sys.stderr)
        sys.exit(1)
    except (MemoryError, RuntimeError) as error:
        print(f"bertlab: {_memory_is_full(error)}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
