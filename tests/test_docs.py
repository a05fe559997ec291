"""What the documents say holds: commands are parsed, snippets run, and links, files and modules are there."""

import importlib
import importlib.util
import itertools
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pandas as pd
import pytest
from helpers import run_command, small_idx_files, write_idx_folder
from papermill.cli import papermill
from papermill.iorw import read_yaml_file
from typer.main import get_command

from labkit.base.errors import LabError
from labkit.base.paths import notebooks_dir, reference_dir
from labkit.cli import app, join_pairs, split_pair
from labkit.lab.drawing_widget import DrawWidget
from labkit.report.papermill_run import parse_parameters
from labkit.report.series import choose_notebooks
from labkit.runs.parameters import PARAMETERS, check_parameters, notebook_parameters
from labkit.runs.records import load_records
from labkit.runs.registry import find_run

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = ("README.md", "INSTRUCTORS.md", "REPRODUCING.md", "CONTRIBUTING.md")
PAGES = (*DOCUMENTS, "tests/README.md", "data/mnist/README.md", "data/reference/README.md", "data/published/RECIPES.md")
# What a student imports from, and what texts name things by
ADDRESSES = ("labkit", "labkit.keras", "labkit.torch", "labkit.plots", "labkit.stats")
FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LABKIT: Any = get_command(app)


def read(document: str) -> str:
    return (ROOT / document).read_text(encoding="utf-8")


def blocks(document: str, language: str) -> list[str]:
    """Return the fenced blocks of a document in one language."""
    return [content for name, content in FENCED.findall(read(document)) if name == language]


def command_lines(document: str, program: str) -> Iterator[list[str]]:
    """Yield the arguments of each call of a program, in fenced blocks and between backticks in the text."""
    lines = [line for block in blocks(document, "") for line in block.splitlines()]
    spans = re.findall(r"`([^`]+)`", FENCED.sub("", read(document)))
    for line in (*lines, *spans):
        first, *arguments = shlex.split(line.replace("$seed", "3"), comments=True) or [""]  # of a shell loop
        if Path(first).name == program and arguments:
            yield arguments


def every(program: str) -> list[Any]:
    """Return the calls of a program in all documents, as parameters of a test."""
    return [
        pytest.param(arguments, id=f"{document}: {' '.join(arguments)}")
        for document in DOCUMENTS
        for arguments in command_lines(document, program)
    ]


@pytest.mark.parametrize("arguments", every("labkit"))
def test_a_labkit_command_is_one(arguments: list[str]) -> None:
    name, *rest = join_pairs(arguments)
    given = LABKIT.commands[name].make_context(name, rest).params
    for run in (given.get("run_id"), *(given.get("run_ids") or [])):
        assert run in (None, "RUN") or find_run(run)
    notebooks = choose_notebooks(given.get("notebooks") or [])
    parse_parameters([split_pair(pair) for pair in given.get("parameter") or []], notebooks)


@pytest.mark.parametrize("arguments", every("papermill"))
def test_a_papermill_command_is_one(arguments: list[str]) -> None:
    given = papermill.make_context("papermill", list(arguments)).params
    taken = notebook_parameters(ROOT / given["notebook_path"])
    assert {name for name, _ in (*given["parameters"], *given["parameters_raw"])} <= set(taken)


MAKE_TARGETS = {target for document in DOCUMENTS for target, *_ in command_lines(document, "make")}


@pytest.mark.parametrize("target", sorted(MAKE_TARGETS))
def test_a_make_target_is_one(target: str) -> None:
    assert re.search(rf"^{target}:", read("Makefile"), re.MULTILINE)


def test_commands_were_found() -> None:
    assert len(every("labkit")) > 20
    assert len(every("papermill")) == 1
    assert len(MAKE_TARGETS) > 5


# Links, files and modules


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", FENCED.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", PAGES)
def test_every_link_leads_somewhere(document: str) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", read(document)):
        if target.startswith("http"):
            continue
        name, _, anchor = target.partition("#")
        page = (ROOT / document).parent / name if name else ROOT / document
        assert page.exists(), target
        assert not anchor or anchor in anchors(page), target


