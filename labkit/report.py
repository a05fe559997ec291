"""Run the notebooks of the series through papermill and tie what they give into one report."""

import base64
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import nbformat
import papermill
from jinja2 import Environment, PackageLoader, select_autoescape
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from papermill.exceptions import PapermillExecutionError

from labkit.errors import LabError, unknown
from labkit.files import write_text
from labkit.lab import OUT_VARIABLE
from labkit.pages import write_page
from labkit.parameters import notebook_parameters, parse_pairs
from labkit.paths import PACKAGE, notebooks_dir
from labkit.pdf import print_pdf
from labkit.profiles import ENVIRONMENT_VARIABLE, resolve_profile
from labkit.progress import progress_bar
from labkit.results import (
    device_name,
    environment,
    format_table,
    load_records,
    reference_records,
    results_table,
)
from labkit.webpage import reference_onnx, write_draw_page

CELL_TIME_LIMIT_S = 4 * 3600
PROGRESS_FILE = "progress.json"
SUMMARY = "07_summary"
# What an earlier report may have left in the folder, and what a new one must not mix with its own.
LEFT_BEHIND = ("results", "predictions", "states", "models", "figures")


@dataclass(frozen=True)
class Outcome:
    """How the run of one notebook ended.

    Attributes
    ----------
    notebook : str
        Name without ending.
    status : {"done", "failed", "skipped"}
        `skipped`: done by an earlier call with the same code and parameters.
    seconds : float
    problem : str
        Names the cell and the error; empty where there is none.
    key : str
        SHA-256 of what the run depends on: notebook, labkit, parameters, profile.
    """

    notebook: str
    status: str
    seconds: float
    problem: str
    key: str


def series() -> dict[str, Path]:
    """Return the notebooks of the series by name, in their order."""
    return {path.stem: path for path in sorted(notebooks_dir().glob("[0-9][0-9]_*.ipynb"))}


def choose_notebooks(names: Sequence[str]) -> dict[str, Path]:
    """Return the notebooks with these names, in the order of the series; all of them for no name.

    Parameters
    ----------
    names : sequence of str
        `01_keras_baseline`, with or without `.ipynb` or a folder before it.

    Raises
    ------
    LabError
        There is no such notebook.
    """
    notebooks = series()
    wanted = set()
    for name in names:
        stem = Path(name).name.removesuffix(".ipynb")
        if stem not in notebooks:
            raise unknown("notebook", name, notebooks)
        wanted.add(stem)
    return {name: path for name, path in notebooks.items() if name in wanted or not wanted}


def parse_parameters(pairs: Sequence[tuple[str, str]], notebooks: Mapping[str, Path]) -> dict[str, Any]:
    """Turn `-p NAME VALUE` texts into typed values.

    Parameters
    ----------
    pairs : sequence of (str, str)
    notebooks : mapping of str to Path
        The notebooks that will run: a name that none of them takes is refused.

    Raises
    ------
    LabError
        A name is unknown, or a value is not of its type.
    """
    taken = {name: None for path in notebooks.values() for name in notebook_parameters(path) if name != "out"}
    return parse_pairs(pairs, taken)


