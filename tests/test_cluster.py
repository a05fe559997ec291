"""A sweep on a real Dask scheduler with two worker processes: whatever is killed, the results stay the same."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from distributed import Client
from helpers import labkit_command, run_command

from labkit.stats.sweeps import read_sweep
from labkit.sweep.jobs import sweep_runs, training_jobs

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

RUNS = ["torch-baseline-5", "torch-leaky-relu-5"]
SEEDS = [0, 1, 2]
EPOCHS, TRAIN_IMAGES = 2, 1000  # long enough to be killed in the middle
WAIT_S = 600


def weights(folder: Path) -> dict[tuple[str, int], str]:
    """Return the SHA-256 of every network of a sweep, and fail when predictions are missing."""
    return {(r.run, r.seed): r.weights_sha256 for r in read_sweep(folder) if len(r.predictions) == 10_000}


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, int], str]:
    """The sweep from one process, without Dask."""
    out = tmp_path_factory.mktemp("one process")
    outcome = sweep_runs(
        training_jobs(RUNS, SEEDS, profile="quick", epochs=EPOCHS, train_images=TRAIN_IMAGES), out, workers=0
    )
    assert (outcome.done, outcome.failures) == (6, {})
    found = weights(out)
    assert len(set(found.values())) == 6
    return found


def free_port() -> int:
    """Return a port of the loopback interface that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def process(*arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command of Dask in the background; kill it at the end of the block."""
    command = [sys.executable, "-m", "dask", *arguments, "--no-dashboard"]
    started = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield started
    finally:
        started.kill()
        started.wait()


@dataclass(frozen=True)
class Cluster:
    """A scheduler, its two worker processes by address, and a client that looks on."""

    scheduler: subprocess.Popen[bytes]
    workers: dict[str, subprocess.Popen[bytes]]
    watcher: Any


@contextmanager
def cluster(port: int) -> Iterator[Cluster]:
    """Start a scheduler and two workers, without nannies that would start them again; wait until all are there."""
    address = f"tcp://127.0.0.1:{port}"
    worker = ("worker", address, "--nthreads", "1", "--no-nanny")
    with (
        process("scheduler", "--host", "127.0.0.1", "--port", str(port)) as scheduler,
        process(*worker) as first,
        process(*worker) as second,
        Client(address, timeout=WAIT_S) as watcher,
    ):
        watcher.wait_for_workers(2, timeout=WAIT_S)
        by_pid = {pid: address for address, pid in watcher.run(os.getpid).items()}
        yield Cluster(scheduler, {by_pid[w.pid]: w for w in (first, second)}, watcher)


def sweep_command(port: int, out: Path) -> list[str]:
    """Return `labkit sweep` for the jobs of these tests on that scheduler."""
    sizes = ["--epochs", str(EPOCHS), "--train-images", str(TRAIN_IMAGES)]
    where = ["--scheduler", f"tcp://127.0.0.1:{port}", "--out", str(out)]
    return labkit_command("sweep", *RUNS, "--seeds", "0-2", "--profile", "quick", *sizes, *where)


def start(command: list[str]) -> subprocess.Popen[str]:
    """Start a command whose output is read later."""
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for(condition: str, out: Path, jobs: int) -> None:
    """Wait until so many jobs are finished in a folder; `condition` says what was waited for in vain."""
    deadline = time.monotonic() + WAIT_S
    while len(list(out.glob("*.json"))) < jobs:
        assert time.monotonic() < deadline, condition
        time.sleep(0.05)


def run_to_the_end(port: int, out: Path) -> str:
    """Run the sweep command; return what it printed."""
    done = subprocess.run(sweep_command(port, out), capture_output=True, text=True, timeout=WAIT_S, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def test_a_worker_killed_in_the_middle_costs_only_its_job(tmp_path: Path, expected: dict[tuple[str, int], str]) -> None:
    port = free_port()
    with cluster(port) as running:
        client = start(sweep_command(port, tmp_path))
        wait_for("a first job", tmp_path, 1)
        busy = next(address for address, jobs in running.watcher.processing().items() if jobs)
        running.workers[busy].send_signal(signal.SIGKILL)
        out, err = client.communicate(timeout=WAIT_S)
    assert (client.returncode, err) == (0, "")
    assert "sweep: 6 done, 0 done earlier, 0 failed" in out
    assert weights(tmp_path) == expected


def test_a_scheduler_that_went_away_is_one_line_and_the_same_command_goes_on(
    tmp_path: Path, expected: dict[tuple[str, int], str]
) -> None:
    port = free_port()
    with cluster(port) as running:
        client = start(sweep_command(port, tmp_path))
        wait_for("a first job", tmp_path, 1)
        running.scheduler.kill()
        _, err = client.communicate(timeout=WAIT_S)
    assert client.returncode == 2, err
    assert err.startswith(f"labkit: the scheduler tcp://127.0.0.1:{port} went away")
    assert len(err.splitlines()) == 1
    assert 0 < len(weights(tmp_path)) < 6
    with cluster(port):
        assert " 0 failed" in run_to_the_end(port, tmp_path)
    assert weights(tmp_path) == expected


@pytest.mark.usefixtures("ctrl_c")
def test_an_interrupted_client_goes_on_where_it_was(tmp_path: Path, expected: dict[tuple[str, int], str]) -> None:
    port = free_port()
    with cluster(port):
        client = start(sweep_command(port, tmp_path))
        wait_for("a first job", tmp_path, 1)
        client.send_signal(signal.SIGINT)
        _, err = client.communicate(timeout=WAIT_S)
        assert (client.returncode, err) == (130, "labkit: interrupted\n")
        finished = len(weights(tmp_path))
        assert 0 < finished < 6
        assert f"sweep: {6 - finished} done, {finished} done earlier, 0 failed" in run_to_the_end(port, tmp_path)
        assert "sweep: 0 done, 6 done earlier, 0 failed" in run_to_the_end(port, tmp_path)
    assert weights(tmp_path) == expected


def test_two_processes_of_this_machine_give_the_same(tmp_path: Path, expected: dict[tuple[str, int], str]) -> None:
    jobs = training_jobs(RUNS, SEEDS, profile="quick", epochs=EPOCHS, train_images=TRAIN_IMAGES)
    outcome = sweep_runs(jobs, tmp_path, workers=2)
    assert (outcome.done, outcome.failures) == (6, {})
    assert weights(tmp_path) == expected


def test_both_frameworks_in_any_order_and_number_of_workers(tmp_path: Path) -> None:
    runs = ["keras-baseline-5", "torch-baseline-5"]
    jobs = training_jobs(runs, [0, 1], profile="quick", epochs=1, train_images=300)
    for folder, order, workers in (("reversed", jobs[::-1], 1), ("two", jobs, 2)):
        outcome = sweep_runs(order, tmp_path / folder, workers=workers)
        assert (outcome.done, outcome.failures) == (4, {})
    # in a process of its own: TensorFlow may run here with another number of threads already
    sizes = ["--epochs", "1", "--train-images", "300", "--profile", "quick", "--workers", "0"]
    done = run_command(labkit_command("sweep", *runs, "--seeds", "0-1", *sizes, "--out", str(tmp_path / "none")))
    assert "sweep: 4 done, 0 done earlier, 0 failed" in done.stdout, done.stderr
    expected = weights(tmp_path / "none")
    assert len(set(expected.values())) == 4
    assert [weights(tmp_path / folder) for folder in ("reversed", "two")] == [expected] * 2
