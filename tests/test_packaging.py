"""The project as a whole: its three lists of packages agree, its modules are layered, it names no machine."""

import ast
import importlib
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers import run_python
from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

import labkit
from labkit.base.paths import PACKAGE

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
BASE = [Requirement(line) for line in PROJECT["dependencies"]]
EXTRAS = {extra: [Requirement(line) for line in lines] for extra, lines in PROJECT["optional-dependencies"].items()}
REQUIREMENTS = [r for r in (*BASE, *(r for extra in EXTRAS.values() for r in extra)) if r.name != "labkit"]

# The modules that may import what an extra brings, by folder or one by one. Notebooks and the other commands do
# without them.
EXTRA_MODULES = {
    "report": {"report", "runs.parameters"},
    "cluster": {"sweep.cluster"},
}
# Distributions whose module has another name, and those that labkit only starts
MODULES_OF = {"pillow": {"pil"}, "dask": {"dask", "distributed"}}
STARTED = {"ipykernel", "jupyterlab"}

# The folders of labkit: each may import from those before it, but Keras and PyTorch never from each other.
FOLDERS = ["base", "data", "runs", "keras", "torch", "stats", "plots", "sweep", "lab", "bench", "report", "cli"]
# What a student imports from
ADDRESSES = ["labkit", "labkit.keras", "labkit.torch", "labkit.plots", "labkit.stats"]
MODULES = {
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts): ast.parse(path.read_text(encoding="utf-8"))
    for path in sorted(PACKAGE.rglob("*.py"))
    if not {"_project", "templates"} & set(path.relative_to(PACKAGE).parts)
}


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
    """Return the modules and packages of labkit that one of its modules imports, without the `labkit.` before them."""
    return {module.removeprefix("labkit.") for module in imports(MODULES[name]) if module.startswith("labkit.")}


def folder(name: str) -> str:
    """Return the folder of a module, or the module itself where it lies in none."""
    return name.split(".")[0]


def in_extra(extra: str, name: str) -> bool:
    """Tell whether a module may import what an extra brings."""
    return bool({name, folder(name)} & EXTRA_MODULES[extra])


# The three lists of packages


def test_every_pinned_version_is_in_its_range() -> None:
    versions = pinned()
    for requirement in REQUIREMENTS:
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
    for requirement in REQUIREMENTS:
        assert [part.operator for part in requirement.specifier] == [">="], requirement


def test_developers_get_every_extra() -> None:
    [own] = [requirement for requirement in EXTRAS["dev"] if requirement.name == "labkit"]
    assert own.extras == EXTRAS.keys() - {"dev"}


def test_conda_installs_the_same_as_make() -> None:
    lines = [line.strip() for line in (ROOT / "environment.yml").read_text(encoding="utf-8").splitlines()]
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
    assert "pip install --quiet --disable-pip-version-check -c constraints.txt uv\n" in makefile
    assert "uv" in pinned()


def test_the_version_is_said_once() -> None:
    assert PROJECT["version"] == labkit.__version__


def third_party(name: str) -> set[str]:
    """Return the packages that one module of labkit imports, also inside functions."""
    found = {module.split(".")[0].lower() for module in imports(MODULES[name])}
    return found - set(sys.stdlib_module_names) - {"labkit"}


def brought_by(requirements: list[Requirement]) -> set[str]:
    """Return the modules that labkit can import from what is required."""
    names = [canonicalize_name(requirement.name) for requirement in requirements]
    return {module for name in names for module in MODULES_OF.get(name, {name.replace("-", "_")})} - STARTED


def test_every_dependency_is_used() -> None:
    base = set().union(*(third_party(name) for name in MODULES))
    assert brought_by(BASE) - base == set()
    for extra in EXTRA_MODULES:
        used = set().union(*(third_party(name) for name in MODULES if in_extra(extra, name)))
        assert brought_by(EXTRAS[extra]) - used == set(), extra


