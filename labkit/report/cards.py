"""What the front page says of each notebook: its title, the one sentence that it establishes, its figures."""

import base64
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import nbformat

from labkit.report.pages import markdown_to_html

# Tags of cells, which the authors of notebooks set
SENTENCE = "establishes"  # its text, or what it prints, is the sentence on the card
PICTURE = "picture"  # its figure is the picture on the card


@dataclass(frozen=True)
class Figure:
    """A figure of the report: its file under `figures/`, and its alternative text."""

    file: str
    alt: str


@dataclass(frozen=True)
class Card:
    """A notebook on the front page.

    Attributes
    ----------
    sentence : str
        HTML: of the cell with the tag `establishes`, or the first paragraph of the notebook.
    established : bool
        Whether a cell has that tag, and a text.
    figures : tuple of Figure
        In the order of the notebook.
    picture : Figure or None
        That of the cell with the tag `picture`, or the last one.
    """

    title: str
    sentence: str = ""
    established: bool = False
    figures: tuple[Figure, ...] = ()
    picture: Figure | None = None


def card_of(executed: Path, files: Mapping[bytes, str]) -> Card:
    """Read the card of an executed notebook.

    Parameters
    ----------
    executed : Path
        Without such a file the card has only a name.
    files : mapping of bytes to str
        The names of the report's figures by their content: `lab.show` saves what it displays.
    """
    cells = nbformat.read(executed, as_version=4).cells if executed.exists() else []
    prose = [cell.source for cell in cells if cell.cell_type == "markdown"]
    titles = (text.splitlines()[0] for text in prose if text.startswith("# "))
    established = next(filter(None, (_text_of(cell) for cell in cells if SENTENCE in _tags(cell))), "")
    shown = [(cell, figure) for cell in cells for figure in _figures_of(cell, files)]
    tagged = [figure for cell, figure in shown if PICTURE in _tags(cell)]
    figures = tuple(dict.fromkeys(figure for _, figure in shown))
    return Card(
        next(titles, executed.stem).removeprefix("# "),
        _inline(established or _first_paragraph(prose)),
        bool(established),
        figures,
        tagged[0] if tagged else figures[-1] if figures else None,
    )


def _tags(cell: nbformat.NotebookNode) -> Sequence[str]:
    tags: Sequence[str] = cell.metadata.get("tags", [])
    return tags


def _text_of(cell: nbformat.NotebookNode) -> str:
    """Return the text of a Markdown cell, or what a code cell printed or displayed as Markdown."""
    if cell.cell_type == "markdown":
        return str(cell.source)
    texts = [
        o.get("data", {}).get("text/markdown") or (o.get("text") if o.get("name") == "stdout" else "")
        for o in cell.outputs
    ]
    return "\n\n".join(text.strip() for text in texts if text)


def _first_paragraph(prose: Sequence[str]) -> str:
    """Return the first paragraph that is a sentence: no heading, no list, no label of a list."""
    paragraphs = (part.strip() for text in prose for part in text.split("\n\n"))
    return next((p for p in paragraphs if p and p[0] not in "#*-|<$>!`" and not p.startswith("1.")), "")


def _inline(markdown: str) -> str:
    return re.sub(r"</p>\s*<p>", " ", markdown_to_html(markdown)).strip().removeprefix("<p>").removesuffix("</p>")


def _figures_of(cell: nbformat.NotebookNode, files: Mapping[bytes, str]) -> Iterator[Figure]:
    for output in cell.get("outputs", []):
        if "image/png" in output.get("data", {}):
            file = files.get(base64.b64decode(output.data["image/png"]))
            if file:
                yield Figure(file, output.metadata.get("image/png", {}).get("alt", "") or Path(file).stem)
