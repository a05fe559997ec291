"""Fixtures of the browser tests: Debian's Chromium, a server for a folder, a page that stays on this machine."""

import shutil
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from browser.helpers import jupyter_lab, local_page
from labkit.report.pdf import HEADLESS

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Debian's Chromium, driven by Playwright."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("chromium is not installed")
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", *HEADLESS])
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def serve() -> Iterator[Callable[[Path], str]]:
    """Serve a folder on this machine; returns its address."""
    servers = []

    def start(folder: Path) -> str:
        server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}/"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """A page that refuses every request to another machine, and must end without errors in its console."""
    faults: list[str] = []
    with local_page(browser, faults) as tab:
        tab.on("console", lambda message: faults.append(message.text) if message.type in ("error", "warning") else None)
        yield tab
    assert faults == []


@pytest.fixture
def lab_page(browser: Any) -> Iterator[Any]:
    """A page for JupyterLab, whose console is its own affair; requests to another machine are refused as well."""
    faults: list[str] = []
    with local_page(browser, faults, viewport={"width": 1280, "height": 800}) as tab:
        yield tab
    assert faults == []


@pytest.fixture(scope="module")
def lab(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """JupyterLab; its address, and the folder of its notebooks. Not started where there is no browser."""
    folder = tmp_path_factory.mktemp("lab")
    with jupyter_lab(folder) as address:
        yield address, folder / "notebooks"
