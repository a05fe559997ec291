"""The index of a report, and its pages."""

import base64
import os
import re
from pathlib import Path

import nbformat
import pytest
from matplotlib.figure import Figure

from labkit.base.paths import notebooks_dir
from labkit.plots.style import png
from labkit.report.index_page import write_report
from labkit.report.pages import write_page
from labkit.report.series import Outcome, series


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
    write_report(tmp_path, [Outcome(name, "done", 1.0, "", "")], "quick", {})
    index = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert f'src="figures/{name[:2]}_b.png" alt="The first figure."' in index
    assert f'src="figures/{name[:2]}_a.png" alt="The second figure."' in index


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
