"""What is published: the wheel and the source distribution, as a user's tools see them."""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
import yaml
from conftest import ROOT, CleanEnvironment, build_distributions, clean_variables, run
from packaging.metadata import Metadata

MEGABYTE = 10**6
TYPED = """\
import bertlab

config: bertlab.BertConfig = bertlab.BertConfig.tiny()
model = bertlab.BertForMaskedLM(config)
layers: int = config.num_hidden_layers
passed: bool = bertlab.exercises.check("attention", None).passed
scores: dict[str, float] = bertlab.metrics.squad_scores({"1": "a"}, {"1": ["a"]})
"""
MISTYPED = """\
import bertlab

bertlab.BertConfig(hidden_size="wide")
version: int = bertlab.__version__
bertlab.BertForPoetry
"""


@pytest.fixture(scope="module")
def wheel(distributions: Path) -> Path:
    (found,) = (distributions / "dist").glob("*.whl")
    return found


@pytest.fixture(scope="module")
def sdist(distributions: Path) -> Path:
    (found,) = (distributions / "dist").glob("*.tar.gz")
    return found


@pytest.fixture(scope="module")
def metadata(wheel: Path) -> Metadata:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
        return Metadata.from_email(archive.read(name), validate=True)


def files_below(folder: Path) -> set[str]:
    """The names of all files in a folder, from where the folder stands."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder.parent).as_posix() for path in files}


def test_the_wheel_is_small(wheel: Path) -> None:
    assert wheel.stat().st_size <= 14 * MEGABYTE


def test_the_wheel_holds_the_package_with_its_weights_and_sets_and_nothing_else(
    wheel: Path, distributions: Path
) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    ours = {name for name in names if not re.match(r"bertlab-[\d.]+\.dist-info/", name)}
    # The one file that stays at home is the text for the index, which METADATA holds.
    assert ours == files_below(distributions / "source" / "bertlab") - {"bertlab/README.md"}
    for needed in ("py.typed", "weights/bertlab-mini/model.safetensors"):
        assert f"bertlab/{needed}" in ours
    for name in ("sentiment", "entities", "questions"):
        assert any(f.startswith(f"bertlab/data/sets/{name}/train.") for f in ours)
    assert any(name.endswith("/licenses/LICENSE") for name in names - ours)


def test_the_source_distribution_builds_the_same_wheel_to_the_byte(
    wheel: Path, distributions: Path, tmp_path: Path
) -> None:
    """The session's wheel was built from the sdist; this one comes from the checkout's files."""
    build_distributions(distributions / "source", tmp_path, "--wheel")
    assert (tmp_path / wheel.name).read_bytes() == wheel.read_bytes()


def test_the_source_distribution_holds_what_the_manifest_names(
    sdist: Path, distributions: Path
) -> None:
    with tarfile.open(sdist) as archive:
        files = {m.name.split("/", 1)[1] for m in archive.getmembers() if m.isfile()}
    assert files_below(distributions / "source" / "bertlab") <= files
    others = {name for name in files if not name.startswith(("bertlab/", "bertlab.egg-info/"))}
    made = {"PKG-INFO", "setup.cfg"}
    assert {name for name in others if "/" not in name} - made == {
        "CHANGELOG.md",
        "CITATION.cff",
        "LICENSE",
        "MANIFEST.in",
        "README.md",
        "constraints-oldest.txt",
        "constraints.txt",
        "pyproject.toml",
    }
    folders = {name.split("/")[1] for name in others if re.match(r"tests/\w+/", name)}
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8").replace("\\\n", " ")
    units = re.search(r"^UNITS = (.*?)\$\(addprefix tests/,(.*?)\)$", makefile, re.MULTILINE)
    assert units
    assert folders | {"exercises"} == set(units[2].split()), "the same tests as `make test-oldest`"
    assert set(units[1].split()) <= others
    assert {name for name in others if name.startswith("book/")} == {
        "book/_ext/normal_form.py",
        "book/_ext/notebooks.py",
    }


@pytest.mark.slow
def test_the_unit_tests_run_in_the_unpacked_source_distribution(
    sdist: Path, tmp_path: Path
) -> None:
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    (folder,) = tmp_path.iterdir()
    command = [sys.executable, "-m", "pytest", "-q", "-m", "not slow", "-p", "no:cacheprovider"]
    variables = {**clean_variables(), "PYTHONPATH": str(folder)}
    result = run([*command, "-n", "2", "tests"], cwd=folder, env=variables)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize(
    "tool", [("twine", "check", "--strict"), ("check_wheel_contents",)], ids=lambda tool: tool[0]
)
def test_the_indexs_own_checks_find_nothing(
    tool: tuple[str, ...], wheel: Path, sdist: Path, tmp_path: Path
) -> None:
    archives = [str(wheel), str(sdist)] if tool[0] == "twine" else [str(wheel)]
    result = run([sys.executable, "-m", *tool, *archives], cwd=tmp_path)
    assert result.returncode == 0, result.stdout


def test_the_metadata_are_complete(metadata: Metadata) -> None:
    assert metadata.license_expression == "MIT AND CC0-1.0"
    assert metadata.license_files == ["LICENSE"]
    assert metadata.summary
    assert metadata.keywords
    assert metadata.description_content_type == "text/markdown"
    urls = metadata.project_urls
    assert urls
    assert set(urls) == {"Homepage", "Documentation", "Repository", "Issues", "Changelog"}
    owner, name = urls["Repository"].removeprefix("https://github.com/").split("/")
    assert urls["Documentation"] == f"https://{owner}.github.io/{name}/"


def test_the_text_for_the_index_has_no_link_that_leads_nowhere_there(metadata: Metadata) -> None:
    assert metadata.description
    targets = re.findall(r"\]\(([^)\s]+)\)", metadata.description)
    assert targets
    assert all(target.startswith("https://") for target in targets)


def test_the_text_for_the_index_runs(
    metadata: Metadata, clean_environment: CleanEnvironment, tmp_path: Path
) -> None:
    assert metadata.description
    (code,) = re.findall(r"```python\n(.*?)```", metadata.description, re.DOTALL)
    variables = {**clean_variables(), "HF_HUB_OFFLINE": "1"}
    result = run([clean_environment.python, "-c", code], cwd=tmp_path, env=variables)
    assert result.returncode == 0, result.stdout
    (commands,) = re.findall(r"```bash\n(.*?)```", metadata.description, re.DOTALL)
    readme = (ROOT / "README.md").read_text(encoding="utf-8")  # where a test runs these lines
    assert set(commands.splitlines()) <= set(readme.splitlines())


def test_the_pythons_that_are_named_are_those_that_were_run(metadata: Metadata) -> None:
    """Classifiers, README and CI's matrix agree; what we couldn't run is called untested."""
    classifiers = metadata.classifiers or []
    pythons = {c.rsplit(" ", 1)[1] for c in classifiers if re.search(r":: 3\.\d+$", c)}
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    section = readme.split("## What is tested and what is not")[1].split("\n## ")[0]
    run_on, untested = section.split("Untested", 1)
    assert set(re.findall(r"\b3\.\d\d\b", run_on)) == pythons
    workflow = yaml.safe_load((ROOT / ".github/workflows/test.yml").read_text(encoding="utf-8"))
    assert set(workflow["jobs"]["test"]["strategy"]["matrix"]["python"]) == pythons
    systems = {c for c in classifiers if c.startswith("Operating System")}
    assert systems == {"Operating System :: POSIX :: Linux"}
    for system in ("Windows", "macOS"):
        assert system in untested


def modules_after(python: str, code: str, folder: Path) -> set[str]:
    """Top-level names of all modules outside the standard library that the code imported."""
    code += "\nprint('\\n'.join({m.split('.')[0] for m in sys.modules}))"
    code = f"import sys\nbefore = set(sys.modules)\n{code}"
    said = subprocess.run(
        [python, "-c", code], cwd=folder, env=clean_variables(), capture_output=True, text=True
    )
    assert said.returncode == 0, said.stderr
    names = set(said.stdout.split("\n"))
    return {name for name in names if name.isidentifier()} - set(sys.stdlib_module_names)


def test_importing_bertlab_imports_nothing_else(
    clean_environment: CleanEnvironment, tmp_path: Path
) -> None:
    bare = modules_after(clean_environment.python, "", tmp_path)
    with_us = modules_after(clean_environment.python, "import bertlab", tmp_path)
    assert with_us - bare == {"bertlab"}


@pytest.mark.parametrize("words", ["--help", "finetune --help", "assign --help"])
def test_help_imports_none_of_the_heavy_dependencies(
    words: str, clean_environment: CleanEnvironment, tmp_path: Path
) -> None:
    code = f"""
