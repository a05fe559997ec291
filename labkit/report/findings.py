"""What the series found, in sentences for the front page: computed from the seeds that ship with it."""

from dataclasses import dataclass

import pandas as pd

from labkit.runs.registry import ten_runs
from labkit.stats.intervals import prediction_interval
from labkit.stats.sweeps import accuracies, reference_sweep, sweep_table
from labkit.stats.verdicts import interval_words


@dataclass(frozen=True)
class Findings:
    """The sentences."""

    reproduced: str
    best: str


def findings() -> Findings:
    """Return what the shipped seeds say about the published report as a whole."""
    table = sweep_table(reference_sweep())
    return Findings(_reproduced(table), _best(table))


def _reproduced(table: pd.DataFrame) -> str:
    """Say how many of the published results one more run could have given: those in its 95% prediction interval."""
    seen, outside = [], []
    for run_id, run in ten_runs().items():
        published, more = run.published.accuracy, prediction_interval(accuracies(table, run_id))
        seen.append(more.n)
        if not more.low <= published <= more.high:
            outside.append(f"{run_id} ({100 * published:.2f}%) lies {'above' if published > more.high else 'below'}")
    answer = "Yes" if not outside else "Mostly" if 2 * len(outside) < len(seen) else "No"
    seeds = f"{min(seen)}" if min(seen) == max(seen) else f"{min(seen)} to {max(seen)}"
    text = (
        f"{answer}: {len(seen) - len(outside)} of {len(seen)} published results are what one more run could have given "
        f"(95% prediction interval, from {seeds} seeds per run)"
    )
    return f"{text}; {', '.join(outside)}." if outside else f"{text}."


def _best(table: pd.DataFrame) -> str:
    """Name the best run and the one after it, with their means over seeds."""
    means = {run_id: accuracies(table, run_id) for run_id in ten_runs()}
    order = sorted(means, key=lambda run_id: -means[run_id].mean())
    first, second = (f"{run_id} with {interval_words(list(means[run_id]))}" for run_id in order[:2])
    return f"The best is {first}; next comes {second}. Behind each mean stands its 95% interval."
