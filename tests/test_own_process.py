"""A function in a process of its own: results, errors, and an end with the process that asked."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from labkit.base.errors import LabError
from labkit.base.own_process import added_variables, run_apart

# the new process has to find this module, as a worker has to find labkit
PATHS = {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *(path for path in sys.path if path)])}


def describe(name: str) -> tuple[int, str | None]:
    """Print something, and tell where this runs."""
    print("a print that must not get into the answer")
    return os.getpid(), os.environ.get(name)


def fail(how: str) -> None:
    """Fail in one way or another."""
    if how == "mistake":
        raise LabError("a mistake, in one line")
    os.abort()


def write_pid_and_sleep(path: str) -> None:
    """Say who this is and stay."""
    Path(path).write_text(str(os.getpid()), encoding="utf-8")
    time.sleep(600)


def test_the_result_comes_back_from_another_process() -> None:
    pid, value = run_apart(describe, "LABKIT_TRIAL", {**PATHS, "LABKIT_TRIAL": "3"})
    assert pid != os.getpid()
    assert value == "3"
    assert "LABKIT_TRIAL" not in os.environ


def test_errors_come_back() -> None:
    with pytest.raises(LabError, match="a mistake, in one line"):
        run_apart(fail, "mistake", PATHS)
    with pytest.raises(LabError, match="the job's process ended with code -6"):
        run_apart(fail, "crash", PATHS)


def test_it_ends_with_the_process_that_asked(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    code = f"import test_own_process as t; t.run_apart(t.write_pid_and_sleep, {str(note)!r}, {{}})"
    parent = subprocess.Popen([sys.executable, "-c", code], env=os.environ | PATHS)
    deadline = time.monotonic() + 120
    while not (note.exists() and note.read_text(encoding="utf-8")):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    parent.kill()
    parent.wait()
    child = int(note.read_text(encoding="utf-8"))
    while time.monotonic() < deadline:
        try:
            os.kill(child, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    raise AssertionError("the job outlived the process that asked for it")


def test_added_variables_go_again_and_only_they(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABKIT_TRIAL", "before")
    monkeypatch.delenv("LABKIT_TRIAL_NEW", raising=False)
    monkeypatch.delenv("LABKIT_TRIAL_IMPORT", raising=False)
    with added_variables({"LABKIT_TRIAL": "within", "LABKIT_TRIAL_NEW": "within"}):
        assert (os.environ["LABKIT_TRIAL"], os.environ["LABKIT_TRIAL_NEW"]) == ("within", "within")
        monkeypatch.setenv("LABKIT_TRIAL_IMPORT", "stays")  # as `labkit.torch` sets one at its import
    assert os.environ["LABKIT_TRIAL"] == "before"
    assert "LABKIT_TRIAL_NEW" not in os.environ
    assert os.environ["LABKIT_TRIAL_IMPORT"] == "stays"
