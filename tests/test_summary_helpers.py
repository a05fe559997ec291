"""The helpers of the summary notebook: mistakes, costs, figures, and any subset of the ten runs."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from labkit.base.errors import LabError
from labkit.plots.summary import plot_all_curves, plot_calibration, plot_cost, plot_times_wrong
from labkit.runs.history import Epoch, History, Recipe, Score
from labkit.runs.records import Record, save_record
from labkit.runs.registry import ten_runs
from labkit.stats import costs
from labkit.stats.costs import quiet_seconds
from labkit.stats.mistakes import (
    caption,
    confident_mistakes,
    confused_pairs,
    confusion_counts,
    least_sure,
    times_wrong,
)
from labkit.stats.summary import collect

LABELS = np.arange(10_000, dtype=np.uint8) % 10


def probabilities_with(wrong: int) -> NDArray[np.float32]:
    """Return probabilities that take the first `wrong` images for the next class, less surely with each image."""
    predicted = LABELS.copy()
    predicted[:wrong] = (LABELS[:wrong] + 1) % 10
    sure = np.full(10_000, 0.99)
    sure[:wrong] = np.linspace(0.9, 0.5, wrong)
    probabilities = np.repeat(((1 - sure) / 9)[:, None], 10, axis=1).astype(np.float32)
    probabilities[np.arange(10_000), predicted] = sure
    return probabilities


def save_run(out: Path, run_id: str, wrong: int, profile: str = "quick", with_probabilities: bool = True) -> None:
    probabilities = probabilities_with(wrong)
    recipe = Recipe(0.01, 0.5, 128, 1, 2, 15_000, "0")
    history = History([Epoch(number, 0.2, 0.9, 0.1, 0.95, 3.0) for number in (1, 2)], recipe=recipe)
    record = Record(run_id, profile, history, 21_840, 21_840, Score(0.1, 10_000 - wrong, 10_000), "0", "a CPU", 2, {})
    save_record(record, out, probabilities if with_probabilities else None)


def test_confusion_counts_have_true_classes_in_rows() -> None:
    labels = np.array([0, 0, 1, 2, 2], np.uint8)
    predictions = np.array([0, 1, 1, 0, 0], np.uint8)
    counts = confusion_counts(labels, predictions)
    assert (counts.shape, counts.sum()) == ((10, 10), 5)
    assert counts[:3, :3].tolist() == [[1, 1, 0], [0, 1, 0], [2, 0, 0]]
    assert confused_pairs(counts) == [(2, 0, 2), (0, 1, 1)]


def test_confident_mistakes_and_least_sure_are_ordered_by_probability() -> None:
    labels = np.array([0, 0, 1, 1], np.uint8)
    probabilities = np.array([[0.9, 0.1], [0.4, 0.6], [0.8, 0.2], [0.45, 0.55]], np.float32)
    assert confident_mistakes(probabilities, labels).tolist() == [2, 1]
    assert least_sure(probabilities).tolist() == [3, 1, 2, 0]


def test_times_wrong_counts_networks() -> None:
    few, many = probabilities_with(3), probabilities_with(8)
    assert np.bincount(times_wrong([few, many], LABELS)).tolist() == [9_992, 5, 3]


@pytest.mark.parametrize(
    ("share", "expected"), [(0.5, "4 as 9, 50.0%"), (0.99949, "4 as 9, > 99.9%"), (1.0, "4 as 9, > 99.9%")]
)
def test_caption_never_claims_certainty(share: float, expected: str) -> None:
    probabilities = np.full(10, (1 - share) / 9, np.float32)
    probabilities[9] = share
    assert caption(4, probabilities) == expected


@pytest.mark.parametrize("run_ids", [["torch-baseline-5"], ["keras-baseline-20", "torch-deep-bn-20"], list(ten_runs())])
def test_the_summary_works_with_any_subset_of_the_runs(tmp_path: Path, run_ids: list[str]) -> None:
    for number, run_id in enumerate(run_ids):
        save_run(tmp_path, run_id, 100 + number)
    save_run(tmp_path, "an-experiment", 50)
    results = collect(tmp_path, LABELS)
    assert list(results.records) == list(results.probabilities) == run_ids
    assert not results.is_reference
    assert results.label == "this run (quick)"
    assert list(results.beyond) == ["an-experiment"]
    plot_all_curves(results.records, results.label)
    plot_cost(results.records, dict.fromkeys(run_ids, 3.0), results.label)
    plot_times_wrong(times_wrong(results.probabilities.values(), LABELS), len(run_ids), results.label)


def test_without_results_the_reference_run_is_taken_and_named(tmp_path: Path) -> None:
    results = collect(tmp_path, LABELS)
    assert results.is_reference
    assert results.label == "reference"
    assert "shipped reference run" in str(results)
    assert list(results.records) == list(results.probabilities) == list(ten_runs())


def test_results_without_probabilities_are_one_line(tmp_path: Path) -> None:
    save_run(tmp_path, "torch-baseline-5", 300, with_probabilities=False)
    with pytest.raises(LabError, match="no per-image probabilities"):
        collect(tmp_path, LABELS)


def test_a_run_without_probabilities_keeps_its_record(tmp_path: Path) -> None:
    save_run(tmp_path, "torch-baseline-5", 300, with_probabilities=False)
    save_run(tmp_path, "torch-baseline-20", 200)
    results = collect(tmp_path, LABELS)
    assert list(results.records) == ["torch-baseline-5", "torch-baseline-20"]
    assert list(results.probabilities) == ["torch-baseline-20"]


def test_costs_are_those_of_a_quiet_computer_without_a_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shipped = quiet_seconds()
    assert list(shipped.index) == list(ten_runs())
    assert (shipped["fastest"] <= shipped["seconds"]).all()
    assert (shipped["seconds"] <= shipped["slowest"]).all()
    assert (shipped.loc["torch-leaky-relu-20"] == shipped.loc["torch-baseline-20"]).all()
    assert shipped.loc["keras-leaky-relu-20", "measured"] == "leaky"

    monkeypatch.setattr(costs, "reference_dir", lambda: tmp_path)
    measured = {"device": "a GPU", "rows": []}
    (tmp_path / "bench" / "gpu").mkdir(parents=True)
    (tmp_path / "bench" / "gpu" / "bench.json").write_text(json.dumps(measured), encoding="utf-8")
    with pytest.raises(LabError, match="run `labkit bench` first"):
        quiet_seconds()


@pytest.mark.parametrize(
    "names", [["torch-deep-bn-20", "ensemble"], ["torch-baseline-5", "torch-baseline-20"], ["mine"]]
)
def test_a_group_without_mistakes_is_drawn_as_its_upper_bound(names: list[str]) -> None:
    table = pd.DataFrame({"said": [0.001, 0.1], "wrong": [0.0, 0.2], "low": [0.0, 0.1], "high": [0.004, 0.3]})
    figure = plot_calibration(dict.fromkeys(names, table), "calibration")
    arrows = [line for line in figure.axes[0].lines if line.get_marker() == "v"]
    assert [float(np.asarray(line.get_ydata()).item()) for line in arrows] == [pytest.approx(0.4)] * len(names)
    assert len({line.get_color() for line in arrows}) == len(names)


def test_the_summary_needs_no_framework() -> None:
    imports = "import labkit.lab.notebook, labkit.stats.summary, labkit.plots.summary, labkit.stats.mistakes, sys; "
    found = "print([name for name in ('torch', 'tensorflow', 'keras') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", imports + found], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
