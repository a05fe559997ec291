"""Run the notebooks of the series through papermill and make one report of what they give."""

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import chdir, closing, suppress
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import nbformat
import papermill
import psutil
from nbclient.exceptions import CellTimeoutError
from papermill.exceptions import PapermillExecutionError

from labkit.base.errors import LabError
from labkit.base.files import write_text
from labkit.base.own_process import added_variables
from labkit.base.paths import PACKAGE, reference_dir
from labkit.base.progress import progress_bar
from labkit.lab.notebook import OUT_VARIABLE
from labkit.report.index_page import write_report
from labkit.report.pages import write_page
from labkit.report.pdf import print_pdf
from labkit.report.series import BY_THEMSELVES, CELL_TIME_LIMIT_S, SHOWS_RESULTS_OF, SUMMARY, Outcome, series
from labkit.runs.computer import environment
from labkit.runs.parameters import notebook_parameters, parse_pairs
from labkit.runs.plans import ENVIRONMENT_VARIABLE, resolve_profile
from labkit.sweep.cluster import thread_variables

PROGRESS_FILE = "progress.json"
# Kernels that start at the same moment may take the same port, and one of them dies.
NO_KERNEL = "its kernel did not come up"
# What an earlier report may have left in the folder, and what a new one must not mix with its own.
LEFT_BEHIND = ("results", "predictions", "states", "models", "figures")


def parse_parameters(pairs: Sequence[tuple[str, str]], notebooks: Mapping[str, Path]) -> dict[str, Any]:
    """Turn `-p NAME VALUE` texts into typed values; a name that none of the notebooks takes is refused."""
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
    workers: int | None = None,
) -> list[Outcome]:
    """Run notebooks and write the report; go on when one of them fails.

    Parameters
    ----------
    notebooks : mapping of str to Path
        From `choose_notebooks`.
    parameters : mapping
        Given to each notebook that takes them.
    resume : bool
        Skip the notebooks that an earlier call finished with the same code and parameters.
    time_limit_s : int
        For each cell, in seconds.
    tell_pdf : function, optional
        Asks for the page of the summary as a PDF as well; called with one line that says what came of it.
    workers : int, optional
        Notebooks that run at the same time; they share the cores. By default two in the quick profile, and one in the
        full profile, which may have a GPU to itself.

    Raises
    ------
    LabError
        The profile is unknown, the folder cannot be written, or it holds what no report made.
    """
    given = dict(parameters or {})
    settled = resolve_profile(str(given.get("profile", profile)))
    workers = workers or (2 if settled == "quick" else 1)
    if out.resolve() in {path.resolve().parent for path in notebooks.values()}:
        raise LabError(f"{out}: holds the notebooks themselves: valid is a folder of the report's own")
    try:
        out.mkdir(parents=True, exist_ok=True)
        if not resume:
            _clear(out)
        if not (out / PROGRESS_FILE).exists():
            write_text(out / PROGRESS_FILE, "{}\n")
    except OSError as problem:
        raise LabError(f"{out}: the report folder cannot be written: {problem.strerror or problem}") from None
    folder = out.resolve()
    finished = _finished(folder)
    # the notebooks that have a page, or will have one when the report is done
    pages = [name for name in series() if name in notebooks or (folder / f"{name}.ipynb").exists()]
    outcomes, runs = {}, {}
    for name, path in notebooks.items():
        own = {k: v for k, v in given.items() if k in notebook_parameters(path)}
        key = _key(path, own, settled)
        if resume and finished.get(name, {}).get("key") == key and (folder / f"{name}.ipynb").exists():
            outcomes[name] = Outcome(name, "skipped", 0.0, "", key)
            write_page(folder / f"{name}.ipynb", pages)
        else:
            runs[name] = partial(_run_notebook, name, path.resolve(), folder, own, key, time_limit_s)
    with (
        progress_bar(total=len(notebooks), description="report", unit="notebook") as bar,
        added_variables(_kernel_settings(folder, settled)),
        closing(_outcomes(runs, folder, workers)) as arriving,  # whatever ends this block ends the kernels
    ):
        bar.update(len(outcomes))
        for outcome in arriving:
            name = outcome.notebook
            outcomes[name] = outcome
            finished[name] = asdict(outcome)
            write_text(folder / PROGRESS_FILE, json.dumps(finished, indent=1) + "\n")
            if (folder / f"{name}.ipynb").exists():
                write_page(folder / f"{name}.ipynb", pages)
            bar.update()
    if tell_pdf is not None and SUMMARY in outcomes:
        why_not = print_pdf(out / f"{SUMMARY}.html")
        tell_pdf(f"pdf: {why_not or out / f'{SUMMARY}.pdf'}")
    in_order = [outcomes[name] for name in notebooks]
    write_report(out, in_order, settled, given, workers)
    return in_order


def _outcomes(runs: Mapping[str, Callable[[], Outcome]], out: Path, workers: int) -> Generator[Outcome]:
    """Run notebooks, several at a time, then those that must be by themselves; yield each outcome as it comes."""
    together = {name: run for name, run in runs.items() if name not in BY_THEMSELVES}
    with added_variables(_shared_cores(workers)):
        yield from _run_together(together, out, workers)
    yield from _run_together({name: run for name, run in runs.items() if name in BY_THEMSELVES}, out, workers=1)


