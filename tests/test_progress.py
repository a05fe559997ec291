"""Who watches a kernel: a person in front of an open notebook, or nobody, in a report or under papermill."""

import sys
from pathlib import Path

import nbformat
import pytest
from helpers import run_command
from nbclient import NotebookClient
from tiny_notebooks import write_notebook

QUESTION = "from labkit.base.progress import somebody_watches\nprint('watched:', somebody_watches())"
REPORT = """
from pathlib import Path
from labkit import cli
from labkit.report import series
series.notebooks_dir = lambda: Path("books")
cli.main(["report", "--profile", "quick", "--out", "out"])
"""


@pytest.fixture(autouse=True)
def shell_of_an_open_notebook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A made notebook, and an environment as `!command` has it in a notebook that is open on Colab."""
    write_notebook(tmp_path / "books", "01_asks", QUESTION)
    for name in ("CI", "LABKIT_QUIET", "KAGGLE_KERNEL_RUN_TYPE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLAB_RELEASE_TAG", "release-colab_20260819")


def answer(notebook: nbformat.NotebookNode) -> str:
    """Return what the last cell printed."""
    return str(notebook.cells[-1].outputs[0].text)


def run_as_opened() -> str:
    """Run the notebook in a kernel of this process, which is none of the known runners."""
    notebook = nbformat.read("books/01_asks.ipynb", as_version=4)
    return answer(NotebookClient(notebook, kernel_name="python3").execute())


def test_an_open_notebook_is_watched() -> None:
    assert run_as_opened() == "watched: True\n"


def test_a_batch_run_on_kaggle_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAGGLE_KERNEL_RUN_TYPE", "Interactive")
    assert run_as_opened() == "watched: True\n"
    monkeypatch.setenv("KAGGLE_KERNEL_RUN_TYPE", "Batch")
    assert run_as_opened() == "watched: False\n"


def test_a_report_from_an_open_notebook_is_not() -> None:
    done = run_command([sys.executable, "-c", REPORT])
    assert done.returncode == 0, done.stderr
    assert answer(nbformat.read("out/01_asks.ipynb", as_version=4)) == "watched: False\n"


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="only Linux tells who started a process")
@pytest.mark.parametrize(
    "command", [[str(Path(sys.executable).parent / "papermill")], [sys.executable, "-m", "papermill"]]
)
def test_papermill_from_an_open_notebook_is_not(command: list[str]) -> None:
    done = run_command([*command, "books/01_asks.ipynb", "out.ipynb", "--no-progress-bar"])
    assert done.returncode == 0, done.stderr
    assert answer(nbformat.read("out.ipynb", as_version=4)) == "watched: False\n"
