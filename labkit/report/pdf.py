"""Print a page of a report as a PDF, with the Chromium, Chrome or Edge that is installed."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

CHROME = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
BROWSERS = (*CHROME, "microsoft-edge", "msedge")
SILENT: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
TIME_LIMIT_S = 120  # a browser that needs longer is ended
# A page of a report needs nothing from the network; the browser must not look for anything either
HEADLESS = (
    "--headless=new",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)


def print_pdf(page: Path) -> str:
    """Print an HTML page into a PDF beside it, in place of an earlier one.

    Returns
    -------
    str
        Why there is no PDF, in one line; empty where there is one.
    """
    target = page.with_suffix(".pdf")
    target.unlink(missing_ok=True)
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        return (
            f"{target.name} was left out, as there is no Chromium, Chrome or Edge to print it; "
            "the report is complete without it"
        )
    options = [*HEADLESS, "--no-pdf-header-footer", f"--print-to-pdf={target.resolve()}"]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        options.append("--no-sandbox")  # Chromium refuses to start as root with its sandbox
    # With a profile of its own, or it hands the page to the browser that is open and ends
    with tempfile.TemporaryDirectory(prefix="labkit-pdf-", ignore_cleanup_errors=True) as profile:
        command = [browser, *options, f"--user-data-dir={profile}", page.resolve().as_uri()]
        try:
            ended = subprocess.run(command, **SILENT, timeout=TIME_LIMIT_S, check=False)
        except subprocess.TimeoutExpired:
            problem = f"did not end within {TIME_LIMIT_S} s"
        except OSError as error:
            problem = f"could not be started: {error.strerror or error}"
        else:
            problem = f"ended with code {ended.returncode}"
    if _is_pdf(target):
        return ""  # whatever the browser did after it
    target.unlink(missing_ok=True)
    return f"{target.name} could not be made: {Path(browser).name} {problem}"


def _is_pdf(path: Path) -> bool:
    """Tell whether a PDF is there and whole."""
    if not path.is_file():
        return False
    content = path.read_bytes()
    return content.startswith(b"%PDF") and b"%%EOF" in content[-1024:]
