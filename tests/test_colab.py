"""Every notebook opens alone: its first code cell finds labkit or gets it, in an environment that has none."""

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from importlib import metadata
from pathlib import Path
from typing import Any

import nbformat
import pytest
from helpers import run_command

from labkit.base.errors import LabError
from labkit.report.first_cell import CELL_ID, cell_source, main, notebook_paths, stored_address, write_project
from labkit.report.pages import write_page

ROOT = Path(__file__).resolve().parents[1]
ADDRESS = stored_address((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
GITHUB = "https://github.com/OWNER/REPO"
NOTEBOOK = "00_introduction"
SHIPPED = ("torch", "torchvision", "tensorflow", "keras", "numpy")


def copy_project(target: Path, *names: str) -> Path:
    """Copy a part of the project, without what running it has left there."""
    for name in ("pyproject.toml", "README.md", "LICENSE", *names):
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, target / name, ignore=shutil.ignore_patterns("__pycache__", ".ipynb_*"))
        else:
            target.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, target / name)
    return target


def code_cells(path: Path) -> list[Any]:
    return [c for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code" and c.source.strip()]


def contents(project: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in project.rglob("*") if path.is_file()}


# The notebooks of the series


@pytest.mark.parametrize("path", notebook_paths(ROOT), ids=lambda path: path.stem)
def test_every_notebook_starts_with_the_cell_that_gets_labkit(path: Path) -> None:
    cell = code_cells(path)[0]
    assert (cell.id, cell.source) == (CELL_ID, cell_source(ADDRESS)), "run `python -m labkit.report.first_cell`"
    assert cell.metadata == {"jupyter": {"source_hidden": True}, "cellView": "form"}
    assert cell.outputs == []


@pytest.mark.parametrize("address", ["", "https://git.example.org/group/labs"])
def test_the_cell_has_at_most_ten_lines(address: str) -> None:
    assert sum(bool(line) for line in cell_source(address).splitlines()) <= 10


# The command


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Files that the command writes to, as a project of their own."""
    return copy_project(tmp_path / "project", "notebooks")


def test_an_address_on_github_gives_links(project: Path) -> None:
    write_project(project, f"git+{GITHUB}.git")
    place = f"OWNER/REPO/blob/main/notebooks/{NOTEBOOK}.ipynb"
    links = (
        f"[Open in Colab](https://colab.research.google.com/github/{place})"
        f" · [Open in Kaggle](https://kaggle.com/kernels/welcome?src=https://github.com/{place})"
    )
    title = nbformat.read(project / f"notebooks/{NOTEBOOK}.ipynb", as_version=4).cells[0].source
    assert title.split("\n\n")[1] == links
    assert f"| [00 Introduction](notebooks/{NOTEBOOK}.ipynb) · {links} |" in (project / "README.md").read_text("utf-8")
    solutions = nbformat.read(project / "notebooks/solutions/00_solutions.ipynb", as_version=4)
    assert "Open in" not in solutions.cells[0].source
    assert f'or "git+{GITHUB}.git"\n' in solutions.cells[1].source


@pytest.mark.parametrize(
    ("address", "written"),
    [
        (GITHUB, f"git+{GITHUB}"),
        ("git+ssh://git@example.org/labs@v1", "git+ssh://git@example.org/labs@v1"),
        ("https://example.org/labkit-1-py3-none-any.whl", "https://example.org/labkit-1-py3-none-any.whl"),
    ],
)
def test_the_cell_holds_the_address_as_pip_takes_it(address: str, written: str) -> None:
    assert f'os.environ.get("LABKIT_SOURCE") or "{written}"\n' in cell_source(address)


@pytest.mark.parametrize(
    "other", ["https://git.example.org/group/labs", "https://example.org/labkit-1-py3-none-any.whl", ""]
)
def test_any_other_address_takes_the_links_away(project: Path, other: str) -> None:
    write_project(project, other)
    before = contents(project)
    write_project(project, GITHUB)
    write_project(project, other)
    assert contents(project) == before
    assert all(b"Open in" not in content for content in before.values())
    assert stored_address((project / "pyproject.toml").read_text(encoding="utf-8")) == other


def test_what_the_command_writes_keeps_to_the_style_of_the_project(project: Path) -> None:
    write_project(project, f"git+{GITHUB}.git@main")
    for rule in (["check", "-q"], ["format", "-q", "--check"]):
        done = run_command([sys.executable, "-m", "ruff", *rule, "--no-cache", str(project / "notebooks")])
        assert done.returncode == 0, done.stdout


def test_a_second_run_changes_nothing_and_keeps_the_address(project: Path) -> None:
    assert write_project(project, GITHUB)
    assert write_project(project) == []
    assert write_project(project, GITHUB) == []


def test_only_the_cell_and_the_links_are_new(project: Path) -> None:
    def rest(path: Path) -> str:
        content = nbformat.read(path, as_version=4)
        content.cells = [c for c in content.cells if c.id != CELL_ID]
        text = json.dumps(content, ensure_ascii=False)
        return re.sub(r"\[Open in Colab\]\([^)]*\) · \[Open in Kaggle\]\([^)]*\)\\n\\n", "", text)

    before = {path: rest(path) for path in notebook_paths(project)}
    write_project(project, GITHUB)
    assert {path: rest(path) for path in notebook_paths(project)} == before


def test_a_notebook_without_the_cell_is_named(project: Path) -> None:
    path = project / f"notebooks/{NOTEBOOK}.ipynb"
    content = nbformat.read(path, as_version=4)
    content.cells = [c for c in content.cells if c.id != CELL_ID]
    nbformat.write(content, path)
    with pytest.raises(LabError, match=f"{NOTEBOOK}.ipynb: no cell has the id 'labkit-source'"):
        write_project(project)


@pytest.mark.parametrize(
    "bad", ["OWNER/REPO", "labkit", 'https://x/"', f"{GITHUB}/tree/main", "https://a b", "../labkit"]
)
def test_a_bad_address_is_one_line_and_changes_nothing(
    project: Path, bad: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = contents(project)
    monkeypatch.setattr("labkit.report.first_cell.project_dir", lambda: project)
    assert main([bad]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"labkit.report.first_cell: address {bad!r}: valid is a git address")
    assert error.count("\n") == 1
    assert contents(project) == before


def test_the_command_says_what_it_wrote(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("labkit.report.first_cell.project_dir", lambda: project)
    assert main([GITHUB]) == 0
    assert f"written: {project / 'pyproject.toml'}" in capsys.readouterr().out
    assert main([]) == 0
    assert capsys.readouterr().out == "nothing to change\n"
    (project / "README.md").unlink()
    assert main([]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_the_cell_is_not_shown_in_the_pages_of_a_report(project: Path) -> None:
    write_project(project)
    page = write_page(project / "notebooks/solutions/00_solutions.ipynb").read_text(encoding="utf-8")
    assert "shift_left" in page
    assert "LABKIT_SOURCE" not in page


# The cell, in environments without labkit


@pytest.fixture(scope="module")
def platform_packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Everything that is installed here, PyTorch and TensorFlow included, but labkit: what Colab or Kaggle ships."""
    folder = tmp_path_factory.mktemp("platform")
    for kind in ("purelib", "platlib"):
        for entry in Path(sysconfig.get_path(kind)).iterdir():
            if "labkit" not in entry.name and not (folder / entry.name).exists():
                (folder / entry.name).symlink_to(entry)
    return folder


class Platform:
    """A fresh environment with the platform's packages, and an empty folder to work in."""

    def __init__(self, home: Path, packages: Path) -> None:
        venv.create(home / "env", symlinks=True)
        self.python = home / "env" / "bin" / "python"
        self.work = home / "work"
        self.work.mkdir()
        self.own_packages = next((home / "env" / "lib").glob("python*/site-packages"))
        (self.own_packages / "platform.pth").write_text(f"{packages}\n", encoding="utf-8")

    def run(self, *arguments: str, **settings: str) -> "subprocess.CompletedProcess[str]":
        """Run this environment's Python in the empty folder."""
        inherited = {k: v for k, v in os.environ.items() if k != "PYTHONPATH" and not k.startswith("LABKIT")}
        environment = inherited | {"OMP_NUM_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"} | settings
        command = [str(self.python), *arguments]
        return subprocess.run(
            command, cwd=self.work, env=environment, capture_output=True, text=True, check=False, timeout=500
        )

    def run_cell(self, after: str, address: str = "", **settings: str) -> "subprocess.CompletedProcess[str]":
        """Run the cell, then other code in the same process."""
        return self.run("-c", f"{cell_source(address)}\n{after}", **settings)

    def run_notebook(self, path: Path, **settings: str) -> "subprocess.CompletedProcess[str]":
        """Run a notebook through papermill into `out.ipynb`."""
        return self.run("-m", "papermill", str(path), "out.ipynb", "--no-progress-bar", **settings)

    def installed(self) -> dict[str, str]:
        """Return what was installed beside the platform's packages, with versions."""
        return {d.name: d.version for d in metadata.distributions(path=[str(self.own_packages)])}


@pytest.fixture
def platform(tmp_path: Path, platform_packages: Path) -> Platform:
    return Platform(tmp_path, platform_packages)


@pytest.fixture(scope="module")
def source_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project as somebody else would have it, with the cell in its notebooks."""
    project = copy_project(tmp_path_factory.mktemp("source") / "labs", "labkit", "data", "notebooks")
    write_project(project)
    return project


@pytest.fixture(scope="module")
def repository(source_folder: Path) -> str:
    """The address of a git repository of the project."""
    who = ["-c", "user.name=Test", "-c", "user.email=test@example.org", "-c", "commit.gpgsign=false"]
    for command in (["init", "-q"], ["add", "."], [*who, "commit", "-q", "-m", "All"]):
        subprocess.run(["git", *command], cwd=source_folder, check=True)
    # with a host: the pip that comes with Python 3.11.7 takes no address without one
    return "git+" + source_folder.as_uri().replace("file://", "file://localhost", 1)


def small_wheel(folder: Path, name: str, version: str, *requirements: str) -> Path:
    """Write a wheel with one module that says its version."""
    info = f"{name}-{version}.dist-info"
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr(f"{name}.py", f"version = {version!r}\n")
        wheel.writestr(f"{info}/METADATA", "\n".join([*lines, *(f"Requires-Dist: {r}" for r in requirements)]) + "\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")
    return path


WHERE = "import labkit.lab.notebook; print(labkit.__file__)"


@pytest.mark.slow
def test_a_notebook_opened_alone_gets_labkit_from_git(platform: Platform, source_folder: Path, repository: str) -> None:
    """The whole way of a student on Colab: one notebook in an empty folder, run from top to bottom."""
    before = {name: metadata.version(name) for name in SHIPPED}
    done = platform.run_notebook(source_folder / f"notebooks/{NOTEBOOK}.ipynb", LABKIT_SOURCE=repository)
    assert done.returncode == 0, done.stderr
    executed = code_cells(platform.work / "out.ipynb")
    assert [c.execution_count for c in executed] == list(range(1, len(executed) + 1))
    assert [o.text for o in executed[0].outputs] == [f"installing labkit from {repository}\n"]
    # nothing but labkit was installed, and that is what the notebook ran with
    assert list(platform.installed()) == ["labkit"]
    found = platform.run("-c", f"{WHERE}\nfrom importlib.metadata import version\nprint(*map(version, {SHIPPED}))")
    assert found.stdout.splitlines() == [str(platform.own_packages / "labkit/__init__.py"), " ".join(before.values())]


@pytest.mark.slow
def test_a_wheel_works_without_the_project(platform: Platform, source_folder: Path, tmp_path: Path) -> None:
    built = platform.run("-m", "pip", "wheel", "-q", "--no-deps", "-w", str(tmp_path / "dist"), str(source_folder))
    assert built.returncode == 0, built.stderr
    [wheel] = (tmp_path / "dist").glob("labkit-*.whl")
    read = "from labkit.data.mnist import load_mnist; print(len(load_mnist().train_images))"
    done = platform.run_cell(f"{WHERE}\n{read}", LABKIT_SOURCE=wheel.as_uri())
    assert done.stdout.splitlines()[-2:] == [str(platform.own_packages / "labkit/__init__.py"), "60000"], done.stderr


@pytest.mark.slow
def test_the_environment_comes_before_the_address_in_the_cell(platform: Platform, tmp_path: Path) -> None:
    first, second = (small_wheel(tmp_path / v, "labkit", v) for v in ("1.1", "1.2"))
    show = "import labkit; print(labkit.version)"
    before = platform.run_cell(show, first.as_uri(), LABKIT_SOURCE=second.as_uri())
    assert before.stdout.splitlines()[-1] == "1.2", before.stderr
    # what is installed stays, whatever the address says
    assert platform.run_cell(show, "https://example.org/not/there").stdout == "1.2\n"
    shutil.rmtree(platform.own_packages / "labkit-1.2.dist-info")
    (platform.own_packages / "labkit.py").unlink()
    assert platform.run_cell(show, first.as_uri()).stdout.splitlines()[-1] == "1.1"


@pytest.mark.parametrize("source", ["", "labs", "missing", "missing/labkit-1.0.0-py3-none-any.whl"])
def test_without_labkit_the_notebook_stops_with_one_line(platform: Platform, tmp_path: Path, source: str) -> None:
    if source.startswith("missing"):
        source = ("" if source.endswith(".whl") else "git+") + (tmp_path / source).as_uri()
    cells = [nbformat.v4.new_code_cell(text) for text in (cell_source(""), "print('went on')")]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), platform.work / "mine.ipynb")
    done = platform.run_notebook(platform.work / "mine.ipynb", LABKIT_SOURCE=source)
    assert done.returncode == 1
    first, second = code_cells(platform.work / "out.ipynb")
    assert (second.execution_count, second.outputs) == (None, [])
    [error] = [output for output in first.outputs if output.output_type == "error"]
    assert (error.ename, error.evalue) == (
        "SystemExit",
        f"labkit could not be installed from {source}: valid is git+https://..., with the internet on"
        if source
        else "labkit is missing: set LABKIT_SOURCE to git+https://...",
    )
    assert len(error.traceback) == 2  # IPython's sentence about %tb, and the line
    assert platform.installed() == {}


@pytest.mark.parametrize("source", ["other", "the wheel of other"])
def test_nothing_but_labkit_is_installed_whatever_the_source_says(
    platform: Platform, tmp_path: Path, source: str
) -> None:
    wheel = small_wheel(tmp_path / "index", "other", "1.0")
    settings = {"PIP_FIND_LINKS": str(wheel.parent), "PIP_NO_INDEX": "1"}
    done = platform.run_cell("", LABKIT_SOURCE=source if source == "other" else wheel.as_uri(), **settings)
    assert done.returncode == 1
    assert "labkit could not be installed from" in done.stderr
    assert platform.installed() == {}
