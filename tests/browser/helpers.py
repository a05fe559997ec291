"""What the browser tests and the screenshots share and no fixture can be."""

import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import nbformat

SEVEN = [(70, 60), (210, 60), (130, 230)]
AXE = Path(__file__).with_name("axe.min.js")
TOKEN = "of-the-tests"
START_S = 120
# What JupyterLab would ask of other machines, and a notebook that keeps all its cells in the page
LAB_SETTINGS = {
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False, "doNotDisturbMode": True},
    "notebook-extension/tracker": {"windowingMode": "none"},
}


@contextmanager
def local_page(browser: Any, faults: list[str], **settings: Any) -> Iterator[Any]:
    """Open a page that reaches no other machine; what it tries, and what its scripts fail at, goes into `faults`."""
    context = browser.new_context(**settings)
    tab = context.new_page()
    tab.on("pageerror", lambda error: faults.append(str(error)))

    def only_local(route: Any) -> None:
        if route.request.url.startswith(("http://127.0.0.1:", "file:", "data:", "blob:")):
            route.continue_()
        else:
            faults.append(f"a request to {route.request.url}")
            route.abort()

    context.route("**/*", only_local)
    try:
        yield tab
    finally:
        context.close()


def serious_findings(page: Any, within: str = "html") -> list[str]:
    """Return what axe-core finds in a part of a page that is serious or critical, with the element."""
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate("(within) => axe.run(within)", within)["violations"]
    return [
        f"{finding['id']}: {node['html'][:120]}"
        for finding in found
        if finding["impact"] in ("serious", "critical")
        for node in finding["nodes"]
    ]


def open_pad(page: Any, address: str) -> None:
    """Open the drawing page and wait until the network is there."""
    page.goto(f"{address}draw.html")
    page.wait_for_selector("#pad[data-ready]", timeout=60_000)


def draw_seven(page: Any) -> None:
    """Draw a seven with the mouse."""
    canvas = page.locator(".lk-canvas")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    page.mouse.move(box["x"] + SEVEN[0][0], box["y"] + SEVEN[0][1])
    page.mouse.down()
    for x, y in SEVEN[1:]:
        page.mouse.move(box["x"] + x, box["y"] + y, steps=8)
    page.mouse.up()


def shown_percentages(page: Any) -> list[float]:
    """Return the ten percentages on the page, once a drawing has been read."""
    page.wait_for_function("document.querySelector('.lk-number').textContent !== '–'")
    return [float(text.rstrip("%")) for text in page.locator(".lk-number").all_inner_texts()]


@contextmanager
def jupyter_lab(folder: Path) -> Iterator[str]:
    """Run JupyterLab over a folder, with settings of its own; yields its address.

    Parameters
    ----------
    folder : Path
        Its `notebooks/` is what JupyterLab shows; what the notebooks write goes into `out/`.
    """
    (folder / "notebooks").mkdir(parents=True, exist_ok=True)
    for name, values in LAB_SETTINGS.items():
        path = folder / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values), encoding="utf-8")
    # In CI a kernel shows no progress bar, and this one is opened as by a person
    environment = {k: v for k, v in os.environ.items() if k not in ("CI", "LABKIT_QUIET")} | {
        "LABKIT_PROFILE": "quick",
        "LABKIT_OUT": str(folder / "out"),
        "JUPYTER_CONFIG_DIR": str(folder / "config"),
        "JUPYTER_DATA_DIR": str(folder / "data"),
        "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(folder / "workspaces"),
        "IPYTHONDIR": str(folder / "ipython"),
        "JUPYTER_PLATFORM_DIRS": "1",
    }
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--ip=127.0.0.1", f"--port={port}"]
    command += [
        "--ServerApp.port_retries=0",
        f"--IdentityProvider.token={TOKEN}",
        "--LabApp.extension_manager=readonly",
    ]
    command += [f"--ServerApp.root_dir={folder / 'notebooks'}"]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command += ["--allow-root"]
    log = folder / "jupyterlab.log"
    with log.open("w", encoding="utf-8") as written:
        server = subprocess.Popen(command, cwd=folder, env=environment, stdout=written, stderr=written)
    try:
        address = f"http://127.0.0.1:{port}/"
        _wait_for(f"{address}api/status?token={TOKEN}", server, log)
        yield address
    finally:
        server.terminate()  # it ends its kernels, which would also end by themselves
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _wait_for(url: str, server: "subprocess.Popen[bytes]", log: Path) -> None:
    end = time.monotonic() + START_S
    while time.monotonic() < end and server.poll() is None:
        try:
            with urlopen(url, timeout=5):
                return
        except (URLError, OSError):
            time.sleep(0.3)
    raise RuntimeError(f"JupyterLab does not answer:\n{log.read_text(encoding='utf-8')[-3000:]}")


def write_lab_notebook(path: Path, *cells: str) -> None:
    """Write a notebook of code cells, for JupyterLab."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, path)


def open_notebook(page: Any, address: str, name: str) -> None:
    """Open a notebook in JupyterLab and wait for its kernel."""
    page.goto(f"{address}lab/tree/{name}?reset&token={TOKEN}")
    page.wait_for_selector(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-Notebook .jp-Cell", timeout=60_000)
    # before its kernel is there a notebook counts as idle as well, and a click on Run asks which kernel it shall be
    page.get_by_text(re.compile(r"Python .* \| Idle")).wait_for(timeout=60_000)


def run_all_cells(page: Any, address: str, name: str) -> None:
    """Open a notebook in JupyterLab and choose Run > Run All Cells."""
    open_notebook(page, address, name)
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()


def cells_are_done(page: Any) -> bool:
    """Tell whether every code cell was run to its end and the kernel is idle."""
    prompts = page.locator(".jp-CodeCell .jp-InputPrompt").all_inner_texts()
    done = all(prompt.strip("[]: ").isdigit() for prompt in prompts if prompt)  # a folded cell shows none
    return done and page.locator(".jp-Notebook-ExecutionIndicator[data-status=idle]").count() == 1