def run_report(
    notebooks: Mapping[str, Path],
    out: Path,
    profile: str = "auto",
    parameters: Mapping[str, Any] | None = None,
    resume: bool = False,
    time_limit_s: int = CELL_TIME_LIMIT_S,
    tell_pdf: Callable[[str], object] | None = None,
) -> list[Outcome]:
    """Run notebooks one after the other and write the report; go on when one of them fails.

    Parameters
    ----------
    notebooks : mapping of str to Path
        From `choose_notebooks`.
    out : Path
        The folder of the report.
    profile : {"auto", "quick", "full"}
    parameters : mapping
        Given to each notebook that takes them.
    resume : bool
        Skip the notebooks that an earlier call finished with the same code and parameters.
    time_limit_s : int
        For each cell, in seconds.
    tell_pdf : function, optional
        Asks for the page of the summary as a PDF as well; called with one line that says what came of it.

    Returns
    -------
    list of Outcome
        One a notebook.

    Raises
    ------
    LabError
        The profile is unknown or the folder cannot be written.
    """
    settled = resolve_profile(profile)
    given = dict(parameters or {})
    try:
        out.mkdir(parents=True, exist_ok=True)
        if not resume:
            _clear(out)
    except OSError as problem:
        raise LabError(f"{out}: the report folder cannot be written: {problem.strerror or problem}") from None
    finished = _finished(out)
    outcomes = []
    bar = progress_bar(total=len(notebooks), description="report", unit="notebook")
    with _kernel_environment(out, settled):
        for name, path in notebooks.items():
            bar.set_postfix_str(name)
            own = {k: v for k, v in given.items() if k in notebook_parameters(path)}
            key = _key(path, own, settled)
            if resume and finished.get(name) == key and (out / f"{name}.ipynb").exists():
                outcome = Outcome(name, "skipped", 0.0, "", key)
            else:
                outcome = _run_notebook(name, path, out, own, key, time_limit_s)
            outcomes.append(outcome)
            _note_progress(out, outcome)
            if (out / f"{name}.ipynb").exists():
                write_page(out / f"{name}.ipynb", _pages(out, notebooks))
            bar.update()
    bar.close()
    if tell_pdf is not None and any(outcome.notebook == SUMMARY for outcome in outcomes):
        why_not = print_pdf(out / f"{SUMMARY}.html")
        tell_pdf(f"pdf: {why_not or out / f'{SUMMARY}.pdf'}")
    write_report(out, outcomes, settled, given)
    return outcomes


def _clear(out: Path) -> None:
    for name in LEFT_BEHIND:
        shutil.rmtree(out / name, ignore_errors=True)
    (out / PROGRESS_FILE).unlink(missing_ok=True)
    for name in series():
        for ending in (".ipynb", ".html", ".pdf"):
            (out / f"{name}{ending}").unlink(missing_ok=True)


def _run_notebook(name: str, path: Path, out: Path, parameters: dict[str, Any], key: str, time_limit_s: int) -> Outcome:
    start = time.perf_counter()
    target = out / f"{name}.ipynb"
    problem = ""
    try:
        papermill.execute_notebook(
            str(path),
            str(target),
            parameters=parameters,
            kernel_name="python3",
            cwd=str(out),
            progress_bar=False,
            execution_timeout=time_limit_s,
            extra_arguments=["--IPKernelApp.log_level=50"],  # what a kernel says about itself would fill the terminal
        )
    except PapermillExecutionError as error:
        first_line = str(error.evalue).strip().partition("\n")[0]
        problem = f"code cell {error.exec_count}: {error.ename}: {first_line}"
    except CellTimeoutError:
        problem = f"{_running_cell(target)}: did not end within {time_limit_s} s"
        _mark_failed(target, problem)
    except DeadKernelError:
        problem = f"{_running_cell(target)}: the kernel died"
        _mark_failed(target, problem)
    status = "failed" if problem else "done"
    return Outcome(name, status, round(time.perf_counter() - start, 1), problem, key)


def _running_cell(executed: Path) -> str:
    """Name the cell at which a run was cut: the last one with outputs or a count, or the next one."""
    if not executed.exists():
        return "the first cell"
    code = [c for c in nbformat.read(executed, as_version=4).cells if c.cell_type == "code"]
    begun = [i for i, c in enumerate(code, 1) if c.metadata.get("papermill", {}).get("start_time")]
    return f"code cell {begun[-1] if begun else 1}"


def _mark_failed(executed: Path, problem: str) -> None:
    """Say at the top of a cut-off notebook what happened: papermill leaves it as if all had gone well."""
    notebook = nbformat.read(executed, as_version=4)
    notebook.cells.insert(0, nbformat.v4.new_markdown_cell(f"**This run failed, {problem}.**"))
    write_text(executed, nbformat.writes(notebook))


