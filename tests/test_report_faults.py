"""Notebooks that fail, hang or die inside a report, and a report that is killed itself."""

import concurrent.futures
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tiny_notebooks import write_notebook

from labkit import cli
from labkit.report import papermill_run

# `labkit ...` over the notebooks of another folder, in a process of its own
LABKIT_OVER = """
import sys
from pathlib import Path
from labkit import cli
from labkit.report import series
series.notebooks_dir = lambda: Path(sys.argv[1])
cli.main(sys.argv[2:])
"""


def test_the_rest_runs_when_notebooks_fail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    books, out = tmp_path / "notebooks", tmp_path / "out"
    write_notebook(
        books, "01_raises", "print('before the error')", "raise ValueError('all wrong\\nand more')", "print(9)"
    )
    write_notebook(books, "02_dies", "print('before the death')", "import os\nos.kill(os.getpid(), 9)", "print(9)")
    write_notebook(books, "03_never_ends", "print('before the hang')", "while True:\n    pass", "print(9)")
    write_notebook(books, "04_is_fine", "print('all is well')")
    monkeypatch.setattr("labkit.report.series.notebooks_dir", lambda: books)
    with pytest.raises(SystemExit) as caught:
        cli.main(["report", "--profile", "quick", "--out", str(out), "--time-limit", "6"])
    assert caught.value.code == 1

    problems = {
        "01_raises": "code cell 3: ValueError: all wrong",
        "02_dies": "code cell 3: the kernel died",
        "03_never_ends": "code cell 3: did not end within 6 s",
    }
    lines = [line.split(maxsplit=4) for line in capsys.readouterr().out.splitlines()[1:-1]]
    assert [(line[0], line[1], *line[4:]) for line in lines] == [
        *(("failed", name, problem) for name, problem in problems.items()),
        ("done", "04_is_fine"),
    ]
    results = json.loads((out / "results.json").read_text(encoding="utf-8"))
    assert {n["notebook"]: n["problem"] for n in results["notebooks"]} == problems | {"04_is_fine": ""}
    index = (out / "index.html").read_text(encoding="utf-8")
    for name, half in (("01_raises", "error"), ("02_dies", "death"), ("03_never_ends", "hang")):
        assert f"failed, {problems[name]}" in index
        for ending in (".ipynb", ".html"):
            page = (out / f"{name}{ending}").read_text(encoding="utf-8")
            assert f"before the {half}" in page
            assert name == "01_raises" or "This run failed" in page
    assert "done in" in index
    assert "all is well" in (out / "04_is_fine.html").read_text(encoding="utf-8")


def test_a_report_deletes_nothing_that_no_report_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    books, own = tmp_path / "notebooks", tmp_path / "own"
    write_notebook(books, "01_first", "print('first')")
    source = (books / "01_first.ipynb").read_bytes()
    (own / "figures").mkdir(parents=True)
    (own / "figures" / "mine.png").write_text("a figure")
    monkeypatch.setattr("labkit.report.series.notebooks_dir", lambda: books)
    for out, more, said in (
        (own, (), f"{own}: holds figures, which no report made: valid is a new folder, or one of a report"),
        (books, (), f"{books}: holds the notebooks themselves: valid is a folder of the report's own"),
        (books, ("--resume",), f"{books}: holds the notebooks themselves: valid is a folder of the report's own"),
    ):
        with pytest.raises(SystemExit) as caught:
            cli.main(["report", "--profile", "quick", "--out", str(out), *more])
        assert caught.value.code == 2
        assert capsys.readouterr().err == f"labkit: {said}\n"
    assert (own / "figures" / "mine.png").read_text() == "a figure"
    assert (books / "01_first.ipynb").read_bytes() == source


def test_the_profile_among_the_parameters_is_that_of_the_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    books, out = tmp_path / "notebooks", tmp_path / "out"
    write_notebook(books, "01_first", "import os\nprint(profile, os.environ['LABKIT_PROFILE'])")
    monkeypatch.setattr("labkit.report.series.notebooks_dir", lambda: books)
    for profile, workers in (("full", 1), ("quick", 2)):
        with pytest.raises(SystemExit) as caught:
            cli.main(["report", "--profile", "quick", "--out", str(out), "-p", "profile", profile])
        assert caught.value.code == 0
        assert f"profile {profile}, into" in capsys.readouterr().out
        results = json.loads((out / "results.json").read_text(encoding="utf-8"))
        assert (results["profile"], results["workers"]) == (profile, workers)
        assert f"{profile} {profile}" in (out / "01_first.html").read_text(encoding="utf-8")


