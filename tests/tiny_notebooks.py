"""Made notebooks of a few cells for tests of the report: no framework, no data."""

from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

PARAMETERS = 'seed: int = 1  # of nothing\nprofile: str = "auto"\nout: str = "lab_output"'


def write_notebook(folder: Path, name: str, *cells: str) -> None:
    """Write a notebook with a title, a parameters cell and some code cells."""
    parameters = new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]})
    notebook = new_notebook(cells=[new_markdown_cell(f"# Title of {name}"), parameters, *map(new_code_cell, cells)])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    folder.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, folder / f"{name}.ipynb")
