"""The runs beside the published ones and the reference run, as a table."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from labkit.data.mnist import MNIST
from labkit.runs.records import Record, reference_records
from labkit.runs.registry import ten_runs


def results_table(records: Mapping[str, Record], run_ids: Iterable[str] | None = None) -> pd.DataFrame:
    """Compare runs: test accuracy and loss as published, in the shipped reference run, and in this run.

    Parameters
    ----------
    records : mapping of str to record
        Of this run; runs that are not in it are left empty.
    run_ids : iterable of str, optional
        The rows; by default the ten runs of the report.

    Returns
    -------
    DataFrame
        Indexed by run. Accuracies in percent. A quick run's column says so.
    """
    reference = reference_records()
    rows = {}
    for run_id in run_ids if run_ids is not None else ten_runs():
        done = records.get(run_id)
        same_data = done is None or done.dataset == MNIST  # other results are those of MNIST
        published = ten_runs()[run_id].published if run_id in ten_runs() and same_data else None
        row: dict[str, Any] = {
            "published accuracy (%)": 100 * published.accuracy if published else None,
            "published loss": published.loss if published else None,
        }
        for label, record in (("reference", reference.get(run_id) if same_data else None), ("this run", done)):
            row[f"{label} accuracy (%)"] = 100 * record.test.accuracy if record else None
            row[f"{label} loss"] = record.test.loss if record else None
        row["this run was"] = str(done) if done else "not run"
        rows[run_id] = row
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("run")


def format_table(table: pd.DataFrame) -> pd.DataFrame:
    """Return a results table as texts: accuracies with two decimals, losses with four, a dash for nothing."""

    def shown(column: str, value: Any) -> str:
        if isinstance(value, str):
            return value
        if value is None or np.isnan(value):
            return "–"
        return f"{value:.2f}" if "accuracy" in column else f"{value:.4f}"

    return pd.DataFrame({c: [shown(str(c), v) for v in table[c]] for c in table.columns}, index=table.index)
