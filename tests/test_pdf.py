"""The summary as a PDF: printed with the browser that is installed, and one line where there is none or it fails."""

import re
import shutil
from pathlib import Path

import pytest
from tiny_notebooks import write_notebook

import labkit.report.series
from labkit import cli
from labkit.report import pdf
from labkit.report.pdf import BROWSERS, print_pdf

LEFT_OUT = "was left out, as there is no Chromium, Chrome or Edge to print it; the report is complete without it"
LINES = "<p>" + "A line of the page. " * 3000 + "</p>"


def page_count(path: Path) -> int:
    return len(re.findall(rb"/Type\s*/Page\b", path.read_bytes()))


def paper_mm(path: Path) -> tuple[int, int]:
    width, height = re.findall(rb"/MediaBox\s*\[0 0 ([\d.]+) ([\d.]+)\]", path.read_bytes())[0]
    return round(float(width) / 72 * 25.4), round(float(height) / 72 * 25.4)


@pytest.fixture
def browser() -> None:
    """Skip the test where there is no browser."""
    if not any(map(shutil.which, BROWSERS)):
        pytest.skip("neither Chromium nor Chrome nor Edge is installed")


@pytest.fixture
def page(tmp_path: Path) -> Path:
    """A page of several sheets, with a blank in its name."""
    path = tmp_path / "a page.html"
    path.write_text(f"<!doctype html><title>Title</title>{LINES}", encoding="utf-8")
    return path


@pytest.fixture
def fake_browser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program that is found as the only browser; the test writes what it does."""
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "chromium"
    program.touch()
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))
    return program


@pytest.mark.usefixtures("browser")
def test_a_page_is_printed(page: Path) -> None:
    assert print_pdf(page) == ""
    target = page.with_suffix(".pdf")
    assert target.read_bytes().startswith(b"%PDF")
    assert page_count(target) > 1


def test_no_browser_is_one_line(page: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    page.with_suffix(".pdf").write_bytes(b"of an earlier report")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert print_pdf(page) == f"a page.pdf {LEFT_OUT}"
    assert not page.with_suffix(".pdf").exists()


@pytest.mark.parametrize(
    ("does", "problem"),
    [
        ("exec /bin/sleep 60", "did not end within 1 s"),
        ("exit 21", "ended with code 21"),
        ("exit 0", "ended with code 0"),
        (
            'for o in "$@"; do case $o in --print-to-pdf=*) echo "%PDF cut" > "${o#*=}";; esac; done',
            "ended with code 0",
        ),
    ],
)
def test_a_browser_that_hangs_or_fails_is_one_line(
    does: str, problem: str, page: Path, fake_browser: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("labkit.report.pdf.TIME_LIMIT_S", 1)
    fake_browser.write_text(f"#!/bin/sh\n{does}\n", encoding="utf-8")
    assert print_pdf(page) == f"a page.pdf could not be made: chromium {problem}"
    assert not page.with_suffix(".pdf").exists()


def test_a_browser_that_cannot_be_started_is_one_line(page: Path, fake_browser: Path) -> None:
    fake_browser.write_text("#!/nowhere/sh\n", encoding="utf-8")
    assert print_pdf(page) == "a page.pdf could not be made: chromium could not be started: No such file or directory"


@pytest.fixture
def books(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A series of two notebooks of which the second is the summary."""
    folder = tmp_path / "notebooks"
    write_notebook(folder, "01_first", "print('first')")
    write_notebook(folder, "07_summary", f"print({'a line of the summary' + chr(10)!r} * 200)")
    monkeypatch.setattr(labkit.report.series, "notebooks_dir", lambda: folder)
    return folder


def run_report(*arguments: str) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(["report", "--profile", "quick", "--out", "out", *arguments])
    assert caught.value.code == 0


@pytest.mark.usefixtures("browser", "books")
def test_a_report_has_its_summary_as_a_pdf(capsys: pytest.CaptureFixture[str]) -> None:
    run_report()
    target = Path("out/07_summary.pdf")
    assert f"pdf: {target}\n" in capsys.readouterr().out
    assert page_count(target) > 1
    assert paper_mm(target) == (210, 297)
    assert '<a href="07_summary.pdf">' in Path("out/index.html").read_text(encoding="utf-8")

    run_report("01_first")  # a new report, without the summary
    assert not target.exists()
    assert "pdf" not in capsys.readouterr().out
    assert "07_summary.pdf" not in Path("out/index.html").read_text(encoding="utf-8")


@pytest.mark.usefixtures("books")
def test_a_report_without_a_browser_ends_as_ever(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pdf, "BROWSERS", ())
    run_report()
    *_, first, summary, about_pdf, last = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in (first, summary)] == [["done", "01_first"], ["done", "07_summary"]]
    assert about_pdf == f"pdf: 07_summary.pdf {LEFT_OUT}"
    assert last == f"report: {Path('out/index.html')}"
    assert "07_summary.pdf" not in Path("out/index.html").read_text(encoding="utf-8")