import contextlib, io
sys.argv = ["bertlab", *{words.split()!r}]
from bertlab.cli import main
with contextlib.redirect_stdout(io.StringIO()) as said, contextlib.suppress(SystemExit):
    main()
assert "usage" in said.getvalue().lower(), said.getvalue()"""
    names = modules_after(clean_environment.python, code, tmp_path)
    assert "tyro" in names
    heavy = {"torch", "transformers", "tokenizers", "huggingface_hub", "datasets", "accelerate"}
    heavy |= {"safetensors", "numpy", "scipy", "sklearn", "matplotlib", "tqdm", "pandas", "pyarrow"}
    assert not names & heavy


def test_a_users_code_is_type_checked_against_the_wheel(
    clean_environment: CleanEnvironment, tmp_path: Path
) -> None:
    (tmp_path / "right.py").write_text(TYPED)
    (tmp_path / "wrong.py").write_text(MISTYPED)
    only_ours = "[mypy]\nfollow_imports = skip\n[mypy-bertlab.*]\nfollow_imports = normal\n"
    (tmp_path / "mypy.ini").write_text(only_ours)
    command = [sys.executable, "-m", "mypy", "--python-executable", clean_environment.python]
    result = run([*command, "right.py", "wrong.py"], cwd=tmp_path, env=clean_variables())
    found = re.findall(r"^(\w+)\.py:(\d+): error: .*\[([\w-]+)\]$", result.stdout, re.MULTILINE)
    expected = [("wrong", "3", "arg-type"), ("wrong", "4", "assignment")]
    assert found == [*expected, ("wrong", "5", "attr-defined")], result.stdout
