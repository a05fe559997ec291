"""Independent jobs on the processes of this machine or on a cluster: Dask's distributed scheduler does the work."""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

from labkit.base.errors import LabError
from labkit.base.own_process import run_apart
from labkit.base.progress import progress_bar

Job = TypeVar("Job")
Result = TypeVar("Result")

CONNECT_S = 10
# A Keras job takes about 1.3 GB, most of it TensorFlow itself.
BYTES_PER_WORKER = 1_500_000_000
# How often the worker under a job may die before the job counts as failed: Dask's 3 is too low for a long sweep.
WORKER_DEATHS = 20


def thread_variables(threads: int) -> dict[str, str]:
    """Return the environment variables that hold every library of a process to a number of threads."""
    names = ("OMP_NUM", "MKL_NUM", "OPENBLAS_NUM", "TF_NUM_INTRAOP", "TF_NUM_INTEROP")
    return {f"{name}_THREADS": str(threads) for name in names}


def default_workers(threads: int) -> int:
    """Return how many worker processes fit this machine, by its cores and its memory."""
    from dask.system import CPU_COUNT
    from distributed.system import MEMORY_LIMIT  # both heed the limits of a container

    return max(1, min(int(CPU_COUNT) // threads, int(MEMORY_LIMIT) // BYTES_PER_WORKER))


def run_jobs(
    work: Callable[[Job], Result],
    jobs: Mapping[str, Job],
    keep: Callable[[str, Result], None],
    *,
    scheduler: str | None = None,
    workers: int | None = None,
    threads: int = 1,
) -> dict[str, str]:
    """Run `work(job)` for every job, each in a process of its own under a worker; go on when one of them fails.

    The jobs are started in their order. What `work` returns travels to the caller, who gets it as
    `keep(name, result)` as soon as the job is finished: workers need no shared disk.

    Parameters
    ----------
    scheduler : str, optional
        Address of a running Dask scheduler, for instance `tcp://host:8786`. Without it, worker processes
        are started on this machine and ended with the last job.
    workers : int, optional
        Worker processes on this machine; by default as many as fit. 0: no Dask, all in this process.
    threads : int
        Threads of one job: what its libraries are held to, and how many workers fit.

    Returns
    -------
    dict of str to str
        The jobs that failed, with one line each.

    Raises
    ------
    LabError
        Dask is not installed, the scheduler cannot be reached, or it went away.
    """
    failures: dict[str, str] = {}
    if not jobs:
        return failures
    here = workers == 0 and scheduler is None
    outcomes = _here(work, jobs) if here else _on_dask(work, jobs, scheduler, workers, threads)
    with progress_bar(total=len(jobs), description="sweep", unit="job") as bar:
        for name, result, problem in outcomes:
            if problem:
                failures[name] = problem
            else:
                keep(name, result)
            bar.update()
    return failures


def _here(work: Callable[[Job], Result], jobs: Mapping[str, Job]) -> Iterator[tuple[str, Any, str]]:
    for name, job in jobs.items():
        try:
            yield name, work(job), ""
        except LabError as problem:
            yield name, None, str(problem)


def _on_dask(
    work: Callable[[Job], Result], jobs: Mapping[str, Job], scheduler: str | None, workers: int | None, threads: int
) -> Iterator[tuple[str, Any, str]]:
    try:
        from distributed import as_completed
    except ImportError:
        raise LabError("a sweep needs Dask: pip install 'labkit[cluster]', or --workers 0 to do without") from None
    wanted = min(workers or default_workers(threads), len(jobs)) if scheduler is None else 0
    with _client(scheduler, wanted) as client:
        variables = thread_variables(threads)
        names = {client.submit(run_apart, work, job, variables, pure=False): name for name, job in jobs.items()}
        try:
            for future in as_completed(names):
                if future.status == "cancelled":
                    raise LabError(
                        f"the scheduler {scheduler or 'of this machine'} went away: what is finished is kept, "
                        "the same command goes on"
                    )
                if future.status == "error":
                    yield names[future], None, _one_line(future.exception())
                else:
                    yield names[future], future.result(), ""
                future.release()  # the scheduler need not remember it
        finally:
            client.cancel(list(names), force=True)


@contextmanager
def _client(scheduler: str | None, workers: int) -> Iterator[Any]:
    """Connect to a scheduler, or to one with worker processes of our own for as long as the block lasts."""
    import dask.config
    from distributed import Client, LocalCluster

    # Dask reports every lost worker and connection at length: what matters comes back as one line
    for name in [*logging.root.manager.loggerDict, "distributed"]:
        if name.partition(".")[0] == "distributed":
            logging.getLogger(name).setLevel(logging.CRITICAL)
    if scheduler is not None:
        try:
            client = Client(scheduler, timeout=CONNECT_S)
        except (OSError, ValueError, TypeError) as problem:
            raise LabError(
                f"no Dask scheduler answers at {scheduler}: valid is an address like tcp://host:8786; "
                f"{_one_line(problem)}"
            ) from None
        with client:
            yield client
        return
    settings = {"distributed.scheduler.allowed-failures": WORKER_DEATHS}
    with (
        dask.config.set(settings),
        LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            memory_limit=0,
            dashboard_address=None,
            silence_logs=logging.CRITICAL,
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client


def _one_line(problem: BaseException | None) -> str:
    text = " ".join(str(problem).split())
    shown = text if isinstance(problem, LabError) else f"{type(problem).__name__}: {text}"
    return shown if len(shown) <= 200 else shown[:197] + "..."
