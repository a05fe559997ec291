"""A sweep on a real Dask scheduler with two worker processes: whatever is killed, the results stay the same."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from labkit.sweep import sweep_runs, training_jobs
from labkit.sweep_results import read_sweep

pytestmark = pytest.mark.slow

RUNS = ["torch-baseline-5", "torch-leaky-relu-5"]
SEEDS = [0, 1, 2]
EPOCHS, TRAIN_IMAGES = 2, 2000  # long enough to be killed in the middle
WAIT_S = 240
DASK = [sys.executable, "-m", "dask"]


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
def process(command: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command in the background; kill it at the end of the block."""
    started = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield started
    finally:
        started.kill()
        started.wait()


def scheduler_on(port: int) -> list[str]:
    """Return the command of a Dask scheduler."""
    return [*DASK, "scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard"]


def worker_of(port: int) -> list[str]:
    """Return the command of a worker process, without a nanny that would start it again."""
    return [*DASK, "worker", f"tcp://127.0.0.1:{port}", "--nthreads", "1", "--no-nanny", "--no-dashboard"]


def sweep_command(port: int, out: Path) -> list[str]:
    """Return `labkit sweep` for the jobs of these tests on that scheduler."""
    sizes = ["--epochs", str(EPOCHS), "--train-images", str(TRAIN_IMAGES)]
    where = ["--scheduler", f"tcp://127.0.0.1:{port}", "--out", str(out)]
    main = "import sys; from labkit.cli import main; main(sys.argv[1:])"
    return [sys.executable, "-c", main, "sweep", *RUNS, "--seeds", "0-2", "--profile", "quick", *sizes, *where]


def wait_for(condition: str, out: Path, jobs: int) -> None:
    """Wait until so many jobs are finished in a folder."""
    deadline = time.monotonic() + WAIT_S
    while len(list(out.glob("*.json"))) < jobs:
        assert time.monotonic() < deadline, condition
        time.sleep(0.05)


def wait_for_port(port: int) -> None:
    """Wait until a scheduler listens."""
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise AssertionError("the scheduler does not listen")


def run_to_the_end(port: int, out: Path) -> str:
    """Run the sweep command; return what it printed."""
    done = subprocess.run(sweep_command(port, out), capture_output=True, text=True, timeout=WAIT_S, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def test_a_worker_killed_in_the_middle_costs_only_its_job(tmp_path: Path, expected: dict[tuple[str, int], str]) -> None:
    from distributed import Client

    port = free_port()
    with process(scheduler_on(port)), process(worker_of(port)) as first, process(worker_of(port)) as second:
        wait_for_port(port)
        with Client(f"tcp://127.0.0.1:{port}", timeout=60) as watcher:
            watcher.wait_for_workers(2, timeout=WAIT_S)
            by_pid = {pid: address for address, pid in watcher.run(os.getpid).items()}
            client = subprocess.Popen(sweep_command(port, tmp_path), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            wait_for("a first job", tmp_path, 1)
            victim = next(w for w in (first, second) if watcher.processing()[by_pid[w.pid]])
            victim.send_signal(signal.SIGKILL)
            out, err = client.communicate(timeout=WAIT_S)
    assert client.returncode == 0, err
    assert b"sweep: 6 done, 0 done earlier, 0 failed" in out
    assert weights(tmp_path) == expected


def test_a_scheduler_that_went_away_is_one_line_and_the_same_command_goes_on(
    tmp_path: Path, expected: dict[tuple[str, int], str]
) -> None:
    port = free_port()
    with process(scheduler_on(port)) as scheduler, process(worker_of(port)), process(worker_of(port)):
        wait_for_port(port)
        client = subprocess.Popen(
            sweep_command(port, tmp_path), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        wait_for("a first job", tmp_path, 1)
        scheduler.kill()
        _, err = client.communicate(timeout=WAIT_S)
    assert client.returncode == 2
    assert err.startswith(f"labkit: the scheduler tcp://127.0.0.1:{port} went away")
    assert len(err.splitlines()) == 1
    assert 0 < len(weights(tmp_path)) < 6
    with process(scheduler_on(port)), process(worker_of(port)), process(worker_of(port)):
        wait_for_port(port)
        assert " 0 failed" in run_to_the_end(port, tmp_path)
    assert weights(tmp_path) == expected


def test_an_interrupted_client_goes_on_where_it_was(tmp_path: Path, expected: dict[tuple[str, int], str]) -> None:
    port = free_port()
    with process(scheduler_on(port)), process(worker_of(port)), process(worker_of(port)):
        wait_for_port(port)
        client = subprocess.Popen(sweep_command(port, tmp_path), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        wait_for("a first job", tmp_path, 1)
        client.send_signal(signal.SIGINT)
        _, err = client.communicate(timeout=WAIT_S)
        assert (client.returncode, err) == (130, b"labkit: interrupted\n")
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


def test_both_frameworks_share_one_worker_process(tmp_path: Path) -> None:
    jobs = training_jobs(["keras-baseline-5", "torch-baseline-5"], [0, 1], profile="quick", epochs=1, train_images=300)
    outcome = sweep_runs(jobs, tmp_path / "one worker", workers=1)
    assert (outcome.done, outcome.failures) == (4, {})
    outcome = sweep_runs(jobs[::-1], tmp_path / "other order", workers=1)
    assert (outcome.done, outcome.failures) == (4, {})
    assert weights(tmp_path / "one worker") == weights(tmp_path / "other order")