@contextmanager
def _kernel_environment(out: Path, profile: str) -> Iterator[None]:
    """Tell the kernels, which inherit the environment, where to write, how much to run, and that nobody watches."""
    ours = {OUT_VARIABLE: str(out.resolve()), ENVIRONMENT_VARIABLE: profile, "LABKIT_QUIET": "1"}
    ours["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"  # older kernels on Python 3.13 warn about their debugger on stderr
    before = {name: os.environ.get(name) for name in ours}
    os.environ.update(ours)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _key(path: Path, parameters: Mapping[str, Any], profile: str) -> str:
    """Return the SHA-256 of everything that the outputs of a notebook depend on."""
    digest = hashlib.sha256()
    for cell in nbformat.read(path, as_version=4).cells:
        digest.update(cell.source.encode())
    for source in sorted(PACKAGE.glob("*.py")):
        digest.update(source.read_bytes())
    digest.update(json.dumps([dict(parameters), profile, environment()], sort_keys=True).encode())
    return digest.hexdigest()


def _finished(out: Path) -> dict[str, str]:
    """Return the keys of the notebooks that an earlier call finished."""
    path = out / PROGRESS_FILE
    if not path.exists():
        return {}
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        return {name: entry["key"] for name, entry in entries.items() if entry["status"] != "failed"}
    except (ValueError, KeyError, AttributeError, TypeError):
        return {}  # a damaged note only costs running the notebooks again


def _note_progress(out: Path, outcome: Outcome) -> None:
    path = out / PROGRESS_FILE
    entries = json.loads(path.read_text(encoding="utf-8")) if _finished(out) else {}
    entries[outcome.notebook] = asdict(outcome)
    write_text(path, json.dumps(entries, indent=1) + "\n")


def _pages(out: Path, notebooks: Mapping[str, Path]) -> list[str]:
    """Return the notebooks that have a page, or will have one when the report is done."""
    return [name for name in series() if name in notebooks or (out / f"{name}.ipynb").exists()]


def write_report(out: Path, outcomes: Sequence[Outcome], profile: str, parameters: Mapping[str, Any]) -> None:
    """Write `results.json` and `index.html` from what the notebooks left in the folder.

    Parameters
    ----------
    out : Path
    outcomes : sequence of Outcome
    profile : {"quick", "full"}
    parameters : mapping
        As given for the whole report.
    """
    records = load_records(out)
    results = {
        "profile": profile,
        "parameters": dict(parameters),
        "versions": environment(),
        "device": device_name(),
        "notebooks": [{k: v for k, v in asdict(o).items() if k != "key"} for o in outcomes],
        "runs": [record.to_dict() for record in records.values()],
    }
    write_text(out / "results.json", json.dumps(results, indent=1) + "\n")
    draw_page = write_draw_page(out) if reference_onnx().exists() else None
    jinja = Environment(loader=PackageLoader("labkit"), autoescape=select_autoescape())
    page = jinja.get_template("index.html").render(
        results=results,
        table=_table_rows(records),
        has_reference=bool(reference_records()),
        outcomes=outcomes,
        titles={name: _title(out / f"{name}.ipynb") for name in series()},
        figures=_figures(out),
        draw_page=draw_page,
        pdf=f"{SUMMARY}.pdf" if (out / f"{SUMMARY}.pdf").exists() else None,
    )
    write_text(out / "index.html", page)


def _table_rows(records: Mapping[str, Any]) -> list[dict[str, str]]:
    table = format_table(results_table(records)).reset_index()
    return [{str(k): str(v) for k, v in row.items()} for row in table.to_dict("records")]


def _title(executed: Path) -> str:
    if executed.exists():
        for cell in nbformat.read(executed, as_version=4).cells:
            if cell.cell_type == "markdown" and cell.source.startswith("# "):
                return str(cell.source.splitlines()[0].removeprefix("# "))
    return executed.stem


def _figures(out: Path) -> list[dict[str, str]]:
    """Return the figures of the report with their alternative texts, from the executed notebooks."""
    alts: dict[bytes, str] = {}  # by the figure itself: `lab.show` saves what it displays
    for name in series():
        executed = out / f"{name}.ipynb"
        if executed.exists():
            alts |= {
                base64.b64decode(o.data["image/png"]): o.metadata.get("image/png", {}).get("alt", "")
                for c in nbformat.read(executed, as_version=4).cells
                if c.cell_type == "code"
                for o in c.outputs
                if o.output_type == "display_data" and "image/png" in o.data
            }
    return [
        {"file": f.name, "alt": alts.get(f.read_bytes()) or f.stem} for f in sorted((out / "figures").glob("*.png"))
    ]
