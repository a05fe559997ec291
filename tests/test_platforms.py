"""The runner of `make test-platforms`: its lists, its choices and what it calls a failure; no environment is built."""

import ast
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from platforms import refresh
from platforms import run as runner
from platforms.run import Builder, Python, Result, StepError, Versions

from labkit.base.errors import LabError

ROOT = Path(__file__).resolve().parents[1]
LISTED = {"torch": "2.11.0", "dask": "2026.1.1"}
NO_RELEASE = "cause: Because there is no version of torch==2.11.0 and labkit depends on torch==2.11.0, we can"
NO_PACKAGE = "cause: Because torch was not found in the package registry and labkit depends on torch, we can"


def write(path: Path, *lines: str) -> Path:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


# The stored list


def test_refresh_stores_a_version_for_each_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refresh, "STORED", tmp_path / "colab.txt")
    freeze = write(
        tmp_path / "freeze.txt",
        "torch @ https://example.org/whl/cu128/torch-2.11.0%2Bcu128-cp313-cp313-linux_x86_64.whl#sha256=12",
        "keras==3.13.2",
        "google-colab @ file:///colabtools/dist/google_colab-1.0.0.tar.gz",
        "jupyter_kernel_gateway @ git+https://example.org/gateway@c0ffee",
    )
    assert refresh.main([str(freeze), "2026-08-19"]) == 0
    stored = (tmp_path / "colab.txt").read_text(encoding="utf-8")
    assert "2026-08-19" in stored.splitlines()[0]
    assert stored.splitlines()[-3:] == ["google-colab==1.0.0", "keras==3.13.2", "torch==2.11.0+cu128"]
    assert runner.read_list(tmp_path / "colab.txt") == {"google-colab": "1.0.0", "keras": "3.13.2", "torch": "2.11.0"}


def test_refresh_names_what_it_leaves_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(refresh, "STORED", tmp_path / "colab.txt")
    freeze = write(tmp_path / "freeze.txt", "keras==3.13.2", "gateway @ git+https://example.org/gateway@c0ffee")
    assert refresh.main([str(freeze)]) == 0
    assert capsys.readouterr().out == "1 packages stored; gateway left out: no version is named\n"


