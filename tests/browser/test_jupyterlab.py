"""JupyterLab, as a student has it: a notebook run with its progress bar and figures, and a digit drawn in one."""

import time
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest
from helpers import STROKE_TO_PICTURE_S

from browser.helpers import (
    cells_are_done,
    draw_seven,
    run_all_cells,
    serious_findings,
    shown_percentages,
    write_lab_notebook,
)
from labkit.base.paths import notebooks_dir, reference_dir
from labkit.runs.registry import find_run

pytestmark = pytest.mark.slow

RUN_S = 420  # a minute on two quiet cores
DEEP = reference_dir() / "models" / find_run("torch-deep-bn-20").model_file
DRAW = f"from labkit.lab.drawing_widget import draw\n\nwidget = draw({str(DEEP)!r})\nwidget"
# A stroke, and the time until its picture is there: the probabilities and the maps are written in one go
TIME_A_STROKE = """
async () => {
  const canvas = document.querySelector(".lk-canvas"), box = canvas.getBoundingClientRect();
  const pointer = (kind, x, y) => canvas.dispatchEvent(
    new PointerEvent(kind, { pointerId: 1, button: 0, clientX: box.left + x, clientY: box.top + y }));
  canvas.setPointerCapture = () => {};  // there is no real pointer to capture
  const shown = new Promise((resolve) => {
    new MutationObserver((_, observer) => { observer.disconnect(); resolve(); })
      .observe(document.querySelector(".lk-maps"), { attributes: true, childList: true, subtree: true });
  });
  const start = performance.now();
  pointer("pointerdown", 100, 100);
  pointer("pointerup", 100, 100);
  await shown;
  return performance.now() - start;
}
"""


def test_a_notebook_is_run_with_a_bar_and_figures(lab_page: Any, lab: tuple[str, Path]) -> None:
    address, folder = lab
    notebook = nbformat.read(notebooks_dir() / "01_keras_baseline.ipynb", as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None  # what is seen later is from this run
            cell.source = cell.source.replace("epochs = None", "epochs = 2")
    nbformat.write(notebook, folder / "01_keras_baseline.ipynb")
    run_all_cells(lab_page, address, "01_keras_baseline.ipynb")

    readings: list[str] = []
    end = time.monotonic() + RUN_S
    while not cells_are_done(lab_page):
        assert time.monotonic() < end, lab_page.locator(".jp-InputPrompt").all_inner_texts()
        bars = lab_page.locator(".jp-OutputArea .jupyter-widgets .widget-html").all_inner_texts()
        readings += [text for text in bars if text.startswith("training:") and text not in readings]
        lab_page.wait_for_timeout(200)
    assert len(readings) >= 2, readings
    # it leaves nothing behind, once the page has drawn what the kernel said last
    lab_page.locator(".jupyter-widgets .progress").first.wait_for(state="detached", timeout=10_000)

    figures = lab_page.locator(".jp-OutputArea img")
    assert figures.evaluate_all("(all) => all.map((img) => img.complete && img.naturalWidth > 300)") == [True] * 4
    # JupyterLab 4 gives its images no alt attribute (jupyter/enhancement-proposals#120): the texts are in what it saves
    outputs = saved_outputs(lab_page, folder / "01_keras_baseline.ipynb")
    alts = [o.metadata["image/png"]["alt"] for o in outputs if "image/png" in o.get("data", {})]
    assert [len(alt) > 40 for alt in alts] == [True] * 4
    assert [o for o in outputs if o.output_type == "error" or o.get("name") == "stderr"] == []


def saved_outputs(page: Any, path: Path) -> list[nbformat.NotebookNode]:
    """Save the notebook as with Ctrl+S, and return all its outputs."""
    before = path.stat().st_mtime_ns
    page.locator(".jp-NotebookPanel").click()
    page.keyboard.press("Control+s")
    while path.stat().st_mtime_ns == before:
        page.wait_for_timeout(200)  # pytest's time limit ends it
    page.wait_for_timeout(500)
    return [o for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code" for o in c.outputs]


def test_a_drawn_digit_is_read_in_a_notebook(lab_page: Any, lab: tuple[str, Path]) -> None:
    address, folder = lab
    write_lab_notebook(folder / "draw.ipynb", DRAW)
    run_all_cells(lab_page, address, "draw.ipynb")
    lab_page.wait_for_selector(".lk-canvas", timeout=60_000)
    draw_seven(lab_page)
    percentages = shown_percentages(lab_page)
    assert len(percentages) == 10
    assert abs(sum(percentages) - 100) <= 0.5  # each is rounded to one decimal

    lab_page.wait_for_timeout(1000)  # the last answer
    assert lab_page.locator(".lk-status").inner_text().startswith("7:")
    assert np.argmax(shown_percentages(lab_page)) == 7
    names = ["conv1", "bn1", "conv2", "bn2", "conv3", "bn3", "fc1", "fc2", "fc3"]
    captions = lab_page.locator(".lk-maps figcaption").all_inner_texts()
    assert [caption.split(":")[0] for caption in captions] == names
    grey = lab_page.locator(".lk-maps canvas").evaluate_all(
        """(all) => all.map((canvas) => new Set(
             canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data.filter((_, i) => i % 4 === 0)
           ).size)"""
    )
    assert all(levels >= 8 for levels in grey), grey

    maps = lab_page.locator(".lk-maps > figure canvas[tabindex]")
    maps.nth(4).scroll_into_view_if_needed()
    maps.nth(4).click(position={"x": 3, "y": 3})
    lab_page.wait_for_function("document.querySelector('.lk-sum')?.textContent.includes('conv3, map 0, row 0')")
    assert lab_page.locator(".lk-unit .lk-grid").count() == 4 * 3
    lab_page.get_by_role("button", name="Close").click()

    taken = [lab_page.evaluate(TIME_A_STROKE) / 1000 for _ in range(10)]
    print(f"stroke to picture: {1000 * min(taken):.0f} ms at best, {1000 * np.median(taken):.0f} ms in the middle")
    assert min(taken) < STROKE_TO_PICTURE_S, taken  # the best of ten: other programs may be busy
    assert np.median(taken) < 20 * STROKE_TO_PICTURE_S, taken


def test_the_widget_is_used_with_the_keyboard_alone(lab_page: Any, lab: tuple[str, Path]) -> None:
    address, folder = lab
    write_lab_notebook(folder / "keyboard.ipynb", DRAW)
    run_all_cells(lab_page, address, "keyboard.ipynb")
    lab_page.wait_for_selector(".lk-canvas", timeout=60_000)
    lab_page.locator(".lk-canvas").focus()
    lab_page.keyboard.press("Space")
    for _ in range(15):
        lab_page.keyboard.press("ArrowDown")
    assert max(shown_percentages(lab_page)) > 10
    for name in ("Clear", "Pen"):
        lab_page.keyboard.press("Tab")
        focused = lab_page.evaluate("(document.activeElement.closest('label') || document.activeElement).textContent")
        assert focused.strip() == name
    lab_page.keyboard.press("Shift+Tab")
    lab_page.keyboard.press("Enter")
    lab_page.wait_for_function("document.querySelector('.lk-status').textContent === 'Draw a digit.'")
    assert lab_page.locator(".jp-Notebook .jp-CodeCell").count() == 1  # JupyterLab took none of the keys
    assert serious_findings(lab_page, ".labkit-pad") == []