def test_a_kernel_that_does_not_come_up_is_started_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import papermill

    books = tmp_path / "notebooks"
    for name in ("01_first", "02_second"):
        write_notebook(books, name, "print('here')")
    monkeypatch.setattr("labkit.report.series.notebooks_dir", lambda: books)
    execute, calls = papermill.execute_notebook, []

    def unlucky(source: str, target: str, **more: object) -> None:
        calls.append(Path(source).stem)
        Path(target).write_bytes(Path(source).read_bytes())  # papermill writes it before it starts the kernel
        if calls[-1] == "02_second" or len(calls) == 1:
            raise RuntimeError("Kernel died before replying to kernel_info")
        execute(source, target, **more)

    monkeypatch.setattr("papermill.execute_notebook", unlucky)
    with pytest.raises(SystemExit) as caught:
        cli.main(["report", "--profile", "quick", "--out", str(tmp_path / "out"), "--workers", "1"])
    assert caught.value.code == 1
    assert calls == ["01_first", "01_first", "02_second", "02_second"]
    lines = capsys.readouterr().out.splitlines()[1:3]
    assert [line.split(maxsplit=4)[:2] for line in lines] == [["done", "01_first"], ["failed", "02_second"]]
    assert lines[1].endswith("its kernel did not come up")


def test_ctrl_c_while_a_kernel_comes_up_does_not_start_the_notebook_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    killed = threading.Event()

    def coming_up(source: str, target: str, **_: object) -> None:
        calls.append(source)
        Path(target).write_bytes(Path(source).read_bytes())
        killed.wait(60)
        raise RuntimeError("Kernel died before replying to kernel_info")

    class Kernel:
        def kill(self) -> None:
            killed.set()

    class Process:
        def children(self) -> list[Kernel]:
            return [Kernel()]

    monkeypatch.setattr("papermill.execute_notebook", coming_up)
    monkeypatch.setattr("psutil.Process", Process)
    monkeypatch.setattr("labkit.report.papermill_run.wait", interrupted_once(concurrent.futures.wait))
    write_notebook(tmp_path / "notebooks", "01_first", "print('here')")
    path = tmp_path / "notebooks" / "01_first.ipynb"
    run = partial(papermill_run._run_notebook, "01_first", path, tmp_path, {}, "", 60)
    with pytest.raises(KeyboardInterrupt):
        next(papermill_run._run_together({"01_first": run}, tmp_path, workers=1))
    assert len(calls) == 1


def interrupted_once(wait: Callable[..., Any]) -> Callable[..., Any]:
    """Return `wait`, with Ctrl-C during its first call."""
    calls: list[Any] = []

    def interrupted(*given: Any, **more: Any) -> Any:
        calls.append(given)
        if len(calls) == 1:
            raise KeyboardInterrupt
        return wait(*given, **more)

    return interrupted


