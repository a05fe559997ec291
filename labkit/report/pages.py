"""Turn executed notebooks into the pages of a report: whole files that need nothing from the network."""

import re
from collections.abc import Sequence
from html import escape, unescape
from pathlib import Path
from typing import Any

import nbformat
from jinja2 import Environment, PackageLoader, select_autoescape
from latex2mathml.converter import convert
from nbconvert import HTMLExporter
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from pygments.formatters import HtmlFormatter

from labkit.base.files import write_text

WIDGET = "application/vnd.jupyter.widget-view+json"
# Both keep 4.5:1 against the background of the code cells
LIGHT_CODE, DARK_CODE = "default", "github-dark"
_HEADING = re.compile(r'<h2 id="([^"]+)">(.*?)<a class="anchor-link"', re.DOTALL)
_TAG = re.compile(r"<[^>]+>")
_NOTEBOOK_LINK = re.compile(r'<a href="(\d\d_\w+)\.ipynb">(.*?)</a>')


def write_page(executed: Path, pages: Sequence[str] = ()) -> Path:
    """Write an executed notebook as an HTML page beside it, with figures, styles and scripts inside; return its path.

    Parameters
    ----------
    pages : sequence of str
        The names of all notebooks of the report in their order, for the links to the one before and after.
    """
    notebook = nbformat.read(executed, as_version=4)
    prose = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    heading = re.search(r"^# (.+)$", prose, re.MULTILINE)
    # what a notebook folds away, how it gets labkit, says nothing to those who read the page
    notebook.cells = [c for c in notebook.cells if not c.metadata.get("jupyter", {}).get("source_hidden")]
    _drop_live_widgets(notebook)
    exporter = HTMLExporter(
        template_name="basic",
        exclude_input_prompt=True,
        exclude_output_prompt=True,
        filters={"markdown2html": markdown_to_html},
    )
    body, _ = exporter.from_notebook_node(notebook)
    # A table wider than a phone scrolls: a keyboard must reach it
    body = body.replace('<div class="output_html', '<div tabindex="0" class="output_html')
    body = _NOTEBOOK_LINK.sub(lambda link: _page_link(link[1], link[2], pages), body)
    index = pages.index(executed.stem) if executed.stem in pages else None
    page = render(
        "notebook.html",
        title=heading[1] if heading else executed.stem,
        body=body,
        code_css=_code_css(),
        headings=[(unescape(anchor), unescape(_TAG.sub("", text)).strip()) for anchor, text in _HEADING.findall(body)],
        before=pages[index - 1] if index else None,
        after=pages[index + 1] if index is not None and index + 1 < len(pages) else None,
    )
    target = executed.with_suffix(".html")
    write_text(target, page)
    return target


def render(template: str, **values: Any) -> str:
    """Fill one of the report's templates; texts are escaped."""
    jinja = Environment(loader=PackageLoader("labkit.report"), autoescape=select_autoescape())
    return jinja.get_template(template).render(**values)


def _page_link(notebook: str, text: str, pages: Sequence[str]) -> str:
    """Return a link to another notebook as one to its page, or the text alone where the report does not have it."""
    return f'<a href="{notebook}.html">{text}</a>' if notebook in pages else text


def _drop_live_widgets(notebook: nbformat.NotebookNode) -> None:
    """Replace widgets, which need a kernel, by a line that says where they live."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if WIDGET in output.get("data", {}):
                output.data = {"text/plain": "(an interactive part: open the notebook, or the report's draw.html)"}


def _code_css() -> str:
    light = HtmlFormatter(style=LIGHT_CODE).get_style_defs(".highlight")
    dark = HtmlFormatter(style=DARK_CODE).get_style_defs(".highlight")
    # on paper, code is printed as on a light screen
    return f"{light}\n@media screen and (prefers-color-scheme: dark) {{\n{dark}\n}}"


class _MathmlRenderer(IPythonRenderer):  # type: ignore[misc]  # nbconvert has no types
    """Writes formulas as MathML, which browsers draw without any script."""

    def inline_math(self, body: str) -> str:
        return _mathml(body, "inline")

    def block_math(self, body: str) -> str:
        return _mathml(body, "block")


def markdown_to_html(source: str) -> str:
    """Return Markdown as HTML, formulas as MathML."""
    html: str = MarkdownWithMath(renderer=_MathmlRenderer(escape=False, embed_images=True)).render(source)
    return html


def _mathml(formula: str, display: str) -> str:
    try:
        converted: str = convert(formula, display=display)
    except Exception:  # its errors have no base class; a formula with a mistake must not cost the report
        return f"<code>{escape(formula)}</code>"
    # latex2mathml takes ± for a variable: as an operator it gets its space
    return converted.replace("<mi>&#x000B1;</mi>", "<mo>&#x000B1;</mo>")