@pytest.mark.parametrize(
    ("damaged", "said"),
    [
        ("torch=2.11.0", "line 2 is 'torch=2.11.0': valid are name==version and name @ address"),
        ("<html>", "line 2 is '<html>': valid are name==version and name @ address"),
    ],
)
def test_a_damaged_freeze_is_one_line_and_changes_nothing(
    damaged: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stored = write(tmp_path / "colab.txt", "keras==3.13.2")
    monkeypatch.setattr(refresh, "STORED", stored)
    freeze = write(tmp_path / "freeze.txt", "keras==3.14.0", damaged)
    assert refresh.main([str(freeze)]) == 2
    assert capsys.readouterr().err == f"refresh: {freeze}: {said}\n"
    assert stored.read_text(encoding="utf-8") == "keras==3.13.2\n"


def test_the_stored_list_is_read_without_what_belongs_to_colabs_cuda() -> None:
    listed = runner.read_list(runner.COLAB)
    assert {"torch", "tensorflow", "keras", "numpy", "ipykernel", "traitlets", "pip"} <= listed.keys()
    assert "+" not in "".join(listed.values())
    assert not [name for name in listed if name.startswith(("nvidia", "cuda-"))]


def test_a_damaged_line_of_the_stored_list_is_named(tmp_path: Path) -> None:
    stored = write(tmp_path / "colab.txt", "# Colab", "keras==3.13.2", "torch 2.11.0")
    with pytest.raises(LabError, match=r"colab\.txt: line 3 is 'torch 2.11.0': valid is name==version"):
        runner.read_list(stored)


def test_only_another_version_counts_as_a_change() -> None:
    before = {"torch": "2.11.0", "traitlets": "5.7.1", "numpy": "2.1.3", "tzdata": "2026.02", "sparse": "1.0"}
    after = {"torch": "2.11.0+cu130", "traitlets": "5.16.1", "numpy": "2.1.3", "tzdata": "2026.2", "papermill": "2.7"}
    assert runner.changes(before, after) == ["traitlets 5.7.1 -> 5.16.1"]


# Pythons


def test_the_newest_release_of_each_python_is_taken() -> None:
    names = ("3.11.2", "3.11.7", "3.9.18", "3.13.0", "3.12.1", "3.15.0a2", "pypy3.11-7.3.20", "3.14.0t")
    pythons = runner.newest_of_each({name: Path(name) for name in names})
    assert [str(python) for python in pythons] == ["3.13.0", "3.12.1", "3.11.7", "3.9.18"]
    assert [str(python) for python in runner.candidates("colab", pythons)] == ["3.13.0"]
    assert [str(python) for python in runner.candidates("lowest", pythons)] == ["3.11.7"]
    assert [str(python) for python in runner.candidates("newest", pythons)] == ["3.13.0", "3.12.1", "3.11.7"]


class FakeBuilder(Builder):
    """Resolves on Python 3.12 and older only."""

    said = "error: No solution\n  cause: Because h5py>=3.10 has no usable wheels and labkit depends on it, we can"

    @property
    def folder(self) -> Path:
        return Path.cwd()

    def resolve(self, python: Path, *options: str | Path) -> Versions:
        if python.name > "3.12":
            raise StepError(self.said)
        return {"torch": "2.11.0"}


OLD, NEW = Python((3, 12, 1), Path("3.12")), Python((3, 13, 0), Path("3.13"))


def test_the_newest_python_without_wheels_is_left_for_the_next() -> None:
    result = Result("newest")
    assert runner.choose_python(FakeBuilder("uv", "newest", {}), [NEW, OLD], result) == (OLD, {"torch": "2.11.0"})
    assert result.lines == ["not on Python 3.13.0: Because h5py>=3.10 has no usable wheels and labkit depends on it"]


def test_where_no_versions_fit_the_platform_fails_with_uvs_words(capsys: pytest.CaptureFixture[str]) -> None:
    result = Result("newest")
    assert runner.choose_python(FakeBuilder("uv", "newest", {}), [NEW], result) is None
    assert result.failures == ["no versions fit on Python 3.13.0"]
    assert "no usable wheels" in capsys.readouterr().out


def test_a_platform_without_its_python_is_skipped_with_the_reason() -> None:
    result = Result("colab")
    assert runner.choose_python(FakeBuilder("uv", "colab", LISTED), [OLD], result) is None
    assert result.summary() == "colab\n  skipped: this machine has no Python 3.13"
    assert not result.failures


@pytest.mark.parametrize("said", [NO_RELEASE, NO_PACKAGE])
def test_a_listed_release_that_does_not_exist_is_named_in_one_line(said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeBuilder, "said", said)
    with pytest.raises(LabError) as caught:
        runner.choose_python(FakeBuilder("uv", "colab", LISTED), [NEW], Result("colab"))
    assert str(caught.value) == "colab.txt: torch==2.11.0 does not exist: store the list anew with refresh.py"


# The command line


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["colb"], "unknown platform 'colb': valid are colab, lowest, newest; did you mean 'colab'?"),
        (["--notebooks", "07_sumary"], "did you mean '07_summary'?"),
    ],
)
def test_a_mistake_is_one_line(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert runner.main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("test-platforms: unknown ")
    assert error.endswith(f"{said}\n")
    assert error.count("\n") == 1


def test_a_failure_is_exit_code_1_and_stands_in_the_summary(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def one_fails(results: list[Result], *_: object, **__: object) -> None:
        results[0].say("10 of 10 notebooks ran to their end")
        results[1].fail("08_speed", "Traceback")

    monkeypatch.setattr(runner, "run", one_fails)
    assert runner.main(["colab", "newest"]) == 1
    summary = "colab\n  10 of 10 notebooks ran to their end\nnewest\n  FAILED: 08_speed\n"
    assert capsys.readouterr().out.endswith(f"\n\n{summary}")


# Notebooks


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("import os; assert os.listdir() == ['tiny.ipynb']; print('fine')", ""),
        ("import sys; print('a warning', file=sys.stderr)", "a warning\n"),
        ("raise ValueError('all wrong')", "ValueError: all wrong"),
    ],
)
def test_an_error_or_a_word_on_stderr_fails_a_notebook(source: str, problem: str, tmp_path: Path) -> None:
    kernel = runner.write_kernel(Path(sys.executable), tmp_path)
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    nbformat.write(notebook, tmp_path / "tiny.ipynb")
    outside = tmp_path / "outside"
    outside.mkdir()
    said = runner.run_notebook(tmp_path / "tiny.ipynb", outside, kernel)
    assert said == problem if problem in ("", "a warning\n") else said.endswith(problem)


def imported(tree: ast.AST) -> Iterator[str]:
    """Yield every name that a source imports and could be a module, also inside functions."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = {
    module_name(path): set(imported(ast.parse(path.read_text(encoding="utf-8"))))
    for path in (ROOT / "labkit").rglob("*.py")
    if not {"_project", "templates"} & set(path.parts)
}


def reached(notebook: Path) -> set[str]:
    """Return the modules of labkit that a notebook imports, directly or through others."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    lines = [line for cell in cells if cell["cell_type"] == "code" for line in [*cell["source"], "\n"]]
    source = "".join(line for line in lines if not line.startswith(("%", "!")))
    found: set[str] = set()
    left = set(imported(ast.parse(source))) & MODULES.keys()
    while left:
        found |= left
        left = set().union(*(MODULES[name] for name in left)) & MODULES.keys() - found
    return found


def test_the_few_notebooks_reach_every_module() -> None:
    by_name = {path.stem: reached(path) for path in runner.choose_notebooks(["all"])}
    every = set().union(*by_name.values())
    assert len(every) > 30
    assert set().union(*(by_name[name] for name in runner.FEW)) == every