@pytest.mark.slow
def test_killed_report_goes_on_where_it_was_cut(tmp_path: Path) -> None:
    books, out, go = tmp_path / "notebooks", tmp_path / "out", tmp_path / "go"
    count = "from pathlib import Path\nwith Path('runs.txt').open('a') as f:\n    f.write('{} ')"
    note = "import os, time\nPath('pid').write_text(str(os.getpid()))\n"
    wait = note + f"while not Path({str(go)!r}).exists():\n    time.sleep(0.1)"
    write_notebook(books, "01_first", count.format(1), "print('first')")
    write_notebook(books, "02_second", count.format(2), wait, "print('second')")
    arguments = ["report", "--profile", "quick", "--out", str(out), "--resume", "--workers", "1"]
    command = [sys.executable, "-c", LABKIT_OVER, str(books), *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as child:
        end = time.monotonic() + 300
        while not (out / "pid").exists() or not (out / "pid").read_text():
            assert child.poll() is None
            assert time.monotonic() < end
            time.sleep(0.05)
        child.send_signal(signal.SIGKILL)
    kernel = int((out / "pid").read_text())
    try:
        while time.monotonic() < end and _alive(kernel):
            time.sleep(0.1)  # the kernel notices that its parent is gone
        assert not _alive(kernel)
    finally:
        go.touch()

    def again(*more: str) -> dict[str, str]:
        answer = subprocess.run([*command, *more], capture_output=True, text=True, check=True)
        return {line.split()[1]: line.split()[0] for line in answer.stdout.splitlines()[1:-1]}

    assert again() == {"01_first": "skipped", "02_second": "done"}
    assert (out / "runs.txt").read_text() == "1 2 2 "
    assert "done by an earlier call" in (out / "index.html").read_text(encoding="utf-8")
    assert again("-p", "seed", "2") == {"01_first": "done", "02_second": "done"}
    write_notebook(books, "02_second", "print('another second')")
    assert again("-p", "seed", "2") == {"01_first": "skipped", "02_second": "done"}


def test_notebooks_run_side_by_side_and_share_the_cores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    books, out = tmp_path / "notebooks", tmp_path / "out"
    wait = "import os, time\nPath('{}').touch()\nwhile not Path('{}').exists():\n    time.sleep(0.05)"
    wait = f"from pathlib import Path\n{wait}"
    note = "open('order', 'a').write('{} ')\nopen('threads {}', 'w').write(os.environ.get('OMP_NUM_THREADS', 'free'))"
    write_notebook(books, "01_keras_baseline", wait.format("first", "second"), "time.sleep(2)", note.format("01", "01"))
    write_notebook(books, "02_more_epochs", "import os\n" + note.format("02", "02"))  # shows the results of 01
    write_notebook(books, "05_apart", wait.format("second", "first"), note.format("05", "05"))
    write_notebook(books, "07_summary", "import os\n" + note.format("07", "07"))
    write_notebook(books, "08_speed", "import os\n" + note.format("08", "08"))
    monkeypatch.setattr("labkit.report.series.notebooks_dir", lambda: books)
    monkeypatch.setattr("os.cpu_count", lambda: 6)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    here = Path.cwd()
    with pytest.raises(SystemExit) as caught:
        cli.main(["report", "--profile", "quick", "--out", str(out), "--time-limit", "60", "--quiet"])
    assert caught.value.code == 0
    assert Path.cwd() == here
    # 01 and 05 wait for each other; 02 waits for 01, and those that must be by themselves for all
    assert (out / "order").read_text() == "05 01 02 07 08 "
    threads = {number: (out / f"threads {number}").read_text() for number in ("01", "02", "05", "07", "08")}
    assert threads == {"01": "3", "02": "3", "05": "3", "07": "free", "08": "free"}
    results = json.loads((out / "results.json").read_text(encoding="utf-8"))
    assert [entry["notebook"][:2] for entry in results["notebooks"]] == ["01", "02", "05", "07", "08"]


@pytest.mark.usefixtures("ctrl_c")
def test_ctrl_c_ends_the_kernels_of_a_report(tmp_path: Path) -> None:
    books, out = tmp_path / "notebooks", tmp_path / "out"
    note = "import os, time\nfrom pathlib import Path\nPath('pid {}').write_text(str(os.getpid()))\ntime.sleep(300)"
    for name in ("01_first", "02_second", "03_third"):
        write_notebook(books, name, note.format(name[:2]))
    command = [sys.executable, "-c", LABKIT_OVER, str(books), "report", "--profile", "quick", "--out", str(out)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as child:
        try:
            end = time.monotonic() + 120
            pids = [out / "pid 01", out / "pid 02"]
            while not all(pid.exists() and pid.read_text() for pid in pids):
                assert child.poll() is None
                assert time.monotonic() < end
                time.sleep(0.05)
            child.send_signal(signal.SIGINT)
            assert child.wait(timeout=60) == 130
        finally:
            child.kill()  # the block would wait for the notebooks otherwise
    assert not any(_alive(int(pid.read_text())) for pid in pids)
    assert not (out / "pid 03").exists()


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/stat")  # where nobody collects orphans, a dead one stays as a zombie
    return not status.exists() or status.read_text().rpartition(")")[2].split()[0] != "Z"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["-p", "sed", "3"], "unknown parameter 'sed': valid are seed, profile, out; did you mean 'seed'?"),
        (["-r", "seed", "3"], "parameter seed is '3' (str): valid is a whole number"),
    ],
)
def test_plain_papermill_is_stopped(given: list[str], said: str, tmp_path: Path) -> None:
    bench = "from labkit.lab.notebook import Lab\nlab = Lab('01_tiny')"
    write_notebook(tmp_path, "01_tiny", bench, "open('went on', 'w')")
    command = [sys.executable, "-m", "papermill", "--no-progress-bar", "01_tiny.ipynb", "out.ipynb", *given]
    answer = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert answer.returncode == 1
    assert f"LabError: {said}" in answer.stderr
    assert not (tmp_path / "went on").exists()
