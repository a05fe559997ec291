"""Take the pictures of figures/screenshots/ anew. Not a test: it runs when it is named.

`pytest tests/browser/screenshots.py`. The pages are made of the reference run and the committed notebooks: nothing is
trained. `sources.json` notes what each picture shows, and test_readme.py compares it with what the series ships.
"""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest

from browser.helpers import draw_seven, open_notebook, open_pad, run_all_cells, shown_percentages, write_lab_notebook
from labkit.base.paths import notebooks_dir, project_dir, reference_dir
from labkit.report import index_page
from labkit.report.pages import write_page
from labkit.report.series import SUMMARY, Outcome, series
from labkit.runs.records import reference_records, save_record
from labkit.runs.registry import find_run

SCREENSHOTS = project_dir() / "figures" / "screenshots"
SOURCES = SCREENSHOTS / "sources.json"
LIMIT_BYTES = 300_000
PHONE_NOTEBOOK = "02_more_epochs"
DEEP = find_run("torch-deep-bn-20").model_file
# What the pictures show, relative to the project
RESULTS = "data/reference/results.json"
CURVES = "figures/02_curves.png"
DRAWN_WITH = "data/reference/onnx/deep-bn.onnx"


@pytest.fixture(scope="session")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of the reference run, put together from what the series ships."""
    folder = tmp_path_factory.mktemp("report")
    reference = json.loads((project_dir() / RESULTS).read_text(encoding="utf-8"))
    for record in reference_records().values():
        save_record(record, folder)
    for name, path in series().items():
        shutil.copyfile(path, folder / f"{name}.ipynb")
    shutil.copytree(project_dir() / "figures", folder / "figures", ignore=shutil.ignore_patterns(SCREENSHOTS.name))
    write_page(folder / f"{PHONE_NOTEBOOK}.ipynb", list(series()))
    (folder / f"{SUMMARY}.pdf").touch()  # the index links it
    with pytest.MonkeyPatch.context() as patch:
        # the computer of the reference run, not this one
        patch.setattr(index_page, "device_name", lambda: reference["device"])
        patch.setattr(index_page, "environment", lambda: reference["versions"])
        index_page.write_report(
            folder, [Outcome(name, "skipped", 0, "", "") for name in series()], reference["profile"], {}, 1
        )
    return folder


def take(page: Any, name: str, source: str) -> None:
    """Save what the window shows, and note the SHA-256 of the file that it shows."""
    path = SCREENSHOTS / f"{name}.png"
    page.screenshot(path=str(path))
    assert path.stat().st_size < LIMIT_BYTES
    sources = json.loads(SOURCES.read_text(encoding="utf-8")) if SOURCES.exists() else {}
    sources[path.name] = {source: hashlib.sha256((project_dir() / source).read_bytes()).hexdigest()}
    SOURCES.write_text(json.dumps(sources, indent=1, sort_keys=True) + "\n", encoding="utf-8")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_index(scheme: str, page: Any, serve: Callable[[Path], str], report: Path) -> None:
    page.set_viewport_size({"width": 1100, "height": 800})
    page.emulate_media(color_scheme=scheme)
    page.goto(f"{serve(report)}index.html")
    in_sight = "[...document.images].filter((image) => image.getBoundingClientRect().top < innerHeight)"
    page.wait_for_function(f"{in_sight}.every((image) => image.complete && image.naturalWidth > 0)")
    take(page, f"index_{scheme}", RESULTS)


def test_notebook_on_a_phone(page: Any, serve: Callable[[Path], str], report: Path) -> None:
    page.set_viewport_size({"width": 390, "height": 800})
    page.goto(f"{serve(report)}{PHONE_NOTEBOOK}.html")
    figure = page.locator("main img").first
    figure.scroll_into_view_if_needed()
    page.mouse.wheel(0, 250)  # the figure with the text around it
    page.wait_for_timeout(300)
    take(page, "notebook_phone", CURVES)


def test_drawing_page(page: Any, serve: Callable[[Path], str], report: Path) -> None:
    page.set_viewport_size({"width": 1100, "height": 800})
    open_pad(page, serve(report))
    draw_seven(page)
    shown_percentages(page)
    page.wait_for_timeout(500)  # the last answer
    take(page, "draw", DRAWN_WITH)


def test_jupyterlab_with_figures(lab_page: Any, lab: tuple[str, Path]) -> None:
    address, folder = lab
    name = f"{PHONE_NOTEBOOK}.ipynb"
    nbformat.write(nbformat.read(notebooks_dir() / name, as_version=4), folder / name)
    open_notebook(lab_page, address, name)
    lab_page.locator(".jp-OutputArea img").first.scroll_into_view_if_needed()
    lab_page.wait_for_timeout(1000)
    take(lab_page, "jupyterlab", CURVES)


def test_jupyterlab_with_the_widget(lab_page: Any, lab: tuple[str, Path]) -> None:
    address, folder = lab
    # a relative path, so that the picture names no folder of this machine
    (folder / DEEP).write_bytes((reference_dir() / "models" / DEEP).read_bytes())
    write_lab_notebook(folder / "draw.ipynb", f'from labkit.lab.drawing_widget import draw\n\ndraw("{DEEP}")')
    run_all_cells(lab_page, address, "draw.ipynb")
    lab_page.wait_for_selector(".lk-canvas", timeout=60_000)
    draw_seven(lab_page)
    shown_percentages(lab_page)
    lab_page.wait_for_timeout(1500)  # the last answer
    take(lab_page, "jupyterlab_draw", DRAWN_WITH)
