"""The index of a report, and its pages."""

import base64
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest
from matplotlib.figure import Figure
from scipy import stats

from labkit.base.paths import notebooks_dir
from labkit.plots.style import png
from labkit.report.index_page import write_report
from labkit.report.pages import write_page
from labkit.report.series import Outcome, series
from labkit.runs.registry import ten_runs
from labkit.stats import accuracies, reference_sweep, sweep_table


def test_figures_keep_their_texts_whatever_the_times_of_the_files(tmp_path: Path) -> None:
    name = next(iter(series()))
    outputs = []
    for number, alt in enumerate(("The first figure.", "The second figure.")):
        path = tmp_path / "figures" / f"{name[:2]}_{'ba'[number]}.png"
        data = base64.b64encode(png(Figure(figsize=(1 + number, 1)), path)).decode()
        metadata = {"image/png": {"alt": alt}}
        outputs.append(nbformat.v4.new_output("display_data", {"image/png": data}, metadata=metadata))
        os.utime(path, (9 - number, 9 - number))  # as after copying a report
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("", outputs=outputs)])
    nbformat.write(notebook, tmp_path / f"{name}.ipynb")
    write_report(tmp_path, [Outcome(name, "done", 1.0, "", "")], "quick", {}, 1)
    index = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert f'src="figures/{name[:2]}_b.png" alt="The first figure."' in index
    assert f'src="figures/{name[:2]}_a.png" alt="The second figure."' in index


def executed(folder: Path, name: str, *cells: nbformat.NotebookNode) -> None:
    title = nbformat.v4.new_markdown_cell(
        f"# Title of {name}\n\n**What you will learn**\n\n- much.\n\nIt *begins* here."
    )
    nbformat.write(nbformat.v4.new_notebook(cells=[title, *cells]), folder / f"{name}.ipynb")


def cell_with_figure(folder: Path, file: str, alt: str, *tags: str) -> nbformat.NotebookNode:
    data = base64.b64encode(png(Figure(figsize=(1 + len(file) / 10, 1)), folder / "figures" / file)).decode()
    output = nbformat.v4.new_output("display_data", {"image/png": data}, metadata={"image/png": {"alt": alt}})
    return nbformat.v4.new_code_cell("", outputs=[output], metadata={"tags": list(tags)})


def printing(text: str, *tags: str) -> nbformat.NotebookNode:
    output = nbformat.v4.new_output("stream", name="stdout", text=text)
    return nbformat.v4.new_code_cell("", outputs=[output], metadata={"tags": list(tags)})


def index_of(folder: Path, names: Sequence[str], **outcome: Any) -> str:
    settings: dict[str, Any] = {"status": "done", "seconds": 1.0, "problem": "", "key": ""} | outcome
    write_report(folder, [Outcome(name, **settings) for name in names], "quick", {}, 1)
    return (folder / "index.html").read_text(encoding="utf-8")


def test_a_card_has_the_sentence_and_the_picture_that_the_notebook_marks(tmp_path: Path) -> None:
    first, second = list(series())[:2]
    numbers = [
        cell_with_figure(tmp_path, f"{first[:2]}_{n * 'a'}.png", f"Alt {n}.", *tags)
        for n, tags in ((2, ()), (1, ("picture",)), (3, ()))
    ]
    executed(
        tmp_path, first, printing("It is **97.3%** of the images.\n", "nbval-ignore-output", "establishes"), *numbers
    )
    executed(tmp_path, second, cell_with_figure(tmp_path, f"{second[:2]}_bbbb.png", "Alt 4."))
    index = index_of(tmp_path, [first, second])
    cards = index[index.index('<ul class="cards">') : index.index('id="results"')].split("<li>")[1:]
    assert f'<img src="figures/{first[:2]}_a.png" alt="Alt 1." loading="lazy">' in cards[0]
    assert f'<a href="{first}.html">Title of {first}</a>' in cards[0]
    assert "<p>It is <strong>97.3%</strong> of the images.</p>" in cards[0]
    assert f'<a href="#figures-{first}">3 figures</a>' in cards[0]
    assert "<p>It <em>begins</em> here.</p>" in cards[1]  # no mark: the first paragraph, the last figure
    assert 'alt="Alt 4."' in cards[1]


