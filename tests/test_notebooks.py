"""The committed notebooks are what a student should meet: documented, executed, clean."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest

from labkit.base.paths import notebooks_dir
from labkit.report.cards import PICTURE, SENTENCE
from labkit.report.series import BY_THEMSELVES, SHOWS_RESULTS_OF, series
from labkit.runs.parameters import PARAMETERS, notebook_parameters

SERIES = sorted(series().values())
SOLUTIONS = sorted((notebooks_dir() / "solutions").glob("*.ipynb"))
EVERY = [*SERIES, *SOLUTIONS]


def _name(path: Path) -> str:
    return path.stem


def _code(path: Path) -> list[Any]:
    cells = nbformat.read(path, as_version=4).cells
    return [cell for cell in cells if cell.cell_type == "code" and cell.source.strip()]


def _outputs(path: Path) -> Iterator[Any]:
    for cell in _code(path):
        yield from cell.outputs


def test_a_report_knows_notebooks_by_the_names_that_they_have() -> None:
    shown = {name for others in SHOWS_RESULTS_OF.values() for name in others}
    assert {*SHOWS_RESULTS_OF, *shown, *BY_THEMSELVES} <= set(series())


def test_every_notebook_has_its_solutions() -> None:
    assert [path.stem[:2] for path in SOLUTIONS] == [path.stem[:2] for path in SERIES]


@pytest.mark.parametrize("path", SERIES, ids=_name)
def test_every_parameter_is_known_valid_and_explained(path: Path) -> None:
    parameters = notebook_parameters(path)
    for name, default in parameters.items():
        PARAMETERS[name].check(name, default)
    assert not Path(parameters.get("out", "")).is_absolute()
    cell = next(c for c in _code(path) if "parameters" in c.metadata.get("tags", []))
    assert all("  # " in line for line in cell.source.splitlines())


@pytest.mark.parametrize("path", SERIES, ids=_name)
def test_its_bench_has_its_name_and_reads_the_parameters_by_itself(path: Path) -> None:
    call = next(
        node
        for cell in _code(path)
        for node in ast.walk(ast.parse(cell.source))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Lab"
    )
    assert [ast.literal_eval(argument) for argument in call.args] == [path.stem]
    assert not call.keywords


@pytest.mark.parametrize("path", EVERY, ids=_name)
def test_it_was_run_once_from_top_to_bottom(path: Path) -> None:
    counts = [cell.execution_count for cell in _code(path)]
    assert counts == list(range(1, len(counts) + 1))


@pytest.mark.parametrize("path", EVERY, ids=_name)
def test_its_outputs_are_clean(path: Path) -> None:
    for output in _outputs(path):
        assert output.output_type != "error"
        assert not (output.output_type == "stream" and output.name == "stderr"), output.text
        text = str(output)
        assert not re.search(r"/(root|tmp|home|work|usr/lib|Users)/", text), "an absolute path"
        assert not re.search(r"\d+%\|", text), "a progress bar"
        assert "Warning" not in text


@pytest.mark.parametrize("path", EVERY, ids=_name)
def test_every_figure_has_an_alternative_text(path: Path) -> None:
    for output in _outputs(path):
        if "image/png" in output.get("data", {}):
            assert len(output.metadata.get("image/png", {}).get("alt", "")) > 20


@pytest.mark.parametrize("path", SERIES, ids=_name)
def test_its_card_has_one_sentence_and_one_picture(path: Path) -> None:
    tagged = {
        tag: [c for c in nbformat.read(path, as_version=4).cells if tag in c.metadata.get("tags", [])]
        for tag in (SENTENCE, PICTURE)
    }
    (sentence,), (picture,) = tagged[SENTENCE], tagged[PICTURE]
    text = sentence.source if sentence.cell_type == "markdown" else "".join(o.text for o in sentence.outputs)
    assert text.strip().endswith(".")
    assert 10 < len(text.split()) < 70
    assert any("image/png" in output.get("data", {}) for output in picture.outputs)


@pytest.mark.parametrize("path", EVERY, ids=_name)
def test_text_comes_before_code(path: Path) -> None:
    cells = nbformat.read(path, as_version=4).cells
    assert cells[0].cell_type == "markdown"
    assert cells[0].source.startswith("# ")


@pytest.mark.parametrize("path", SERIES, ids=_name)
def test_only_what_depends_on_scale_is_ignored_by_nbval(path: Path) -> None:
    """Cells without the tag are compared strictly; no notebook may switch the comparison off wholesale."""
    spoken = [cell for cell in _code(path) if cell.outputs]
    ignored = [cell for cell in spoken if "nbval-ignore-output" in cell.metadata.get("tags", [])]
    assert len(ignored) < len(spoken) / 2 + 1
    assert not any("nbval-skip" in cell.metadata.get("tags", []) for cell in _code(path))


def test_no_two_notebooks_define_the_same_helper() -> None:
    homes: dict[str, str] = {}
    for path in SERIES:
        for cell in _code(path):
            for node in ast.parse(cell.source.replace("%", "#")).body:
                if isinstance(node, ast.FunctionDef) and not node.name.startswith(("build_", "answer_")):
                    body = ast.dump(ast.Module(node.body, []))
                    assert homes.setdefault(body, path.stem) == path.stem, f"{node.name} stands in two notebooks"
