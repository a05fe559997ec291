"""The benchmark: its table, its checks, and one small run."""

import json
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

import labkit.bench.compare
from labkit.base.errors import LabError
from labkit.bench.compare import GOALS, LOOPS, NETWORKS, bench_table, run_bench, write_bench
from labkit.bench.worker import GoalRun
from labkit.cli import main


@pytest.fixture(scope="module")
def measured() -> dict[str, Any]:
    return run_bench(["lenet-dropout"], repeats=2, batches=2)


@pytest.mark.slow
def test_every_loop_of_the_network_is_measured(measured: dict[str, Any]) -> None:
    rows = measured["rows"]
    assert [row["loop"] for row in rows] == list(LOOPS["torch"])
    assert rows[0]["ratio"] == 1
    for row in rows:
        assert 0 < row["fastest"] <= row["seconds"] <= row["slowest"]
        assert row["images_per_second"] == pytest.approx(60_000 / row["seconds"])
        assert 0 < row["arithmetic_share"] < 1
        assert row["memory"] > 50


@pytest.mark.slow
def test_it_says_what_was_done(measured: dict[str, Any]) -> None:
    table = bench_table(measured)
    assert "2 x 2 batches of 128" in table
    assert "warm-up excluded" in table
    assert "float32, TF32 off" in table
    assert measured["device"] in table


@pytest.mark.slow
def test_stock_keras_is_timed_to_its_last_batch_and_its_whole_call_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(labkit.bench.compare, "EPOCH_BATCHES", 3)
    result = run_bench(["baseline"], repeats=1, batches=2)
    ours, theirs = result["rows"]
    assert (ours["loop"], theirs["loop"]) == LOOPS["keras"]
    assert theirs["seconds"] > 0
    taken = result["fit_calls"]["baseline"]
    assert 0 < taken["seconds"] < taken["call"]
    assert f"the call takes {taken['call']:.1f} s" in bench_table(result)


@pytest.mark.slow
def test_stock_keras_runs_without_the_settings_of_labkit() -> None:
    code = (
        "import sys, labkit.bench.stock_keras; from tensorflow.python.framework import config; "
        "print(config.is_op_determinism_enabled(), [m for m in sys.modules if m.startswith('labkit.keras')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False []\n"


def test_a_goal_is_measured_with_its_seeds(monkeypatch: pytest.MonkeyPatch) -> None:
    goal = GoalRun(accuracies=[0.99, 0.992], seconds=[1.5, 1.7], epochs=1.0, device="a computer")
    jobs = []

    def run_apart(work: Any, job: tuple[str, int], variables: dict[str, str]) -> GoalRun:
        jobs.append(job)
        return goal

    monkeypatch.setattr(labkit.bench.compare, "run_apart", run_apart)
    measured = run_bench(["99.0%"])
    assert jobs == [("99.0%", 30)]
    assert (measured["goals"], measured["rows"]) == ({"99.0%": asdict(goal)}, [])
    assert "99.10 +- 0.14% in 1.60 +- 0.14 s; 2 seeds, 1 epochs" in bench_table(measured)


def test_the_goals_are_those_of_the_ladder() -> None:
    ladder = pytest.importorskip("labkit.torch.ladder")
    assert set(GOALS) == set(ladder.GOALS)
    assert replace(ladder.GOALS["99.0%"], epochs=1) == ladder.TOP


@pytest.mark.slow
def test_the_json_is_written(measured: dict[str, Any], tmp_path: Path) -> None:
    write_bench(measured, tmp_path / "new")
    assert json.loads((tmp_path / "new" / "bench.json").read_text()) == measured


@pytest.mark.slow
def test_the_command_prints_nothing_but_json(
    measured: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(labkit.bench.compare, "run_bench", lambda *_: measured)
    with pytest.raises(SystemExit):
        main(["bench", "--json"])
    printed, errors = capsys.readouterr()
    assert (json.loads(printed), errors) == (measured, "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"networks": ["lenet"]}, "did you mean 'lenet-dropout'"),
        ({"batches": 470}, "valid are 1 to 469"),
        ({"repeats": 0}, "repeats is 0"),
    ],
)
def test_wrong_arguments_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(LabError, match=message):
        run_bench(**arguments)


def test_the_command_refuses_an_unknown_network(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["bench", "--networks", "deepbn"])
    assert stopped.value.code == 2
    assert "did you mean 'deep-bn'" in capsys.readouterr().err


def test_operations_of_a_batch_are_those_of_the_layers() -> None:
    """lenet-dropout, by hand: the first convolution needs no gradient of its input."""
    torch_bench = pytest.importorskip("labkit.bench.torch_loops")
    convolution_1 = 2 * 24 * 24 * 10 * 25
    rest = 2 * (8 * 8 * 20 * 250 + 320 * 50 + 50 * 10)
    assert torch_bench.flops_of_batch("lenet-dropout") == 128 * (2 * convolution_1 + 3 * rest)
    assert set(NETWORKS.values()) == set(LOOPS)
