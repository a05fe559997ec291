"""Take the pictures of figures/screenshots/ anew. Not a test: it runs when it is named.

`pytest tests/browser/screenshots.py --report REPORT_DIR`, with a full report.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest

from browser.helpers import draw_seven, open_notebook, open_pad, run_all_cells, shown_percentages, write_lab_notebook
from labkit.paths import notebooks_dir, project_dir, reference_dir
from labkit.runs import find_run

SCREENSHOTS = project_dir() / "figures" / "screenshots"
LIMIT_BYTES = 300_000
DEEP = find_run("torch-deep-bn-20").model_file


@pytest.fixture(scope="session")
def report(request: pytest.FixtureRequest) -> Path:
    """The folder of a report, as given on the command line."""
    given = request.config.getoption("--report")
    if given is None:
        pytest.skip("no --report REPORT_DIR to take pictures of")
    folder = Path(str(given))
    assert (folder / "index.html").is_file(), f"{folder}: not a report"
    return folder


def take(page: Any, name: str) -> None:
    """Save what the window shows."""
    SCREENSHOTS.mkdir(exist_ok=True)
    path = SCREENSHOTS / f"{name}.png"
    page.screenshot(path=str(path))
    assert path.stat().st_size < LIMIT_BYTES


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_index(scheme: str, page: Any, serve: Callable[[Path], str], report: Path) -> None:
    page.set_viewport_size({"width": 1100, "height": 800})
    page.emulate_media(color_scheme=scheme)
    page.goto(f"{serve(report)}index.html")
    take(page, f"index_{scheme}")


def test_notebook_on_a_phone(page: Any, serve: Callable[[Path], str], report: Path) -> None:
    page.set_viewport_size({"width": 390, "height": 800})
    page.goto(f"{serve(report)}02_more_epochs.html")
    figure = page.locator("main img").first
    figure.scroll_into_view_if_needed()
    page.mouse.wheel(0, 250)  # the figure with the text around it
    page.wait_for_timeout(300)
    take(page, "notebook_phone")


def test_drawing_page(page: Any, serve: Callable[[Path], str], report: Path) -> None:
    page.set_viewport_size({"width": 1100, "height": 800})
    open_pad(page, serve(report))
    draw_seven(page)
    shown_percentages(page)
    page.wait_for_timeout(500)  # the last answer
    take(page, "draw")


def test_jupyterlab_with_figures(lab_page: Any, lab: tuple[str, Path]) -> None:
    address, folder = lab
    name = "02_more_epochs.ipynb"
    nbformat.write(nbformat.read(notebooks_dir() / name, as_version=4), folder / name)
    open_notebook(lab_page, address, name)
    lab_page.locator(".jp-OutputArea img").first.scroll_into_view_if_needed()
    lab_page.wait_for_timeout(1000)
    take(lab_page, "jupyterlab")


def test_jupyterlab_with_the_widget(lab_page: Any, lab: tuple[str, Path]) -> None:
    address, folder = lab
    # a relative path, so that the picture names no folder of this machine
    (folder / DEEP).write_bytes((reference_dir() / "models" / DEEP).read_bytes())
    write_lab_notebook(folder / "draw.ipynb", f'from labkit.draw import draw\n\ndraw("{DEEP}")')
    run_all_cells(lab_page, address, "draw.ipynb")
    lab_page.wait_for_selector(".lk-canvas", timeout=60_000)
    draw_seven(lab_page)
    shown_percentages(lab_page)
    lab_page.wait_for_timeout(1500)  # the last answer
    take(lab_page, "jupyterlab_draw")
