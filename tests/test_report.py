"""The index of a report."""

import base64
import os
from pathlib import Path

import nbformat
from matplotlib.figure import Figure

from labkit.plotting import png
from labkit.report import Outcome, series, write_report


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