def notebook_texts() -> Iterator[Any]:
    """Yield the sources of each notebook, its outputs left out, as parameters of a test."""
    for path in sorted((ROOT / "notebooks").rglob("[0-9]*.ipynb")):
        cells = nbformat.read(path, as_version=4).cells
        yield pytest.param("\n".join(cell.source for cell in cells), id=path.name)


@pytest.mark.parametrize("text", [*(pytest.param(read(page), id=page) for page in PAGES), *notebook_texts()])
def test_the_parts_of_labkit_that_a_text_names_are_there(text: str) -> None:
    for path in re.findall(r"\blabkit/[\w./]*\w", text):
        assert (ROOT / path).exists(), path
    public = {name for address in ADDRESSES for name in importlib.import_module(address).__all__}
    for name in set(re.findall(r"\blabkit(?:\.[a-z]\w*)+", text)) - {"labkit.json"}:
        home, _, last = name.rpartition(".")
        found = importlib.util.find_spec(home) is not None
        assert found and (hasattr(importlib.import_module(home), last) or importlib.util.find_spec(name)), name
        assert home in ADDRESSES or last not in public, f"{name}: a student imports it from one of {ADDRESSES}"


def test_every_folder_of_labkit_is_in_the_table() -> None:
    rows = re.findall(r"^\| (`.*/`) \|", read("CONTRIBUTING.md"), re.MULTILINE)
    listed = {name.strip("`/") for row in rows for name in row.split(", ")}
    assert listed == {path.parent.name for path in (ROOT / "labkit").glob("*/__init__.py")}


# INSTRUCTORS.md: the parameters of an exercise


def papermill_example(parameters: str, notebooks: Path) -> "subprocess.CompletedProcess[str]":
    """Run the example, with these parameters in its YAML file and its notebook from this folder."""
    Path("week3.yaml").write_text(parameters, encoding="utf-8")
    (arguments,) = command_lines("INSTRUCTORS.md", "papermill")
    notebook, *rest = arguments
    command = [sys.executable, "-m", "papermill", "--no-progress-bar", str(notebooks / Path(notebook).name), *rest]
    return run_command(command, LABKIT_OUT="")


@pytest.mark.slow
def test_an_exercise_runs_with_its_parameters(tmp_path: Path) -> None:
    (example,) = blocks("INSTRUCTORS.md", "yaml")
    done = papermill_example(example, notebooks_dir())
    assert done.returncode == 0, done.stderr[-2000:]
    record = load_records(tmp_path / "lab_output")["keras-baseline-5"]
    assert (record.recipe.seed, record.profile, len(record.history)) == (3, "quick", 2)