def test_figures_stand_with_their_notebook_in_its_order(tmp_path: Path) -> None:
    first, second = list(series())[:2]
    order = ["zz", "a"]
    executed(tmp_path, first, *(cell_with_figure(tmp_path, f"{first[:2]}_{n}.png", f"Alt {n}.") for n in order))
    executed(tmp_path, second, cell_with_figure(tmp_path, f"{second[:2]}_bbbb.png", "Alt b."))
    png(Figure(figsize=(3, 1)), tmp_path / "figures" / "old.png")
    index = index_of(tmp_path, [first, second])
    figures = index[index.index('id="figures"') :]
    marks = [
        f'id="figures-{first}"',
        "Alt zz.",
        "Alt a.",
        f'id="figures-{second}"',
        "Alt b.",
        "other-figures",
        "old.png",
    ]
    places = [figures.index(mark) for mark in marks]
    assert places == sorted(places)


def test_a_notebook_without_any_text_or_figure_has_a_card(tmp_path: Path) -> None:
    name = next(iter(series()))
    index = index_of(tmp_path, [name], status="failed", problem="cell 3: LabError")
    assert f'<a href="{name}.html">{name}</a>' in index
    assert "failed, cell 3: LabError" in index
    assert "<img" not in index


def test_the_front_page_says_what_the_shipped_seeds_say(tmp_path: Path) -> None:
    best = "06_deep_bn_network"
    executed(tmp_path, best, printing("Batch norm does it.", "establishes"))
    index = index_of(tmp_path, [best])
    assert index.index("Did the published report reproduce?") < index.index("<ul") < index.index("<table>")
    table = sweep_table(reference_sweep())
    means = {run_id: accuracies(table, run_id).mean() for run_id in ten_runs()}
    order = sorted(means, key=lambda run_id: -means[run_id])
    assert f"{order[0]} with {100 * means[order[0]]:.2f}%" in index
    assert f"next comes {order[1]} with {100 * means[order[1]]:.2f}%" in index
    assert f'Batch norm does it. See <a href="{best}.html">' in index
    inside = 0
    for run_id, run in ten_runs().items():
        values = accuracies(table, run_id).to_numpy()
        reach = stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) * np.sqrt(1 + 1 / len(values))
        inside += abs(run.published.accuracy - values.mean()) <= reach
    assert f": {inside} of 10 published results are what one more run could have given" in index


@pytest.mark.parametrize("source", sorted(notebooks_dir().rglob("*.ipynb")), ids=lambda path: path.stem)
def test_every_formula_of_the_series_becomes_mathml(source: Path, tmp_path: Path) -> None:
    notebook = nbformat.read(source, as_version=4)
    notebook.cells = [cell for cell in notebook.cells if cell.cell_type == "markdown"]
    nbformat.write(notebook, tmp_path / source.name)
    page = write_page(tmp_path / source.name).read_text(encoding="utf-8")
    prose = "\n".join(cell.source for cell in notebook.cells)
    assert page.count("<math ") == len(re.findall(r"\$\$.+?\$\$|\$[^$\n]+\$", prose, re.DOTALL))
    assert "$" not in re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL)
    assert not re.search(r"<m[a-z]+>[^<]*\\", page)  # a command that the converter does not know stays as it is


def test_a_link_to_another_notebook_leads_to_its_page(tmp_path: Path) -> None:
    cells = [nbformat.v4.new_markdown_cell("See [09](09_real.ipynb) and [08](08_speed.ipynb).")]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "07_summary.ipynb")
    page = write_page(tmp_path / "07_summary.ipynb", ["07_summary", "09_real"]).read_text(encoding="utf-8")
    assert 'See <a href="09_real.html">09</a> and 08.' in page


def test_a_formula_with_a_mistake_is_shown_as_it_is_written(tmp_path: Path) -> None:
    cells = [nbformat.v4.new_markdown_cell("It is $x^$, and $a < b$ with `$HOME`.")]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "page.ipynb")
    page = write_page(tmp_path / "page.ipynb").read_text(encoding="utf-8")
    assert "It is <code>x^</code>, and <math " in page
    assert "<code>$HOME</code>" in page