def test_a_module_imports_only_what_comes_with_it() -> None:
    offenders = {}
    for name in MODULES:
        allowed = BASE + [r for extra in EXTRA_MODULES if in_extra(extra, name) for r in EXTRAS[extra]]
        if wrong := third_party(name) - brought_by(allowed):
            offenders[name] = wrong
    assert offenders == {}


def test_what_notebooks_import_needs_no_extra() -> None:
    used = {
        match[1]
        for path in (ROOT / "notebooks").rglob("*.ipynb")
        for match in re.finditer(r"\bfrom (labkit[.\w]*) import", path.read_text(encoding="utf-8"))
    }
    assert used == set(ADDRESSES)
    # pygments: IPython needs it as well
    absent = set().union(*(brought_by(EXTRAS[extra]) for extra in EXTRA_MODULES)) - {"pygments"}
    code = f"import sys; sys.modules |= dict.fromkeys({sorted(absent)})\n"  # as Python notes what is not there
    done = run_python(code + "\n".join(f"import {module}" for module in sorted(used)))
    assert done.returncode == 0, done.stderr


# The modules


def test_every_module_lies_in_a_folder() -> None:
    assert {folder(name) for name in MODULES} == {*FOLDERS, "__init__"}


def test_imports_point_down() -> None:
    assert own_imports("__init__") == {"base.import_order"}  # the rest is loaded on first use
    offenders = {}
    for name in MODULES.keys() - {"__init__"}:
        own, folders = folder(name), {folder(other) for other in own_imports(name)} - {"__version__"}
        above = {other for other in folders if FOLDERS.index(other) > FOLDERS.index(own)}
        if wrong := above | {other for other in folders if {own, other} == {"keras", "torch"}}:
            offenders[name] = wrong
    assert offenders == {}


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_students_address_names_what_it_offers(address: str) -> None:
    module = importlib.import_module(address)
    assert module.__all__
    for name in module.__all__:
        assert getattr(module, name) is not None


def test_labkit_has_nothing_else() -> None:
    with pytest.raises(AttributeError, match="module 'labkit' has no attribute 'nothing'"):
        _ = labkit.nothing


def test_keras_and_torch_offer_the_same() -> None:
    keras, torch = (importlib.import_module(f"labkit.{name}") for name in ("keras", "torch"))
    assert set(keras.__all__) - set(torch.__all__) == {"compile_step"}  # in PyTorch a step needs no compiling


def test_no_modules_import_each_other_in_a_circle() -> None:
    left = {name: own_imports(name) for name in MODULES}
    while free := {name for name, wanted in left.items() if not wanted & set(left)}:
        left = {name: wanted for name, wanted in left.items() if name not in free}
    assert set(left) == set(), "these import each other"


def test_frameworks_are_imported_only_where_their_name_says_so() -> None:
    offenders = {}
    for name, tree in MODULES.items():
        lines: list[ast.stmt] = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
        wrong = {module.split(".")[0] for module in imports(ast.Module(lines, []))}
        wrong &= {"torch", "torchvision", "tensorflow", "keras"}
        if folder(name) == "torch" or name == "bench.torch_loops":
            wrong -= {"torch", "torchvision"}
        if name in ("keras.quiet_tensorflow", "bench.stock_keras"):
            wrong -= {"tensorflow", "keras"}
        if folder(name) != "keras" and name != "bench.keras_loops":
            wrong |= own_imports(name) & {"keras.quiet_tensorflow"}
        if wrong:
            offenders[name] = wrong
    assert offenders == {}


# Tracked files


def tracked_files() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


BINARY = {".gz", ".keras", ".pth", ".npz", ".png", ".safetensors", ".onnx", ".wasm"}
# A path into somebody's home or scratch folder: it means nothing on another machine
MACHINE_PATH = re.compile(r"(?<![\w.:/~$}-])/(?:home|root|tmp|work|Users|content(?!/drive\b)|kaggle)/[\w.-]+")


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