def _run_together(runs: Mapping[str, Callable[[], Outcome]], out: Path, workers: int) -> Iterator[Outcome]:
    """Run notebooks, several at a time; once more, where a kernel did not come up."""
    waiting, running, again = dict(runs), dict[str, Future[Outcome]](), set[str]()
    # papermill changes the folder of the whole process while it runs a notebook: here to the one that it is in
    with chdir(out), ThreadPoolExecutor(workers) as pool:
        try:
            while waiting or running:
                unfinished = waiting.keys() | running.keys()
                ready = [name for name in waiting if unfinished.isdisjoint(SHOWS_RESULTS_OF.get(name, ()))]
                for name in ready[: workers - len(running)]:
                    running[name] = pool.submit(waiting.pop(name))
                for future in wait(running.values(), return_when=FIRST_COMPLETED).done:
                    outcome = future.result()
                    name = outcome.notebook
                    del running[name]
                    if outcome.problem == NO_KERNEL and name not in again:
                        again.add(name)
                        running[name] = pool.submit(runs[name])
                    else:
                        yield outcome
        except BaseException:
            while wait(running.values(), timeout=0.1).not_done:  # again and again: a kernel may be about to come up
                for kernel in psutil.Process().children():
                    with suppress(psutil.NoSuchProcess):
                        kernel.kill()  # what waits for it in the pool ends as well
            raise


def _shared_cores(workers: int) -> dict[str, str]:
    """Return what holds the libraries of a kernel to its share of the cores, where the user has not settled that."""
    share = thread_variables(max(1, (os.cpu_count() or 1) // workers)) if workers > 1 else {}
    return {name: number for name, number in share.items() if name not in os.environ}


def _clear(out: Path) -> None:
    """Delete what an earlier report left, and nothing that is not a report's."""
    files = [out / f"{name}{ending}" for name in series() for ending in (".ipynb", ".html", ".pdf")]
    folders = [out / name for name in LEFT_BEHIND]
    there = [path.name for path in (*files, *folders) if path.exists()]
    if there and not (out / PROGRESS_FILE).exists():
        raise LabError(f"{out}: holds {there[0]}, which no report made: valid is a new folder, or one of a report")
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
    for file in (*files, out / PROGRESS_FILE):
        file.unlink(missing_ok=True)


def _run_notebook(name: str, path: Path, out: Path, parameters: dict[str, Any], key: str, time_limit_s: int) -> Outcome:
    start = time.perf_counter()
    target = out / f"{name}.ipynb"
    problem = ""
    try:
        _execute(path, target, parameters, time_limit_s)
    except PapermillExecutionError as error:
        first_line = str(error.evalue).strip().partition("\n")[0]
        problem = f"code cell {error.exec_count}: {error.ename}: {first_line}"
    except (CellTimeoutError, RuntimeError) as error:  # a kernel that dies is a RuntimeError
        if "before replying" in str(error):
            problem = NO_KERNEL
        else:
            what = f"did not end within {time_limit_s} s" if isinstance(error, CellTimeoutError) else "the kernel died"
            problem = f"{_running_cell(target)}: {what}"
        _mark_failed(target, problem)
    status = "failed" if problem else "done"
    return Outcome(name, status, round(time.perf_counter() - start, 1), problem, key)


def _execute(path: Path, target: Path, parameters: dict[str, Any], time_limit_s: int) -> None:
    """Run a notebook in the folder of `target`."""
    papermill.execute_notebook(
        str(path),
        str(target),
        parameters=parameters,
        kernel_name="python3",
        cwd=str(target.parent),
        progress_bar=False,
        execution_timeout=time_limit_s,
        extra_arguments=["--IPKernelApp.log_level=50"],  # what a kernel says about itself would fill the terminal
    )


def _running_cell(executed: Path) -> str:
    """Name the cell at which a run was cut: the last one that papermill has started."""
    code = [c for c in nbformat.read(executed, as_version=4).cells if c.cell_type == "code"]
    begun = [i for i, c in enumerate(code, 1) if c.metadata.get("papermill", {}).get("start_time")]
    return f"code cell {begun[-1] if begun else 1}"


def _mark_failed(executed: Path, problem: str) -> None:
    """Say at the top of a cut-off notebook what happened: papermill leaves it as if all had gone well."""
    notebook = nbformat.read(executed, as_version=4)
    notebook.cells.insert(0, nbformat.v4.new_markdown_cell(f"**This run failed, {problem}.**"))
    write_text(executed, nbformat.writes(notebook))


def _kernel_settings(out: Path, profile: str) -> dict[str, str]:
    """Return what tells the kernels where to write, how much to run, and that nobody watches."""
    return {
        OUT_VARIABLE: str(out.resolve()),
        ENVIRONMENT_VARIABLE: profile,
        "LABKIT_QUIET": "1",
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",  # older kernels on Python 3.13 warn about their debugger on stderr
    }


def _key(path: Path, parameters: Mapping[str, Any], profile: str) -> str:
    """Return the SHA-256 of what the outputs of a notebook depend on; of a data set of one's own, only its path."""
    digest = hashlib.sha256()
    for cell in nbformat.read(path, as_version=4).cells:
        digest.update(cell.source.encode())
    for source in (*sorted(PACKAGE.rglob("*.py")), *sorted(reference_dir().rglob("*.json"))):
        digest.update(source.read_bytes())
    digest.update(json.dumps([dict(parameters), profile, environment()], sort_keys=True).encode())
    return digest.hexdigest()


def _finished(out: Path) -> dict[str, dict[str, Any]]:
    """Return the outcomes of the notebooks that an earlier call finished."""
    try:
        entries = json.loads((out / PROGRESS_FILE).read_text(encoding="utf-8"))
        return {name: entry for name, entry in entries.items() if entry["status"] != "failed"}
    except (FileNotFoundError, ValueError, KeyError, AttributeError, TypeError):
        return {}  # a damaged note only costs running the notebooks again
