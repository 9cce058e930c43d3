"""The wheel holds what it should, imports at once; version and address agree everywhere."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import floors
import pytest
import yaml
from conftest import CHAPTERS, ROOT, CleanEnvironment, clean_variables, load_notebook, run

import bertlab

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
ADDRESS = PROJECT["urls"]["Repository"]
WHEEL = f"{ADDRESS}/releases/download/v{{version}}/bertlab-{{version}}-py3-none-any.whl"
PAGES = [
    "README.md",
    "CONTRIBUTING.md",
    "RELEASING.md",
    *(f"book/{p.name}" for p in (ROOT / "book").glob("*.md")),
]


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def name_of(requirement: str) -> str:
    match = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert match, requirement
    return canonical(match[0])


def pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pairs = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {canonical(name): version for name, version in pairs}


def test_the_clean_environment_imports_the_wheel_not_the_checkout(
    clean_environment: CleanEnvironment, tmp_path: Path
) -> None:
    code = "import bertlab; print(bertlab.__file__)"
    result = run([clean_environment.python, "-c", code], cwd=tmp_path, env=clean_variables())
    assert Path(result.stdout.strip()).parent == clean_environment.site_packages / "bertlab"


def test_importing_bertlab_is_instant_and_imports_no_torch(
    clean_environment: CleanEnvironment, tmp_path: Path
) -> None:
    code = (
        "import sys, time; start = time.perf_counter(); import bertlab; "
        "print(time.perf_counter() - start, 'torch' in sys.modules, 'numpy' in sys.modules)"
    )
    seconds = []
    for _ in range(5):
        result = run([clean_environment.python, "-c", code], cwd=tmp_path, env=clean_variables())
        taken, torch, numpy = result.stdout.split()
        seconds.append(float(taken))
        assert (torch, numpy) == ("False", "False")
    assert min(seconds) < 0.05


@pytest.mark.parametrize("name", bertlab.__all__)
def test_every_public_name_resolves_and_is_listed(name: str) -> None:
    assert getattr(bertlab, name) is not None
    assert name in dir(bertlab)


def test_an_unknown_name_is_an_attribute_error_that_names_it() -> None:
    with pytest.raises(AttributeError, match="no attribute 'BertForPoetry'"):
        bertlab.BertForPoetry  # noqa: B018


def test_the_version_is_the_same_everywhere() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    latest = re.search(r"^## (\d+\.\d+\.\d+)", changelog, re.MULTILINE)
    assert latest
    found = {bertlab.__version__, PROJECT["version"], str(citation["version"]), latest[1]}
    assert found == {bertlab.__version__}


def test_the_repository_has_one_address() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    assert {citation["repository-code"], config["repository"]["url"]} == {ADDRESS}
    texts = {name: (ROOT / name).read_text(encoding="utf-8") for name in PAGES}
    texts |= {p.name: p.read_text(encoding="utf-8") for p in CHAPTERS}
    for name, text in texts.items():
        for found in re.findall(r"https://(?:www\.)?github\.com/[\w.-]*/?bertlab[\w./-]*", text):
            assert found.startswith(ADDRESS), f"{name}: {found}, expected {ADDRESS}"


def published() -> list[Path]:
    """All texts that a reader may copy a command from, or that run one."""
    found = [*ROOT.glob("*.md"), *ROOT.glob("*.yml"), *ROOT.glob("*.txt"), *ROOT.glob("*.toml")]
    found += [ROOT / "Makefile", ROOT / "MANIFEST.in"]
    kinds = {".md", ".ipynb", ".py", ".yml", ".yaml", ".json", ".js", ".html", ".txt"}
    for name in ("assignments", "benchmarks", "bertlab", "book", "tools", ".github"):
        files = (ROOT / name).rglob("*")
        found += [f for f in files if f.suffix in kinds and "node_modules" not in f.parts]
    return found


# `pip install bertlab`, with options, extras, a version or quotes; not `"bertlab @ https://..."`.
INSTALLS = re.compile(
    r"""\b(?:pip|pip3|uv|pipx|uvx)\b[^\n]*?\b(?:install|run|add)\b[^\n;&]*?[\s"'`]
        bertlab(?:\[[\w,]+\])?(?=["'`\\\s]|[=<>~!]=|$)(?!\ @\ https)""",
    re.VERBOSE,
)


@pytest.mark.parametrize(
    ("line", "brings_the_placeholder"),
    [
        ("pip install bertlab", True),
        ("python -m pip install -U bertlab==0.1.0", True),
        ('%pip install -q \\"bertlab[viz]\\"', True),
        ("try `pip install 'bertlab[grading]'`.", True),
        ('pip install "bertlab @ https://host/bertlab-0.1.0-py3-none-any.whl"', False),
        ('pip install "bertlab[viz] @ https://host/bertlab-0.1.0-py3-none-any.whl"', False),
        ("pip install dist/bertlab-0.1.0-py3-none-any.whl", False),
        ('pip install -e ".[book]" && cd bertlab', False),
    ],
)
def test_the_search_for_the_placeholder_finds_it(line: str, brings_the_placeholder: bool) -> None:
    assert bool(INSTALLS.search(line)) == brings_the_placeholder


def test_nothing_that_we_publish_installs_the_placeholder_of_that_name() -> None:
    """`pip install bertlab` would bring somebody else's package; the address is safe."""
    explained = ("may say `pip install bertlab`", "check that `pip install bertlab` brings it")
    for path in published():
        text = path.read_text(encoding="utf-8")
        if path.name == "RELEASING.md":  # says why not, and until when
            for words in explained:
                assert words in text
                text = text.replace(words, "")
        found = INSTALLS.search(text)
        assert found is None, f"{path}: {found and found[0]}"
        for wheel in re.findall(r"bertlab(?:\[[\w,]+\])? @ (\S+?)[\"'`\s\\]", text):
            if "{" not in wheel:  # a template's
                assert wheel == WHEEL.format(version=bertlab.__version__), f"{path}: {wheel}"


def test_no_extra_brings_the_placeholder() -> None:
    """An extra that names another one, as in `bertlab[viz]`, would ask the index for it."""
    for requirements in PROJECT["optional-dependencies"].values():
        assert "bertlab" not in {name_of(requirement) for requirement in requirements}


def test_messages_install_what_the_extras_name() -> None:
    extras = PROJECT["optional-dependencies"]
    named = {"viz": "plots/attention.py", "grading": "grading/commands.py"}
    for extra, file in named.items():
        (requirement,) = extras[extra]
        text = (ROOT / "bertlab" / file).read_text(encoding="utf-8")
        assert f'pip install "{requirement}"' in text


def test_the_oldest_versions_are_the_floors() -> None:
    assert floors.OLDEST.read_text(encoding="utf-8") == floors.text()


def test_a_dependency_without_a_floor_is_refused() -> None:
    project = {"dependencies": ["numpy<3"], "optional-dependencies": {"viz": [], "grading": []}}
    with pytest.raises(ValueError, match=r"'numpy<3' has no floor"):
        floors.floors(project)


def test_the_floors_admit_colabs_versions() -> None:
    from packaging.requirements import Requirement

    lines = (ROOT / "book/_ext/colab-versions.txt").read_text(encoding="utf-8").splitlines()
    colab = dict(line.split("==") for line in lines if "==" in line and line[0] != "#")
    colab = {canonical(name): version for name, version in colab.items()}
    compared = [r for r in map(Requirement, PROJECT["dependencies"]) if canonical(r.name) in colab]
    assert {"torch", "transformers", "datasets", "numpy"} <= {r.name for r in compared}
    for requirement in compared:
        assert requirement.specifier.contains(colab[canonical(requirement.name)]), requirement


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda p: p.stem)
def test_every_chapter_has_the_same_install_cell_with_the_address_of_the_wheel(path: Path) -> None:
    cells = load_notebook(path)["cells"]
    installing = [cell for cell in cells if "%pip" in cell["source"]]
    assert len(installing) == 1
    assert cells.index(installing[0]) == 1, "the install cell comes right after the introduction"
    assert installing[0]["metadata"] == {"cellView": "form", "tags": ["remove-cell"]}
    source = installing[0]["source"]
    assert source.replace("[viz]", "") == load_notebook(CHAPTERS[0])["cells"][1]["source"]
    needs_bertviz = any("attention_heads(" in cell["source"] for cell in cells)
    assert ("bertlab[viz] @" in source) == needs_bertviz
    addresses = re.findall(r'"bertlab(?:\[[\w,]+\])? @ (\S+)"', installing[0]["source"])
    assert addresses == [WHEEL.format(version=bertlab.__version__)]


def test_every_dependency_of_ci_is_pinned_and_the_pins_satisfy_the_floors() -> None:
    from packaging.requirements import Requirement

    extras = PROJECT["optional-dependencies"]
    wanted = [*PROJECT["dependencies"], *extras["book"], *extras["test"], *extras["viz"]]
    for requirement in map(Requirement, wanted):
        pinned = pins().get(canonical(requirement.name))
        assert pinned, f"{requirement.name} is not in constraints.txt"
        assert requirement.specifier.contains(pinned), f"{requirement} does not admit {pinned}"


def test_the_conda_environment_has_the_runtime_dependencies_at_the_pinned_versions() -> None:
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    (section,) = (d["pip"] for d in environment["dependencies"] if isinstance(d, dict))
    exact = {name_of(line): line.split("==")[1] for line in section if "==" in line}
    assert {name_of(d) for d in PROJECT["dependencies"]} <= set(exact)
    assert {name: pins()[name] for name in exact} == exact
    assert "-e ." in section
