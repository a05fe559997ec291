"""The project as a whole: its three lists of packages agree, its modules are layered, it names no machine."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

import labkit
from labkit.paths import PACKAGE

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
RUNTIME = [Requirement(line) for line in PROJECT["dependencies"]]
OPTIONAL = [lines for extra, lines in PROJECT["optional-dependencies"].items() if extra != "dev"]
DEVELOPMENT = [Requirement(line) for line in PROJECT["optional-dependencies"]["dev"]]

# Not imported by labkit, and needed all the same: for the notebooks, and to run them
TOOLS = {"ipykernel", "ipywidgets", "jupyterlab", "scipy", "torchvision"}

# Each layer may import from the ones before it and from itself. A module that is not named belongs to the analysis.
LAYERS = [
    {"__init__", "batches", "errors", "files", "import_order", "memory", "paths", "progress", "quiet_tensorflow"},
    {"archives", "data", "download", "exercises", "history", "idx", "parameters", "profiles", "runs", "state"},
    {"keras_batchnorm", "keras_networks", "torch_dropout", "torch_networks"},
    {"keras_training", "torch_training", "training"},
    {"keras_models", "models", "torch_models"},
    set(),  # the analysis: plotting, results, lab, report, ...
    {"cli", "colab", "publish"},
]
ANALYSIS = LAYERS.index(set())
MODULES = {path.stem: ast.parse(path.read_text(encoding="utf-8")) for path in sorted(PACKAGE.glob("*.py"))}


def pinned() -> dict[NormalizedName, Version]:
    """Return the versions of constraints.txt by package."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pairs = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(name): Version(version) for name, version in pairs}


def imports(tree: ast.AST) -> Iterator[str]:
    """Yield the modules that a source imports, also inside functions; not those for type checking only."""
    for node in ast.iter_child_nodes(tree):
        match node:
            case ast.If(test=ast.Name(id="TYPE_CHECKING")):
                continue
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module=str(module), names=names):
                if module == "labkit":
                    yield from (f"labkit.{alias.name}" for alias in names)
                else:
                    yield module
            case _:
                yield from imports(node)


def own_imports(name: str) -> set[str]:
    """Return the modules of labkit that one of them imports."""
    found = {module.split(".")[1] for module in imports(MODULES[name]) if module.startswith("labkit.")}
    return found & set(MODULES)


def layer(name: str) -> int:
    return next((i for i, names in enumerate(LAYERS) if name in names), ANALYSIS)


# The three lists of packages


def test_every_pinned_version_is_in_its_range() -> None:
    versions = pinned()
    for requirement in (*RUNTIME, *DEVELOPMENT):
        name = canonicalize_name(requirement.name)
        assert name in versions, f"{name} is not in constraints.txt"
        assert versions[name] in requirement.specifier, requirement


def test_pins_are_exact_sorted_and_not_repeated() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    names = [line.split("==")[0].lower() for line in lines if line and not line.startswith("#")]
    assert names == sorted(set(names))
    for line in lines:
        assert line.startswith("#") or re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][\w.+]*", line), line


def test_ranges_have_a_lower_bound_and_no_upper_one() -> None:
    for requirement in (*RUNTIME, *DEVELOPMENT):
        assert [part.operator for part in requirement.specifier] == [">="], requirement


def test_conda_installs_the_same_as_make() -> None:
    lines = [line.strip() for line in (ROOT / "environment.yml").read_text(encoding="utf-8").splitlines()]
    assert "- -c constraints.txt" in lines
    assert "- -e .[dev]" in lines
    assert f"- python{PROJECT['requires-python']}" in lines
    assert lines.index("- pip:") < lines.index("- -c constraints.txt") < lines.index("- -e .[dev]")
    # everything else comes from pyproject.toml: a package named here could contradict it
    assert [line for line in lines if line.startswith("- ")] == [
        "- conda-forge",
        f"- python{PROJECT['requires-python']}",
        "- pip",
        "- pip:",
        "- -c constraints.txt",
        "- -e .[dev]",
    ]
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert "-c constraints.txt -e '.[dev]'" in makefile


def test_the_version_is_said_once() -> None:
    assert PROJECT["version"] == labkit.__version__


def test_every_dependency_is_used_and_every_import_is_a_dependency() -> None:
    imported = {module.split(".")[0].lower() for tree in MODULES.values() for module in imports(tree)}
    names = [canonicalize_name(requirement.name).replace("-", "_") for requirement in RUNTIME]
    declared = {"pil" if name == "pillow" else name for name in names}
    assert declared - imported - TOOLS == set()
    # imported only by those who ask for it: `labkit sweep` with workers, `labkit train --tensorboard`
    optional = {"dask", "distributed", "tensorboard"}
    assert optional - {"distributed"} == {Requirement(line).name for extra in OPTIONAL for line in extra}
    assert imported - declared - optional - set(sys.stdlib_module_names) - {"labkit"} == set()


# The modules


@pytest.mark.parametrize("name", MODULES)
def test_imports_point_down(name: str) -> None:
    above = {other for other in own_imports(name) if layer(other) > layer(name)}
    assert above == set(), f"{name} imports from a layer above it"


def test_no_modules_import_each_other_in_a_circle() -> None:
    left = {name: own_imports(name) for name in MODULES}
    while free := {name for name, wanted in left.items() if not wanted & set(left)}:
        left = {name: wanted for name, wanted in left.items() if name not in free}
    assert set(left) == set(), "these import each other"


@pytest.mark.parametrize("name", MODULES)
def test_frameworks_are_imported_only_where_their_name_says_so(name: str) -> None:
    top = {module.split(".")[0] for module in imports(ast.Module(
        [node for node in MODULES[name].body if isinstance(node, ast.Import | ast.ImportFrom)], []
    ))}  # fmt: skip
    if not name.startswith("torch_"):
        assert not top & {"torch", "torchvision"}
    if name != "quiet_tensorflow":
        assert not top & {"tensorflow", "keras"}
    quiet = "quiet_tensorflow" in own_imports(name)
    assert name.startswith("keras_") or not quiet


# Tracked files


def tracked_files() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


BINARY = {".gz", ".keras", ".pth", ".npz", ".png", ".safetensors", ".onnx", ".wasm"}
# A path into somebody's home or scratch folder: it means nothing on another machine
MACHINE_PATH = re.compile(r"(?<![\w.:/~$}-])/(?:home|root|tmp|work|Users|content|kaggle)/[\w.-]+")


def test_no_tracked_file_names_a_path_of_one_machine() -> None:
    found = []
    for path in tracked_files():
        if path.suffix not in BINARY:
            for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
                if "image/png" not in line and (match := MACHINE_PATH.search(line)):
                    found.append(f"{path.relative_to(ROOT)}:{number}: {match[0]}")
    assert found == []


def test_nothing_large_or_left_over_is_tracked() -> None:
    for path in tracked_files():
        assert path.stat().st_size < 10_000_000, path
        assert not path.name.endswith((".partial", ".pyc", ".tmp")), path
