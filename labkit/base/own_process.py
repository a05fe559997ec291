"""Run a function in a process of its own, which nothing else can disturb and which leaves nothing behind.

A Dask worker is a busy process: its other threads draw from Python's global random numbers, from which
Keras takes the seeds of its layers; and one job would inherit from the job before it the framework that
is loaded and its number of threads.
"""

import os
import pickle
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

from labkit.base.errors import LabError

Job = TypeVar("Job")
Result = TypeVar("Result")


def run_apart(work: Callable[[Job], Result], job: Job, variables: Mapping[str, str]) -> Result:
    """Return `work(job)`, computed in a new process, or raise what it raised.

    The new process ends when this one does, however this one ends. `work` stands at the top level of a module; `job`
    and what comes back can be pickled; `variables` are added to the environment of this process.

    Raises
    ------
    LabError
        The process ended without a result.
    """
    with tempfile.TemporaryFile() as stderr:
        child = subprocess.Popen(
            [sys.executable, "-m", "labkit.base.own_process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            env={**os.environ, "LABKIT_QUIET": "1", **variables},
        )
        assert child.stdin is not None
        assert child.stdout is not None
        with child, child.stdin, child.stdout:
            pickle.dump((work, job), child.stdin)
            child.stdin.flush()  # and kept open: its end is the sign that this process is gone
            answer = child.stdout.read()
        stderr.seek(0)
        last_words = stderr.read().decode(errors="replace").strip().splitlines()[-1:]
    if not answer:
        raise LabError(f"the job's process ended with code {child.returncode}: {''.join(last_words) or 'no message'}")
    result, problem = pickle.loads(answer)
    if problem is not None:
        raise problem
    returned: Result = result
    return returned


@contextmanager
def added_variables(variables: Mapping[str, str]) -> Iterator[None]:
    """Within the block, add variables to the environment, which processes that start there inherit."""
    before = {name: os.environ[name] for name in variables if name in os.environ}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name in variables:  # and no others: imports within the block add some that must stay
            os.environ.pop(name, None)
        os.environ.update(before)


def _serve() -> None:
    """Read a function and its argument from stdin, write the result to stdout."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what the work prints must not get between
    work, job = pickle.load(sys.stdin.buffer)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    result: Any = None
    problem: Exception | None = None
    try:
        result = work(job)
    except Exception as raised:  # whatever it is, it belongs to the process that asked
        problem = raised
    pickle.dump((result, problem), answers)
    answers.flush()
    os._exit(0)  # TensorFlow's own way out takes a second


def _end_with_parent() -> None:
    os.read(0, 1)  # not through sys.stdin, whose lock a forked DataLoader worker would wait for in vain
    os._exit(1)


if __name__ == "__main__":
    _serve()