@pytest.mark.slow
def test_the_parameters_of_an_exercise_arrive_and_a_misspelt_one_is_refused(tmp_path: Path) -> None:
    """In the notebook as far as it checks its parameters: the rest trains."""
    (example,) = blocks("INSTRUCTORS.md", "yaml")
    notebook = nbformat.read(notebooks_dir() / "01_keras_baseline.ipynb", as_version=4)
    checked = next(i for i, cell in enumerate(notebook.cells) if "lab = Lab(" in cell.source)
    end = nbformat.v4.new_code_cell("import json\njson.dump(lab.parameters, open('arrived.json', 'w'))")
    notebook.cells = [*notebook.cells[: checked + 1], end]
    nbformat.write(notebook, tmp_path / "01_keras_baseline.ipynb")

    done = papermill_example(example, tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    arrived = json.loads((tmp_path / "arrived.json").read_text(encoding="utf-8"))
    defaults = notebook_parameters(notebooks_dir() / "01_keras_baseline.ipynb")
    assert arrived == defaults | {"seed": 3, "profile": "quick", "epochs": 2}

    (tmp_path / "arrived.json").unlink()
    done = papermill_example(example.replace("epochs", "epoch"), tmp_path)
    assert done.returncode == 1
    said = "LabError: unknown parameter 'epoch': valid are seed, .*; did you mean 'epochs'[?]"
    assert re.search(rf"^{said}$", done.stderr, re.MULTILINE), done.stderr[-2000:]
    assert not (tmp_path / "arrived.json").exists()


def test_yaml_takes_a_number_with_an_exponent_for_a_text(tmp_path: Path) -> None:
    (tmp_path / "week3.yaml").write_text("learning_rate: 1e-3", encoding="utf-8")
    given = read_yaml_file(str(tmp_path / "week3.yaml"))
    with pytest.raises(LabError, match=r"parameter learning_rate is '1e-3' \(str\): valid is a number"):
        check_parameters(given, PARAMETERS)


def test_the_times_are_those_of_the_reference_run_and_of_the_notebooks() -> None:
    _, _, quick, full = re.findall(r"^\|(.*)\|$", read("INSTRUCTORS.md").partition("<!-- times:")[2], re.MULTILINE)[:4]
    measured = json.loads((reference_dir() / "times.json").read_text(encoding="utf-8"))["seconds"]
    assert [cell.strip() for cell in quick.split("|")[1:]] == [f"{s / 60:.1f}" for s in measured.values()]
    minutes = dict(zip(measured, (float(cell) for cell in full.split("|")[1:]), strict=True))
    for name in measured:
        said = re.findall(r"time: about (\d+) minutes", (notebooks_dir() / f"{name}.ipynb").read_text(encoding="utf-8"))
        assert said in ([], [f"{minutes[name]:g}"]), name
    # README: about eight minutes, about two hours
    assert 7.5 < sum(measured.values()) / 60 < 8.5
    assert 105 < sum(minutes.values()) < 135


# INSTRUCTORS.md: the Python snippets, one after the other as a reader would


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the snippets have defined after all of them were run in a folder with what they speak of."""
    folder = tmp_path_factory.mktemp("instructor")
    (folder / "data").symlink_to(ROOT / "data")
    (folder / "notebooks").mkdir()
    clothes = write_idx_folder(folder / "fashion", small_idx_files())
    (clothes / "classes.txt").write_text("\n".join(f"class {n}" for n in range(10)), encoding="utf-8")
    for student in ("ada", "emmy"):
        (folder / "reports" / student).mkdir(parents=True)
        (folder / "reports" / student / "results.json").symlink_to(reference_dir() / "results.json")
    defined: dict[str, Any] = {"folder": folder}
    snippets = blocks("INSTRUCTORS.md", "python")
    assert len(snippets) == 4
    # the last line of a snippet may be an expression, which a notebook shows
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for number, snippet in enumerate(snippets):
            *lines, last = snippet.rstrip().splitlines()
            if last.startswith("draw("):
                last = f"widget = {last}"
                patch.chdir(folder / "notebooks")  # where it says that it runs
            exec(compile("\n".join((*lines, last)), f"snippet {number}", "exec"), defined)
    return defined


def test_the_results_of_a_class_are_one_table(names: dict[str, Any]) -> None:
    written = pd.read_csv(names["folder"] / "class.csv")
    runs = json.loads((reference_dir() / "results.json").read_text(encoding="utf-8"))["runs"]
    assert list(written.columns) == ["student", "run", "profile", "seed", "epochs", "accuracy (%)"]
    expected = [(student, run["run"]) for student, run in itertools.product(("ada", "emmy"), runs)]
    assert list(zip(written["student"], written["run"], strict=True)) == expected
    assert written["accuracy (%)"][0] == pytest.approx(100 * runs[0]["test"]["accuracy"])


def test_another_data_set_is_loaded_and_a_network_of_ones_own_trains_on_it(names: dict[str, Any]) -> None:
    assert names["data"].train_images.shape == (30, 28, 28)
    assert names["data"].class_names[9] == "class 9"
    assert len(names["history"]) == 2


def test_the_drawing_widget_offers_both_networks(names: dict[str, Any]) -> None:
    widget = names["widget"]
    assert isinstance(widget, DrawWidget)
    assert widget.networks == ["mnist_addlayer_epoch20", "mine"]
    assert len(widget.read(names["data"].test_images[0], "mine")[0]["probabilities"]) == 10
