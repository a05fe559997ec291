"""The report in a browser: the drawing page reads digits as Python does, every link leads somewhere, all readable."""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest

from browser.helpers import draw_seven, open_pad, serious_findings, shown_percentages
from labkit.base.paths import notebooks_dir
from labkit.data.digits import mnist_image
from labkit.data.mnist import load_mnist
from labkit.lab.drawing_widget import DrawWidget, grey_maps
from labkit.report.drawing_page import write_draw_page
from labkit.report.index_page import write_report
from labkit.report.pages import write_page
from labkit.report.series import Outcome
from labkit.runs.frameworks import load_probe
from labkit.runs.wiring import Probe


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Probe]:
    """A small report: two notebooks with every kind of output, the index, and the drawing page."""
    pytest.importorskip("onnx", reason="onnx is not installed")
    from labkit.torch.networks import build
    from labkit.torch.onnx_export import export_onnx
    from labkit.torch.saving import TorchModel, save_model

    out = tmp_path_factory.mktemp("site")
    network = build("deep-bn", "leaky_relu", 1)
    save_model(network, out / "deep.pth")
    export_onnx(TorchModel(network, 0.1307, 0.3081), out / "deep.onnx")
    names = [path.stem for path in sorted(notebooks_dir().glob("[0-9][0-9]_*.ipynb"))][:2]
    for name in names:
        nbformat.write(_notebook(name, out), out / f"{name}.ipynb")
        write_page(out / f"{name}.ipynb", names)
    write_report(out, [Outcome(name, "done", 1.0, "", "") for name in names], "quick", {"seed": 3}, 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("labkit.report.drawing_page.reference_onnx", lambda: out / "deep.onnx")
        write_draw_page(out)
    return out, load_probe(out / "deep.pth")


def _notebook(name: str, out: Path) -> nbformat.NotebookNode:
    import base64

    from matplotlib.figure import Figure

    from labkit.plots.style import png

    picture = base64.b64encode(
        png(Figure(figsize=(2 + int(name[:2]), 1)), out / "figures" / f"{name[:2]}_one.png")
    ).decode()
    table = "<table><tr><th>run</th><th>accuracy (%)</th></tr><tr><td>one</td><td>97.35</td></tr></table>"
    outputs = [
        nbformat.v4.new_output("stream", name="stdout", text="Test set: Average loss: 0.1\n"),
        nbformat.v4.new_output("display_data", {"image/png": picture}, metadata={"image/png": {"alt": "A figure"}}),
        nbformat.v4.new_output("display_data", {"text/html": table, "text/plain": "a table"}),
        nbformat.v4.new_output("display_data", {"application/vnd.jupyter.widget-view+json": {"model_id": "1"}}),
        nbformat.v4.new_output("error", ename="LabError", evalue="no", traceback=["\x1b[31mLabError\x1b[0m: no"]),
    ]
    code = "import numpy as np  # a comment\nfor n in range(3):\n    print(f'{n}', 'text', None, 1.5)"
    return nbformat.v4.new_notebook(
        cells=[
            nbformat.v4.new_markdown_cell(
                f"# {name}\n\nThe loss is $-\\log p_y$; over $n$ images\n\n$$\\frac{{1}}{{n}}$$"
            ),
            nbformat.v4.new_markdown_cell("## Set-up\n\nText with `code`."),
            nbformat.v4.new_code_cell(code, outputs=outputs, metadata={"tags": ["establishes"]}),
        ]
    )


def test_a_drawn_digit_is_read_as_python_reads_it(
    page: Any, serve: Callable[[Path], str], site: tuple[Path, Probe]
) -> None:
    out, probe = site
    open_pad(page, serve(out))
    draw_seven(page)
    page.wait_for_timeout(500)
    image = np.array(page.evaluate("Array.from(labkitPad.pad.read())"), np.uint8).reshape(28, 28)
    assert image.max() == 255
    expected, _ = probe(image)
    assert np.abs(np.array(shown_percentages(page)) - 100 * expected).max() <= 0.06  # one decimal is shown
    assert page.locator(".lk-status").inner_text().startswith(f"{expected.argmax()}:")
    page.get_by_role("button", name="Clear").click()
    page.wait_for_function("document.querySelector('.lk-status').textContent === 'Draw a digit.'")
    assert page.evaluate("labkitPad.pad.read()") is None


def test_probabilities_and_maps_are_those_of_python(
    page: Any, serve: Callable[[Path], str], site: tuple[Path, Probe]
) -> None:
    out, probe = site
    open_pad(page, serve(out))
    for image in load_mnist().test_images[:5]:
        answer = page.evaluate(
            """async (image) => {
              const result = await labkitPad.predict(Uint8Array.from(image));
              return [result.probabilities, result.layers.map((l) => [l.name, l.shape, Array.from(l.levels)])];
            }""",
            image.ravel().tolist(),
        )
        probabilities, layers = probe(image)
        assert np.abs(np.array(answer[0]) - probabilities).max() < 1e-4
        assert [name for name, _, _ in answer[1]] == list(layers)
        for name, shape, levels in answer[1]:
            assert tuple(shape) == layers[name].shape
            difference = np.array(levels) - grey_maps(layers[name]).ravel().astype(int)
            assert np.abs(difference).max() <= 1, name  # a sum in another order can round to the next level


def test_the_browser_makes_the_same_image_as_python(
    page: Any, serve: Callable[[Path], str], site: tuple[Path, Probe]
) -> None:
    open_pad(page, serve(site[0]))
    random = np.random.default_rng(0)
    inks = list(load_mnist().test_images[:20])
    for _ in range(20):
        height, width = random.integers(1, 90, 2)
        inks.append(random.integers(0, 256, (height, width)).astype(np.uint8) * (random.random((height, width)) < 0.2))
    for ink in inks:
        if not ink.any():
            continue
        made = page.evaluate(
            """async ([ink, width, height]) => {
              const { mnistImage } = await import("./draw/pad.js");
              return Array.from(mnistImage(Uint8Array.from(ink), width, height));
            }""",
            [ink.ravel().tolist(), ink.shape[1], ink.shape[0]],
        )
        assert np.array_equal(np.array(made).reshape(28, 28), mnist_image(ink))


def test_a_digit_can_be_drawn_with_the_keyboard(
    page: Any, serve: Callable[[Path], str], site: tuple[Path, Probe]
) -> None:
    open_pad(page, serve(site[0]))
    page.locator(".lk-canvas").focus()
    page.keyboard.press("Space")
    for _ in range(15):
        page.keyboard.press("ArrowDown")
    shown_percentages(page)
    image = np.array(page.evaluate("Array.from(labkitPad.pad.read())"), np.uint8).reshape(28, 28)
    rows, columns = np.flatnonzero(image.any(axis=1)), np.flatnonzero(image.any(axis=0))
    assert np.ptp(rows) + 1 == 20
    assert np.ptp(columns) < 6
    page.keyboard.press("Delete")
    assert page.evaluate("labkitPad.pad.read()") is None


EXPLAIN = """async ([units, places]) => {
  const { explain } = await import("./draw/unit.js");
  return units.map((unit) => places.map(([y, x]) => {
    const [, height = 1, width = 1] = unit.shape;
    return explain(unit, y % height, x % width)?.value ?? null;
  }));
}"""
PLACES = [(0, 0), (5, 9), (13, 12), (26, 27)]


def drawn(page: Any) -> np.ndarray[Any, Any]:
    """Draw a seven, and return it as the network sees it."""
    draw_seven(page)
    page.wait_for_timeout(500)
    return np.array(page.evaluate("Array.from(labkitPad.pad.read())"), np.uint8).reshape(28, 28)


def test_every_pixel_of_the_page_is_made_as_the_panel_says(
    page: Any, serve: Callable[[Path], str], site: tuple[Path, Probe]
) -> None:
    open_pad(page, serve(site[0]))
    _, layers = site[1](drawn(page))
    for name, values in layers.items():
        for number in (0, len(values) - 1):
            get = f"async ([name, map, places]) => ({EXPLAIN})([[await labkitPad.unitOf(name, map)], places])"
            (made,) = page.evaluate(get, [name, number, PLACES])
            maps = values[number].reshape(values.shape[1:] or (1, 1))
            height, width = maps.shape
            expected = [maps[y % height, x % width] for y, x in PLACES]
            assert np.allclose(made, expected, atol=1e-3), name


@pytest.mark.parametrize(
    "network", ["keras baseline", "keras extra-conv-same", "torch keras-twin", "torch deep-bn-without-depth"]
)
def test_every_pixel_of_the_widget_is_made_as_the_panel_says(
    network: str, page: Any, serve: Callable[[Path], str], site: tuple[Path, Probe]
) -> None:
    used, name = network.split()
    package = import_module(f"labkit.{used}")
    probe = package.probe(package.build(name, "relu", 1))
    image = load_mnist().test_images[0]
    page.goto(f"{serve(site[0])}draw.html")
    _, layers = probe(image)
    widget = DrawWidget({"network": probe})
    units, expected = [], []
    for layer, values in layers.items():
        unit, (own, source) = widget.unit(image, "network", layer, len(values) - 1)
        unit["values"] = np.frombuffer(own, np.float32).tolist()
        unit["source"] = {"shape": unit["source"], "values": np.frombuffer(source, np.float32).tolist()}
        units.append(unit)
        maps = values[-1].reshape(values.shape[1:] or (1, 1))
        expected.append([maps[y % maps.shape[0], x % maps.shape[1]] for y, x in PLACES])
    assert np.allclose(page.evaluate(EXPLAIN, [units, PLACES]), expected, atol=1e-3)


def test_a_pixel_is_explained_with_the_mouse_and_with_the_keyboard(
    page: Any, serve: Callable[[Path], str], site: tuple[Path, Probe]
) -> None:
    open_pad(page, serve(site[0]))
    image = drawn(page)
    _, layers = site[1](image)
    said, maps = page.locator(".lk-sum"), page.locator(".lk-maps > figure canvas[tabindex]")
    box = maps.nth(2).bounding_box()  # conv2: 16 maps of 14x14 in a row, and a gap behind each
    maps.nth(2).click(position={"x": box["width"] * (3 * 15 + 6.5) / 239, "y": box["height"] * 4.5 / 59})
    page.wait_for_function("document.querySelector('.lk-sum')?.textContent.includes('conv2, map 3, row 4, column 6')")
    assert f"= {layers['conv2'][3, 4, 6]:.3f}".replace("-", "−") in said.inner_text()
    assert page.locator(".lk-unit .lk-grid").count() == 4 * 3  # window, kernel and products of four of the 32 maps
    assert serious_findings(page, "#pad") == []
    page.get_by_role("button", name="Close").click()
    page.locator(".lk-unit").wait_for(state="detached")

    maps.first.focus()
    for key in ("ArrowRight", "ArrowDown", "Enter"):
        page.keyboard.press(key)
    page.wait_for_function(
        "document.querySelector('.lk-sum')?.textContent.includes('conv1, map 17, row 14, column 14')"
    )
    page.wait_for_function("document.activeElement.getAttribute('aria-label').startsWith('Map 17 of conv1')")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowUp")
    assert "conv1, map 17, row 13, column 13" in said.inner_text()
    assert f"= {layers['conv1'][17, 13, 13]:.3f}".replace("-", "−") in said.inner_text()

    page.get_by_role("button", name="Clear").click()  # another drawing: the same pixel
    draw_seven(page)
    page.wait_for_function(
        "document.querySelector('.lk-sum')?.textContent.includes('conv1, map 17, row 13, column 13')"
    )
    page.locator(".lk-own canvas").focus()
    page.keyboard.press("Escape")
    assert page.locator(".lk-unit").count() == 0
    assert page.evaluate("document.activeElement.getAttribute('aria-label')").startswith("Feature maps of layer conv1")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_panel_fits_a_phone(scheme: str, page: Any, serve: Callable[[Path], str], site: tuple[Path, Probe]) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    page.emulate_media(color_scheme=scheme)
    open_pad(page, serve(site[0]))
    draw_seven(page)
    shown_percentages(page)
    for number in range(page.locator(".lk-maps > figure").count()):
        page.locator(".lk-maps > figure > .lk-mosaic canvas").nth(number).click()
        page.locator(".lk-maps > figure").nth(number).locator(".lk-sum:not(:empty)").wait_for()
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, number
        assert serious_findings(page, ".lk-unit") == [], number


def test_opened_as_a_file_the_page_says_what_to_do(page: Any, site: tuple[Path, Probe]) -> None:
    page.goto((site[0] / "draw.html").as_uri())
    assert "http.server" in page.locator("#problem").inner_text()


def test_every_link_of_the_report_leads_somewhere(
    page: Any, serve: Callable[[Path], str], site: tuple[Path, Probe]
) -> None:
    address = serve(site[0])
    todo, seen = [f"{address}index.html"], set()
    while todo:
        url = todo.pop()
        if url in seen:
            continue
        seen.add(url)
        assert url.startswith(address), url
        assert page.request.get(url).ok, url
        if url.endswith(".html"):
            page.goto(url)
            links = page.evaluate("Array.from(document.querySelectorAll('a[href]'), (a) => a.href)")
            todo += [link.split("#")[0] for link in links]
            anchors = page.evaluate(
                "Array.from(document.querySelectorAll('a[href^=\"#\"]'), (a) => decodeURIComponent(a.hash.slice(1)))"
            )
            for anchor in anchors:
                assert page.evaluate("(id) => document.getElementById(id) !== null", anchor), anchor
    assert len(seen) >= 6


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_has_no_serious_finding(
    scheme: str, page: Any, serve: Callable[[Path], str], site: tuple[Path, Probe]
) -> None:
    address = serve(site[0])
    page.emulate_media(color_scheme=scheme)
    for html in sorted(site[0].glob("*.html")):
        page.goto(f"{address}{html.name}")
        if html.name == "draw.html":
            page.wait_for_selector("#pad[data-ready]", timeout=60_000)
        assert serious_findings(page) == [], html.name


def test_the_front_page_opens_with_findings_and_a_card_for_each_notebook(
    page: Any, serve: Callable[[Path], str], site: tuple[Path, Probe]
) -> None:
    page.goto(f"{serve(site[0])}index.html")
    heads = page.locator("h2").all_inner_texts()
    assert heads[:4] == ["What the series found", "Notebooks", "Results on the test images", "Figures, by notebook"]
    cards = page.locator(".cards > li")
    assert cards.count() == 2
    for card in cards.all():
        picture = card.locator("img")
        picture.scroll_into_view_if_needed()  # pictures are loaded when they come into view
        page.wait_for_function("(image) => image.complete && image.naturalWidth > 0", arg=picture.element_handle())
        assert "Average loss" in card.inner_text()
        card.locator("a[href^='#figures-']").click()
        assert (
            page.evaluate("document.querySelector(location.hash).parentElement.querySelectorAll('figure').length") == 1
        )
    page.emulate_media(media="print")
    assert all(page.locator(f"{part} img").first.is_visible() for part in (".cards", "figure"))


def test_pages_fit_a_phone_and_figures_zoom(page: Any, serve: Callable[[Path], str], site: tuple[Path, Probe]) -> None:
    address = serve(site[0])
    page.set_viewport_size({"width": 360, "height": 740})
    pages = sorted(site[0].glob("*.html"))
    for html in pages:
        page.goto(f"{address}{html.name}")
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, html.name
    page.goto(f"{address}{pages[0].name}")
    assert page.locator("math").count() >= 3  # formulas are drawn by the browser itself
    page.locator("button.zoom").first.click()
    assert page.locator("dialog[open] img").is_visible()
    page.keyboard.press("Escape")
    page.locator("dialog").wait_for(state="detached")  # the page hears of it a moment later
